//! Sign-in without a credential of one's own: workload identity and managed identity.

use bytes::Bytes;
use entra_emulator::Federated;
use http::Request;
use keys::fixtures;
use serde_json::{Value, json};

use crate::stage::{LOGIN, Reply, Stage, TENANT, sign};

const BY_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const ISSUER: &str = "https://oidc.example/cluster";
const SUBJECT: &str = "system:serviceaccount:payroll:default";

async fn get(stage: &Stage, url: &str, marked: bool) -> Reply {
    let builder = Request::get(url);
    let builder = if marked { builder.header("metadata", "true") } else { builder };
    stage.send(builder.body(Bytes::new()).unwrap()).await
}

/// A stage whose target trusts the tokens of a cluster, which are signed with the first fixture key.
async fn trusting() -> Stage {
    let stage = Stage::new().await;
    let key_set = get(&stage, &format!("{LOGIN}/{TENANT}/discovery/v2.0/keys"), false).await.json();
    stage.emulator.set_issuer(ISSUER, key_set);
    let audiences = vec!["api://AzureADTokenExchange".to_owned()];
    let federated = Federated { name: "cluster".to_owned(), issuer: ISSUER.to_owned(), subject: SUBJECT.to_owned(), audiences };
    stage.emulator.add_federated(stage.target.application, federated).unwrap();
    stage
}

fn claims(stage: &Stage) -> Value {
    let now = stage.now().timestamp();
    json!({"iss": ISSUER, "sub": SUBJECT, "aud": ["api://AzureADTokenExchange"], "nbf": now, "exp": now + 3600})
}

async fn sign_in(stage: &Stage, header: Value, claims: &Value) -> Reply {
    let assertion = sign(&fixtures::key(0), &header, claims);
    let client = stage.target.client_id.to_string();
    stage.sign_in(&[("client_id", &client), ("client_assertion_type", BY_ASSERTION), ("client_assertion", &assertion)]).await
}

#[tokio::test]
async fn a_token_of_a_trusted_cluster_signs_in() {
    let stage = trusting().await;
    assert_eq!(sign_in(&stage, json!({"alg": "RS256"}), &claims(&stage)).await.status, 200);
    assert_eq!(sign_in(&stage, json!({"alg": "PS256"}), &claims(&stage)).await.status, 200);
}

#[tokio::test]
async fn issuer_subject_and_audience_must_fit_exactly() {
    let stage = trusting().await;
    let cases = [
        ("iss", json!("https://oidc.example/other"), 700_211),
        ("sub", json!("system:serviceaccount:Payroll:default"), 700_213),
        ("aud", json!("api://azureadtokenexchange"), 700_212),
        ("exp", json!(stage.now().timestamp() - 301), 700_024),
    ];
    for (name, value, number) in cases {
        let mut claims = claims(&stage);
        claims[name] = value;
        let reply = sign_in(&stage, json!({"alg": "RS256"}), &claims).await;
        assert_eq!((reply.status, &reply.json()["error_codes"]), (401, &json!([number])), "{name}");
    }
}

#[tokio::test]
async fn a_key_that_the_issuer_does_not_publish_and_elliptic_curves_are_refused() {
    let stage = trusting().await;
    for (header, number) in [(json!({"alg": "RS256", "kid": "other"}), 50_013), (json!({"alg": "ES256"}), 5_002_738)] {
        let reply = sign_in(&stage, header, &claims(&stage)).await;
        assert_eq!((reply.status, &reply.json()["error_codes"]), (401, &json!([number])));
    }
}

#[tokio::test]
async fn a_managed_identity_gets_its_token_from_the_metadata_service() {
    let stage = Stage::new().await;
    stage.emulator.set_managed_identity(Some(stage.operator.client_id));
    let url = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://graph.microsoft.com";
    let body = get(&stage, url, true).await.json();
    assert_eq!((&body["token_type"], &body["resource"]), (&json!("Bearer"), &json!("https://graph.microsoft.com")));
    assert_eq!(body["expires_on"], (stage.now().timestamp() + 3599).to_string());
    let request = stage.request_with(body["access_token"].as_str().unwrap(), http::Method::GET, &stage.application(), &Value::Null);
    assert_eq!(stage.send(request).await.status, 200);
    let named = get(&stage, &format!("{url}&client_id={}", stage.target.client_id), true).await.json();
    assert_eq!(named["client_id"], stage.target.client_id.to_string());
}

#[tokio::test]
async fn the_metadata_service_refuses_unmarked_requests_and_unknown_identities() {
    let stage = Stage::new().await;
    let url = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://graph.microsoft.com";
    for (url, marked) in
        [(url.to_owned(), false), (url.to_owned(), true), (format!("{url}&client_id=x"), true), (url.replace("2018", "1999"), true)]
    {
        let reply = get(&stage, &url, marked).await;
        assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("invalid_request")));
    }
}
