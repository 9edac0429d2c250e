//! Views that lag: what a read shows after a write, and what signs in.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use entra_emulator::{Behaviour, Lag, Registration};
use http::Method;
use serde_json::{Value, json};

use crate::stage::{Stage, refused};

fn seconds(lags: &[u64]) -> Vec<Duration> {
    lags.iter().copied().map(Duration::from_secs).collect()
}

#[tokio::test]
async fn a_read_shows_the_past_until_the_lag_is_over() {
    let stage = Stage::new().await;
    stage.emulator.advance(TimeDelta::minutes(10));
    stage.emulator.set_lag(Lag { graph: seconds(&[60]), ..Lag::default() });
    assert_eq!(stage.post(&format!("{}/addPassword", stage.application()), &json!({})).await.status, 200);
    assert!(stage.list(&stage.application(), "passwordCredentials").await.is_empty());
    stage.emulator.advance(TimeDelta::seconds(59));
    assert!(stage.list(&stage.application(), "passwordCredentials").await.is_empty());
    stage.emulator.advance(TimeDelta::seconds(1));
    assert_eq!(stage.list(&stage.application(), "passwordCredentials").await.len(), 1);
}

#[tokio::test]
async fn reads_go_to_replicas_in_turn_of_chance_so_that_the_new_may_be_followed_by_the_old() {
    let stage = Stage::new().await;
    stage.emulator.advance(TimeDelta::minutes(10));
    stage.emulator.set_lag(Lag { graph: seconds(&[0, 60]), ..Lag::default() });
    stage.post(&format!("{}/addPassword", stage.application()), &json!({})).await;
    let mut seen = Vec::new();
    for _ in 0..40 {
        seen.push(stage.list(&stage.application(), "passwordCredentials").await.len());
    }
    assert!(seen.windows(2).any(|pair| pair == [1, 0]), "{seen:?}");
    assert_eq!(seen.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([0, 1]));
}

#[tokio::test]
async fn a_new_object_is_missing_where_it_has_not_arrived() {
    let stage = Stage::new().await;
    stage.emulator.set_lag(Lag { graph: seconds(&[10]), ..Lag::default() });
    stage.emulator.advance(TimeDelta::minutes(1));
    let fresh = stage.emulator.register(stage.tenant, &Registration::named("fresh")).unwrap();
    let path = format!("/applications/{}", fresh.application);
    assert_eq!(stage.get(&path).await.verdict(), refused(404, "Request_ResourceNotFound"));
    assert_eq!(stage.post(&format!("{path}/addPassword"), &json!({})).await.status, 404);
    stage.emulator.advance(TimeDelta::seconds(10));
    assert_eq!(stage.get(&path).await.status, 200);
    stage.emulator.delete(fresh.application).unwrap();
    assert_eq!(stage.get(&path).await.status, 200);
    stage.emulator.advance(TimeDelta::seconds(10));
    assert_eq!(stage.get(&path).await.status, 404);
}

#[tokio::test]
async fn a_removal_at_a_replica_that_has_not_seen_the_entry_is_told_that_there_is_none() {
    let stage = Stage::new().await;
    stage.emulator.advance(TimeDelta::minutes(10));
    stage.emulator.set_lag(Lag { graph: seconds(&[60]), ..Lag::default() });
    let added = stage.post(&format!("{}/addPassword", stage.application()), &json!({})).await.json();
    let path = format!("{}/removePassword", stage.application());
    let body = json!({"keyId": added["keyId"]});
    let reply = stage.post(&path, &body).await;
    assert_eq!(reply.verdict(), refused(400, "Request_BadRequest"));
    assert!(reply.message().contains("No password credential found with keyId"));
    stage.emulator.adjust(|behaviour| behaviour.removal_reads_replica = false);
    assert_eq!(stage.post(&path, &body).await.status, 204);
}

#[tokio::test]
async fn sign_in_accepts_a_new_secret_late_and_a_removed_one_for_as_long() {
    let stage = Stage::new().await;
    stage.emulator.advance(TimeDelta::minutes(10));
    stage.emulator.set_lag(Lag { sign_in: seconds(&[18]), ..Lag::default() });
    let id = stage.secret(stage.target.application, "new~secret");
    let client = stage.target.client_id.to_string();
    let status = async || stage.sign_in(&[("client_id", &client), ("client_secret", "new~secret")]).await.status;
    assert_eq!(status().await, 401);
    assert!(stage.emulator.accepts_secret(stage.target.client_id, "new~secret"));
    assert!(!stage.emulator.accepts_secret_everywhere(stage.target.client_id, "new~secret"));
    stage.emulator.advance(TimeDelta::seconds(18));
    assert_eq!(status().await, 200);
    assert!(stage.emulator.accepts_secret_everywhere(stage.target.client_id, "new~secret"));
    stage.emulator.remove_credential(stage.target.application, id).unwrap();
    assert_eq!(status().await, 200);
    assert!(!stage.emulator.accepts_secret(stage.target.client_id, "new~secret"));
    stage.emulator.advance(TimeDelta::seconds(18));
    assert_eq!(status().await, 401);
}

#[tokio::test]
async fn a_write_soon_after_another_to_the_pair_conflicts() {
    let stage = Stage::behaving(Behaviour { conflict_window: Duration::from_secs(5), ..Behaviour::default() }).await;
    let add = async |path: String| stage.post(&format!("{path}/addPassword"), &json!({})).await.verdict();
    assert_eq!(add(stage.application()).await.0, 200);
    let reply = stage.post(&format!("{}/addPassword", stage.principal()), &json!({})).await;
    assert_eq!(reply.verdict(), refused(409, "Directory_ConcurrencyViolation"));
    assert_eq!(reply.message(), "Error due to concurrent requests being made to the tenant. Please wait briefly and retry.");
    assert_eq!(add(format!("/applications/{}", stage.operator.application)).await.0, 200);
    stage.emulator.advance(TimeDelta::seconds(5));
    assert_eq!(add(stage.principal()).await.0, 200);
}

#[tokio::test]
async fn writes_are_throttled_per_caller() {
    let stage = Stage::behaving(Behaviour { writes_per_window: 2, ..Behaviour::default() }).await;
    let patch = async || stage.patch(&stage.application(), &json!({"notes": "x"})).await.status;
    assert_eq!([patch().await, patch().await, patch().await], [204, 204, 429]);
    let (_, token) = stage.client(&["Application.ReadWrite.All"]).await;
    let other = stage.request_with(&token, Method::PATCH, &stage.application(), &json!({"notes": "y"}));
    assert_eq!(stage.send(other).await.status, 204);
    stage.emulator.advance(TimeDelta::seconds(150));
    assert_eq!(patch().await, 204);
}

#[tokio::test]
async fn lists_can_come_in_any_order() {
    let stage = Stage::behaving(Behaviour { shuffled_lists: true, ..Behaviour::default() }).await;
    for number in 0..6 {
        stage.secret(stage.target.application, &format!("secret~{number}"));
    }
    let mut orders = BTreeSet::new();
    let mut contents = BTreeSet::new();
    for _ in 0..10 {
        let mut list: Vec<String> = stage.list(&stage.application(), "passwordCredentials").await.iter().map(Value::to_string).collect();
        orders.insert(list.clone());
        list.sort();
        contents.insert(list);
    }
    assert!(orders.len() > 1);
    assert_eq!(contents.len(), 1);
}
