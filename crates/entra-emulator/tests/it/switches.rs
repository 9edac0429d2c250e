//! Switches for what is unknown or contested about Entra, beyond those that stand with their topic.

use std::time::Duration;

use chrono::TimeDelta;
use data_encoding::BASE64;
use entra_emulator::{Behaviour, ProofRules, RemovalFailures};
use serde_json::{Value, json};

use crate::stage::{Stage, entry, pfx, proof_header, refused, sign};

#[tokio::test]
async fn a_removal_soon_after_an_addition_fails_now_and_then_where_the_switch_says_so() {
    let failures = RemovalFailures { within: Duration::from_secs(30), percent: 50 };
    let stage = Stage::behaving(Behaviour { removal_failures: failures, ..Behaviour::default() }).await;
    let (mut failed, mut removed) = (0, 0);
    while failed == 0 || removed == 0 {
        assert!(failed + removed < 60, "failed {failed}, removed {removed}");
        let added = stage.post(&format!("{}/addPassword", stage.application()), &json!({})).await.json();
        let reply = stage.post(&format!("{}/removePassword", stage.application()), &json!({"keyId": added["keyId"]})).await;
        match reply.status {
            500 => failed += 1,
            status => removed += i32::from(status == 204),
        }
    }
    let left = stage.list(&stage.application(), "passwordCredentials").await;
    assert_eq!(i32::try_from(left.len()).unwrap(), failed, "what failed changed nothing");
    stage.emulator.advance(TimeDelta::seconds(30));
    let reply = stage.post(&format!("{}/removePassword", stage.application()), &json!({"keyId": left[0]["keyId"]})).await;
    assert_eq!(reply.status, 204);
}

#[tokio::test]
async fn the_first_signing_certificate_is_preferred_by_itself_only_where_the_switch_says_so() {
    for (switch, expected) in [(false, Value::Null), (true, Value::Bool(true))] {
        let stage = Stage::behaving(Behaviour { first_certificate_preferred: switch, ..Behaviour::default() }).await;
        let add = async || stage.post(&format!("{}/addTokenSigningCertificate", stage.principal()), &json!({})).await.json();
        let first = add().await["thumbprint"].clone();
        add().await;
        let preferred = stage.get(&stage.principal()).await.json()["preferredTokenSigningKeyThumbprint"].clone();
        assert_eq!(preferred, if expected.is_null() { Value::Null } else { first });
    }
}

#[tokio::test]
async fn a_proof_without_a_start_is_good_only_where_the_switch_says_so() {
    for (required, status) in [(true, 401), (false, 200)] {
        let proof = ProofRules { not_before_required: required, ..ProofRules::default() };
        let stage = Stage::behaving(Behaviour { proof, ..Behaviour::default() }).await;
        let ((key, old), (_, new)) = (stage.certificate(1), stage.certificate(2));
        stage.emulator.add_certificate(stage.target.application, &old).unwrap();
        let mut claims = stage.proof_claims(stage.target.application);
        claims.as_object_mut().unwrap().remove("nbf");
        let proof = sign(&key, &proof_header(&old), &claims);
        let body = json!({"keyCredential": entry(&new), "passwordCredential": null, "proof": proof});
        assert_eq!(stage.post(&format!("{}/addKey", stage.application()), &body).await.status, status, "{required}");
    }
}

#[tokio::test]
async fn the_key_that_tokens_are_encrypted_with_has_a_lock_of_its_own() {
    let stage = Stage::new().await;
    let lock = json!({"isEnabled": true, "tokenEncryptionKeyId": true});
    stage.emulator.set_property(stage.target.application, "servicePrincipalLockConfiguration", lock).unwrap();
    let change = json!({"tokenEncryptionKeyId": "11111111-2222-3333-4444-555555555555"});
    let reply = stage.patch(&stage.principal(), &change).await;
    assert_eq!(reply.verdict(), refused(400, "CannotUpdateLockedServicePrincipalProperty"));
    assert_eq!(reply.message(), "Property tokenEncryptionKeyId is invalid.");
    assert_eq!(stage.patch(&stage.application(), &change).await.status, 204, "the application itself is not locked");
    assert_eq!(stage.post(&format!("{}/addPassword", stage.principal()), &json!({})).await.status, 200);
    let off = json!({"isEnabled": false, "allProperties": true, "tokenEncryptionKeyId": true});
    stage.emulator.set_property(stage.target.application, "servicePrincipalLockConfiguration", off).unwrap();
    assert_eq!(stage.patch(&stage.principal(), &change).await.status, 204);
}

#[tokio::test]
async fn an_identifier_uri_belongs_to_one_application() {
    let stage = Stage::new().await;
    let uris = json!({"identifierUris": ["api://payroll"]});
    assert_eq!(stage.patch(&stage.application(), &uris).await.status, 204);
    assert_eq!(stage.patch(&stage.application(), &uris).await.status, 204);
    let other = format!("/applications/{}", stage.operator.application);
    let reply = stage.patch(&other, &uris).await;
    assert_eq!(reply.verdict(), refused(400, "Request_MultipleObjectsWithSameKeyValue"));
}

#[tokio::test]
async fn addresses_for_notices_are_read_and_changed_on_service_principals() {
    let stage = Stage::new().await;
    let change = async |list: Value| stage.patch(&stage.principal(), &json!({"notificationEmailAddresses": list})).await.status;
    assert_eq!(change(json!(["a@example.com", "b@example.com"])).await, 204);
    let shown = stage.get(&format!("{}?$select=notificationEmailAddresses", stage.principal())).await.json();
    assert_eq!(shown["notificationEmailAddresses"], json!(["a@example.com", "b@example.com"]));
    assert_eq!(change(json!([])).await, 204);
    assert_eq!(change(json!("a@example.com")).await, 400);
    let on_application = stage.patch(&stage.application(), &json!({"notificationEmailAddresses": []})).await;
    assert_eq!(on_application.status, 400);
}

#[tokio::test]
async fn a_pfx_of_another_kind_of_work_is_refused_without_doing_it() {
    let stage = Stage::new().await;
    let ((key, old), (_, new)) = (stage.certificate(1), stage.certificate(2));
    stage.emulator.add_certificate(stage.target.service_principal, &old).unwrap();
    let (other, _) = stage.certificate(2);
    let add = async |file: &str| {
        let credential = json!({"type": "X509CertAndPassword", "usage": "Sign", "key": file});
        let proof = stage.proof(stage.target.service_principal, &key, &old);
        let body = json!({"keyCredential": credential, "passwordCredential": {"secretText": "p"}, "proof": proof});
        stage.post(&format!("{}/addKey", stage.principal()), &body).await.verdict()
    };
    let good = pfx(&other, &new, "p");
    let mut padded = BASE64.decode(good.as_bytes()).unwrap();
    padded.resize(20_000, 0);
    assert_eq!(add(&BASE64.encode(&padded)).await, refused(400, "KeyCredentialsInvalidValue"));
    assert_eq!(add(&good).await.0, 200);
    let passwords = stage.list(&stage.principal(), "passwordCredentials").await;
    assert_eq!(passwords.len(), 1, "exactly one linked password");
    let keys = stage.list(&stage.principal(), "keyCredentials").await;
    assert!(keys.iter().any(|entry| entry["keyId"] == passwords[0]["keyId"] && entry["usage"] == "Sign"));
}

#[tokio::test]
async fn a_pfx_leaves_a_verify_entry_only_where_the_switch_says_so() {
    for (switch, entries) in [(false, 2), (true, 3)] {
        let stage = Stage::behaving(Behaviour { add_key_makes_verify_entry: switch, ..Behaviour::default() }).await;
        let ((key, old), (other, new)) = (stage.certificate(1), stage.certificate(2));
        stage.emulator.add_certificate(stage.target.service_principal, &old).unwrap();
        let credential = json!({"type": "X509CertAndPassword", "usage": "Sign", "key": pfx(&other, &new, "p")});
        let proof = stage.proof(stage.target.service_principal, &key, &old);
        let body = json!({"keyCredential": credential, "passwordCredential": {"secretText": "p"}, "proof": proof});
        assert_eq!(stage.post(&format!("{}/addKey", stage.principal()), &body).await.status, 200);
        assert_eq!(stage.list(&stage.principal(), "keyCredentials").await.len(), entries);
        assert_eq!(stage.emulator.possible_signers(stage.target.service_principal).len(), usize::from(switch));
    }
}
