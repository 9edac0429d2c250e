//! Grants that come and go while work is under way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use serde_json::{Value, json};

use simulator::effects::{Effects, Moment, TIME};
use simulator::oracle::Oracle;
use simulator::world::{NAMESPACE, World};

/// However much of it is taken off at random, its successor is made and its predecessor removed within 62 hours, and then it still lives.
const VALIDITY: &str = "96h";

fn certificate() -> Value {
    json!({"clientCertificate": {}, "rotation": {"validity": VALIDITY, "renewBefore": "48h", "overlap": "2h"}})
}

fn signing() -> Value {
    json!({"tokenSigningCertificate": {"activation": {"soak": "2h"}}, "rotation": {"validity": VALIDITY, "renewBefore": "48h", "overlap": "2h"}})
}

fn secret() -> Value {
    json!({"clientSecret": {}, "rotation": {"validity": VALIDITY, "renewBefore": "48h", "overlap": "2h"}})
}

fn put_grants(cluster: &kube_sim::KubeSim, grants: Value) {
    let mut tenant = cluster.get("entratenants.entra-rotator.io", "", "default").unwrap();
    tenant["spec"]["grants"] = grants;
    tenant["metadata"]["generation"] = json!(tenant["metadata"]["generation"].as_i64().unwrap() + 1);
    cluster.put(tenant);
}

fn grants(world: &World) -> Value {
    world.cluster.get("entratenants.entra-rotator.io", "", "default").unwrap()["spec"]["grants"].clone()
}

/// What a withdrawn grant forbids: nothing of it may come after the operator has heard of the withdrawal.
fn creates_activates_or_publishes(effect: &str) -> bool {
    let writes_entra = effect.contains("applications") || effect.contains("servicePrincipals");
    writes_entra || effect.ends_with("secrets/payroll-credential")
}

/// Runs until the first credential is at rest; then withdraws the grant right after the n-th effect of the rotation that follows, for less
/// time than the credential lives. Answers the forbidden effects after it, and whether there was an n-th effect.
async fn withdrawn_after(spec: &Value, number: usize) -> (Vec<String>, bool) {
    let world = World::new(spec, Effects::default()).await;
    let oracle = Oracle::watch(&world);
    world.run_for(TimeDelta::hours(4)).await;
    let (cluster, counted, late) = (world.cluster.clone(), AtomicUsize::new(0), Arc::new(Mutex::new(Vec::new())));
    let forbidden = Arc::clone(&late);
    let before = grants(&world);
    assert!(world.output().is_some());
    world.effects.watch(move |moment, name| {
        match moment {
            Moment::Before if counted.load(Ordering::SeqCst) > number && creates_activates_or_publishes(name) => {
                forbidden.lock().unwrap().push(name.to_owned());
            }
            Moment::After if name == TIME => {}
            Moment::After if counted.fetch_add(1, Ordering::SeqCst) == number => put_grants(&cluster, json!([])),
            Moment::Before | Moment::After => {}
        }
        Ok(())
    });
    world.run_for(TimeDelta::hours(62)).await;
    let happened = grants(&world) == json!([]);
    if happened {
        assert!(["Stalled", "RotationAtRisk"].map(|r#type| reason(&world, r#type)).contains(&"NotGranted".to_owned()), "{number}");
        oracle.check("the withdrawal");
        oracle.resume(&world);
        put_grants(&world.cluster, before);
        world.run_for(TimeDelta::hours(8)).await;
        oracle.has_settled(&world);
    }
    let late = late.lock().unwrap().clone();
    (late, happened)
}

async fn assert_withdrawn_everywhere(spec: &Value) {
    let mut number = 0;
    loop {
        let (late, happened) = withdrawn_after(spec, number).await;
        if !happened {
            break;
        }
        // One may be on its way when the operator hears of it.
        assert!(late.len() <= 1, "after the effect of number {number}: {late:#?}");
        number += 1;
    }
    assert!(number > 8, "only {number} effects in a rotation");
}

#[tokio::test(start_paused = true)]
async fn a_grant_withdrawn_at_any_moment_of_a_rotation_ends_it_there_and_a_new_one_goes_on() {
    assert_withdrawn_everywhere(&certificate()).await;
}

#[tokio::test(start_paused = true)]
async fn a_grant_withdrawn_at_any_moment_of_a_signing_rollover_ends_it_there_and_a_new_one_goes_on() {
    assert_withdrawn_everywhere(&signing()).await;
}

#[tokio::test(start_paused = true)]
async fn a_grant_withdrawn_at_any_moment_of_the_rotation_of_a_secret_ends_it_there_and_a_new_one_goes_on() {
    assert_withdrawn_everywhere(&secret()).await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_has_a_grant_by_selector_as_long_as_it_has_the_label() {
    let world = World::new(&json!({"clientCertificate": {}}), Effects::default()).await;
    let oracle = Oracle::watch(&world);
    let mut by_label = grants(&world);
    by_label[0].as_object_mut().unwrap().remove("namespaces");
    by_label[0]["namespaceSelector"] = json!({"matchLabels": {"rotation": "allowed"}});
    put_grants(&world.cluster, by_label);
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(reason(&world, "Stalled"), "NotGranted");
    assert!(world.entra.mutations().iter().all(|mutation| mutation.caller.is_none()));

    label(&world, &json!({"rotation": "allowed"}));
    world.run_for(TimeDelta::hours(1)).await;
    oracle.has_settled(&world);
    label(&world, &json!({}));
    world.run_for(TimeDelta::minutes(1)).await;
    assert_eq!(reason(&world, "RotationAtRisk"), "NotGranted");
    let calls = world.entra.calls().len();
    world.run_for(TimeDelta::hours(24)).await;
    let since: Vec<_> = world.entra.calls().into_iter().skip(calls).filter(|call| call.path.starts_with("/v1.0/")).collect();
    assert!(since.is_empty(), "{since:#?}");
}

fn label(world: &World, labels: &Value) {
    world.cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}));
}

fn reason(world: &World, r#type: &str) -> String {
    let status = world.resource()["status"].clone();
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.iter().find(|condition| condition["type"] == r#type && condition["status"] == "True");
    found.map(|condition| condition["reason"].as_str().unwrap().to_owned()).unwrap_or_default()
}
