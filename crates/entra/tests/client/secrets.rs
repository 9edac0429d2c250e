//! No secret is ever printed.

use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;

use data_encoding::BASE64;
use entra::{Detail, NewPassword};
use keys::fixtures;
use serde_json::json;

use crate::identities::File;
use crate::signing_keys::{PASSWORD, signing_key};
use crate::stand_in::{KEY, StandIn, application, certificate_sign_in, proof, reply, secret, token};

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

/// A token that is no JWT: Graph's are opaque by contract.
const OPAQUE: &str = "0paque-t0ken.of_our~own/and+more";

/// Answers that repeat a text where others say what went wrong.
fn echoes(text: &str) -> [String; 4] {
    [
        json!({"error": {"code": "X", "message": format!("not with {text}, please")}}).to_string(),
        json!({"error": {"code": text, "message": "no"}}).to_string(),
        json!({"error": {"code": "X", "message": "no", "innerError": {"request-id": text}}}).to_string(),
        json!({"error": {"code": "X", "message": format!("in base64: {}", BASE64.encode(format!("x{text}").as_bytes()))}}).to_string(),
    ]
}

#[tokio::test]
async fn an_opaque_token_that_comes_back_anywhere_in_a_refusal_is_not_kept() {
    for status in [400, 401, 403, 409, 500] {
        for body in echoes(OPAQUE) {
            let stand_in = StandIn::answering([reply(status, body.clone()), reply(status, body.clone())]);
            stand_in.answers_tokens([token(OPAQUE, 3599), token(OPAQUE, 3599)]);
            let failure = stand_in.graph().read(&application(), Detail::Plain).await.unwrap_err();
            let shown = format!("{failure} {failure:?}");
            assert!(!keys::quotes(&shown, OPAQUE.as_bytes()), "{status} {body}: {shown}");
        }
    }
}

#[tokio::test]
async fn a_file_or_password_that_comes_back_anywhere_in_a_refusal_is_not_kept() {
    let key = signing_key(4);
    let pfx = BASE64.encode(key.pfx.expose());
    for secret in [PASSWORD, &pfx[200..260]] {
        for body in echoes(secret) {
            let stand_in = StandIn::answering([reply(400, body.clone()), reply(400, body.clone())]);
            let added = stand_in.graph().add_signing_key(&application(), &key, &proof()).await.unwrap_err();
            let entries = entra::signing_entries(KEY.parse().unwrap(), KEY.parse().unwrap(), "x", &crate::emulator::certificate(4), &key);
            let list = entra_types::CredentialList::default().with_all(entries.0);
            let passwords = entra_types::CredentialList::default().with(entries.1);
            let replaced = stand_in.graph().replace_credentials(&application(), Some(&list), Some(&passwords)).await.unwrap_err();
            let shown = format!("{added} {added:?} {replaced} {replaced:?}");
            assert!(!keys::quotes(&shown, secret.as_bytes()), "{body}: {shown}");
        }
    }
}

#[tokio::test]
async fn a_secret_that_entra_makes_and_then_tells_as_an_error_is_not_kept() {
    const MADE: &str = "m4d3~by.entra-with_kinds";
    let new = NewPassword { display_name: "one".to_owned(), end_date_time: "2026-11-18T10:00:00Z".to_owned() };
    let body = json!({"error": {"code": "X", "message": format!("{MADE} was made"), "innerError": {"secretText": MADE}}});
    let failure = StandIn::answering([reply(500, body.to_string())]).graph().add_password(&application(), &new).await.unwrap_err();
    let shown = format!("{failure} {failure:?}");
    assert!(!shown.contains(&MADE[..8]), "{shown}");
}

thread_local! {
    /// What was logged by this thread, and so by its test.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct ToThread;

impl Write for ToThread {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// One subscriber for the whole process: one of a thread's own misses what other threads met first, as whether a place logs at all is remembered for all.
fn log_everything() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(|| ToThread);
        tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    });
}

#[tokio::test]
async fn no_secret_is_in_the_log_at_its_most_talkative() {
    const MADE: &str = "m4d3~by.entra-with_kinds";
    const FEDERATED: &str = "f3d3rated.not-a.jwt";
    log_everything();
    let stand_in = StandIn::answering([
        reply(200, json!({"keyId": KEY, "secretText": MADE}).to_string()),
        reply(400, json!({"error": {"code": "X", "message": format!("not with {PASSWORD}")}}).to_string()),
        reply(200, "{}"),
    ]);
    stand_in.answers_tokens([token("t0ken.of-our.own", 3599)]);
    let (graph, key) = (stand_in.graph_as(secret(CANARY)), signing_key(4));
    let new = NewPassword { display_name: "one".to_owned(), end_date_time: "2026-11-18T10:00:00Z".to_owned() };
    graph.add_password(&application(), &new).await.unwrap().unwrap();
    graph.add_signing_key(&application(), &key, &proof()).await.unwrap_err();
    graph.add_signing_key(&application(), &key, &proof()).await.unwrap();
    graph.sign_in(&secret(MADE)).await.unwrap();
    graph.signed_in_as(File::holding(FEDERATED).sign_in()).identity().await.unwrap();

    let log = LOG.with_borrow(|log| String::from_utf8(log.clone()).unwrap());
    let pfx = BASE64.encode(key.pfx.expose());
    assert!(log.contains("answered"), "something was logged: {log}");
    for secret in [CANARY, MADE, PASSWORD, FEDERATED, "t0ken", &pfx[200..260]] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
