//! The scenarios that are also put to kube-apiserver.

use kube_sim::scenario::Scenario;
use std::future::ready;

use crate::world::start;

#[tokio::test(start_paused = true)]
async fn the_server_answers_every_scenario_as_kube_apiserver_does() {
    let sim = start();
    let mut wrong = Vec::new();
    for scenario in Scenario::all().unwrap() {
        wrong.extend(scenario.replay(&sim.client(), || ready(())).await.unwrap().unexpected);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
