//! A year of each kind.

use chrono::TimeDelta;
use serde_json::{Value, json};

use simulator::effects::Effects;
use simulator::oracle::Oracle;
use simulator::world::World;

fn certificate() -> Value {
    json!({"clientCertificate": {}})
}

fn signing() -> Value {
    json!({"tokenSigningCertificate": {}, "rotation": {"validity": "4320h"}})
}

fn secret() -> Value {
    json!({"clientSecret": {}})
}

#[tokio::test(start_paused = true)]
async fn a_simulated_year_of_a_client_certificate_keeps_every_promise() {
    let world = a_year(&certificate()).await;
    assert_eq!(rotations(&world), 2, "{:#?}", world.effects.log());
}

#[tokio::test(start_paused = true)]
async fn a_simulated_year_of_a_signing_certificate_keeps_every_promise() {
    let world = a_year(&signing()).await;
    assert_eq!(rotations(&world), 3, "{:#?}", world.effects.log());
}

#[tokio::test(start_paused = true)]
async fn a_simulated_year_of_a_client_secret_keeps_every_promise() {
    let world = a_year(&secret()).await;
    assert_eq!(rotations(&world), 6, "{:#?}", world.effects.log());
}

/// Runs a world through a year, its promises checked after every effect, and checks that it has settled.
async fn a_year(spec: &Value) -> World {
    let world = World::new(spec, Effects::default()).await;
    let oracle = Oracle::watch(&world);
    world.run_for(TimeDelta::days(365)).await;
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
