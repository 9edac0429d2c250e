//! addTokenSigningCertificate, activation, metadata and removal.

use chrono::{Months, TimeDelta};
use data_encoding::{BASE64, HEXUPPER};
use entra_emulator::{AutomaticSigner, Behaviour, SignEntryType};
use http::Method;
use serde_json::{Value, json};

use crate::stage::{GRAPH, Stage, TENANT, refused, stamp};

async fn add(stage: &Stage, body: &Value) -> Value {
    let reply = stage.post(&format!("{}/addTokenSigningCertificate", stage.principal()), body).await;
    assert_eq!(reply.status, 200, "{:?}", reply.json());
    reply.json()
}

async fn prefer(stage: &Stage, thumbprint: &Value) -> u16 {
    stage.patch(&stage.principal(), &json!({"preferredTokenSigningKeyThumbprint": thumbprint})).await.status
}

fn signer(stage: &Stage) -> String {
    stage.emulator.signer(stage.target.service_principal).map(|certificate| certificate.thumbprint().to_string()).unwrap_or_default()
}

#[tokio::test]
async fn a_signing_certificate_is_described_as_microsoft_documents_it() {
    let stage = Stage::new().await;
    let made = add(&stage, &json!({"displayName": "CN=customDisplayName", "endDateTime": "2029-01-25T00:00:00Z"})).await;
    assert_eq!(made["@odata.context"], format!("{GRAPH}/v1.0/$metadata#microsoft.graph.selfSignedCertificate"));
    assert_eq!((&made["type"], &made["usage"]), (&json!("AsymmetricX509Cert"), &json!("Verify")));
    assert_eq!((&made["displayName"], &made["endDateTime"]), (&json!("CN=customDisplayName"), &json!("2029-01-25T00:00:00Z")));
    assert_eq!(made["startDateTime"], "2026-11-21T10:00:00.1234567Z");
    let certificate = keys::Certificate::from_der(&BASE64.decode(made["key"].as_str().unwrap().as_bytes()).unwrap()).unwrap();
    assert_eq!(certificate.subject(), "CN=customDisplayName");
    assert_eq!(certificate.not_after().to_rfc3339(), "2029-01-25T00:00:00+00:00");
    let thumbprint = certificate.thumbprint();
    assert_eq!(made["thumbprint"], HEXUPPER.encode(thumbprint.as_bytes()));
    assert_eq!(made["customKeyIdentifier"], BASE64.encode(thumbprint.as_bytes()));
}

#[tokio::test]
async fn three_linked_entries_appear_and_the_answer_names_the_key_id_of_the_sign_entry() {
    let stage = Stage::new().await;
    let made = add(&stage, &json!({})).await;
    assert_eq!(made["displayName"], "CN=Microsoft Azure Federated SSO Certificate");
    let keys = stage.list(&stage.principal(), "keyCredentials").await;
    let passwords = stage.list(&stage.principal(), "passwordCredentials").await;
    let of = |usage: &str| keys.iter().find(|entry| entry["usage"] == usage).unwrap();
    assert_eq!((keys.len(), passwords.len()), (2, 1));
    assert_eq!(of("Sign")["keyId"], made["keyId"]);
    assert_ne!(of("Verify")["keyId"], made["keyId"]);
    assert_eq!(passwords[0]["keyId"], made["keyId"]);
    for entry in keys.iter().chain(&passwords) {
        assert_eq!(entry["customKeyIdentifier"], made["customKeyIdentifier"]);
        assert_eq!(entry.get("thumbprint"), None);
    }
    assert_eq!(passwords[0]["secretText"], Value::Null);
    assert_eq!(passwords[0]["hint"], Value::Null);
}

#[tokio::test]
async fn the_private_key_of_a_signing_certificate_is_never_shown() {
    let stage = Stage::new().await;
    add(&stage, &json!({})).await;
    let object = stage.get(&format!("{}?$select=keyCredentials", stage.principal())).await.json();
    for entry in object["keyCredentials"].as_array().unwrap() {
        assert_eq!(entry["key"].is_null(), entry["usage"] == "Sign");
    }
}

#[tokio::test]
async fn the_type_of_the_sign_entry_is_a_switch() {
    let stage = Stage::behaving(Behaviour { sign_entry_type: SignEntryType::X509CertAndPassword, ..Behaviour::default() }).await;
    add(&stage, &json!({})).await;
    let keys = stage.list(&stage.principal(), "keyCredentials").await;
    assert!(keys.iter().any(|entry| entry["usage"] == "Sign" && entry["type"] == "X509CertAndPassword"));
}

#[tokio::test]
async fn a_name_without_cn_a_life_beyond_three_years_and_unknown_fields_are_refused() {
    let stage = Stage::new().await;
    let limit = stage.now().checked_add_months(Months::new(36)).unwrap();
    let late = stamp(limit + TimeDelta::seconds(1));
    let bad = [
        (json!({"displayName": "customDisplayName"}), "Request_BadRequest"),
        (json!({"displayName": "CN="}), "Request_BadRequest"),
        (json!({"displayName": 7}), "BadRequest"),
        (json!({"endDateTime": late}), "Request_BadRequest"),
        (json!({"endDateTime": "2026-11-21T09:00:00Z"}), "Request_BadRequest"),
        (json!({"endDateTime": "tomorrow"}), "BadRequest"),
        (json!({"displayName": "CN=x", "type": "", "usage": ""}), "BadRequest"),
    ];
    for (body, code) in bad {
        let reply = stage.post(&format!("{}/addTokenSigningCertificate", stage.principal()), &body).await;
        assert_eq!(reply.verdict(), refused(400, code), "{body}");
    }
    assert!(stage.list(&stage.principal(), "keyCredentials").await.is_empty());
}

#[tokio::test]
async fn the_default_life_is_three_years_to_the_day() {
    let stage = Stage::new().await;
    let made = add(&stage, &json!({"displayName": "CN=x"})).await;
    assert_eq!(made["endDateTime"], "2029-11-21T10:00:00.1234567Z");
}

#[tokio::test]
async fn every_call_makes_another_certificate() {
    let stage = Stage::new().await;
    let (one, two) = (add(&stage, &json!({})).await, add(&stage, &json!({})).await);
    assert_ne!(one["thumbprint"], two["thumbprint"]);
    assert_eq!(stage.list(&stage.principal(), "keyCredentials").await.len(), 4);
}

#[tokio::test]
async fn applications_have_no_signing_certificates() {
    let stage = Stage::new().await;
    let reply = stage.post(&format!("{}/addTokenSigningCertificate", stage.application()), &json!({})).await;
    assert_eq!(reply.verdict(), refused(400, "BadRequest"));
}

#[tokio::test]
async fn the_preferred_thumbprint_decides_who_signs_in_any_case_of_letters() {
    let stage = Stage::new().await;
    let (one, two) = (add(&stage, &json!({})).await, add(&stage, &json!({})).await);
    for made in [&one, &two] {
        let lower = made["thumbprint"].as_str().unwrap().to_lowercase();
        assert_eq!(prefer(&stage, &json!(lower)).await, 204);
        assert_eq!(signer(&stage), made["thumbprint"].as_str().unwrap());
    }
}

#[tokio::test]
async fn a_thumbprint_of_no_certificate_is_accepted_and_the_service_picks_by_itself() {
    let stage = Stage::new().await;
    let made = add(&stage, &json!({})).await;
    assert_eq!(prefer(&stage, &json!("0000000000000000000000000000000000000000")).await, 204);
    assert_eq!(signer(&stage), made["thumbprint"].as_str().unwrap());
    let shown = stage.get(&stage.principal()).await.json();
    assert_eq!(shown["preferredTokenSigningKeyThumbprint"], "0000000000000000000000000000000000000000");
}

#[tokio::test]
async fn without_a_preferred_certificate_the_service_picks_one_and_every_valid_one_is_possible() {
    let stage = Stage::new().await;
    let one = add(&stage, &json!({})).await;
    stage.emulator.advance(TimeDelta::minutes(30));
    let two = add(&stage, &json!({})).await;
    assert_eq!(signer(&stage), two["thumbprint"].as_str().unwrap());
    stage.emulator.adjust(|behaviour| behaviour.automatic_signer = AutomaticSigner::Oldest);
    assert_eq!(signer(&stage), one["thumbprint"].as_str().unwrap());
    assert_eq!(stage.emulator.possible_signers(stage.target.service_principal).len(), 2);
    assert_eq!(prefer(&stage, &one["thumbprint"]).await, 204);
    assert_eq!(stage.emulator.possible_signers(stage.target.service_principal).len(), 1);
    assert_eq!(prefer(&stage, &Value::Null).await, 204);
    assert_eq!(stage.emulator.possible_signers(stage.target.service_principal).len(), 2);
}

#[tokio::test]
async fn an_expired_preferred_certificate_gives_way_to_a_valid_one() {
    let stage = Stage::new().await;
    let end = stamp(stage.now() + TimeDelta::days(1));
    let short = add(&stage, &json!({"endDateTime": end})).await;
    let long = add(&stage, &json!({})).await;
    prefer(&stage, &short["thumbprint"]).await;
    assert_eq!(signer(&stage), short["thumbprint"].as_str().unwrap());
    stage.emulator.advance(TimeDelta::days(2));
    assert_eq!(signer(&stage), long["thumbprint"].as_str().unwrap());
    stage.emulator.advance(TimeDelta::days(3 * 366));
    assert_eq!(signer(&stage), "");
}

#[tokio::test]
async fn an_activation_can_take_its_time() {
    let stage = Stage::behaving(Behaviour { activation_delay: std::time::Duration::from_secs(60), ..Behaviour::default() }).await;
    let (one, two) = (add(&stage, &json!({})).await, add(&stage, &json!({})).await);
    prefer(&stage, &one["thumbprint"]).await;
    stage.emulator.advance(TimeDelta::seconds(61));
    prefer(&stage, &two["thumbprint"]).await;
    assert_eq!(signer(&stage), one["thumbprint"].as_str().unwrap());
    stage.emulator.advance(TimeDelta::seconds(60));
    assert_eq!(signer(&stage), two["thumbprint"].as_str().unwrap());
}

#[tokio::test]
async fn removing_an_entry_of_a_signing_certificate_by_action_fails_with_500() {
    let stage = Stage::new().await;
    let (key, certificate) = stage.certificate(1);
    stage.emulator.add_certificate(stage.target.service_principal, &certificate).unwrap();
    let made = add(&stage, &json!({})).await;
    let proof = stage.proof(stage.target.service_principal, &key, &certificate);
    let removed = stage.post(&format!("{}/removeKey", stage.principal()), &json!({"keyId": made["keyId"], "proof": proof})).await;
    assert_eq!(removed.verdict(), refused(500, "Service_InternalServerError"));
    let removed = stage.post(&format!("{}/removePassword", stage.principal()), &json!({"keyId": made["keyId"]})).await;
    assert_eq!(removed.verdict(), refused(500, "Service_InternalServerError"));
    assert_eq!(stage.list(&stage.principal(), "keyCredentials").await.len(), 3);
}

#[tokio::test]
async fn one_patch_of_both_lists_removes_a_signing_certificate_and_nothing_else() {
    let stage = Stage::new().await;
    let (old, new) = (add(&stage, &json!({})).await, add(&stage, &json!({})).await);
    let keep = |list: Vec<Value>| -> Vec<Value> {
        list.into_iter().filter(|entry| entry["customKeyIdentifier"] != old["customKeyIdentifier"]).collect()
    };
    let keys = keep(stage.list(&stage.principal(), "keyCredentials").await);
    let passwords = keep(stage.list(&stage.principal(), "passwordCredentials").await);
    let before = stage.emulator.object(stage.target.service_principal).unwrap();
    let reply = stage.patch(&stage.principal(), &json!({"keyCredentials": keys, "passwordCredentials": passwords})).await;
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    let after = stage.emulator.object(stage.target.service_principal).unwrap();
    let kept: Vec<_> = keep(before["keyCredentials"].as_array().unwrap().clone());
    assert_eq!(after["keyCredentials"], json!(kept));
    assert_eq!(signer(&stage), new["thumbprint"].as_str().unwrap());
}

#[tokio::test]
async fn metadata_lists_all_valid_signing_certificates_with_the_active_one_first() {
    let stage = Stage::new().await;
    let (one, two) = (add(&stage, &json!({})).await, add(&stage, &json!({})).await);
    let (_, client) = stage.certificate(1);
    stage.emulator.add_certificate(stage.target.service_principal, &client).unwrap();
    for (first, second) in [(&one, &two), (&two, &one)] {
        prefer(&stage, &first["thumbprint"]).await;
        assert_eq!(metadata(&stage).await, [first["key"].clone(), second["key"].clone()]);
    }
    stage.emulator.adjust(|behaviour| behaviour.metadata_active_only = true);
    assert_eq!(metadata(&stage).await, [two["key"].clone()]);
}

async fn metadata(stage: &Stage) -> Vec<Value> {
    let path = format!("/{TENANT}/federationmetadata/2007-06/federationmetadata.xml?appid={}", stage.target.client_id);
    let request = http::Request::builder().method(Method::GET).uri(format!("https://login.microsoftonline.com{path}"));
    let reply = stage.send(request.body(bytes::Bytes::new()).unwrap()).await;
    assert_eq!(reply.status, 200);
    let text = String::from_utf8(reply.body.to_vec()).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("entityID"), Some(format!("https://sts.windows.net/{TENANT}/").as_str()));
    let certificates = document.descendants().filter(|node| node.tag_name().name() == "X509Certificate");
    certificates.map(|node| json!(node.text().unwrap())).collect()
}
