//! What was left in Entra is listed in the status, and stays there.

use std::sync::atomic::{AtomicU32, Ordering};

use entra_types::{KeyId, ObjectId};
use kube_sim::{Failure, RequestInfo, Verdict};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{World, pass, start};
use crate::tenant::{AbandonError, Abandoned, Tenants};

fn abandoned(name: &str, key: u128) -> Abandoned {
    Abandoned {
        namespace: "payroll".to_owned(),
        name: name.to_owned(),
        object_id: ObjectId::new(Uuid::from_u128(7)),
        key_ids: vec![KeyId::new(Uuid::from_u128(key))],
        marks: Vec::new(),
        since: start(),
    }
}

fn item(name: &str, key: u128) -> Value {
    json!({"namespace": "payroll", "name": name, "objectID": Uuid::from_u128(7), "keyIDs": [Uuid::from_u128(key)],
        "since": "2026-11-21T10:00:00Z"})
}

fn writes_status(request: &RequestInfo) -> bool {
    request.resource == "entratenants" && request.subresource.is_some()
}

#[tokio::test(start_paused = true)]
async fn what_is_abandoned_is_listed_once_and_said_once_and_outlasts_later_writes() {
    let world = World::new();
    world.declare(&world.spec()).await;
    world.tenants.abandon("default", &abandoned("api", 1)).await.unwrap();
    world.tenants.abandon("default", &abandoned("web", 2)).await.unwrap();
    world.tenants.abandon("default", &abandoned("api", 1)).await.unwrap();
    let expected = json!([item("api", 1), item("web", 2)]);
    assert_eq!(world.status()["abandoned"], expected);
    assert_eq!(world.event_reasons(), ["SignedIn", "CredentialAbandoned", "CredentialAbandoned"]);
    let note = &world.events()[1].2;
    let (object, key) = (Uuid::from_u128(7), Uuid::from_u128(1));
    assert_eq!(
        *note,
        format!(
            "ServicePrincipalCredential payroll/api went, but on object {object} in Entra credentials stay: {key}. Remove them there, and \
             then from status.abandoned."
        )
    );
    world.put_secret(&json!({"AZURE_CLIENT_SECRET": "wrong"}));
    pass(1).await;
    assert_eq!(world.condition("Ready").1, "SignInRefused");
    world.change(&json!({"spec": {"minimumValidity": "1h"}})).await;
    assert_eq!(world.status()["abandoned"], expected);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_could_learn_the_name_of_is_told_by_its_mark() {
    let world = World::new();
    world.declare(&world.spec()).await;
    let unnamed = Abandoned { key_ids: vec![], marks: vec!["entra-rotator/uid/entry".to_owned()], ..abandoned("api", 1) };
    world.tenants.abandon("default", &unnamed).await.unwrap();
    assert_eq!(world.status()["abandoned"][0]["marks"], json!(["entra-rotator/uid/entry"]));
    let note = &world.events()[1].2;
    assert!(
        note.contains("there may be, or appear still, credentials with the thumbprint or name entra-rotator/uid/entry. Remove them"),
        "{note}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_person_may_take_an_item_off_the_list() {
    let world = World::new();
    world.declare(&world.spec()).await;
    world.tenants.abandon("default", &abandoned("api", 1)).await.unwrap();
    let mut object = world.sim.get("entratenants.entra-rotator.io", "", "default").unwrap();
    object["status"]["abandoned"] = json!([]);
    world.sim.put(object);
    world.change(&json!({"spec": {"minimumValidity": "1h"}})).await;
    assert!(world.status()["abandoned"].as_array().is_none_or(Vec::is_empty), "{}", world.status());
}

#[tokio::test(start_paused = true)]
async fn a_conflict_loses_nothing() {
    let world = World::new();
    world.declare(&world.spec()).await;
    let left = AtomicU32::new(3);
    world.sim.intercept(move |request: &RequestInfo| {
        let is_hit = writes_status(request) && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if is_hit { Verdict::Fail(Failure::new(409, "Conflict", "modified")) } else { Verdict::Pass }
    });
    world.tenants.abandon("default", &abandoned("api", 1)).await.unwrap();
    assert_eq!(world.status()["abandoned"], json!([item("api", 1)]));
}

#[tokio::test(start_paused = true)]
async fn two_at_the_same_time_lose_nothing() {
    let world = World::new();
    world.declare(&world.spec()).await;
    let names: Vec<String> = (0..6).map(|number| format!("api-{number}")).collect();
    let items: Vec<Abandoned> = names.iter().map(|name| abandoned(name, 1)).collect();
    let all = futures::future::join_all(items.iter().map(|item| world.tenants.abandon("default", item))).await;
    all.into_iter().collect::<Result<Vec<()>, _>>().unwrap();
    assert_eq!(world.status()["abandoned"].as_array().unwrap().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_list_in_a_status_that_nobody_understands_is_kept() {
    let world = World::new();
    world.declare(&world.spec()).await;
    world.tenants.abandon("default", &abandoned("api", 1)).await.unwrap();
    let mut object = world.sim.get("entratenants.entra-rotator.io", "", "default").unwrap();
    object["status"]["conditions"] = json!("none");
    object["status"]["abandoned"].as_array_mut().unwrap().push(json!("nonsense"));
    world.sim.put(object);
    world.tenants.abandon("default", &abandoned("web", 2)).await.unwrap();
    pass(600).await;
    assert_eq!(world.condition("Ready").1, "SignedIn");
    assert_eq!(world.status()["abandoned"], json!([item("api", 1), item("web", 2)]));
}

#[tokio::test(start_paused = true)]
async fn where_there_is_nowhere_to_list_it_the_caller_is_told() {
    let world = World::new();
    pass(1).await;
    let gone = world.tenants.abandon("default", &abandoned("api", 1)).await;
    assert!(matches!(gone, Err(AbandonError::Find(_))), "{gone:?}");
    world.declare(&world.spec()).await;
    world.sim.intercept(
        |request: &RequestInfo| {
            if writes_status(request) { Verdict::Fail(Failure::new(409, "Conflict", "modified")) } else { Verdict::Pass }
        },
    );
    world.forget_requests();
    let unwritten = world.tenants.abandon("default", &abandoned("api", 1)).await.unwrap_err();
    assert!(unwritten.to_string().starts_with("cannot list abandoned credentials in the status of EntraTenant default: "), "{unwritten}");
    assert_eq!(world.kube_requests().iter().filter(|request| *request == "patch entratenants/status").count(), 8);
    let idle = Tenants::default().abandon("default", &abandoned("api", 1)).await;
    assert!(matches!(idle, Err(AbandonError::Begin(_))), "{idle:?}");
}
