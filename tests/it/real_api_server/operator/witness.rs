use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use futures::StreamExt as _;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
    runtime::{WatchStreamExt as _, watcher, watcher::Event},
};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use super::stage::LONG;

/// A kind of object, and where the ones to be seen are.
pub(super) struct Place<'a> {
    pub(super) group: &'a str,
    pub(super) version: &'a str,
    pub(super) kind: &'a str,
    /// `None` is the cluster.
    pub(super) namespace: Option<&'a str>,
}

impl Place<'_> {
    pub(super) fn api(&self, client: Client) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(self.group, self.version, self.kind));
        match self.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        }
    }
}

/// Every state that a watch shows of some objects from now on, in order; a deletion shows as null.
pub(super) struct Witness {
    of: String,
    states: watch::Receiver<Vec<Arc<Value>>>,
    next: usize,
    task: JoinHandle<()>,
}

impl Witness {
    /// Watches the objects that a field selector selects. What is there already has been seen when this returns.
    pub(super) async fn of(client: Client, place: &Place<'_>, fields: &str) -> Self {
        let (sender, states) = watch::channel(Vec::new());
        let (started, start) = tokio::sync::oneshot::channel();
        let events = watcher(place.api(client), watcher::Config::default().fields(fields)).default_backoff().boxed();
        let task = tokio::spawn(async move {
            let mut started = Some(started);
            let record = |state: Value| sender.send_modify(|states| states.push(Arc::new(state)));
            // An error is followed by another try.
            let events = events.filter_map(|event| std::future::ready(event.ok()));
            events
                .for_each(|event| {
                    match event {
                        Event::Apply(object) | Event::InitApply(object) => record(json!(object)),
                        Event::Delete(_) => record(Value::Null),
                        Event::Init => {}
                        Event::InitDone => drop(started.take().map(|started| started.send(()))),
                    }
                    std::future::ready(())
                })
                .await;
        });
        start.await.unwrap();
        Self { of: format!("{} {fields}", place.kind), states, next: 0, task }
    }

    /// The first state that fits, of those not passed over yet. The next search begins there.
    pub(super) async fn until(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Arc<Value> {
        let deadline = Instant::now() + LONG;
        loop {
            let found = {
                let states = self.states.borrow_and_update();
                states.iter().skip(self.next).position(|state| fits(state)).map(|at| (at, Arc::clone(&states[self.next + at])))
            };
            if let Some((at, state)) = found {
                self.next += at;
                return state;
            }
            let changed = timeout_at(deadline, self.states.changed()).await;
            assert!(matches!(changed, Ok(Ok(()))), "{} never showed {what}; it is now {:#}", self.of, summary(&self.now()));
        }
    }

    /// The state as last seen.
    pub(super) fn now(&self) -> Arc<Value> {
        self.states.borrow().last().cloned().unwrap_or_default()
    }

    /// Searches from the beginning again.
    pub(super) fn rewind(&mut self) {
        self.next = 0;
    }

    pub(super) fn all(&self) -> Vec<Arc<Value>> {
        self.states.borrow().clone()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn summary(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let metadata = json!({"generation": metadata["generation"], "annotations": metadata["annotations"]});
    json!({"metadata": metadata, "spec": object["spec"], "status": object["status"]})
}

/// A condition as `True/Reason`; empty if it is not there.
pub(super) fn condition(object: &Value, kind: &str) -> String {
    let found = conditions(object).remove(kind);
    found.map_or_else(String::new, |condition| {
        format!("{}/{}", condition["status"].as_str().unwrap_or_default(), condition["reason"].as_str().unwrap_or_default())
    })
}

/// A time that stands there.
pub(super) fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no time"))
}

/// What a condition says.
pub(super) fn message(object: &Value, kind: &str) -> String {
    let found = conditions(object).remove(kind);
    found.map_or_else(String::new, |condition| condition["message"].as_str().unwrap_or_default().to_owned())
}

fn conditions(object: &Value) -> BTreeMap<&str, &Value> {
    let list = object["status"]["conditions"].as_array();
    list.into_iter().flatten().map(|condition| (condition["type"].as_str().unwrap_or_default(), condition)).collect()
}

/// What tools that follow kstatus take a resource for.
pub(super) fn kstatus(object: &Value) -> &'static str {
    let holds = |kind: &str| condition(object, kind).starts_with("True/");
    let denied = condition(object, "Ready").starts_with("False/");
    match () {
        () if !object["metadata"]["deletionTimestamp"].is_null() => "Terminating",
        () if object["status"]["observedGeneration"] != object["metadata"]["generation"] => "InProgress",
        () if holds("Reconciling") => "InProgress",
        () if holds("Stalled") => "Failed",
        () if denied => "InProgress",
        () => "Current",
    }
}

/// What every status must be like, whatever happens.
pub(super) fn assert_sound(states: &[Arc<Value>]) {
    for state in states.iter().filter(|state| !state.is_null()) {
        let holds = |kind: &str| condition(state, kind).starts_with("True/");
        assert!(!(holds("Reconciling") && holds("Stalled")), "Reconciling and Stalled at once: {:#}", summary(state));
        assert!(!(holds("Ready") && condition(state, "Ready") != "True/Published"), "{:#}", summary(state));
        let observed = state["status"]["observedGeneration"].as_i64().unwrap();
        assert!(observed <= state["metadata"]["generation"].as_i64().unwrap(), "observed the future: {:#}", summary(state));
        let list = state["status"]["conditions"].as_array();
        for condition in list.into_iter().flatten() {
            let words = ["reason", "message", "lastTransitionTime"].map(|word| condition[word].as_str().unwrap_or_default());
            assert!(words.iter().all(|word| !word.is_empty()), "a condition without words: {condition:#}");
        }
        assert_eq!(list.map_or(0, Vec::len), conditions(state).len(), "a condition stands there twice: {:#}", summary(state));
    }
    for (before, after) in states.iter().zip(states.iter().skip(1)) {
        assert_transitions(before, after);
    }
}

/// `lastTransitionTime` moves when, and only when, the status of the condition does.
fn assert_transitions(before: &Value, after: &Value) {
    if before["metadata"]["uid"] != after["metadata"]["uid"] {
        return;
    }
    let before = conditions(before);
    for (kind, condition) in conditions(after) {
        let Some(earlier) = before.get(kind) else { continue };
        let is_same = earlier["status"] == condition["status"];
        assert!(
            !is_same || earlier["lastTransitionTime"] == condition["lastTransitionTime"],
            "the time of a transition that was none: {earlier:#} became {condition:#}"
        );
    }
}

#[test]
fn a_status_that_contradicts_itself_is_unsound() {
    let condition = |kind: &str, status: &str, time: &str| json!({"type": kind, "status": status, "reason": "Published", "message": "…", "lastTransitionTime": time});
    let state =
        |conditions: Value| Arc::new(json!({"metadata": {"generation": 1}, "status": {"observedGeneration": 1, "conditions": conditions}}));
    let sound = state(json!([condition("Ready", "True", "noon"), condition("Stalled", "False", "noon")]));
    assert_sound(&[Arc::clone(&sound), state(json!([condition("Ready", "True", "noon"), condition("Stalled", "True", "one")]))]);
    let unsound = [
        vec![state(json!([condition("Reconciling", "True", "noon"), condition("Stalled", "True", "noon")]))],
        vec![state(json!([condition("Ready", "True", "noon"), condition("Ready", "True", "noon")]))],
        vec![sound, state(json!([condition("Ready", "True", "one")]))],
    ];
    for states in unsound {
        assert!(std::panic::catch_unwind(|| assert_sound(&states)).is_err(), "{states:#?}");
    }
}
