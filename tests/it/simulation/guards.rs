//! What somebody does in the moment between a look and the write that was decided by it.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use entra_emulator::{Effect, Fault, Match};
use kube_sim::{Failure, KubeSim, RequestInfo, Verdict};
use rstest::rstest;
use serde_json::{Value, json};

use simulator::effects::Moment;
use simulator::scenario::{at_rest, secret};
use simulator::world::{NAMESPACE, OUTPUT, World};

const STATUS: &str = "PUT payroll/status";

/// Has something happen once: at this moment of the next effect whose name begins so.
fn once(world: &World, at: Moment, effect: &'static str, act: impl Fn(&KubeSim) + Send + Sync + 'static) {
    let (cluster, is_done) = (world.cluster.clone(), AtomicBool::new(false));
    world.effects.watch(move |moment, name| {
        if moment == at && name.starts_with(effect) && !is_done.swap(true, Ordering::SeqCst) {
            act(&cluster);
        }
        Ok(())
    });
}

/// How often the status was written since there were so many effects.
fn written_since(world: &World, first: usize) -> usize {
    world.effects.record().split_off(first).iter().filter(|name| name.starts_with(STATUS)).count()
}

fn theirs(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "data": {"key": "dmFsdWU="}})
}

#[tokio::test(start_paused = true)]
async fn what_is_licensed_is_not_sent_once_another_replica_has_the_lease() {
    let (world, _) = at_rest(secret()).await;
    let (writes, first) = (world.writes(), world.effects.count());
    once(&world, Moment::After, STATUS, |cluster| {
        let mut lease = cluster.get("leases.coordination.k8s.io", "entra-rotator", "entra-rotator").unwrap();
        lease["spec"]["holderIdentity"] = json!("another");
        cluster.put(lease);
    });
    world.renew().await;
    world.run_for(TimeDelta::minutes(20)).await;
    let licensed = world.entries().iter().any(|entry| entry["op"]["kind"] == "AddPassword" && entry["use"] == "Next");
    assert!(licensed, "{:#}", world.resource()["status"]);
    assert_eq!(world.writes(), writes);
    let written = written_since(&world, first);
    assert!(written <= 300, "{written} writes of status");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_throttled_for_long_costs_few_writes_of_status() {
    let (world, _) = at_rest(secret()).await;
    let first = world.effects.count();
    world.entra.inject(Fault::always(Match::writes(), Effect::throttled(Some("30"))));
    world.renew().await;
    world.run_for(TimeDelta::minutes(10)).await;
    let written = written_since(&world, first);
    assert!(written <= 60, "{written} writes of status in ten minutes");
}

#[rstest]
#[case::suspended(json!({"suspend": true}))]
#[case::edited(json!({"rotation": {"overlap": "3h"}}))]
#[case::renewed(json!({"rotation": {"notIssuedBefore": "2026-01-01T00:01:00Z"}}))]
#[tokio::test(start_paused = true)]
async fn while_graph_is_down_nothing_is_asked_more_often_than_the_backoff_allows(#[case] edit: Value) {
    let (world, _) = at_rest(secret()).await;
    world.entra.inject(Fault::always(Match::any(), Effect::failing(503)));
    world.edit(json!({"spec": edit})).await;
    let first = world.effects.count();
    world.run_for(TimeDelta::hours(10)).await;
    let written = written_since(&world, first);
    assert!(written <= 40, "{written} writes of status in ten hours");
}

#[tokio::test(start_paused = true)]
async fn an_output_that_must_not_be_read_is_asked_for_at_the_pace_of_the_backoff() {
    let (world, _) = at_rest(secret()).await;
    world.cluster.intercept(|request: &RequestInfo| {
        let is_secret = request.resource == "secrets" && request.name.is_some();
        if is_secret { Verdict::Fail(Failure::forbidden("secrets is forbidden")) } else { Verdict::Pass }
    });
    world.cluster.delete("secrets", NAMESPACE, OUTPUT);
    let first = world.effects.count();
    world.run_for(TimeDelta::hours(10)).await;
    let written = written_since(&world, first);
    assert!(written <= 150, "{written} writes of status in ten hours");
}

#[tokio::test(start_paused = true)]
async fn a_status_that_another_process_wrote_a_moment_ago_is_not_written_over() {
    let (world, oracle) = at_rest(secret()).await;
    once(&world, Moment::Before, STATUS, |cluster| {
        let mut resource = cluster.get(simulator::oracle::RESOURCE, NAMESPACE, simulator::world::NAME).unwrap();
        resource["status"]["nextSeq"] = json!(7);
        cluster.put(resource);
    });
    world.renew().await;
    world.run_for(TimeDelta::hours(1)).await;
    world.run_to_rest(TimeDelta::hours(6)).await;
    assert_eq!(world.current()["seq"], 7, "{:#}", world.resource()["status"]);
    oracle.has_settled(&world);
}

#[tokio::test(start_paused = true)]
async fn an_output_that_another_resource_took_over_a_moment_ago_is_not_written_over() {
    let (world, _) = at_rest(secret()).await;
    once(&world, Moment::Before, "PATCH secrets/payroll-credential", |cluster| {
        let mut output = cluster.get("secrets", NAMESPACE, OUTPUT).unwrap();
        output["metadata"]["annotations"]["entra-rotator.io/owner"] = json!("another");
        output["data"] = theirs(OUTPUT)["data"].clone();
        cluster.put(output);
    });
    world.renew().await;
    world.run_for(TimeDelta::hours(6)).await;
    let output = world.output().unwrap();
    assert_eq!(output["data"], theirs(OUTPUT)["data"]);
    assert_eq!(output["metadata"]["annotations"]["entra-rotator.io/owner"], "another");
    assert_eq!(world.condition("Stalled"), "True/OutputNotOurs");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_took_the_place_of_a_slot_a_moment_ago_is_not_deleted() {
    let (world, _) = at_rest(secret()).await;
    let slot = world.slots()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let name = slot.clone();
    once(&world, Moment::Before, "DELETE secrets/payroll-credential-entra-", move |cluster| {
        assert!(cluster.delete("secrets", NAMESPACE, &name));
        cluster.put(theirs(&name));
    });
    world.renew().await;
    world.run_for(TimeDelta::hours(6)).await;
    assert_eq!(world.cluster.get("secrets", NAMESPACE, &slot).unwrap()["data"], theirs(&slot)["data"]);
}
