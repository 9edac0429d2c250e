//! The status as it is written: the ledger, the report, and nothing that changes by itself.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use rotation::{Clamp, Ledger, Policy, Report};

use super::record;
use crate::api::v1alpha1::{GoDuration, NextAction, ResolvedPolicy, ServicePrincipalCredential, ServicePrincipalCredentialStatus};

/// Builds the status. Transition times stay where the condition did not change.
pub(super) fn status(
    resource: &ServicePrincipalCredential,
    ledger: &Ledger,
    report: &Report,
    policy: &Policy,
    now: DateTime<Utc>,
) -> ServicePrincipalCredentialStatus {
    let present = resource.status.as_ref().and_then(|status| status.read().ok());
    let before = present.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let mut status = ServicePrincipalCredentialStatus {
        observed_generation: Some(policy.generation),
        conditions: report.conditions.iter().map(|condition| convert(condition, before, policy.generation, now)).collect(),
        not_before: report.not_before.map(Into::into),
        not_after: report.not_after.map(Into::into),
        renewal_time: report.renewal_time.map(Into::into),
        next_action: report.next_action.clone().map(|(at, message)| NextAction { at: Some(at.into()), message: Some(message) }),
        policy: Some(resolved(policy, report, present.filter(|status| status.observed_generation == Some(policy.generation)))),
        ..ServicePrincipalCredentialStatus::default()
    };
    record::write(ledger, &mut status);
    status
}

fn convert(condition: &rotation::Condition, before: &[Condition], generation: i64, now: DateTime<Utc>) -> Condition {
    let status = if condition.status { "True" } else { "False" };
    let unchanged = before.iter().find(|old| old.type_ == condition.r#type && old.status == status);
    Condition {
        type_: condition.r#type.to_owned(),
        status: status.to_owned(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        last_transition_time: unchanged.map_or_else(|| time(now), |old| old.last_transition_time.clone()),
        observed_generation: Some(generation),
    }
}

/// What app management policies cut is not asked for at each start: until then it stays as it was found for this generation.
fn resolved(policy: &Policy, report: &Report, before: Option<&ServicePrincipalCredentialStatus>) -> ResolvedPolicy {
    let duration = |delta| GoDuration::try_from(delta).ok();
    let rotation::Durations { validity, renew_before, overlap, soak } = report.durations;
    let found = before.and_then(|before| before.policy.as_ref()).filter(|found| found.note.is_some());
    let (validity, note) = match (&report.clamp, found) {
        (Clamp::Unknown, Some(found)) => (found.validity, found.note.clone()),
        (Clamp::Cut(note), _) => (duration(validity), Some(note.clone())),
        (Clamp::Unknown | Clamp::Unneeded, _) => (duration(validity), None),
    };
    ResolvedPolicy {
        validity,
        renew_before: duration(renew_before),
        overlap: duration(overlap),
        soak: policy.is_signing().then(|| duration(soak)).flatten(),
        note,
    }
}

/// Kubernetes speaks jiff, the rest of the code chrono: the one place where they meet.
pub(crate) fn time(at: DateTime<Utc>) -> Time {
    Time(k8s_openapi::jiff::Timestamp::from_second(at.timestamp()).unwrap_or_default())
}

/// When the resource was created.
pub(super) fn created(resource: &ServicePrincipalCredential) -> Option<DateTime<Utc>> {
    instant(resource.metadata.creation_timestamp.as_ref()?)
}

/// When the resource was deleted, if it was.
pub(super) fn deleted(resource: &ServicePrincipalCredential) -> Option<DateTime<Utc>> {
    instant(resource.metadata.deletion_timestamp.as_ref()?)
}

fn instant(at: &Time) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.0.as_second(), 0)
}
