//! What is published of a token signing certificate, in a Secret or a ConfigMap.

use std::collections::BTreeSet;

use entra_types::Thumbprint;
use rotation::Material;

use super::super::token_signing::{self, Certificates};
use super::*;

const KIND: &str = "tokenSigningCertificate";
const KEYS: [&str; 10] = [
    "entity-id",
    "metadata-url",
    "signing-bundle.b64",
    "signing-bundle.crt",
    "signing-next.crt",
    "signing-previous.crt",
    "signing.crt",
    "sso-url",
    "thumbprint",
    "thumbprint-sha256",
];

fn thumbprint(number: u8) -> Thumbprint {
    pair(number).1.thumbprint()
}

fn known() -> Certificates {
    (0..4).map(|number| (thumbprint(number), pair(number).1)).collect()
}

/// Nothing but the current certificate.
pub(super) fn alone() -> Projection {
    let entry = EntryId::derive(UID, 0);
    let current = Material::Certificate(thumbprint(0));
    Projection { entry, current, next: None, previous: None, bundle: [thumbprint(0)].into() }
}

/// A next one, a previous one and one of somebody else.
fn all_roles() -> Projection {
    let bundle: BTreeSet<_> = (0..4).map(thumbprint).collect();
    Projection { next: Some(thumbprint(1)), previous: Some(thumbprint(2)), bundle, ..alone() }
}

pub(super) fn built(layout: &Layout, shows: &Projection) -> Data {
    token_signing::build(layout.names.as_ref().unwrap(), shows, &known()).unwrap()
}

fn in_config_map(template: &Value) -> Layout {
    let target = json!({"clientID": "22222222-2222-4222-8222-222222222222"});
    layout_of(&json!({"target": target, KIND: {}, "configMapName": "out", "template": template}))
}

fn published(layout: &Layout, shows: &Projection) -> Object {
    layout.object(&entry(layout), built(layout, shows))
}

fn shown(layout: &Layout, object: &Object) -> Option<Projection> {
    match layout.inspect(object).output {
        Output::Ours { shows, .. } => shows,
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::without_others(alone())]
#[case::with_a_next_one(Projection { next: Some(thumbprint(1)), bundle: [thumbprint(0), thumbprint(1)].into(), ..alone() })]
#[case::with_a_previous_one(Projection { previous: Some(thumbprint(2)), bundle: [thumbprint(0), thumbprint(2)].into(), ..alone() })]
#[case::with_a_previous_one_that_left_the_bundle(Projection { previous: Some(thumbprint(2)), ..alone() })]
#[case::with_one_of_somebody_else(Projection { bundle: [thumbprint(0), thumbprint(3)].into(), ..alone() })]
#[case::in_all_roles(all_roles())]
fn what_was_published_is_read_back(#[case] projection: Projection) {
    for layout in [layout(KIND, Value::Null), in_config_map(&json!({}))] {
        let object = published(&layout, &projection);
        assert_eq!(keys_of(&object), KEYS, "a reader fails on a file that is not there");
        assert_eq!(shown(&layout, &object).as_ref(), Some(&projection));
        let read: BTreeSet<_> = layout.inspect(&object).certificates.into_iter().map(|facts| facts.thumbprint).collect();
        assert_eq!(read, projection.bundle.iter().copied().chain(projection.previous).collect());
    }
}

#[test]
fn the_bundle_begins_with_the_active_certificate_and_goes_on_with_the_next() {
    let layout = layout(KIND, Value::Null);
    let data = published(&layout, &all_roles()).data();
    let rest = all_roles().bundle.into_iter().filter(|other| ![thumbprint(0), thumbprint(1)].contains(other));
    let order: Vec<_> = [thumbprint(0), thumbprint(1)].into_iter().chain(rest).map(|thumbprint| known()[&thumbprint].clone()).collect();
    let pem: String = order.iter().map(Certificate::pem).collect();
    let base64: Vec<_> = order.iter().map(|certificate| data_encoding::BASE64.encode(certificate.der())).collect();
    assert_eq!(data["signing-bundle.crt"], pem.into_bytes());
    assert_eq!(data["signing-bundle.b64"], base64.join(",").into_bytes());
}

#[test]
fn a_role_that_nobody_has_is_held_by_the_current_certificate() {
    let data = published(&layout(KIND, Value::Null), &alone()).data();
    assert_eq!(data["signing-next.crt"], data["signing.crt"]);
    assert_eq!(data["signing-previous.crt"], data["signing.crt"]);
    assert_eq!(data["signing-bundle.crt"], data["signing.crt"]);
}

#[test]
fn a_service_provider_finds_the_addresses_of_its_application() {
    let data = published(&layout(KIND, Value::Null), &alone()).data();
    let text = |key: &str| String::from_utf8(data[key].clone()).unwrap();
    let tenant = "11111111-1111-4111-8111-111111111111";
    assert_eq!(text("entity-id"), format!("https://sts.windows.net/{tenant}/"));
    assert_eq!(text("sso-url"), format!("https://login.microsoftonline.com/{tenant}/saml2"));
    let metadata = "federationmetadata/2007-06/federationmetadata.xml?appid=22222222-2222-4222-8222-222222222222";
    assert_eq!(text("metadata-url"), format!("https://login.microsoftonline.com/{tenant}/{metadata}"));
    assert_eq!(text("thumbprint"), thumbprint(0).to_string());
    assert_eq!(text("thumbprint-sha256"), data_encoding::HEXUPPER.encode(&pair(0).1.thumbprint_sha256()));
}

#[test]
fn a_certificate_that_is_not_known_cannot_be_published() {
    let layout = layout(KIND, Value::Null);
    let known: Certificates = [(thumbprint(0), pair(0).1)].into();
    assert!(token_signing::build(layout.names.as_ref().unwrap(), &all_roles(), &known).is_none());
    assert!(token_signing::build(layout.names.as_ref().unwrap(), &alone(), &Certificates::new()).is_none());
}

#[test]
fn an_edit_of_any_key_of_a_config_map_shows() {
    let layout = in_config_map(&json!({"keys": [{"name": "idp.pem", "from": "Certificate"}]}));
    let change = |change: &dyn Fn(&mut BTreeMap<String, String>)| {
        let mut object = published(&layout, &all_roles());
        change(as_config_map(&mut object).data.as_mut().unwrap());
        shown(&layout, &object)
    };
    assert!(change(&|_| {}).is_some());
    for key in KEYS.into_iter().chain(["idp.pem"]) {
        assert_eq!(change(&|data| *data.get_mut(key).unwrap() = "edited".to_owned()), None, "{key} was edited");
        assert_eq!(change(&|data| drop(data.remove(key))), None, "{key} was removed");
    }
    assert_eq!(change(&|data| drop(data.insert("more".to_owned(), String::new()))), None);
}

#[test]
fn a_bundle_in_another_order_shows() {
    let layout = layout(KIND, Value::Null);
    let mut object = published(&layout, &all_roles());
    let turned: String = [1, 0, 2, 3].map(|number| pair(number).1.pem()).concat();
    let data = as_secret(&mut object).data.as_mut().unwrap();
    data.insert("signing-bundle.crt".to_owned(), ByteString(turned.into_bytes()));
    assert_eq!(shown(&layout, &object), None);
}

#[rstest]
#[case("Certificate", "signing.crt")]
#[case("SigningBundle", "signing-bundle.crt")]
#[case("SigningBundleBase64", "signing-bundle.b64")]
fn a_further_key_holds_the_value_of_a_standard_one(#[case] from: &str, #[case] standard: &str) {
    let layout = in_config_map(&json!({"keys": [{"name": "further.name", "from": from}]}));
    let object = published(&layout, &all_roles());
    assert_eq!(object.data()["further.name"], object.data()[standard]);
    assert_eq!(shown(&layout, &object), Some(all_roles()));
}

#[rstest]
#[case("ClientID", "22222222-2222-4222-8222-222222222222")]
#[case("TenantID", "11111111-1111-4111-8111-111111111111")]
#[case("AuthorityHost", "https://login.microsoftonline.com/")]
fn a_further_key_holds_a_name_of_the_application(#[case] from: &str, #[case] value: &str) {
    let layout = in_config_map(&json!({"keys": [{"name": "further", "from": from}]}));
    let object = published(&layout, &alone());
    assert_eq!(object.data()["further"], value.as_bytes());
    assert!(shows(&layout, &object));
}

#[test]
fn bytes_in_a_config_map_go_even_under_the_name_of_a_standard_key() {
    let layout = in_config_map(&json!({}));
    let mut object = published(&layout, &alone());
    let map = as_config_map(&mut object);
    let moved = map.data.as_mut().unwrap().remove("signing.crt").unwrap();
    map.binary_data = Some([("signing.crt".to_owned(), ByteString(moved.into_bytes()))].into());
    assert_eq!(shown(&layout, &object), None);
    let mended = dress::mended(&layout, &object, &published(&layout, &alone()));
    assert_eq!(shown(&layout, &mended), Some(alone()));
}
