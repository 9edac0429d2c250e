//! The rules of kstatus (sigs.k8s.io/cli-utils, "The kstatus library") as a table: what `kubectl wait`, Flux and Argo CD take an object for.

use serde_json::Value;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Current,
    InProgress,
    Failed,
    Terminating,
}

type Rule = (fn(&Value) -> bool, Verdict);

/// The first that applies.
const RULES: &[Rule] = &[
    (|object| !object["metadata"]["deletionTimestamp"].is_null(), Verdict::Terminating),
    (is_behind, Verdict::InProgress),
    (|object| is(object, "Reconciling", "True"), Verdict::InProgress),
    (|object| is(object, "Stalled", "True"), Verdict::Failed),
    (|object| is(object, "Ready", "False"), Verdict::InProgress),
    (|object| is(object, "Ready", "Unknown"), Verdict::InProgress),
    (|_| true, Verdict::Current),
];

pub(super) fn verdict(object: &Value) -> Verdict {
    RULES.iter().find(|(applies, _)| applies(object)).map(|(_, verdict)| *verdict).expect("the last rule always applies")
}

fn is_behind(object: &Value) -> bool {
    let observed = object["status"]["observedGeneration"].as_i64();
    observed.is_some() && observed != object["metadata"]["generation"].as_i64()
}

fn is(object: &Value, name: &str, status: &str) -> bool {
    condition(object, name).is_some_and(|condition| condition["status"] == status)
}

pub(super) fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == name)
}
