//! A year of each kind.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::effects::Effects;
use super::oracle::Oracle;
use super::world::World;

fn certificate() -> Value {
    json!({"clientCertificate": {}})
}

fn signing() -> Value {
    json!({"tokenSigningCertificate": {}, "rotation": {"validity": "4320h"}})
}

#[tokio::test(start_paused = true)]
async fn a_simulated_year_of_a_client_certificate_keeps_every_promise() {
    year(&certificate()).await;
}

#[tokio::test(start_paused = true)]
async fn a_simulated_year_of_a_signing_certificate_keeps_every_promise() {
    year(&signing()).await;
}

async fn year(spec: &Value) {
    let world = World::new(spec, Effects::default()).await;
    let oracle = Oracle::watch(&world);
    world.run_for(TimeDelta::days(365)).await;
    oracle.check("the year");
    for effect in world.effects.log() {
        println!("{effect}");
    }
    println!("{:#}", world.resource()["status"]);
    println!("{:?}", world.cluster.tally());
    println!("{} calls to Entra", world.entra.calls().len());
    assert!(world.output().is_some());
    assert!(oracle.ours() <= 4);
    assert_eq!(world.now().to_rfc3339(), "2027-01-01T00:00:00+00:00");
}
