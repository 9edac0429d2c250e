//! The memory of the cluster: gone for a moment, or put back to what it was.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    random::Random,
    scenario::{Stage, pass_messages, sequences},
    world::Kind,
};
use crate::real_api_server::operator::{
    scene::{is_overlapping, sleep_until},
    witness::condition,
};

const SPREAD: u64 = 40;
const POLL: Duration = Duration::from_millis(400);
/// 2·LATE and a third: what is younger may only be on its way into a ledger, and the first audit of a process leaves it aside.
const SETTLED: TimeDelta = TimeDelta::seconds(8);

/// Kills etcd at any message, and starts it again on its data a moment later, or when the Lease can no longer be relied on.
pub(super) async fn kill(stage: &Stage<'_>, random: &mut Random) {
    let outage = random.one_of(&[Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10)]);
    pass_messages(&stage.world.api, random.up_to(SPREAD)).await;
    stage.world.cluster.kill_etcd().unwrap();
    sleep(outage).await;
    stage.world.cluster.start_etcd().await.unwrap();
    stage.supervisor.autopsy().await;
}

/// The cluster is put back to before a rotation whose credentials are in Entra already, and published. The ones before them are published
/// again, and still good, as their overlap is not over. What no ledger knows any more is reported and left alone, then and when the
/// credentials are renewed again.
pub(super) async fn restore(stage: &Stage<'_>) {
    let world = stage.world;
    world.declare("30m").await;
    stage.settle(&BTreeMap::new()).await;
    world.cluster.kill_etcd().unwrap();
    let snapshot = world.cluster.snapshot().unwrap();
    world.cluster.start_etcd().await.unwrap();
    renew(stage).await;
    let forgotten = key_ids(stage).await;
    sleep_until(world.last_issue().await + SETTLED).await;

    world.cluster.restore(&snapshot).await.unwrap();
    until(stage, "what is not in the ledger to be reported", |kind, state| {
        let reported = unrecorded(state);
        assert!(reported.iter().all(|id| forgotten.contains(id)), "{reported:?} are not all forgotten: {forgotten:?}");
        kind == Kind::Signing || !reported.is_empty()
    })
    .await;
    // Entra signs with one that the restored output lacks, and nobody knows that before the operator has looked.
    until(stage, "the certificate that signs to be found and published", |kind, state| {
        condition(state, "Ready") == "True/Published" && (kind != Kind::Signing || is_foreign(state))
    })
    .await;
    stage.consumer.forgive(Kind::Signing);
    stage.disturbed();
    stage.supervisor.autopsy().await;
    assert_untouched(stage, &forgotten);

    renew(stage).await;
    assert_untouched(stage, &forgotten);
}

/// Has everything renewed, up to the overlap.
async fn renew(stage: &Stage<'_>) {
    stage.rotated();
    let before = sequences(&stage.world.states_at_last().await);
    stage.world.renew().await;
    let is_renewed = |state: &Value| {
        let now = sequences(&BTreeMap::from([(String::new(), state.clone())]));
        let name = state["metadata"]["name"].as_str().unwrap();
        now.get("").is_some_and(|now| *now > before[name])
    };
    until(stage, "the overlap", |_, state| is_renewed(state) && is_overlapping(state)).await;
}

async fn until(stage: &Stage<'_>, what: &str, fits: impl Fn(Kind, &Value) -> bool) {
    let deadline = Instant::now() + stage.extent.patience;
    loop {
        let states = stage.world.states_at_last().await;
        let unfit =
            stage.world.resources.iter().find(|resource| !states.get(&resource.name).is_some_and(|state| fits(resource.kind, state)));
        let Some(unfit) = unfit else { return };
        assert!(Instant::now() < deadline, "waiting for {what}: {:#}\n{}", states[&unfit.name], stage.last_words(&unfit.name));
        sleep(POLL).await;
    }
}

/// What is published is not what the operator remembers to have made.
fn is_foreign(state: &Value) -> bool {
    let entries = state["status"]["credentials"].as_array().into_iter().flatten();
    entries.into_iter().any(|entry| entry["use"] == "Current" && entry["origin"] == "Foreign" && !entry["publishedAt"].is_null())
}

fn unrecorded(state: &Value) -> Vec<String> {
    let ids = state["status"]["foreignCredentials"]["unrecorded"].as_array().into_iter().flatten();
    ids.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The keyIds of the credentials that are published now.
async fn key_ids(stage: &Stage<'_>) -> Vec<String> {
    let states = stage.world.states_at_last().await;
    let current = |state: &Value| {
        let entries = state["status"]["credentials"].as_array().unwrap().clone();
        entries.into_iter().find(|entry| entry["use"] == "Current").unwrap()["keyIDs"].as_array().unwrap().clone()
    };
    states.values().flat_map(current).map(|id| id.as_str().unwrap().to_owned()).collect()
}

fn assert_untouched(stage: &Stage<'_>, key_ids: &[String]) {
    let objects = stage.world.resources.iter().map(super::world::Declared::object);
    let entries: Vec<_> = objects.flat_map(|object| stage.world.entra.entries(object)).collect();
    let gone: Vec<_> = key_ids.iter().filter(|id| !entries.iter().any(|entry| entry["keyId"] == **id)).collect();
    assert!(gone.is_empty(), "what no ledger holds was removed from Entra: {gone:?}");
}
