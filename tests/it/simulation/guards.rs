//! What somebody does in the moment between a look and the write that was decided by it.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use kube_sim::KubeSim;
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

fn theirs(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "data": {"key": "dmFsdWU="}})
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
