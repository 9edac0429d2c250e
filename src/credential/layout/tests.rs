//! What each layout holds, and what of an edit shows.

mod dress;
mod signing;
mod spoilt;

use chrono::{DateTime, TimeDelta};
use entra_types::Cloud;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use keys::{Certificate, CertificateRequest, PrivateKey, Sensitive, pfx};
use rotation::{EntryDetail, Held, Origin, Use};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

const UID: &str = "0c5a7c1e-6f64-4d3c-9b57-6a0d0d0c9a11";

fn layout(kind: &str, template: Value) -> Layout {
    let mut spec = json!({"target": {"clientID": "22222222-2222-4222-8222-222222222222"}, kind: {}, "secretName": "out"});
    if !template.is_null() {
        spec["template"] = template;
    }
    layout_of(&spec)
}

fn layout_of(spec: &Value) -> Layout {
    let resource = serde_json::from_value(json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential",
        "metadata": {"name": "payroll-api", "namespace": "payroll", "uid": UID}, "spec": spec}))
    .unwrap();
    let names = Names {
        tenant_id: "11111111-1111-4111-8111-111111111111".parse().unwrap(),
        client_id: "22222222-2222-4222-8222-222222222222".parse().unwrap(),
        endpoints: Cloud::Global.endpoints(),
    };
    Layout::of(&resource, Some(names))
}

fn pair(number: u8) -> (PrivateKey, Certificate) {
    let key = keys::fixtures::key(number.into());
    let start = DateTime::UNIX_EPOCH;
    let request = CertificateRequest {
        common_name: "payroll".to_owned(),
        san_uris: vec![],
        not_before: start,
        not_after: start + TimeDelta::days(9),
        serial: [1; 16],
    };
    let certificate = Certificate::self_signed(&key, &request).unwrap();
    (key, certificate)
}

fn entry(layout: &Layout) -> Entry {
    let detail = match layout.kind {
        CredentialKind::ClientSecret => EntryDetail::ClientSecret { display_name: None, slot: None },
        CredentialKind::ClientCertificate => EntryDetail::ClientCertificate { thumbprint: pair(0).1.thumbprint(), slot: None },
        CredentialKind::TokenSigningCertificate => {
            EntryDetail::TokenSigning(rotation::Signing { thumbprint: Some(pair(0).1.thumbprint()), ..rotation::Signing::default() })
        }
    };
    Entry {
        seq: 0,
        id: EntryId::derive(UID, 0),
        origin: Origin::Made,
        r#use: Use::Current,
        issued_at: DateTime::UNIX_EPOCH,
        not_after: None,
        published_at: None,
        adopted_at: None,
        key_ids: std::collections::BTreeSet::new(),
        detail,
        op: None,
    }
}

fn secret(value: &str) -> Sensitive<String> {
    Sensitive::new(value.to_owned())
}

/// The output as it is written.
fn written(layout: &Layout) -> Object {
    let data = match layout.kind {
        CredentialKind::ClientSecret => client_secret::build(layout.names.as_ref().unwrap(), &secret("q~8Q.value")),
        CredentialKind::ClientCertificate => layout.of_key_pair(&pair(0).0, &pair(0).1, &secret("opens-it")).unwrap(),
        CredentialKind::TokenSigningCertificate => signing::built(layout, &signing::alone()),
    };
    layout.object(&entry(layout), data)
}

fn shows(layout: &Layout, object: &Object) -> bool {
    matches!(layout.inspect(object).output, Output::Ours { shows: Some(_), .. })
}

fn as_secret(object: &mut Object) -> &mut Secret {
    match object {
        Object::Secret(secret) => secret,
        Object::ConfigMap(_) => panic!("a ConfigMap"),
    }
}

fn as_config_map(object: &mut Object) -> &mut ConfigMap {
    match object {
        Object::ConfigMap(map) => map,
        Object::Secret(_) => panic!("a Secret"),
    }
}

fn keys_of(object: &Object) -> Vec<String> {
    object.data().into_keys().collect()
}

#[test]
fn a_client_secret_has_the_keys_that_azure_identity_reads_from_the_environment() {
    let layout = layout("clientSecret", Value::Null);
    let output = written(&layout);
    assert_eq!(keys_of(&output), ["AZURE_AUTHORITY_HOST", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"]);
    assert_eq!(output.data()["AZURE_AUTHORITY_HOST"], b"https://login.microsoftonline.com/");
    assert!(shows(&layout, &output));
}

#[test]
fn a_client_certificate_has_the_keys_that_clients_read() {
    let layout = layout("clientCertificate", Value::Null);
    let output = written(&layout);
    let expected = ["AZURE_AUTHORITY_HOST", "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "tls-combined.pem", "tls.crt", "tls.key"];
    assert_eq!(keys_of(&output), expected);
    assert!(shows(&layout, &output));
}

#[rstest]
fn an_edit_of_any_key_shows(
    #[values("clientSecret", "clientCertificate")] kind: &str,
    #[values(Value::Null, json!({"keys": [{"name": "tenant", "from": "TenantID"}]}))] template: Value,
) {
    let layout = layout(kind, template);
    for name in keys_of(&written(&layout)) {
        let mut edited = written(&layout);
        as_secret(&mut edited).data.as_mut().unwrap().insert(name.clone(), ByteString(b"edited".to_vec()));
        let held = matches!(layout.inspect(&edited).output, Output::Ours { shows: None, .. });
        // The value of a secret is compared with its slot, not with itself.
        assert!(held || name == "AZURE_CLIENT_SECRET", "{name} was edited");
        as_secret(&mut edited).data.as_mut().unwrap().remove(&name);
        assert!(!shows(&layout, &edited), "{name} was removed");
    }
    let mut extended = written(&layout);
    as_secret(&mut extended).data.as_mut().unwrap().insert("more".to_owned(), ByteString(vec![]));
    assert!(!shows(&layout, &extended), "a key was added");
    assert_eq!(layout.inspect(&extended).superfluous.data, ["more"]);
}

#[test]
fn an_edited_secret_has_another_fingerprint() {
    let layout = layout("clientSecret", Value::Null);
    let holds = |object: &Object| match layout.inspect(object).output {
        Output::Ours { holds: Some(Held::Secret(fingerprint)), .. } => fingerprint,
        other => panic!("{other:?}"),
    };
    let mut edited = written(&layout);
    as_secret(&mut edited).data.as_mut().unwrap().insert("AZURE_CLIENT_SECRET".to_owned(), ByteString(b"another".to_vec()));
    assert_ne!(holds(&edited), holds(&written(&layout)));
}

#[test]
fn a_key_of_another_certificate_is_held_by_nobody() {
    let layout = layout("clientCertificate", Value::Null);
    let mut mixed = written(&layout);
    let other = pair(1).1.pem().into_bytes();
    as_secret(&mut mixed).data.as_mut().unwrap().insert("tls.crt".to_owned(), ByteString(other));
    assert!(matches!(layout.inspect(&mixed).output, Output::Ours { shows: None, holds: None }));
}

#[rstest]
#[case("clientSecret", "ClientSecret", "AZURE_CLIENT_SECRET")]
#[case("clientSecret", "ClientID", "AZURE_CLIENT_ID")]
#[case("clientSecret", "TenantID", "AZURE_TENANT_ID")]
#[case("clientSecret", "AuthorityHost", "AZURE_AUTHORITY_HOST")]
#[case("clientCertificate", "Certificate", "tls.crt")]
#[case("clientCertificate", "PrivateKey", "tls.key")]
#[case("clientCertificate", "CombinedPEM", "tls-combined.pem")]
fn a_further_key_holds_the_value_of_a_standard_one(#[case] kind: &str, #[case] from: &str, #[case] standard: &str) {
    let layout = layout(kind, json!({"keys": [{"name": "further.name", "from": from}]}));
    let output = written(&layout);
    assert_eq!(output.data()["further.name"], output.data()[standard]);
    assert!(shows(&layout, &output));
}

#[test]
fn a_further_key_never_takes_the_place_of_a_standard_one() {
    let layout = layout("clientCertificate", json!({"keys": [{"name": "tls.key", "from": "ClientID"}]}));
    assert!(written(&layout).data()["tls.key"].starts_with(b"-----BEGIN PRIVATE KEY"));
}

#[test]
fn a_keystore_opens_with_the_password_beside_it_and_holds_the_pair() {
    let layout = layout("clientCertificate", json!({"additionalFormats": ["PKCS12"]}));
    let output = written(&layout);
    let data = output.data();
    let password = secret(std::str::from_utf8(&data["keystore.password"]).unwrap());
    let (key, certificate) = pfx::decode(&data["keystore.p12"], &password).unwrap();
    assert!(key.matches(&certificate) && certificate == pair(0).1);
    assert!(shows(&layout, &output));
    assert_eq!(layout.inspect(&output).password.unwrap().expose(), "opens-it");
}

#[rstest]
#[case("keystore.p12", b"edited".to_vec())]
#[case("keystore.password", b"edited".to_vec())]
fn a_keystore_that_does_not_open_shows(#[case] key: &str, #[case] value: Vec<u8>) {
    let layout = layout("clientCertificate", json!({"additionalFormats": ["PKCS12"]}));
    let mut edited = written(&layout);
    as_secret(&mut edited).data.as_mut().unwrap().insert(key.to_owned(), ByteString(value));
    assert!(!shows(&layout, &edited));
}

#[test]
fn a_keystore_that_is_not_asked_for_is_superfluous() {
    let with = layout("clientCertificate", json!({"additionalFormats": ["PKCS12"]}));
    let without = layout("clientCertificate", Value::Null);
    let inspected = without.inspect(&written(&with));
    assert_eq!(inspected.superfluous.data, ["keystore.p12", "keystore.password"]);
}

fn strange(kind: &str, change: impl FnOnce(&mut Secret)) -> Output {
    let layout = layout(kind, Value::Null);
    let mut object = written(&layout);
    change(as_secret(&mut object));
    layout.inspect(&object).output
}

#[rstest]
#[case(|secret: &mut Secret| secret.type_ = Some("Opaque".to_owned()), "another type")]
#[case(|secret: &mut Secret| secret.immutable = Some(true), "is immutable")]
fn what_cannot_be_written_is_foreign(#[case] change: fn(&mut Secret), #[case] word: &str) {
    assert!(matches!(strange("clientCertificate", change), Output::Foreign(why) if why.contains(word)));
}
