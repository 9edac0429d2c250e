//! Faults on purpose: what the caller hears, and what happened.

use std::time::Duration;

use chrono::TimeDelta;
use entra_emulator::{Effect, Fault, Match, Operation, Sent};
use http::Method;
use serde_json::{Value, json};

use crate::stage::{Stage, refused, watch};

const LATE: Duration = Duration::from_secs(600);

fn adds() -> Match {
    Match::operation(Operation::AddPassword)
}

async fn add(stage: &Stage) -> std::io::Result<crate::stage::Reply> {
    stage.try_send(stage.request(Method::POST, &format!("{}/addPassword", stage.application()), &json!({}))).await
}

fn stored(stage: &Stage) -> usize {
    stage.emulator.object(stage.target.application).unwrap()["passwordCredentials"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_lost_answer_leaves_the_write_applied_and_the_call_on_record() {
    let stage = Stage::new().await;
    stage.emulator.inject(Fault::once(adds(), Effect::answer_lost()));
    assert_eq!(add(&stage).await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(stored(&stage), 1);
    let call = stage.emulator.calls().pop().unwrap();
    assert_eq!((call.handled, call.answered, call.changed, call.disturbed), (Some(200), None, true, true));
    assert_eq!(add(&stage).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_request_that_is_cut_changes_nothing() {
    let stage = Stage::new().await;
    stage.emulator.inject(Fault::once(Match::writes().object(stage.target.application), Effect::cut()));
    assert!(add(&stage).await.is_err());
    assert_eq!(stored(&stage), 0);
    assert_eq!(stage.emulator.calls().pop().unwrap().handled, None);
}

#[tokio::test]
async fn a_late_write_is_applied_when_it_is_due_whoever_looks_first() {
    let stage = Stage::new().await;
    let seen = watch(&stage.emulator);
    stage.emulator.inject(Fault::once(adds(), Effect::applied_late(LATE)));
    assert!(add(&stage).await.is_err());
    stage.emulator.advance(TimeDelta::seconds(599));
    assert_eq!((stored(&stage), stage.emulator.pending()), (0, 1));
    stage.emulator.advance(TimeDelta::seconds(1000));
    assert_eq!((stored(&stage), stage.emulator.pending()), (1, 0));
    let due = crate::stage::start() + TimeDelta::seconds(600);
    assert_eq!(seen.lock().unwrap()[0].at, due);
    assert_eq!(stage.emulator.calls().pop().unwrap().handled_at, Some(due));
}

#[tokio::test]
async fn a_late_write_is_applied_even_if_its_token_has_expired_by_then() {
    let stage = Stage::new().await;
    stage.emulator.inject(Fault::once(adds(), Effect::applied_late(Duration::from_secs(7200))));
    assert!(add(&stage).await.is_err());
    stage.emulator.advance(TimeDelta::hours(3));
    assert_eq!(stored(&stage), 1);
}

#[tokio::test]
async fn late_writes_are_applied_in_the_order_in_which_they_are_due() {
    let stage = Stage::new().await;
    let seen = watch(&stage.emulator);
    for late in [300, 100, 200] {
        stage.emulator.inject(Fault::once(adds(), Effect::applied_late(Duration::from_secs(late))));
        assert!(add(&stage).await.is_err());
    }
    stage.emulator.advance(TimeDelta::hours(1));
    assert_eq!(stored(&stage), 3);
    let times: Vec<_> = seen.lock().unwrap().iter().map(|mutation| (mutation.at - crate::stage::start()).num_seconds()).collect();
    assert_eq!(times, [100, 200, 300]);
}

#[tokio::test]
async fn throttling_conflicts_and_server_errors_come_with_or_without_the_write() {
    let stage = Stage::new().await;
    let cases = [
        (Effect::conflict(), refused(409, "Directory_ConcurrencyViolation"), 0),
        (Effect::throttled(Some("10")), refused(429, "TooManyRequests"), 0),
        (Effect::throttled_but_applied(None), refused(429, "TooManyRequests"), 1),
        (Effect::failing(500), refused(500, "Service_InternalServerError"), 0),
        (Effect::failing_after(502), refused(502, "UnknownError"), 1),
        (Effect::failing(503), refused(503, "ServiceUnavailable"), 0),
        (Effect::failing_after(504), refused(504, "UnknownError"), 1),
    ];
    for (effect, verdict, added) in cases {
        let before = stored(&stage);
        stage.emulator.inject(Fault::once(adds(), effect.clone()));
        let reply = add(&stage).await.unwrap();
        assert_eq!(reply.verdict(), verdict);
        assert_eq!(stored(&stage) - before, added, "{effect:?}");
        let after = if verdict.0 == 429 && added == 0 { Some("10") } else { None };
        assert_eq!(reply.headers.get("retry-after").map(|value| value.to_str().unwrap()), after);
        assert!(reply.headers.contains_key("request-id"));
    }
}

#[tokio::test]
async fn a_failure_can_be_worded() {
    let stage = Stage::new().await;
    let answer = Sent::Failure {
        status: 400,
        code: Some("Request_BadRequest".to_owned()),
        message: Some("No password credential found with keyId 'x'".to_owned()),
        retry_after: None,
    };
    stage.emulator.inject(Fault::once(adds(), Effect::answering(answer)));
    let reply = add(&stage).await.unwrap();
    assert_eq!((reply.status, reply.message().as_str()), (400, "No password credential found with keyId 'x'"));
}

#[tokio::test]
async fn garbage_of_every_kind_can_be_sent() {
    let stage = Stage::new().await;
    let raw = Sent::Raw { status: 418, content_type: "text/x".to_owned(), body: "short and stout".to_owned() };
    for (answer, status, length) in [(Sent::Html, 200, 57), (Sent::Empty, 200, 0), (Sent::Huge, 200, 10_485_772), (raw, 418, 15)] {
        stage.emulator.inject(Fault::once(Match::any(), Effect::answering(answer)));
        let reply = stage.get(&stage.application()).await;
        assert_eq!((reply.status, reply.body.len()), (status, length));
    }
    stage.emulator.inject(Fault::once(Match::any(), Effect::answering(Sent::Truncated)));
    let reply = stage.get(&stage.application()).await;
    assert_eq!((reply.status, reply.json(), reply.body.is_empty()), (200, Value::Null, false));
}

#[tokio::test(start_paused = true)]
async fn a_delay_holds_the_write_or_only_its_answer() {
    let stage = Stage::new().await;
    for (effect, applied_at_once) in [(Effect::slow(LATE), true), (Effect::held(LATE), false)] {
        let before = stored(&stage);
        stage.emulator.inject(Fault::once(adds(), effect));
        let started = tokio::time::Instant::now();
        let call = add(&stage);
        tokio::pin!(call);
        let early = tokio::time::timeout(Duration::from_secs(1), &mut call).await;
        assert!(early.is_err());
        assert_eq!(stored(&stage) > before, applied_at_once);
        assert_eq!(call.await.unwrap().status, 200);
        assert_eq!(started.elapsed(), LATE);
        assert_eq!(stored(&stage), before + 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_hangs_up_does_not_stop_its_write() {
    let stage = Stage::new().await;
    stage.emulator.inject(Fault::once(adds(), Effect::held(LATE)));
    assert!(tokio::time::timeout(Duration::from_secs(30), add(&stage)).await.is_err());
    assert_eq!(stored(&stage), 0);
    stage.emulator.advance(TimeDelta::seconds(600));
    assert_eq!(stored(&stage), 1);
    assert_eq!(stage.emulator.calls().pop().unwrap().answered, None);
}

#[tokio::test]
async fn the_date_of_one_answer_can_be_wrong() {
    let stage = Stage::new().await;
    stage.emulator.inject(Fault::once(Match::operation(Operation::Get), Effect::skewed_date(-300)));
    assert_eq!(stage.get(&stage.application()).await.headers["date"], "Sat, 21 Nov 2026 09:55:00 GMT");
    assert_eq!(stage.get(&stage.application()).await.headers["date"], "Sat, 21 Nov 2026 10:00:00 GMT");
}

#[tokio::test]
async fn a_fault_about_a_client_hits_its_sign_in_and_both_its_objects() {
    let stage = Stage::new().await;
    stage.secret(stage.target.application, "own~secret");
    stage.emulator.inject(Fault::always(Match::any().client(stage.target.client_id), Effect::failing(503)));
    assert_eq!(stage.get(&stage.application()).await.status, 503);
    assert_eq!(stage.get(&format!("/servicePrincipals(appId='{}')", stage.target.client_id)).await.status, 503);
    let client = stage.target.client_id.to_string();
    let reply = stage.sign_in(&[("client_id", &client), ("client_secret", "own~secret")]).await;
    assert_eq!((reply.status, &reply.json()["error"]), (503, &json!("temporarily_unavailable")));
    assert_eq!(stage.get(&format!("/applications/{}", stage.operator.application)).await.status, 200);
    assert_eq!(stage.emulator.faults()[0].hit, 3);
    stage.emulator.withdraw_all();
    assert_eq!(stage.get(&stage.application()).await.status, 200);
}

#[tokio::test]
async fn a_sign_in_can_be_refused_for_a_reason_that_is_not_the_credential() {
    let stage = Stage::new().await;
    stage.secret(stage.target.application, "own~secret");
    stage.emulator.inject(Fault::once(Match::operation(Operation::Token), Effect::aadsts(400, "access_denied", 53003)));
    let client = stage.target.client_id.to_string();
    let reply = stage.sign_in(&[("client_id", &client), ("client_secret", "own~secret")]).await;
    assert_eq!((reply.status, &reply.json()["error_codes"]), (400, &json!([53003])));
}
