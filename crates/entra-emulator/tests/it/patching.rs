//! PATCH of credential lists and other properties.

use chrono::TimeDelta;
use data_encoding::BASE64;
use entra_emulator::{Behaviour, DefaultIdentifier};
use serde_json::{Map, Value, json};

use crate::stage::{Stage, certificate, entry, pfx, refused, stamp};

async fn with_certificate() -> (Stage, keys::Certificate) {
    let stage = Stage::new().await;
    let (_, certificate) = stage.certificate(1);
    stage.emulator.add_certificate(stage.target.application, &certificate).unwrap();
    (stage, certificate)
}

async fn put(stage: &Stage, entries: Value) -> (u16, String) {
    stage.patch(&stage.application(), &json!({"keyCredentials": entries})).await.verdict()
}

fn keys(stage: &Stage) -> Vec<Value> {
    stage.emulator.object(stage.target.application).unwrap()["keyCredentials"].as_array().unwrap().clone()
}

#[allow(clippy::needless_pass_by_value)]
fn merged(base: &Value, extra: Value) -> Value {
    let mut merged = base.clone();
    merged.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    merged
}

#[tokio::test]
async fn the_list_is_replaced_as_a_whole_and_left_alone_when_it_is_not_sent() {
    let (stage, _) = with_certificate().await;
    let before = keys(&stage);
    assert_eq!(stage.patch(&stage.application(), &json!({"notes": "x"})).await.status, 204);
    assert_eq!(keys(&stage), before);
    assert_eq!(put(&stage, json!([entry(&stage.certificate(2).1)])).await.0, 204);
    let after = keys(&stage);
    assert_eq!(after.len(), 1);
    assert_ne!(after[0]["keyId"], before[0]["keyId"]);
}

#[tokio::test]
async fn what_is_echoed_as_it_was_read_stays_byte_for_byte() {
    let (stage, _) = with_certificate().await;
    let before = keys(&stage)[0].clone();
    let mut echo = stage.list(&stage.application(), "keyCredentials").await;
    echo.push(entry(&stage.certificate(2).1));
    assert_eq!(put(&stage, json!(echo)).await.0, 204);
    assert_eq!(keys(&stage)[0], before);
    assert_eq!(keys(&stage).len(), 2);
}

#[tokio::test]
async fn unknown_properties_of_a_kept_entry_stay_and_must_be_sent_back() {
    let (stage, _) = with_certificate().await;
    let mut strange: Map<String, Value> = keys(&stage)[0].as_object().unwrap().clone();
    strange.insert("keyId".to_owned(), json!("11111111-2222-3333-4444-555555555555"));
    strange.insert("futureProperty".to_owned(), json!({"a": [1, 2.5]}));
    stage.emulator.add_raw(stage.target.application, true, strange).unwrap();
    let echo = stage.list(&stage.application(), "keyCredentials").await;
    let before = keys(&stage);
    assert_eq!(put(&stage, json!(echo)).await.0, 204);
    assert_eq!(keys(&stage), before);
    let mut shortened = echo.clone();
    shortened[1].as_object_mut().unwrap().remove("futureProperty");
    assert_eq!(put(&stage, json!(shortened)).await, refused(400, "Request_BadRequest"));
}

#[tokio::test]
async fn any_difference_in_a_kept_entry_is_an_update_that_is_not_allowed() {
    let (stage, _) = with_certificate().await;
    let kept = stage.list(&stage.application(), "keyCredentials").await[0].clone();
    for change in [
        json!({"displayName": "other"}),
        json!({"endDateTime": "2027-11-21T09:55:00.0000000Z"}),
        json!({"startDateTime": null}),
        json!({"customKeyIdentifier": "AAAA"}),
        json!({"usage": "Sign"}),
        json!({"hello": 1}),
    ] {
        let reply = stage.patch(&stage.application(), &json!({"keyCredentials": [merged(&kept, change.clone())]})).await;
        assert_eq!(reply.verdict(), refused(400, "Request_BadRequest"), "{change}");
        let id = kept["keyId"].as_str().unwrap();
        assert_eq!(reply.message(), format!("Update to existing credential with KeyId '{id}' is not allowed."));
    }
    stage.emulator.adjust(|behaviour| behaviour.strict_echo = false);
    let precise = merged(&kept, json!({"endDateTime": "2027-11-21T09:55:00.0000000Z"}));
    assert_eq!(put(&stage, json!([precise])).await.0, 204);
    assert_eq!(keys(&stage)[0]["endDateTime"], kept["endDateTime"]);
}

#[tokio::test]
async fn the_bytes_of_a_kept_entry_must_come_back_as_null_or_not_at_all() {
    let (stage, certificate) = with_certificate().await;
    let kept = stage.list(&stage.application(), "keyCredentials").await[0].clone();
    let id = kept["keyId"].as_str().unwrap();
    let must_be_null = format!("Existing credential with KeyId '{id}' must be sent back with null value.");
    let full = merged(&kept, json!({"key": BASE64.encode(certificate.der())}));
    let reply = stage.patch(&stage.application(), &json!({"keyCredentials": [full]})).await;
    assert_eq!((reply.status, reply.message()), (400, must_be_null.clone()));
    let mut absent = kept.clone();
    absent.as_object_mut().unwrap().remove("key");
    assert_eq!(put(&stage, json!([absent])).await.0, 204);
    stage.emulator.adjust(|behaviour| behaviour.require_null_key = true);
    let reply = stage.patch(&stage.application(), &json!({"keyCredentials": [absent]})).await;
    assert_eq!((reply.status, reply.message()), (400, must_be_null));
    assert_eq!(put(&stage, json!([kept])).await.0, 204);
}

#[tokio::test]
async fn a_chosen_key_id_makes_a_repeated_add_harmless() {
    let stage = Stage::new().await;
    let chosen = "4f0b0b33-1d71-4883-8f98-567911bfdca6";
    let new = merged(&entry(&stage.certificate(1).1), json!({"keyId": chosen}));
    assert_eq!(put(&stage, json!([new])).await.0, 204);
    assert_eq!(keys(&stage)[0]["keyId"], chosen);
    let reply = stage.patch(&stage.application(), &json!({"keyCredentials": [new]})).await;
    assert_eq!(reply.message(), format!("Existing credential with KeyId '{chosen}' must be sent back with null value."));
    let twice = json!([new, stage.list(&stage.application(), "keyCredentials").await[0]]);
    assert_eq!(put(&stage, twice).await.0, 400);
}

#[tokio::test]
async fn a_new_certificate_brings_its_own_dates_name_and_identifier() {
    let stage = Stage::new().await;
    let (_, certificate) = stage.certificate(1);
    let pem = json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": BASE64.encode(certificate.pem().as_bytes())});
    assert_eq!(put(&stage, json!([pem])).await.0, 204);
    let stored = keys(&stage)[0].clone();
    assert_eq!(stored["startDateTime"], "2026-11-21T09:55:00Z");
    assert_eq!(stored["endDateTime"], "2027-11-21T09:55:00Z");
    assert_eq!(stored["customKeyIdentifier"], certificate.thumbprint().to_string());
    assert_eq!(stored["key"], pem["key"]);
    assert!(stage.emulator.accepts_certificate(stage.target.client_id, &certificate));
    stage.emulator.adjust(|behaviour| behaviour.default_identifier = DefaultIdentifier::Sha1);
    assert_eq!(put(&stage, json!([entry(&certificate)])).await.0, 204);
    assert_eq!(keys(&stage)[0]["customKeyIdentifier"], BASE64.encode(certificate.thumbprint().as_bytes()));
}

#[tokio::test]
async fn a_display_name_is_cut_to_ninety_characters() {
    let stage = Stage::new().await;
    let new = merged(&entry(&stage.certificate(1).1), json!({"displayName": "x".repeat(120)}));
    assert_eq!(put(&stage, json!([new])).await.0, 204);
    assert_eq!(keys(&stage)[0]["displayName"], "x".repeat(90));
}

#[tokio::test]
async fn a_new_entry_that_is_not_sound_is_refused_by_name() {
    let stage = Stage::new().await;
    let good = entry(&stage.certificate(1).1);
    let (_, expired) = certificate(2, stage.now() - TimeDelta::days(9), stage.now() - TimeDelta::days(1));
    let beyond = stamp(stage.now() + TimeDelta::days(366));
    let bad = [
        (merged(&good, json!({"type": null})), "Request_BadRequest"),
        (merged(&good, json!({"usage": null})), "Request_BadRequest"),
        (merged(&good, json!({"usage": "Sign"})), "Request_BadRequest"),
        (merged(&good, json!({"type": "Symmetric"})), "KeyCredentialsInvalidType"),
        (merged(&good, json!({"key": null})), "KeyCredentialsInvalidValue"),
        (merged(&good, json!({"key": "%%%"})), "KeyCredentialsInvalidValue"),
        (merged(&good, json!({"key": "AAAA"})), "KeyCredentialsInvalidValue"),
        (merged(&good, json!({"endDateTime": beyond})), "KeyCredentialsInvalidEndDate"),
        (merged(&good, json!({"endDateTime": "2026-11-01T00:00:00Z"})), "KeyCredentialsInvalidEndDate"),
        (entry(&expired), "KeyCredentialsInvalidEndDate"),
        (merged(&good, json!({"endDateTime": "soon"})), "BadRequest"),
        (merged(&good, json!({"keyId": "x"})), "BadRequest"),
        (merged(&good, json!({"colour": "red"})), "BadRequest"),
        (merged(&good, json!({"customKeyIdentifier": ""})), "Request_BadRequest"),
        (merged(&good, json!({"customKeyIdentifier": BASE64.encode(&[1; 33])})), "Request_BadRequest"),
        (merged(&good, json!({"customKeyIdentifier": "~"})), "BadRequest"),
        (json!("x"), "BadRequest"),
    ];
    for (entry, code) in bad {
        assert_eq!(put(&stage, json!([entry])).await, refused(400, code), "{entry}");
    }
    let reply = stage.patch(&stage.application(), &json!({"keyCredentials": good})).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "BadRequest"));
    assert_eq!(reply.message(), "Property keyCredentials in payload has a value that does not match schema.");
    assert!(keys(&stage).is_empty());
}

#[tokio::test]
async fn an_expired_entry_that_is_kept_is_in_the_way_only_where_a_switch_says_so() {
    let stage = Stage::new().await;
    let (_, short) = certificate(1, stage.now(), stage.now() + TimeDelta::minutes(10));
    stage.emulator.add_certificate(stage.target.application, &short).unwrap();
    stage.emulator.advance(TimeDelta::minutes(20));
    let echo = json!(stage.list(&stage.application(), "keyCredentials").await);
    assert_eq!(put(&stage, echo.clone()).await.0, 204);
    stage.emulator.adjust(|behaviour| behaviour.expired_entries_block_patch = true);
    assert_eq!(put(&stage, echo).await, refused(400, "KeyCredentialsInvalidEndDate"));
}

#[tokio::test]
async fn a_patch_that_is_refused_in_part_changes_nothing() {
    let (stage, _) = with_certificate().await;
    let before = stage.emulator.object(stage.target.application);
    let body = json!({"notes": "x", "keyCredentials": [], "passwordCredentials": [{"displayName": "new"}]});
    assert_eq!(stage.patch(&stage.application(), &body).await.status, 400);
    assert_eq!(stage.emulator.object(stage.target.application), before);
}

#[tokio::test]
async fn secrets_are_not_added_by_patch_but_removed_by_it() {
    let stage = Stage::new().await;
    stage.secret(stage.target.application, "old~secret");
    let new = json!({"passwordCredentials": [{"displayName": "new", "secretText": "chosen"}]});
    let reply = stage.patch(&stage.application(), &new).await;
    assert_eq!((reply.status, reply.message().as_str()), (400, "New password credentials must be generated using service actions."));
    let echo = stage.list(&stage.application(), "passwordCredentials").await;
    assert_eq!(stage.patch(&stage.application(), &json!({"passwordCredentials": echo})).await.status, 204);
    assert!(stage.emulator.accepts_secret(stage.target.client_id, "old~secret"));
    assert_eq!(stage.patch(&stage.application(), &json!({"passwordCredentials": []})).await.status, 204);
    assert!(!stage.emulator.accepts_secret(stage.target.client_id, "old~secret"));
}

#[tokio::test]
async fn ones_own_signing_certificate_comes_as_sign_verify_and_a_linked_password() {
    let stage = Stage::new().await;
    let (key, certificate) = stage.certificate(1);
    let (sign, verify) = ("4f0b0b33-1d71-4883-8f98-567911bfdca6", "5f0b0b33-1d71-4883-8f98-567911bfdca6");
    let identifier = BASE64.encode(certificate.thumbprint().as_bytes());
    let pfx = pfx(&key, &certificate, "pfx password");
    let end = stamp(certificate.not_after());
    let link = json!({"customKeyIdentifier": identifier, "endDateTime": end});
    let sign_entry = merged(&link, json!({"type": "X509CertAndPassword", "usage": "Sign", "key": pfx, "keyId": sign}));
    let verify_entry = merged(&merged(&entry(&certificate), link.clone()), json!({"keyId": verify}));
    let password = merged(&link, json!({"keyId": sign, "secretText": "pfx password"}));
    let body = |password: Value| json!({"keyCredentials": [sign_entry, verify_entry], "passwordCredentials": [password]});
    let mut stranger = body(password.clone());
    stranger["passwordCredentials"].as_array_mut().unwrap().push(merged(&password, json!({"keyId": verify})));
    let reply = stage.patch(&stage.principal(), &stranger).await;
    assert_eq!((reply.status, reply.message().as_str()), (400, "New password credentials must be generated using service actions."));
    let unlinked = body(merged(&password, json!({"keyId": verify})));
    assert_eq!(stage.patch(&stage.principal(), &unlinked).await.verdict(), refused(400, "Request_BadRequest"));
    let wrong = body(merged(&password, json!({"secretText": "wrong"})));
    assert_eq!(stage.patch(&stage.principal(), &wrong).await.verdict(), refused(400, "KeyCredentialsInvalidValue"));
    assert_eq!(stage.patch(&stage.principal(), &body(password)).await.status, 204);
    assert_eq!(stage.emulator.signer(stage.target.service_principal), Some(certificate));
    assert!(!stage.emulator.accepts_secret(stage.target.client_id, "pfx password"));
}

#[tokio::test]
async fn other_properties_are_checked_for_name_and_shape() {
    let stage = Stage::behaving(Behaviour::default()).await;
    let six = json!(["a@x", "b@x", "c@x", "d@x", "e@x", "f@x"]);
    let bad = [
        (json!({"unknown": 1}), "Request_BadRequest"),
        (json!({"appId": stage.target.client_id.to_string()}), "Request_BadRequest"),
        (json!({"preferredTokenSigningKeyThumbprint": 7}), "BadRequest"),
        (json!({"preferredSingleSignOnMode": "magic"}), "BadRequest"),
        (json!({"notificationEmailAddresses": "a@x"}), "BadRequest"),
        (json!({"notificationEmailAddresses": six}), "Request_BadRequest"),
    ];
    for (body, code) in bad {
        assert_eq!(stage.patch(&stage.principal(), &body).await.verdict(), refused(400, code), "{body}");
    }
    let good = json!({"preferredSingleSignOnMode": "saml", "notificationEmailAddresses": ["a@x"]});
    assert_eq!(stage.patch(&stage.principal(), &good).await.status, 204);
    let shown = stage.get(&stage.principal()).await.json();
    assert_eq!(shown["notificationEmailAddresses"], json!(["a@x"]));
    let reply = stage.patch(&stage.application(), &json!({"preferredTokenSigningKeyThumbprint": "x"})).await;
    assert_eq!(reply.verdict(), refused(400, "Request_BadRequest"));
}

#[tokio::test]
async fn a_body_that_is_not_json_or_not_said_to_be_is_refused() {
    let stage = Stage::new().await;
    let mut request = stage.request(http::Method::PATCH, &stage.application(), &json!({"notes": "x"}));
    request.headers_mut().remove("content-type");
    assert_eq!(stage.send(request).await.verdict(), refused(400, "BadRequest"));
    for body in ["", "{", "[]", "7"] {
        let mut request = stage.request(http::Method::PATCH, &stage.application(), &json!({}));
        *request.body_mut() = body.into();
        assert_eq!(stage.send(request).await.verdict(), refused(400, "BadRequest"), "{body}");
    }
}
