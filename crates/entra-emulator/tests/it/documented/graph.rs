//! Graph: documented requests and answers.

use bytes::Bytes;
use data_encoding::BASE64;
use http::{Method, Request};
use keys::Certificate;
use proptest::{prelude::*, strategy::ValueTree as _};
use serde_json::Value;

use super::{
    CASES,
    rows::{Given, Row, rows},
    surroundings::{Surroundings, surroundings},
};
use crate::stage::{GRAPH, Reply, Stage};

/// Who asks, where that is what is wrong.
const CALLERS: [(&str, u16, &str); 4] = [
    ("", 401, "InvalidAuthenticationToken"),
    ("Bearer x", 401, "InvalidAuthenticationToken"),
    ("Bearer eyJhbGciOiJub25lIn0.e30.", 401, "InvalidAuthenticationToken"),
    ("no role", 403, "Authorization_RequestDenied"),
];

async fn ask(stage: &Stage, authorization: &str, around: &Surroundings, (method, path, body): (Method, String, Value)) -> Reply {
    let mut request = Request::builder().method(method).uri(format!("{GRAPH}/v1.0{path}")).header("authorization", authorization);
    if let Some(id) = around.request_id {
        request = request.header("client-request-id", uuid::Uuid::from_u128(id).to_string());
    }
    let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    stage.send(request.header("content-type", "application/json").body(bytes).unwrap()).await
}

/// What every answer has.
fn check_form(reply: &Reply, around: &Surroundings) -> Result<(), TestCaseError> {
    let header = |name: &str| reply.headers.get(name).map_or("", |value| value.to_str().unwrap());
    let id = header("request-id");
    prop_assert!(uuid::Uuid::parse_str(id).is_ok(), "request-id: {}", id);
    let echo = around.request_id.map_or_else(|| id.to_owned(), |id| uuid::Uuid::from_u128(id).to_string());
    prop_assert_eq!(header("client-request-id"), &echo);
    prop_assert!(!header("date").is_empty());
    if reply.status == 204 {
        prop_assert_eq!((reply.body.len(), header("content-type")), (0, ""));
        return Ok(());
    }
    prop_assert!(header("content-type").starts_with("application/json"), "{}", header("content-type"));
    if reply.status >= 400 {
        let error = &reply.json()["error"];
        prop_assert!(error["code"].is_string() && error["message"].is_string(), "{}", error);
        let date = error["innerError"]["date"].as_str().unwrap_or_default();
        prop_assert!(chrono::NaiveDateTime::parse_from_str(date, "%Y-%m-%dT%H:%M:%S").is_ok(), "a date without a zone: {}", date);
        prop_assert_eq!(&error["innerError"]["request-id"], id);
        prop_assert_eq!(&error["innerError"]["client-request-id"], &echo);
    }
    Ok(())
}

/// What an answer says of what was made.
fn check_made(reply: &Reply, what: &str) -> Result<(), TestCaseError> {
    let made = reply.json();
    let text = |field: &str| made[field].as_str().unwrap_or_default().to_owned();
    match what {
        "a secret" | "a secret of nothing but defaults" => {
            let secret = text("secretText");
            prop_assert!((16..=64).contains(&secret.len()) && secret.starts_with(&text("hint")) && text("hint").len() == 3, "{}", made);
            prop_assert_eq!(&made["customKeyIdentifier"], &Value::Null);
        }
        "a signing certificate" => {
            let der = BASE64.decode(text("key").as_bytes()).unwrap();
            let certificate = Certificate::from_der(&der).unwrap();
            prop_assert_eq!(text("thumbprint"), certificate.thumbprint().to_string());
            prop_assert_eq!(BASE64.decode(text("customKeyIdentifier").as_bytes()).unwrap(), certificate.thumbprint().as_bytes().to_vec());
            prop_assert_eq!((text("type"), text("usage")), ("AsymmetricX509Cert".to_owned(), "Verify".to_owned()));
        }
        "a read" => {
            let keys = made["keyCredentials"].as_array().unwrap().iter().chain(made["passwordCredentials"].as_array().unwrap());
            prop_assert!(keys.into_iter().all(|entry| entry["key"].is_null() && entry["secretText"].is_null()), "{}", made);
        }
        _ => {}
    }
    Ok(())
}

async fn check(row: &Row, around: &Surroundings) -> Result<(), TestCaseError> {
    let stage = around.stage().await;
    let (key, old) = stage.certificate(1);
    let id = stage.emulator.add_certificate(around.target(&stage), &old).unwrap().to_string();
    let (_, new) = stage.certificate(3);
    let (_, token) = stage.client(&["Application.ReadWrite.All"]).await;
    let request = (row.request)(&Given { stage: &stage, around, old: (key, old, id), new });
    let before = stage.emulator.mutations().len();
    let reply = ask(&stage, &format!("Bearer {token}"), around, request).await;
    let context = format!("{} ({:?}): {} {}", row.what, row.source, reply.status, reply.json());
    prop_assert_eq!(reply.status, row.status, "{}", context);
    prop_assert!(row.code.is_empty() || reply.code() == row.code, "{}", context);
    prop_assert!(String::from_utf8_lossy(&reply.body).contains(row.text), "{}", context);
    prop_assert!(reply.status < 400 || stage.emulator.mutations().len() == before, "refused, and yet something changed: {}", context);
    check_form(&reply, around)?;
    check_made(&reply, row.what)
}

async fn check_caller((caller, status, code): (&str, u16, &str), row: &Row, around: &Surroundings) -> Result<(), TestCaseError> {
    let stage = around.stage().await;
    let (key, old) = stage.certificate(1);
    let id = stage.emulator.add_certificate(around.target(&stage), &old).unwrap().to_string();
    let (_, new) = stage.certificate(3);
    let request = (row.request)(&Given { stage: &stage, around, old: (key, old, id), new });
    let authorization = match caller {
        "no role" => format!("Bearer {}", stage.client(&[]).await.1),
        text => text.to_owned(),
    };
    let reply = ask(&stage, &authorization, around, request).await;
    prop_assert_eq!(reply.verdict(), (status, code.to_owned()), "{} by {:?}", row.what, caller);
    Ok(())
}

fn run(of: impl Future<Output = Result<(), TestCaseError>>) -> Result<(), TestCaseError> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(of)
}

proptest! {
    #![proptest_config(spoil::config(CASES))]

    #[test]
    fn graph_answers_as_is_written_down_whatever_surrounds_the_request(row in 0..rows().len(), around in surroundings()) {
        run(check(&rows()[row], &around))?;
    }

    #[test]
    fn who_may_not_ask_is_told_so_whatever_is_asked(caller in prop::sample::select(CALLERS.to_vec()), around in surroundings()) {
        // A request that would be answered otherwise.
        let rows = rows();
        let good = rows.iter().find(|row| row.what == "a secret").unwrap();
        run(check_caller(caller, good, &around))?;
    }
}

#[test]
fn every_row_holds_in_the_plainest_surroundings() {
    let plain = surroundings().new_tree(&mut proptest::test_runner::TestRunner::deterministic()).unwrap().current();
    for row in rows() {
        for principal in [false, true] {
            run(check(&row, &plain.about(principal))).unwrap();
        }
    }
}
