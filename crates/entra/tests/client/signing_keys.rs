//! Signing certificates of one's own.

use std::collections::BTreeSet;

use data_encoding::BASE64;
use entra::{Category, Detail, Proof, SigningKey, signing_entries, signing_identifier, verify_entry};
use entra_emulator::AddKeyBody;
use entra_types::{Credential, KeyId};
use keys::{Sensitive, fixtures, pfx};
use serde_json::json;

use crate::emulator::{Tenant, certificate, tenant};
use crate::stand_in::{KEY, StandIn, proof, reply, service_principal};

pub(crate) const PASSWORD: &str = "c4n4ry~password-of-32-characters";
const SIGN: &str = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
const VERIFY: &str = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb";

pub(crate) fn signing_key(number: usize) -> SigningKey {
    let password = Sensitive::new(PASSWORD.to_owned());
    SigningKey {
        pfx: pfx::encode(&fixtures::key(number), &certificate(number), &password, "payroll").unwrap(),
        password,
        custom_key_identifier: signing_identifier(&certificate(number)),
    }
}

fn id(text: &str) -> KeyId {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_pfx_file_goes_out_with_its_password_as_documented() {
    let stand_in = StandIn::answering([reply(200, json!({"keyId": KEY}).to_string()), reply(200, "{}")]);
    let (graph, key) = (stand_in.graph(), signing_key(4));
    assert_eq!(graph.add_signing_key(&service_principal(), &key, &proof()).await, Ok(Some(id(KEY))));
    assert_eq!(graph.add_signing_key(&service_principal(), &key, &proof()).await, Ok(None));
    let sent = &stand_in.graph_requests()[0];
    let mut body = sent.json();
    assert!(sent.uri.ends_with("')/addKey") && body["proof"].take().is_string(), "{}", sent.uri);
    let (pfx, identifier) = (BASE64.encode(key.pfx.expose()), BASE64.encode(certificate(4).thumbprint().as_bytes()));
    let entry = json!({"type": "X509CertAndPassword", "usage": "Sign", "customKeyIdentifier": identifier, "key": pfx});
    assert_eq!(body, json!({"keyCredential": entry, "passwordCredential": {"secretText": PASSWORD}, "proof": null}));
}

#[test]
fn the_three_entries_carry_one_identifier_and_the_password_the_id_of_the_private_key() {
    let key = signing_key(4);
    let (keys, password) = signing_entries(id(SIGN), id(VERIFY), &"ü".repeat(200), &certificate(4), &key);
    let identifier = BASE64.encode(certificate(4).thumbprint().as_bytes());
    let sent: Vec<_> = keys.iter().map(|entry| serde_json::to_value(entry).unwrap()).collect();
    let public = BASE64.encode(certificate(4).der());
    let [name, pfx] = ["ü".repeat(90), BASE64.encode(key.pfx.expose())];
    assert_eq!(
        sent,
        [
            json!({"keyId": SIGN, "type": "X509CertAndPassword", "usage": "Sign", "customKeyIdentifier": identifier, "displayName": name, "key": pfx}),
            json!({"keyId": VERIFY, "type": "AsymmetricX509Cert", "usage": "Verify", "customKeyIdentifier": identifier, "displayName": name, "key": public}),
        ]
    );
    let dates = ["2026-08-20T09:00:00Z", "2027-02-16T10:00:00Z"];
    assert_eq!(
        serde_json::to_value(&password).unwrap(),
        json!({"keyId": SIGN, "customKeyIdentifier": identifier, "startDateTime": dates[0], "endDateTime": dates[1], "secretText": PASSWORD})
    );
}

#[test]
fn a_signing_key_its_entries_and_their_echoes_show_neither_file_nor_password() {
    let key = signing_key(4);
    let (keys, password) = signing_entries(id(SIGN), id(VERIFY), "x", &certificate(4), &key);
    let echoed = serde_json::to_string(&[keys[0].echo(), password.echo()]).unwrap();
    let shown = format!("{key:?} {key:#?} {keys:?} {password:?} {echoed}");
    let pfx = BASE64.encode(key.pfx.expose());
    assert!(!shown.contains(&pfx[..64]) && !shown.contains(&PASSWORD[..8]), "{shown}");
}

#[tokio::test]
async fn a_password_that_comes_back_in_a_refusal_is_not_kept() {
    let body = json!({"error": {"code": "Request_BadRequest", "message": format!("cannot open with {PASSWORD}")}});
    let stand_in = StandIn::answering([reply(400, body.to_string())]);
    let failure = stand_in.graph().add_signing_key(&service_principal(), &signing_key(4), &proof()).await.unwrap_err();
    assert!(!format!("{failure} {failure:?}").contains(&PASSWORD[..8]), "{failure:?}");
}

/// The entries of one certificate, as the directory lists them.
async fn group(tenant: &Tenant, identifier: &str) -> (Vec<Credential>, Vec<Credential>) {
    let read = tenant.graph.read(&tenant.service_principal(), Detail::WithKeys).await.unwrap().object;
    let ours = |entry: &Credential| entry.custom_key_identifier.as_deref() == Some(identifier);
    (read.keys.views().filter(ours).collect(), read.passwords.views().filter(ours).collect())
}

#[tokio::test(start_paused = true)]
async fn the_emulator_signs_with_a_pfx_file_that_was_rolled_in_and_given_its_public_half() {
    for body in [AddKeyBody::Full, AddKeyBody::ContextOnly] {
        let tenant = tenant();
        tenant.emulator.adjust(|behaviour| behaviour.add_key_body = body);
        tenant.emulator.add_certificate(tenant.payroll.service_principal, &certificate(0)).unwrap();
        let (key, principal) = (signing_key(4), tenant.service_principal());
        let proof = Proof { object_id: tenant.payroll.service_principal, ..tenant.proof(0) };
        let added = tenant.graph.add_signing_key(&principal, &key, &proof).await.unwrap();
        let (keys, passwords) = group(&tenant, &key.custom_key_identifier).await;
        assert_eq!((keys.len(), passwords.len(), keys[0].is_sign()), (1, 1, true));
        assert_eq!(passwords[0].key_id, keys[0].key_id);
        assert_eq!(added, keys[0].key_id.filter(|_| body == AddKeyBody::Full));

        let read = tenant.graph.read(&principal, Detail::WithKeys).await.unwrap().object;
        let public = verify_entry(id(VERIFY), &key.custom_key_identifier, "payroll", &certificate(4));
        tenant.graph.replace_credentials(&principal, Some(&read.keys.with(public)), None).await.unwrap();
        tenant.graph.set_preferred_thumbprint(&principal, certificate(4).thumbprint()).await.unwrap();
        assert_eq!(tenant.emulator.signer(tenant.payroll.service_principal), Some(certificate(4)));
        assert!(tenant.graph.metadata(tenant.payroll.client_id).await.unwrap().contains(&certificate(4)));
    }
}

#[tokio::test(start_paused = true)]
async fn the_emulator_takes_all_three_entries_in_one_update_and_lets_them_go_in_another() {
    let tenant = tenant();
    let (key, principal) = (signing_key(4), tenant.service_principal());
    tenant.emulator.add_certificate(tenant.payroll.service_principal, &certificate(0)).unwrap();
    let before = tenant.graph.read(&principal, Detail::WithKeys).await.unwrap().object;
    let (keys, password) = signing_entries(id(SIGN), id(VERIFY), "payroll", &certificate(4), &key);
    let (keys, passwords) = (before.keys.with_all(keys), before.passwords.with(password));
    tenant.graph.replace_credentials(&principal, Some(&keys), Some(&passwords)).await.unwrap();
    let again = tenant.graph.replace_credentials(&principal, Some(&keys), Some(&passwords)).await.unwrap_err();
    assert_eq!((again.category, again.settled), (Category::InvalidRequest, true), "a repeat makes no second one");

    let (listed, secrets) = group(&tenant, &key.custom_key_identifier).await;
    let ids = |entries: &[Credential]| entries.iter().filter_map(|entry| entry.key_id).collect::<BTreeSet<_>>();
    assert_eq!((ids(&listed), ids(&secrets)), (BTreeSet::from([id(SIGN), id(VERIFY)]), BTreeSet::from([id(SIGN)])));
    tenant.graph.set_preferred_thumbprint(&principal, certificate(4).thumbprint()).await.unwrap();
    assert_eq!(tenant.emulator.signer(tenant.payroll.service_principal), Some(certificate(4)));

    let read = tenant.graph.read(&principal, Detail::WithKeys).await.unwrap().object;
    let gone = ids(&listed);
    tenant.graph.replace_credentials(&principal, Some(&read.keys.without(&gone)), Some(&read.passwords.without(&gone))).await.unwrap();
    let after = tenant.graph.read(&principal, Detail::WithKeys).await.unwrap().object;
    assert_eq!((after.keys, after.passwords), (before.keys, before.passwords));
}
