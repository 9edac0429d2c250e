//! Sign-in without a credential of one's own: workload identity and managed identity.

use bytes::Bytes;
use entra_emulator::{AssignedIdentity, Federated};
use http::Request;
use keys::fixtures;
use serde_json::{Value, json};

use crate::stage::{LOGIN, Reply, Stage, TENANT, refused, sign};

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
        ("sub", json!("system:serviceaccount:payroll:other"), 700_213),
        ("sub", json!("system:serviceaccount:Payroll:default"), 7_002_138),
        ("iss", json!("https://OIDC.example/cluster"), 700_211),
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

const SERVICE: &str = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://graph.microsoft.com";

async fn machine(stage: &Stage, query: &str) -> Reply {
    get(stage, &format!("{SERVICE}{query}"), true).await
}

#[tokio::test]
async fn the_case_of_a_subject_is_told_in_the_words_of_entra() {
    let stage = trusting().await;
    let mut claims = claims(&stage);
    claims["sub"] = json!(SUBJECT.to_uppercase());
    let text = sign_in(&stage, json!({"alg": "RS256"}), &claims).await.json()["error_description"].as_str().unwrap().to_owned();
    assert!(text.contains("The subject matches with case-insensitive comparison, but not with case-sensitive comparison."), "{text}");
}

#[tokio::test]
async fn a_token_without_an_end_or_of_an_issuer_without_keys_is_refused() {
    let stage = trusting().await;
    let mut endless = claims(&stage);
    endless.as_object_mut().unwrap().remove("exp");
    assert_eq!(sign_in(&stage, json!({"alg": "RS256"}), &endless).await.json()["error_codes"], json!([700_024]));
    stage.emulator.set_issuer(ISSUER, json!({"keys": []}));
    assert_eq!(sign_in(&stage, json!({"alg": "RS256"}), &claims(&stage)).await.json()["error_codes"], json!([50_013]));
}

#[tokio::test]
async fn a_managed_identity_gets_its_token_from_the_metadata_service() {
    let stage = Stage::new().await;
    stage.emulator.set_managed_identity(Some(stage.operator.client_id));
    let body = machine(&stage, "").await.json();
    assert_eq!((&body["token_type"], &body["resource"]), (&json!("Bearer"), &json!("https://graph.microsoft.com")));
    assert_eq!(body["expires_on"], (stage.now().timestamp() + 3599).to_string());
    let request = stage.request_with(body["access_token"].as_str().unwrap(), http::Method::GET, &stage.application(), &Value::Null);
    assert_eq!(stage.send(request).await.status, 200);
}

#[tokio::test]
async fn an_assigned_identity_is_asked_for_by_client_object_or_resource_id() {
    let stage = Stage::new().await;
    let resource = "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/payroll";
    stage.emulator.set_managed_identity(Some(stage.operator.client_id));
    let (app_id, resource_id) = (stage.target.client_id, Some(resource.to_owned()));
    stage.emulator.assign_identity(AssignedIdentity { app_id, resource_id });
    let queries = [
        format!("&client_id={app_id}"),
        format!("&object_id={}", stage.target.service_principal),
        format!("&msi_res_id={}", resource.to_lowercase()),
        format!("&mi_res_id={resource}"),
    ];
    for query in queries {
        let reply = machine(&stage, &query).await;
        assert_eq!((reply.status, &reply.json()["client_id"]), (200, &json!(app_id.to_string())), "{query}");
    }
    let own = machine(&stage, "").await.json();
    assert_eq!(own["client_id"], stage.operator.client_id.to_string(), "the machine's own is meant where none is named");
    let both = machine(&stage, &format!("&client_id={app_id}&object_id={}", stage.target.service_principal)).await;
    assert_eq!(both.status, 400);
}

#[tokio::test]
async fn an_identity_that_is_not_assigned_gets_no_token() {
    let stage = Stage::new().await;
    let refused = |reply: &Reply, text: &str| {
        let body = reply.json();
        assert_eq!((reply.status, &body["error"]), (400, &json!("invalid_request")));
        assert!(body["error_description"].as_str().unwrap().starts_with(text), "{body}");
    };
    refused(&machine(&stage, "").await, "Identity not found");
    let assign = |app_id| stage.emulator.assign_identity(AssignedIdentity { app_id, resource_id: None });
    assign(stage.target.client_id);
    assert_eq!(machine(&stage, "").await.json()["client_id"], stage.target.client_id.to_string(), "the only one is meant");
    for query in [format!("&client_id={}", stage.operator.client_id), "&client_id=x".to_owned(), "&msi_res_id=/x".to_owned()] {
        refused(&machine(&stage, &query).await, "Identity not found");
    }
    assign(stage.operator.client_id);
    refused(&machine(&stage, "").await, "Multiple user assigned identities exist");
}

#[tokio::test]
async fn the_metadata_service_refuses_unmarked_and_unfinished_requests() {
    let stage = Stage::new().await;
    stage.emulator.set_managed_identity(Some(stage.operator.client_id));
    let cases = [
        (SERVICE.to_owned(), false, "invalid_request"),
        (SERVICE.replace("2018", "1999"), true, "invalid_request"),
        (SERVICE.replace("&resource=https://graph.microsoft.com", ""), true, "invalid_request"),
        (SERVICE.replace("graph.microsoft.com", "graph.microsoft.us"), true, "invalid_resource"),
    ];
    for (url, marked, error) in cases {
        let reply = get(&stage, &url, marked).await;
        assert_eq!((reply.status, &reply.json()["error"]), (400, &json!(error)), "{url}");
    }
}

#[tokio::test]
async fn federated_credentials_are_made_changed_and_removed_through_graph() {
    let stage = trusting().await;
    let path = format!("{}/federatedIdentityCredentials", stage.application());
    let shown = stage.get(&path).await.json();
    assert_eq!((&shown["value"][0]["name"], &shown["value"][0]["issuer"]), (&json!("cluster"), &json!(ISSUER)));
    let other = json!({"name": "other", "issuer": ISSUER, "subject": "system:serviceaccount:payroll:other"});
    let made = stage.post(&path, &other).await;
    assert_eq!((made.status, &made.json()["audiences"]), (201, &json!(["api://AzureADTokenExchange"])));
    let mut claims = claims(&stage);
    claims["sub"] = other["subject"].clone();
    assert_eq!(sign_in(&stage, json!({"alg": "RS256"}), &claims).await.status, 200);
    let one = format!("{path}/{}", made.json()["id"].as_str().unwrap());
    assert_eq!(stage.get(&one).await.json()["name"], "other");
    assert_eq!(stage.patch(&one, &json!({"subject": "nobody"})).await.status, 204);
    assert_eq!(sign_in(&stage, json!({"alg": "RS256"}), &claims).await.json()["error_codes"], json!([700_213]));
    assert_eq!(stage.send(stage.request(http::Method::DELETE, &format!("{path}/other"), &Value::Null)).await.status, 204);
    assert_eq!(stage.get(&one).await.status, 404);
    assert_eq!(stage.get(&path).await.json()["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_federated_credential_that_makes_no_sense_or_is_there_is_refused() {
    let stage = trusting().await;
    let path = format!("{}/federatedIdentityCredentials", stage.application());
    let cases = [
        (json!({"name": "x", "issuer": "https://x"}), 400, "Request_BadRequest"),
        (json!({"name": "", "issuer": "https://x", "subject": "s"}), 400, "Request_BadRequest"),
        (json!({"name": "x", "issuer": "https://x", "subject": "s", "audiences": ["a", "b"]}), 400, "Request_BadRequest"),
        (json!({"name": "x", "issuer": "https://x", "subject": "s", "audiences": "a"}), 400, "BadRequest"),
        (json!({"name": "x", "issuer": ISSUER, "subject": SUBJECT}), 400, "Request_BadRequest"),
        (json!({"name": "cluster", "issuer": "https://x", "subject": "s"}), 409, "Request_MultipleObjectsWithSameKeyValue"),
    ];
    for (body, status, code) in cases {
        assert_eq!(stage.post(&path, &body).await.verdict(), refused(status, code), "{body}");
    }
    assert_eq!(stage.patch(&format!("{path}/cluster"), &json!({"name": "x"})).await.status, 400);
    assert_eq!(stage.patch(&path, &json!({})).await.status, 405);
    assert_eq!(stage.get(&format!("{}/federatedIdentityCredentials", stage.principal())).await.status, 400);
    for number in 1..20 {
        let body = json!({"name": format!("n{number}"), "issuer": ISSUER, "subject": format!("s{number}")});
        assert_eq!(stage.post(&path, &body).await.status, 201);
    }
    let full = stage.post(&path, &json!({"name": "n20", "issuer": ISSUER, "subject": "s20"})).await;
    assert_eq!(full.verdict(), refused(403, "Directory_ResourceSizeExceeded"));
    let (_, token) = stage.client(&["Application.Read.All"]).await;
    let with =
        async |method| stage.send(stage.request_with(&token, method, &path, &json!({"name": "y", "issuer": "i", "subject": "s"}))).await;
    assert_eq!((with(http::Method::GET).await.status, with(http::Method::POST).await.status), (200, 403));
}
