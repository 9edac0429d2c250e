//! A course of events, and every state of the resource in it.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use serde_json::Value;

use super::kstatus::{Verdict, condition, verdict};
use simulator::effects::Moment;
use simulator::world::{NAME, NAMESPACE, Setup, World};

/// A world whose resource is looked at after every effect.
pub(super) struct Course {
    pub(super) world: World,
    states: Arc<Mutex<Vec<Value>>>,
}

impl Course {
    pub(super) async fn of(spec: Value) -> Self {
        Self::begin(Setup::of(spec)).await
    }

    pub(super) async fn begin(setup: Setup) -> Self {
        let world = World::begin(setup).await;
        let states: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (cluster, seen) = (world.cluster.clone(), Arc::clone(&states));
        world.effects.watch(move |moment, _| {
            let state = cluster.get("serviceprincipalcredentials.entra-rotator.io", NAMESPACE, NAME);
            if let (Moment::After, Some(state)) = (moment, state)
                && seen.lock().unwrap().last() != Some(&state)
            {
                seen.lock().unwrap().push(state);
            }
            Ok(())
        });
        Self { world, states }
    }

    pub(super) async fn run(&self, span: TimeDelta) {
        self.world.run_for(span).await;
    }

    /// Until the first credential is published and rests.
    pub(super) async fn settle(&self) {
        self.run(TimeDelta::hours(2)).await;
        assert_eq!(self.world.condition("Ready"), "True/Published", "{:#}", self.world.resource()["status"]);
        self.states.lock().unwrap().clear();
    }

    pub(super) fn states(&self) -> Vec<Value> {
        self.states.lock().unwrap().clone()
    }

    /// Some state had these conditions, each as `Type=Status/Reason`, and kstatus took it for that.
    pub(super) fn assert_had(&self, conditions: &[&str], expected: Verdict) {
        let found = self.state_with(conditions);
        assert_eq!(verdict(&found), expected, "{:#}", found["status"]["conditions"]);
    }

    /// The first state that had these conditions.
    pub(super) fn state_with(&self, conditions: &[&str]) -> Value {
        let had = |state: &&Value| conditions.iter().all(|wanted| holds(state, wanted));
        let states = self.states();
        states.iter().find(had).cloned().unwrap_or_else(|| panic!("never {conditions:?} but {:#?}", summaries(&states)))
    }

    pub(super) async fn edit_tenant(&self, patch: Value) {
        let mut tenant = self.world.cluster.get("entratenants.entra-rotator.io", "", "default").unwrap();
        json_patch::merge(&mut tenant, &patch);
        self.world.cluster.put(tenant);
    }
}

fn holds(state: &Value, wanted: &str) -> bool {
    let (name, rest) = wanted.split_once('=').expect("Type=Status/Reason");
    condition(state, name).is_some_and(|found| format!("{}/{}", text(&found["status"]), text(&found["reason"])).starts_with(rest))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The conditions of each state in a line.
pub(super) fn summaries(states: &[Value]) -> Vec<String> {
    let line = |state: &Value| {
        let conditions = state["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let short = |found: &Value| format!("{}={}/{}", text(&found["type"]), text(&found["status"]), text(&found["reason"]));
        conditions.iter().map(short).collect::<Vec<_>>().join(" ")
    };
    let mut lines: Vec<String> = states.iter().map(line).collect();
    lines.dedup();
    lines
}
