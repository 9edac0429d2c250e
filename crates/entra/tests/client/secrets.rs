//! No secret is ever printed.

use entra::Detail;
use keys::fixtures;
use serde_json::json;

use crate::stand_in::{StandIn, application, certificate_sign_in, proof, reply, secret, token};

const CANARY: &str = "c4n4ry~s3cret.value_with-all~kinds";

#[tokio::test]
async fn debug_output_shows_no_secret() {
    let graph = StandIn::default().graph_as(secret(CANARY));
    graph.identity().await.unwrap();
    let shown = format!("{:?} {graph:?} {graph:#?} {:?} {:?}", secret(CANARY), certificate_sign_in(0), proof());
    let pem = fixtures::key(0).to_pkcs8_pem();
    assert!(!shown.contains(CANARY) && !shown.contains("token-1"), "{shown}");
    assert!(pem.expose().lines().all(|line| !shown.contains(line)), "{shown}");
    assert!(shown.contains("[redacted]"), "{shown}");
}

#[tokio::test]
async fn a_secret_that_comes_back_in_a_refusal_is_not_kept() {
    for message in [format!("AADSTS7000215: not {CANARY}"), format!("{}{CANARY}", "x".repeat(495))] {
        let stand_in = StandIn::default();
        let body = json!({"error": "invalid_client", "error_description": message});
        stand_in.answers_tokens([reply(401, body.to_string())]);
        let failure = stand_in.graph().sign_in(&secret(CANARY)).await.unwrap_err();
        let shown = format!("{failure} {failure:?}");
        assert!(!shown.contains(&CANARY[..12]), "{shown}");
    }
}

#[tokio::test]
async fn a_token_or_proof_that_comes_back_in_a_refusal_is_not_kept() {
    const JWT: &str = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl";
    let body = json!({"error": {"code": "X", "message": format!("Bearer {JWT} is no token")}});
    let stand_in = StandIn::answering([reply(400, body.to_string())]);
    stand_in.answers_tokens([token(JWT, 3599)]);
    let failure = stand_in.graph().read(&application(), Detail::Plain).await.unwrap_err();
    assert_eq!(failure.message, "Bearer [redacted] is no token");
}
