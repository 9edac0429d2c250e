//! addPassword and removePassword, policies, locks and limits.

use std::time::Duration;

use chrono::TimeDelta;
use entra_emulator::{Behaviour, Policy};
use serde_json::{Value, json};

use crate::stage::{GRAPH, Stage, entry, refused, stamp};

#[tokio::test]
async fn a_secret_is_shown_once_and_signs_in_until_it_is_removed() {
    let stage = Stage::new().await;
    let body = json!({"passwordCredential": {"displayName": "rotation-2026-11", "endDateTime": "2027-02-01T00:00:00Z"}});
    let added = stage.post(&format!("{}/addPassword", stage.application()), &body).await.json();
    assert_eq!(added["@odata.context"], format!("{GRAPH}/v1.0/$metadata#microsoft.graph.passwordCredential"));
    assert_eq!((&added["displayName"], &added["endDateTime"]), (&json!("rotation-2026-11"), &json!("2027-02-01T00:00:00Z")));
    assert_eq!(added["startDateTime"], "2026-11-21T10:00:00.1234567Z");
    let secret = added["secretText"].as_str().unwrap();
    assert_eq!((secret.len(), &added["hint"]), (40, &json!(secret[..3])));
    let shown = &stage.list(&stage.application(), "passwordCredentials").await[0];
    assert_eq!((&shown["secretText"], &shown["hint"], &shown["keyId"]), (&Value::Null, &added["hint"], &added["keyId"]));
    assert!(stage.emulator.accepts_secret(stage.target.client_id, secret));
    let removed = stage.post(&format!("{}/removePassword", stage.application()), &json!({"keyId": added["keyId"]})).await;
    assert_eq!((removed.status, removed.body.len()), (204, 0));
    assert!(!stage.emulator.accepts_secret(stage.target.client_id, secret));
}

#[tokio::test]
async fn a_secret_needs_no_description_and_then_lives_two_years() {
    let stage = Stage::new().await;
    for body in [json!({}), json!({"passwordCredential": null}), json!({"passwordCredential": {}})] {
        let added = stage.post(&format!("{}/addPassword", stage.principal()), &body).await.json();
        assert_eq!(added["endDateTime"], "2028-11-21T10:00:00.1234567Z");
    }
    assert_eq!(stage.list(&stage.principal(), "passwordCredentials").await.len(), 3);
}

#[tokio::test]
async fn callers_choose_neither_key_id_nor_text_of_a_secret() {
    let stage = Stage::new().await;
    let bad = [
        (json!({"secretText": "chosen"}), "Request_BadRequest"),
        (json!({"keyId": stage.target.client_id.to_string()}), "Request_BadRequest"),
        (json!({"endDateTime": "2026-11-21T09:00:00Z"}), "Request_BadRequest"),
        (json!({"endDateTime": 7}), "BadRequest"),
        (json!({"unknown": 7}), "BadRequest"),
    ];
    for (credential, code) in bad {
        let reply = stage.post(&format!("{}/addPassword", stage.application()), &json!({"passwordCredential": credential})).await;
        assert_eq!(reply.verdict(), refused(400, code), "{credential}");
    }
}

#[tokio::test]
async fn removing_an_unknown_secret_is_a_bad_request() {
    let stage = Stage::new().await;
    let body = json!({"keyId": stage.target.client_id.to_string()});
    let reply = stage.post(&format!("{}/removePassword", stage.application()), &body).await;
    assert_eq!(reply.verdict(), refused(400, "Request_BadRequest"));
    assert!(reply.message().contains("No password credential found with keyId"));
    let reply = stage.post(&format!("{}/removePassword", stage.application()), &json!({"keyId": "x"})).await;
    assert_eq!(reply.verdict(), refused(400, "BadRequest"));
}

#[tokio::test]
async fn a_policy_can_forbid_secrets_and_limit_lives() {
    let policy = Policy { max_secret_lifetime: Some(Duration::from_secs(86_400)), ..Policy::default() };
    let stage = Stage::behaving(Behaviour { policy, ..Behaviour::default() }).await;
    let path = format!("{}/addPassword", stage.application());
    let reply = stage.post(&path, &json!({})).await;
    assert_eq!(reply.verdict(), refused(400, "CredentialInvalidLifetimeAsPerAppPolicy"));
    assert_eq!(reply.json()["error"]["details"][0]["code"], "InvalidKeyEndDate");
    let short = json!({"passwordCredential": {"endDateTime": stamp(stage.now() + TimeDelta::hours(20))}});
    assert_eq!(stage.post(&path, &short).await.status, 200);
    stage.emulator.adjust(|behaviour| behaviour.policy.secrets_blocked = true);
    assert_eq!(stage.post(&path, &short).await.verdict(), refused(400, "CredentialTypeNotAllowedAsPerAppPolicy"));
    stage.emulator.adjust(|behaviour| behaviour.policy.max_certificate_lifetime = Some(Duration::from_secs(86_400)));
    let reply = stage.patch(&stage.application(), &json!({"keyCredentials": [entry(&stage.certificate(1).1)]})).await;
    assert_eq!(reply.verdict(), refused(400, "CredentialInvalidLifetimeAsPerAppPolicy"));
}

#[tokio::test]
async fn a_lock_protects_the_service_principal_and_not_the_application() {
    let stage = Stage::new().await;
    let lock = |name: &str| json!({"isEnabled": true, name: true});
    let set = |value: Value| stage.emulator.set_property(stage.target.application, "servicePrincipalLockConfiguration", value).unwrap();
    let locked = refused(400, "CannotUpdateLockedServicePrincipalProperty");
    let secret = async |path: String| stage.post(&format!("{path}/addPassword"), &json!({})).await.verdict();
    let sign = async || stage.post(&format!("{}/addTokenSigningCertificate", stage.principal()), &json!({})).await.verdict();
    set(lock("credentialsWithUsageVerify"));
    assert_eq!(secret(stage.principal()).await, locked);
    assert_eq!(stage.patch(&stage.principal(), &json!({"keyCredentials": [entry(&stage.certificate(1).1)]})).await.verdict(), locked);
    assert_eq!((secret(stage.application()).await.0, sign().await.0), (200, 200));
    set(lock("credentialsWithUsageSign"));
    assert_eq!((secret(stage.principal()).await.0, sign().await), (200, locked.clone()));
    let removal = json!({"keyCredentials": [], "passwordCredentials": []});
    assert_eq!(stage.patch(&stage.principal(), &removal).await.verdict(), locked);
    set(lock("allProperties"));
    assert_eq!((secret(stage.principal()).await, sign().await), (locked.clone(), locked));
}

#[tokio::test]
async fn a_full_object_and_a_third_secret_for_personal_accounts_are_refused() {
    let stage = Stage::behaving(Behaviour { max_credentials: 3, ..Behaviour::default() }).await;
    let add = async || stage.post(&format!("{}/addPassword", stage.application()), &json!({})).await;
    stage.emulator.set_property(stage.target.application, "signInAudience", json!("AzureADandPersonalMicrosoftAccount")).unwrap();
    assert_eq!((add().await.status, add().await.status), (200, 200));
    let reply = add().await;
    assert_eq!((reply.status, reply.message().as_str()), (400, "You can only add a maximum of 2 encrypted credentials."));
    stage.emulator.set_property(stage.target.application, "signInAudience", json!("AzureADMyOrg")).unwrap();
    assert_eq!(add().await.status, 200);
    assert_eq!(add().await.verdict(), refused(403, "Directory_ResourceSizeExceeded"));
}
