//! The token endpoint: what real client libraries send is accepted, and refusals carry the numbers of Entra.

use bytes::Bytes;
use chrono::TimeDelta;
use data_encoding::{BASE64, BASE64URL, BASE64URL_NOPAD};
use entra_emulator::{NewSecret, Registration};
use http::Request;
use keys::{Certificate, PrivateKey};
use serde_json::{Value, json};

use crate::stage::{LOGIN, Reply, Stage, TENANT, certificate, sign};

const BY_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

async fn by_secret(stage: &Stage, secret: &str) -> Reply {
    stage.sign_in(&[("client_id", &stage.target.client_id.to_string()), ("client_secret", secret)]).await
}

async fn by_assertion(stage: &Stage, assertion: &str) -> Reply {
    let client = stage.target.client_id.to_string();
    stage.sign_in(&[("client_id", &client), ("client_assertion_type", BY_ASSERTION), ("client_assertion", assertion)]).await
}

fn claims(stage: &Stage) -> Value {
    let (now, client) = (stage.now().timestamp(), stage.target.client_id.to_string());
    json!({"aud": format!("{LOGIN}/{TENANT}/oauth2/v2.0/token"), "iss": client, "sub": client, "jti": "1", "nbf": now, "iat": now, "exp": now + 300})
}

fn header(certificate: &Certificate) -> Value {
    json!({"alg": "PS256", "typ": "JWT", "x5t#S256": BASE64URL_NOPAD.encode(&certificate.thumbprint_sha256())})
}

fn assert_refused(reply: &Reply, status: u16, error: &str, number: u64) {
    let body = reply.json();
    assert_eq!((reply.status, &body["error"], &body["error_codes"]), (status, &json!(error), &json!([number])), "{body}");
    assert!(body["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{number}: ")), "{body}");
}

async fn with_certificate() -> (Stage, PrivateKey, Certificate) {
    let stage = Stage::new().await;
    let (key, certificate) = stage.certificate(1);
    stage.emulator.add_certificate(stage.target.application, &certificate).unwrap();
    (stage, key, certificate)
}

#[tokio::test]
async fn a_token_answer_has_exactly_the_fields_of_the_real_one() {
    let stage = Stage::new().await;
    stage.secret(stage.target.application, "own~secret+/=");
    let reply = by_secret(&stage, "own~secret+/=").await;
    let body = reply.json();
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["access_token", "expires_in", "ext_expires_in", "token_type"]);
    assert_eq!((&body["token_type"], &body["expires_in"]), (&json!("Bearer"), &json!(3599)));
    assert_eq!(reply.headers["cache-control"], "no-store, no-cache");
    let payload = body["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap();
    assert_eq!(claims["oid"], stage.target.service_principal.to_string());
    assert_eq!(claims["appid"], stage.target.client_id.to_string());
    assert_eq!((&claims["tid"], &claims["ver"], &claims["idtyp"]), (&json!(TENANT), &json!("1.0"), &json!("app")));
    assert_eq!((&claims["aud"], &claims["appidacr"]), (&json!("https://graph.microsoft.com"), &json!("1")));
    assert_eq!(claims["exp"], stage.now().timestamp() + 3599);
}

#[tokio::test]
async fn credentials_of_the_application_and_of_the_service_principal_both_sign_in() {
    let stage = Stage::new().await;
    stage.secret(stage.target.application, "of~application");
    stage.secret(stage.target.service_principal, "of~principal");
    assert_eq!((by_secret(&stage, "of~application").await.status, by_secret(&stage, "of~principal").await.status), (200, 200));
}

#[tokio::test]
async fn a_wrong_secret_and_an_expired_one_are_told_apart() {
    let stage = Stage::new().await;
    let end = stage.now() + TimeDelta::hours(1);
    let secret = NewSecret { text: "short~lived".to_owned(), display_name: None, start: None, end };
    stage.emulator.add_secret(stage.target.application, secret).unwrap();
    let wrong = by_secret(&stage, "wrong").await;
    assert_refused(&wrong, 401, "invalid_client", 7_000_215);
    let body = wrong.json();
    let expected = format!("for a secret added to app '{}'. Trace ID: ", stage.target.client_id);
    assert!(body["error_description"].as_str().unwrap().contains(&expected));
    assert_eq!(body["timestamp"], "2026-11-21 10:00:00Z");
    assert_eq!(body["error_uri"], "https://login.microsoftonline.com/error?code=7000215");
    assert_eq!(by_secret(&stage, "short~lived").await.status, 200);
    stage.emulator.advance(TimeDelta::hours(1));
    assert_refused(&by_secret(&stage, "short~lived").await, 401, "invalid_client", 7_000_222);
    assert!(!stage.emulator.accepts_secret(stage.target.client_id, "short~lived"));
}

#[tokio::test]
async fn every_way_in_which_libraries_name_their_certificate_is_accepted() {
    let (stage, key, certificate) = with_certificate().await;
    let (sha1, sha256) = (*certificate.thumbprint().as_bytes(), certificate.thumbprint_sha256());
    let headers = [
        json!({"alg": "PS256", "typ": "JWT", "x5t#S256": BASE64URL.encode(&sha256)}),
        json!({"alg": "PS256", "typ": "JWT", "x5t#S256": BASE64URL_NOPAD.encode(&sha256)}),
        json!({"alg": "PS256", "typ": "JWT", "x5t#S256": BASE64.encode(&sha256)}),
        json!({"alg": "RS256", "typ": "JWT", "x5t": BASE64URL.encode(&sha1)}),
        json!({"alg": "RS256", "typ": "JWT", "x5t": BASE64.encode(&sha1)}),
        json!({"alg": "RS256", "x5t": BASE64URL_NOPAD.encode(&sha1), "x5c": [BASE64.encode(certificate.der())]}),
    ];
    for header in headers {
        let reply = by_assertion(&stage, &sign(&key, &header, &claims(&stage))).await;
        assert_eq!(reply.status, 200, "{header}: {}", reply.json());
    }
}

#[tokio::test]
async fn fractional_times_and_missing_optional_claims_are_accepted() {
    let (stage, key, certificate) = with_certificate().await;
    let now = stage.now().timestamp();
    let mut claims = claims(&stage);
    for name in ["nbf", "jti"] {
        claims.as_object_mut().unwrap().remove(name);
    }
    claims["exp"] = json!(now as f64 + 600.25);
    claims["iat"] = json!(now as f64 + 0.25);
    assert_eq!(by_assertion(&stage, &sign(&key, &header(&certificate), &claims)).await.status, 200);
}

#[tokio::test]
async fn an_assertion_outside_its_time_is_named_so() {
    let (stage, key, certificate) = with_certificate().await;
    let mut late = claims(&stage);
    late["exp"] = json!(stage.now().timestamp() - 301);
    late.as_object_mut().unwrap().remove("nbf");
    let reply = by_assertion(&stage, &sign(&key, &header(&certificate), &late)).await;
    assert_refused(&reply, 401, "invalid_client", 700_024);
    let text = reply.json()["error_description"].as_str().unwrap().to_owned();
    assert!(text.contains("Current time: 2026-11-21T10:00:00.1234567Z, assertion valid from 1970-01-01T00:00:00.0000000Z"), "{text}");
    let mut early = claims(&stage);
    early["nbf"] = json!(stage.now().timestamp() + 301);
    assert_refused(&by_assertion(&stage, &sign(&key, &header(&certificate), &early)).await, 401, "invalid_client", 700_024);
}

#[tokio::test]
async fn an_assertion_that_proves_nothing_is_refused_with_its_number() {
    let (stage, key, certificate) = with_certificate().await;
    let (strange, other) = stage.certificate(2);
    let good = claims(&stage);
    let with = |name: &str, value: &str| {
        let mut claims = good.clone();
        claims[name] = json!(value);
        sign(&key, &header(&certificate), &claims)
    };
    let unnamed = sign(&key, &json!({"alg": "PS256"}), &good);
    let cases = [
        ("a certificate that is not registered", sign(&strange, &header(&other), &good), 700_027),
        ("a key that is not the certificate's", sign(&strange, &header(&certificate), &good), 700_027),
        ("elliptic curves", sign(&key, &json!({"alg": "ES256"}), &good), 700_027),
        ("no certificate named", unnamed, 700_027),
        ("another client as issuer", with("iss", "someone"), 700_021),
        ("another client as subject", with("sub", "someone"), 700_021),
        ("another endpoint as audience", with("aud", "https://login.example/token"), 700_023),
    ];
    for (what, assertion, number) in cases {
        let reply = by_assertion(&stage, &assertion).await;
        assert_eq!(reply.json()["error_codes"], json!([number]), "{what}");
        assert_refused(&reply, 401, "invalid_client", number);
    }
    assert_refused(&by_assertion(&stage, "nonsense").await, 400, "invalid_request", 50_027);
}

#[tokio::test]
async fn an_expired_certificate_does_not_sign_in() {
    let stage = Stage::new().await;
    let (key, short) = certificate(1, stage.now(), stage.now() + TimeDelta::hours(1));
    stage.emulator.add_certificate(stage.target.application, &short).unwrap();
    stage.emulator.advance(TimeDelta::minutes(59));
    assert_eq!(by_assertion(&stage, &sign(&key, &header(&short), &claims(&stage))).await.status, 200);
    stage.emulator.advance(TimeDelta::minutes(2));
    let reply = by_assertion(&stage, &sign(&key, &header(&short), &claims(&stage))).await;
    assert_refused(&reply, 401, "invalid_client", 700_027);
    assert!(reply.json()["error_description"].as_str().unwrap().contains("The key used is expired"));
    assert!(!stage.emulator.accepts_certificate(stage.target.client_id, &short));
}

#[tokio::test]
async fn each_missing_or_wrong_parameter_has_its_number() {
    let stage = Stage::new().await;
    let client = stage.target.client_id.to_string();
    let nobody = "11111111-2222-3333-4444-555555555555";
    type Case<'a> = (&'a [(&'a str, &'a str)], u16, &'a str, u64);
    let cases: [Case<'_>; 11] = [
        (&[], 400, "invalid_request", 900_144),
        (&[("client_id", "00000000-0000-0000-0000-000000000000")], 400, "unauthorized_client", 700_038),
        (&[("client_id", nobody)], 400, "unauthorized_client", 700_016),
        (&[("client_id", "x")], 400, "unauthorized_client", 700_016),
        (&[("client_id", &client)], 401, "invalid_client", 7_000_218),
        (&[("client_id", &client), ("grant_type", "password")], 400, "unsupported_grant_type", 70_003),
        (&[("client_id", &client), ("grant_type", "")], 400, "invalid_request", 900_144),
        (&[("client_id", &client), ("scope", "")], 400, "invalid_request", 900_144),
        (&[("client_id", &client), ("scope", "https://graph.microsoft.com/User.Read")], 400, "invalid_scope", 1_002_012),
        (&[("client_id", &client), ("scope", "https://unknown.example/.default")], 400, "invalid_resource", 500_011),
        (&[("client_id", &client), ("client_assertion", "x")], 400, "invalid_request", 900_144),
    ];
    for (fields, status, error, number) in cases {
        let reply = stage.sign_in(fields).await;
        assert_refused(&reply, status, error, number);
        assert_eq!(reply.json().get("error_uri").is_none(), number == 700_038);
    }
    let reply = stage.post_form(&format!("/{nobody}/oauth2/v2.0/token"), &[("grant_type", "client_credentials")]).await;
    assert_refused(&reply, 400, "invalid_request", 90_002);
}

#[tokio::test]
async fn scopes_about_people_are_passed_over_as_msal_for_go_sends_them() {
    let stage = Stage::new().await;
    stage.secret(stage.target.application, "own~secret");
    let client = stage.target.client_id.to_string();
    let with = async |scope: &str| stage.sign_in(&[("client_id", &client), ("client_secret", "own~secret"), ("scope", scope)]).await;
    assert_eq!(with("https://graph.microsoft.com/.default openid offline_access profile").await.status, 200);
    for scope in ["openid offline_access", "https://graph.microsoft.com/.default https://graph.microsoft.com/.default", "openid User.Read"]
    {
        assert_refused(&with(scope).await, 400, "invalid_scope", 1_002_012);
    }
}

#[tokio::test]
async fn an_application_without_service_principal_cannot_sign_in() {
    let stage = Stage::new().await;
    let registration = Registration::named("half");
    let client = "11111111-2222-3333-4444-555555555555".parse().unwrap();
    let application = stage.emulator.create(stage.tenant, entra_types::ids::ObjectKind::Application, client, &registration).unwrap();
    stage.secret(application, "own~secret");
    let reply = stage.sign_in(&[("client_id", &client.to_string()), ("client_secret", "own~secret")]).await;
    assert_refused(&reply, 400, "unauthorized_client", 7_000_229);
}

#[tokio::test]
async fn a_body_that_is_no_form_is_a_request_without_parameters() {
    let stage = Stage::new().await;
    let request = Request::post(format!("{LOGIN}/{TENANT}/oauth2/v2.0/token")).header("content-type", "application/json");
    let reply = stage.send(request.body(Bytes::from_static(b"{}")).unwrap()).await;
    assert_refused(&reply, 400, "invalid_request", 900_144);
}

#[tokio::test]
async fn clients_that_perform_discovery_find_the_token_endpoint() {
    let stage = Stage::new().await;
    let get = async |path: String| stage.send(Request::get(format!("{LOGIN}{path}")).body(Bytes::new()).unwrap()).await;
    let document = get(format!("/{TENANT}/v2.0/.well-known/openid-configuration")).await.json();
    assert_eq!(document["token_endpoint"], format!("{LOGIN}/{TENANT}/oauth2/v2.0/token"));
    for name in ["authorization_endpoint", "issuer", "jwks_uri"] {
        assert!(document[name].as_str().unwrap().starts_with("https://"));
    }
    let keys = get(format!("/{TENANT}/discovery/v2.0/keys")).await.json();
    assert_eq!((&keys["keys"][0]["kty"], &keys["keys"][0]["e"]), (&json!("RSA"), &json!("AQAB")));
    assert_eq!(BASE64URL_NOPAD.decode(keys["keys"][0]["n"].as_str().unwrap().as_bytes()).unwrap().len(), 256);
    let query = format!("/common/discovery/instance?api-version=1.1&authorization_endpoint={LOGIN}/{TENANT}/oauth2/v2.0/authorize");
    let instance = get(query).await.json();
    assert_eq!(instance["tenant_discovery_endpoint"], format!("{LOGIN}/{TENANT}/v2.0/.well-known/openid-configuration"));
    assert_eq!(instance["metadata"][0]["preferred_network"], "login.microsoftonline.com");
    let other = get("/common/discovery/instance?api-version=1.1&authorization_endpoint=https://other.example/x/y".to_owned()).await;
    assert_refused(&other, 400, "invalid_instance", 50_049);
}
