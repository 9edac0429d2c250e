//! A year of each kind, and its course again with every fault at every effect.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::effects::{Effects, Fault};
use super::oracle::Oracle;
use super::world::World;

fn certificate() -> Value {
    json!({"clientCertificate": {}})
}

fn signing() -> Value {
    json!({"tokenSigningCertificate": {}, "rotation": {"validity": "4320h"}})
}

fn secret() -> Value {
    json!({"clientSecret": {}})
}

/// The same course of events as in a year, in days: the effects and their order do not depend on the length of a life.
fn short(spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["rotation"] = json!({"validity": "48h"});
    spec
}

#[tokio::test(start_paused = true)]
async fn a_simulated_year_of_a_client_certificate_keeps_every_promise() {
    let world = run(&certificate(), Effects::default(), TimeDelta::days(365)).await;
    assert_eq!(rotations(&world), 2, "{:#?}", world.effects.log());
}

#[tokio::test(start_paused = true)]
async fn a_simulated_year_of_a_signing_certificate_keeps_every_promise() {
    let world = run(&signing(), Effects::default(), TimeDelta::days(365)).await;
    assert_eq!(rotations(&world), 3, "{:#?}", world.effects.log());
}

#[tokio::test(start_paused = true)]
async fn a_simulated_year_of_a_client_secret_keeps_every_promise() {
    let world = run(&secret(), Effects::default(), TimeDelta::days(365)).await;
    assert_eq!(rotations(&world), 6, "{:#?}", world.effects.log());
}

#[tokio::test(start_paused = true)]
async fn a_client_secret_survives_every_fault_at_every_effect() {
    every_fault(&short(&secret())).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_certificate_survives_every_fault_at_every_effect() {
    every_fault(&short(&certificate())).await;
}

#[tokio::test(start_paused = true)]
async fn a_signing_certificate_survives_every_fault_at_every_effect() {
    every_fault(&short(&signing())).await;
}

/// First issue and two rotations, then the same with one thing going wrong, for each thing that can.
async fn every_fault(spec: &Value) {
    let course = TimeDelta::days(3);
    let undisturbed = run(spec, Effects::default(), course).await;
    let effects = undisturbed.effects.log();
    assert!(rotations(&undisturbed) >= 2, "{effects:#?}");
    for (number, effect) in effects.iter().enumerate() {
        for fault in Fault::ALL {
            println!("{fault:?} at effect {number} of {}: {effect}", effects.len());
            let world = run(spec, Effects::with_fault(number, fault), course + TimeDelta::days(1)).await;
            assert!(rotations(&world) >= 2, "{:#?}", world.effects.log());
        }
    }
}

/// Runs a world to its end, its promises checked after every effect, and checks that it has settled.
async fn run(spec: &Value, effects: Effects, course: TimeDelta) -> World {
    let world = World::new(spec, effects).await;
    let oracle = Oracle::watch(&world);
    world.run_for(course).await;
    oracle.check("the last effect");
    oracle.has_settled(&world);
    world
}

/// Credentials that were published after the first one.
fn rotations(world: &World) -> usize {
    let seq = world.resource()["status"]["credentials"]
        .as_array()
        .and_then(|entries| entries.iter().filter(|entry| !entry["publishedAt"].is_null()).filter_map(|entry| entry["seq"].as_u64()).max());
    usize::try_from(seq.unwrap_or(0)).unwrap()
}
