//! Puts the scenarios to the API server of the current kubeconfig and to the simulation, and prints how the answers differ.
//!
//! The API server must serve `scenarios/widgets.crd.yaml` and run the garbage collector and namespace controllers.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::Duration;

use kube_sim::{KubeSim, scenario};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let real = kube::Client::try_default().await.unwrap();
    let sim = KubeSim::builder().crd_yaml(scenario::WIDGETS).build().unwrap();
    for scenario in scenario::Scenario::all().unwrap() {
        println!("== {}", scenario.name);
        let pause = || tokio::time::sleep(Duration::from_millis(200));
        let theirs = scenario.replay(&real, pause).await.unwrap();
        let ours = scenario.replay(&sim.client(), pause).await.unwrap();
        for (who, replay) in [("kube-apiserver", &theirs), ("simulation", &ours)] {
            replay.unexpected.iter().for_each(|what| println!("{who}: {what}"));
        }
        for (theirs, ours) in theirs.exchanges.iter().zip(&ours.exchanges) {
            if theirs.code != ours.code {
                println!("  {} code {} {}", theirs.step, theirs.code, ours.code);
            }
            differences(&theirs.step, &plain(&theirs.body), &plain(&ours.body), "");
        }
    }
}

fn differences(step: &str, theirs: &Value, ours: &Value, path: &str) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
                let missing = json!("<missing>");
                let pair = (a.get(name).unwrap_or(&missing), b.get(name).unwrap_or(&missing));
                differences(step, pair.0, pair.1, &format!("{path}/{name}"));
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(step, a, b, &format!("{path}/{index}"));
            }
        }
        (a, b) if a == b => {}
        (a, b) => println!("  {step} {path}\n    kube-apiserver {a}\n    simulation     {b}"),
    }
}

/// Without what differs from run to run.
fn plain(body: &Value) -> Value {
    match body {
        Value::Object(map) => {
            let volatile = ["uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "time", "lastTransitionTime"];
            let kept = map.iter().filter(|(name, _)| !volatile.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        Value::Array(list) => list.iter().map(plain).collect(),
        other => other.clone(),
    }
}
