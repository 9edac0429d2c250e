//! Requests that are refused, lost or late, and what the server keeps of all of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::PostParams};
use kube_sim::{Failure, KubeSim, RequestInfo, Verb, Verdict};
use serde_json::json;

use crate::world::start;

fn secret(name: &str) -> Secret {
    serde_json::from_value(json!({"metadata": {"name": name}, "stringData": {"value": "hush"}})).unwrap()
}

fn secrets(sim: &KubeSim) -> Api<Secret> {
    Api::namespaced(sim.client(), "default")
}

/// Lets everything pass but creations.
fn on_create(verdict: Verdict) -> impl Fn(&RequestInfo) -> Verdict + Send + Sync {
    move |request| if request.verb == Verb::Create { verdict.clone() } else { Verdict::Pass }
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_not_applied() {
    let sim = start();
    sim.intercept(on_create(Verdict::Fail(Failure::too_many_requests(7))));
    let refused = secrets(&sim).create(&PostParams::default(), &secret("s")).await.unwrap_err();
    let kube::Error::Api(status) = refused else { panic!("{refused}") };
    assert_eq!((status.code, status.details.unwrap().retry_after_seconds), (429, 7));
    assert_eq!(sim.get("secrets", "default", "s"), None);
    assert_eq!(sim.requests()[0].status, 429);
    sim.stop_intercepting();
    secrets(&sim).create(&PostParams::default(), &secret("s")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_is_an_error_and_is_not_applied() {
    let sim = start();
    sim.intercept(on_create(Verdict::Drop));
    let lost = secrets(&sim).create(&PostParams::default(), &secret("s")).await.unwrap_err();
    assert!(matches!(lost, kube::Error::Service(_)), "{lost}");
    assert_eq!(sim.get("secrets", "default", "s"), None);
    assert_eq!(sim.requests()[0].status, 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_answer_is_lost_is_applied() {
    let sim = start();
    sim.intercept(on_create(Verdict::ApplyThenDrop));
    let lost = secrets(&sim).create(&PostParams::default(), &secret("s")).await.unwrap_err();
    assert!(matches!(lost, kube::Error::Service(_)), "{lost}");
    assert!(sim.get("secrets", "default", "s").is_some());
    assert_eq!(sim.requests()[0].status, 201);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_request_is_applied_late_and_a_delayed_answer_not() {
    let sim = start();
    let api = secrets(&sim);
    let hour = Duration::from_secs(3600);
    sim.intercept(on_create(Verdict::Delay(hour)));
    let params = PostParams::default();
    let (early, late) = (secret("early"), secret("late"));
    assert!(tokio::time::timeout(hour / 2, api.create(&params, &late)).await.is_err());
    assert_eq!(sim.get("secrets", "default", "late"), None);
    sim.intercept(on_create(Verdict::ApplyThenDelay(hour)));
    assert!(tokio::time::timeout(hour / 2, api.create(&params, &early)).await.is_err());
    assert!(sim.get("secrets", "default", "early").is_some());
}

#[tokio::test(start_paused = true)]
async fn an_interceptor_sees_who_asks_for_what_and_may_look_at_the_store() {
    let sim = start();
    let seen = Arc::new(AtomicUsize::new(0));
    let (look, seen_by) = (sim.clone(), seen.clone());
    sim.intercept(move |request: &RequestInfo| {
        assert_eq!(request.to_string(), "create default/secrets/s");
        assert_eq!(request.manager.as_deref(), Some("me"));
        assert_eq!(request.body().unwrap()["stringData"]["value"], "hush");
        assert_eq!(look.get("secrets", "default", "s"), None);
        seen_by.fetch_add(1, Ordering::Relaxed);
        Verdict::Pass
    });
    let params = PostParams { field_manager: Some("me".into()), ..PostParams::default() };
    secrets(&sim).create(&params, &secret("s")).await.unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn the_record_tells_what_was_asked_but_not_what_was_sent() {
    let sim = start();
    secrets(&sim).create(&PostParams::default(), &secret("s")).await.unwrap();
    secrets(&sim).get("s").await.unwrap();
    secrets(&sim).get("t").await.unwrap_err();
    let record = sim.requests();
    let lines: Vec<_> = record.iter().map(|entry| format!("{} {}", entry.request, entry.status)).collect();
    assert_eq!(lines, ["create default/secrets/s 201", "get default/secrets/s 200", "get default/secrets/t 404"]);
    assert!(record.iter().all(|entry| entry.request.body().is_none()));
    assert!(!format!("{record:?}").contains("hush"));
    assert_eq!(sim.tally()[&(Verb::Get, "secrets".to_owned())], 2);
    sim.forget_requests();
    assert!(sim.requests().is_empty() && sim.tally().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_world() {
    async fn world(seed: u64) -> serde_json::Value {
        let sim = KubeSim::builder().seed(seed).clock(Default::default).build().unwrap();
        secrets(&sim).create(&PostParams::default(), &secret("s")).await.unwrap();
        sim.get("secrets", "default", "s").unwrap()
    }
    assert_eq!(world(1).await, world(1).await);
    assert_ne!(world(1).await, world(2).await);
}
