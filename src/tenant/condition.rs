//! Conditions as Kubernetes has them.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// One aspect of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Aspect {
    pub(super) r#type: &'static str,
    pub(super) is_true: bool,
    pub(super) reason: String,
    pub(super) message: String,
}

/// The conditions with these aspects in front. Those of others stay; a transition is a change of status.
pub(super) fn renewed(previous: &[Condition], aspects: Vec<Aspect>, generation: i64, now: DateTime<Utc>) -> Vec<Condition> {
    let is_other = |condition: &&Condition| aspects.iter().all(|aspect| aspect.r#type != condition.type_);
    let others: Vec<Condition> = previous.iter().filter(is_other).cloned().collect();
    let renew = |aspect: Aspect| {
        let status = if aspect.is_true { "True" } else { "False" };
        let same = previous.iter().find(|condition| condition.type_ == aspect.r#type && condition.status == status);
        Condition {
            last_transition_time: same.map_or_else(|| time(now), |condition| condition.last_transition_time.clone()),
            message: aspect.message,
            observed_generation: Some(generation),
            reason: aspect.reason,
            status: status.to_owned(),
            type_: aspect.r#type.to_owned(),
        }
    };
    aspects.into_iter().map(renew).chain(others).collect()
}

/// In whole seconds, as the API server keeps them. Only here do chrono and jiff meet.
pub(super) fn time(instant: DateTime<Utc>) -> Time {
    Time(Timestamp::from_second(instant.timestamp()).unwrap_or_default())
}
