//! addKey and removeKey, and the proof that they ask for.

use chrono::TimeDelta;
use data_encoding::BASE64;
use entra_emulator::{AddKeyBody, Behaviour};
use http::Method;
use serde_json::{Value, json};

use crate::stage::{PROOF_AUDIENCE, Stage, certificate, entry, pfx, proof_header, refused, sign, stamp};

const BAD_PROOF: (u16, &str) = (401, "Authentication_MissingOrMalformed");

fn body(new: &keys::Certificate, proof: &str) -> Value {
    json!({"keyCredential": entry(new), "passwordCredential": null, "proof": proof})
}

#[tokio::test]
async fn a_key_is_added_and_removed_with_a_proof_of_the_old_one_on_both_objects() {
    let stage = Stage::new().await;
    let ((old_key, old), (_, new)) = (stage.certificate(1), stage.certificate(2));
    for (id, path) in [(stage.target.application, stage.application()), (stage.target.service_principal, stage.principal())] {
        let old_id = stage.emulator.add_certificate(id, &old).unwrap();
        let proof = stage.proof(id, &old_key, &old);
        let added = stage.post(&format!("{path}/microsoft.graph.addKey"), &body(&new, &proof)).await;
        assert_eq!(added.status, 200, "{:?}", added.json());
        assert_eq!((&added.json()["usage"], &added.json()["key"]), (&json!("Verify"), &Value::Null));
        let removed = stage.post(&format!("{path}/removeKey"), &json!({"keyId": old_id.to_string(), "proof": proof})).await;
        assert_eq!((removed.status, removed.body.len()), (204, 0));
        let keys = stage.list(&path, "keyCredentials").await;
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0]["keyId"], added.json()["keyId"]);
    }
    assert!(stage.emulator.accepts_certificate(stage.target.client_id, &new));
    assert!(!stage.emulator.accepts_certificate(stage.target.client_id, &old));
}

#[tokio::test]
async fn the_answer_to_add_key_can_be_the_context_alone() {
    let stage = Stage::behaving(Behaviour { add_key_body: AddKeyBody::ContextOnly, ..Behaviour::default() }).await;
    let ((key, old), (_, new)) = (stage.certificate(1), stage.certificate(2));
    stage.emulator.add_certificate(stage.target.application, &old).unwrap();
    let proof = stage.proof(stage.target.application, &key, &old);
    let added = stage.post(&format!("{}/addKey", stage.application()), &body(&new, &proof)).await.json();
    assert_eq!(added, json!({"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#microsoft.graph.keyCredential"}));
}

#[tokio::test]
async fn a_proof_that_is_not_as_documented_is_refused_as_if_the_token_were_malformed() {
    let stage = Stage::new().await;
    let id = stage.target.application;
    let ((key, old), (strange, other)) = (stage.certificate(1), stage.certificate(2));
    stage.emulator.add_certificate(id, &old).unwrap();
    let (header, good) = (proof_header(&old), stage.proof_claims(id));
    let now = stage.now().timestamp();
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        sign(&key, &header, &claims)
    };
    let bad = [
        ("Graph's own appId as audience", with("aud", json!("00000003-0000-0000-c000-000000000000"))),
        ("a list as audience", with("aud", json!([PROOF_AUDIENCE]))),
        ("appId as issuer", with("iss", json!(stage.target.client_id.to_string()))),
        ("the other object as issuer", with("iss", json!(stage.target.service_principal.to_string()))),
        ("longer than ten minutes", with("exp", json!(now + 601))),
        ("no expiry", with("exp", Value::Null)),
        ("expired", sign(&key, &header, &json!({"aud": PROOF_AUDIENCE, "iss": id.to_string(), "nbf": now - 901, "exp": now - 301}))),
        ("not yet valid", sign(&key, &header, &json!({"aud": PROOF_AUDIENCE, "iss": id.to_string(), "nbf": now + 301, "exp": now + 900}))),
        ("a strange key", stage.proof(id, &strange, &other)),
        ("a strange key under the right name", sign(&strange, &header, &good)),
        ("no algorithm", sign(&key, &json!({"alg": "none"}), &good)),
        ("padding", format!("{}==", sign(&key, &header, &good))),
        ("no token", "x".to_owned()),
    ];
    for (what, proof) in bad {
        let reply = stage.post(&format!("{}/addKey", stage.application()), &body(&other, &proof)).await;
        assert_eq!(reply.verdict(), refused(BAD_PROOF.0, BAD_PROOF.1), "{what}");
        assert_eq!(reply.message(), "Access Token missing or malformed.");
    }
    let reply = stage.post(&format!("{}/addKey", stage.application()), &json!({"keyCredential": entry(&other)})).await;
    assert_eq!(reply.verdict(), refused(BAD_PROOF.0, BAD_PROOF.1));
    assert_eq!(stage.list(&stage.application(), "keyCredentials").await.len(), 1);
}

#[tokio::test]
async fn a_proof_is_accepted_with_ps256_and_without_a_name_for_its_key() {
    let stage = Stage::new().await;
    let ((key, old), (_, new)) = (stage.certificate(1), stage.certificate(2));
    stage.emulator.add_certificate(stage.target.application, &old).unwrap();
    let claims = stage.proof_claims(stage.target.application);
    let path = format!("{}/addKey", stage.application());
    let pss = body(&new, &sign(&key, &json!({"alg": "PS256"}), &claims));
    assert_eq!(stage.post(&path, &pss).await.status, 200);
    stage.emulator.adjust(|behaviour| behaviour.proof.ps256 = false);
    assert_eq!(stage.post(&path, &pss).await.status, 401);
    assert_eq!(stage.post(&path, &body(&new, &sign(&key, &json!({"alg": "RS256"}), &claims))).await.status, 200);
}

#[tokio::test]
async fn an_expired_certificate_or_one_of_the_other_object_proves_nothing() {
    let stage = Stage::new().await;
    let (key, short) = certificate(1, stage.now(), stage.now() + TimeDelta::days(1));
    stage.emulator.add_certificate(stage.target.application, &short).unwrap();
    let (other_key, other) = stage.certificate(3);
    stage.emulator.add_certificate(stage.target.service_principal, &other).unwrap();
    let path = format!("{}/addKey", stage.application());
    let id = stage.target.application;
    assert_eq!(stage.post(&path, &body(&other, &stage.proof(id, &other_key, &other))).await.status, 401);
    stage.emulator.set_time(stage.now() + TimeDelta::minutes(50));
    assert_eq!(stage.post(&path, &body(&other, &stage.proof(id, &key, &short))).await.status, 200);
}

#[tokio::test]
async fn an_application_rolls_its_own_keys_without_any_permission_but_not_those_of_its_service_principal() {
    let stage = Stage::new().await;
    let (own, token) = stage.client(&[]).await;
    let ((key, old), (_, new)) = (stage.certificate(1), stage.certificate(2));
    let old_id = stage.emulator.add_certificate(own.application, &old).unwrap();
    stage.emulator.add_certificate(own.service_principal, &old).unwrap();
    let call = async |path: String, body: Value| stage.send(stage.request_with(&token, Method::POST, &path, &body)).await.verdict();
    let proof = stage.proof(own.application, &key, &old);
    let application = format!("/applications/{}", own.application);
    assert_eq!(call(format!("{application}/addKey"), body(&new, &proof)).await.0, 200);
    assert_eq!(call(format!("{application}/removeKey"), json!({"keyId": old_id.to_string(), "proof": proof})).await.0, 204);
    let denied = refused(403, "Authorization_RequestDenied");
    let proof = stage.proof(own.service_principal, &key, &old);
    assert_eq!(call(format!("/servicePrincipals/{}/addKey", own.service_principal), body(&new, &proof)).await, denied);
    assert_eq!(call(format!("{}/addKey", stage.application()), body(&new, &proof)).await, denied);
    assert_eq!(call(format!("{application}/addPassword"), json!({})).await, denied);
}

#[tokio::test]
async fn a_pfx_comes_with_the_password_that_opens_it_and_a_certificate_without_one() {
    let stage = Stage::new().await;
    let ((key, old), (other_key, new)) = (stage.certificate(1), stage.certificate(2));
    stage.emulator.add_certificate(stage.target.service_principal, &old).unwrap();
    let proof = stage.proof(stage.target.service_principal, &key, &old);
    let path = format!("{}/addKey", stage.principal());
    let sign = |key: String| json!({"type": "X509CertAndPassword", "usage": "Sign", "key": key});
    let good = sign(pfx(&other_key, &new, "MKTr0w1"));
    let call = |credential: &Value, password: Value| json!({"keyCredential": credential, "passwordCredential": password, "proof": proof});
    let bad = [
        (call(&good, Value::Null), "Request_BadRequest"),
        (call(&good, json!({})), "Request_BadRequest"),
        (call(&good, json!({"secretText": "wrong"})), "KeyCredentialsInvalidValue"),
        (call(&sign(BASE64.encode(new.der())), json!({"secretText": "x"})), "KeyCredentialsInvalidValue"),
        (call(&entry(&old), json!({"secretText": "x"})), "Request_BadRequest"),
        (call(&good, json!("x")), "BadRequest"),
    ];
    for (body, code) in bad {
        assert_eq!(stage.post(&path, &body).await.verdict(), refused(400, code), "{body}");
    }
    assert_eq!(stage.post(&path, &call(&good, json!({"secretText": "MKTr0w1"}))).await.status, 200);
    let keys = stage.list(&stage.principal(), "keyCredentials").await;
    let passwords = stage.list(&stage.principal(), "passwordCredentials").await;
    let added = keys.iter().find(|entry| entry["usage"] == "Sign").unwrap();
    assert_eq!((keys.len(), &passwords[0]["keyId"]), (2, &added["keyId"]));
    assert_eq!(added["endDateTime"], stamp(new.not_after()));
    assert!(!stage.emulator.accepts_secret(stage.target.client_id, "MKTr0w1"));
}

#[tokio::test]
async fn a_pfx_signs_once_its_public_half_is_there_and_proves_possession_too() {
    let stage = Stage::behaving(Behaviour { add_key_makes_verify_entry: true, ..Behaviour::default() }).await;
    let ((key, old), (other_key, new)) = (stage.certificate(1), stage.certificate(2));
    let id = stage.target.service_principal;
    let old_id = stage.emulator.add_certificate(id, &old).unwrap();
    let credential = json!({"type": "X509CertAndPassword", "usage": "Sign", "key": pfx(&other_key, &new, "MKTr0w1")});
    let body = json!({"keyCredential": credential, "passwordCredential": {"secretText": "MKTr0w1"}, "proof": stage.proof(id, &key, &old)});
    assert_eq!(stage.post(&format!("{}/addKey", stage.principal()), &body).await.status, 200);
    assert_eq!(stage.emulator.signer(id), Some(new.clone()));
    let body = json!({"keyId": old_id.to_string(), "proof": stage.proof(id, &other_key, &new)});
    assert_eq!(stage.post(&format!("{}/removeKey", stage.principal()), &body).await.status, 204);
}

#[tokio::test]
async fn removing_an_unknown_key_the_last_one_or_the_one_that_proves_is_up_to_switches() {
    let stage = Stage::new().await;
    let (key, old) = stage.certificate(1);
    let id = stage.emulator.add_certificate(stage.target.application, &old).unwrap();
    let proof = stage.proof(stage.target.application, &key, &old);
    let path = format!("{}/removeKey", stage.application());
    let unknown = json!({"keyId": stage.target.client_id.to_string(), "proof": proof});
    assert_eq!(stage.post(&path, &unknown).await.verdict(), refused(400, "Request_BadRequest"));
    stage.emulator.adjust(|behaviour| behaviour.unknown_key_status = 404);
    assert_eq!(stage.post(&path, &unknown).await.status, 404);
    let own = json!({"keyId": id.to_string(), "proof": proof});
    stage.emulator.adjust(|behaviour| behaviour.refuse_proof_key = true);
    assert_eq!(stage.post(&path, &own).await.status, 400);
    stage.emulator.adjust(|behaviour| (behaviour.refuse_proof_key, behaviour.refuse_last_key) = (false, true));
    assert_eq!(stage.post(&path, &own).await.status, 400);
    stage.emulator.adjust(|behaviour| behaviour.refuse_last_key = false);
    assert_eq!(stage.post(&path, &own).await.status, 204);
    assert_eq!(stage.post(&path, &own).await.verdict(), refused(BAD_PROOF.0, BAD_PROOF.1));
}

#[tokio::test]
async fn the_same_certificate_is_added_twice_unless_a_switch_forbids_it() {
    let stage = Stage::new().await;
    let (key, old) = stage.certificate(1);
    stage.emulator.add_certificate(stage.target.application, &old).unwrap();
    let again = body(&old, &stage.proof(stage.target.application, &key, &old));
    let path = format!("{}/addKey", stage.application());
    assert_eq!(stage.post(&path, &again).await.status, 200);
    assert_eq!(stage.list(&stage.application(), "keyCredentials").await.len(), 2);
    stage.emulator.adjust(|behaviour| behaviour.refuse_duplicate_certificate = true);
    assert_eq!(stage.post(&path, &again).await.status, 400);
}

#[tokio::test]
async fn add_key_does_not_take_a_key_id_or_unknown_parameters() {
    let stage = Stage::new().await;
    let ((key, old), (_, new)) = (stage.certificate(1), stage.certificate(2));
    stage.emulator.add_certificate(stage.target.application, &old).unwrap();
    let mut good = body(&new, &stage.proof(stage.target.application, &key, &old));
    good["keyCredential"]["keyId"] = json!(stage.target.client_id.to_string());
    let path = format!("{}/addKey", stage.application());
    assert_eq!(stage.post(&path, &good).await.status, 400);
    good["keyCredential"]["keyId"] = Value::Null;
    good["extra"] = json!(1);
    assert_eq!(stage.post(&path, &good).await.verdict(), refused(400, "BadRequest"));
}
