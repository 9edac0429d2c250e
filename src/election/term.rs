//! Leases as they are written: one term is the time from taking a Lease to losing it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entra::Clock;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff;
use kube::api::ObjectMeta;
use tokio::time::Instant;

use super::evaluate::Seen;

/// Our hold on the Lease.
#[derive(Clone, Debug)]
pub(super) struct Term {
    /// The Lease as the API server last showed it to us in this term.
    pub(super) lease: Lease,
    /// When the last successful renewal was *sent*: others count from later, when they saw it.
    pub(super) renewed: Sent,
}

/// A moment by both clocks: the monotonic one stands still while the machine is suspended, the wall clock can be set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) at: Instant,
    pub(super) dated: DateTime<Utc>,
}

impl Sent {
    pub(super) fn now(clock: &dyn Clock) -> Self {
        Self { at: Instant::now(), dated: clock.now() }
    }

    /// How long ago that was, by whichever clock says longer.
    pub(super) fn age(self, now: DateTime<Utc>) -> Duration {
        self.at.elapsed().max((now - self.dated).to_std().unwrap_or_default())
    }
}

impl Term {
    /// Whether the Lease still says what this term began with. The name alone would not do: two processes can bear one.
    pub(super) fn is_current(&self, lease: &Lease) -> bool {
        mark(lease).is_some() && mark(lease) == mark(&self.lease)
    }

    /// Whether the Lease is as it was before a renewal that the API server has acknowledged.
    pub(super) fn is_older(&self, lease: &Lease) -> bool {
        renew_time(lease) < renew_time(&self.lease)
    }
}

fn renew_time(lease: &Lease) -> Option<&MicroTime> {
    lease.spec.as_ref()?.renew_time.as_ref()
}

/// What tells one term from another.
fn mark(lease: &Lease) -> Option<(Option<&str>, &str, &MicroTime, i32)> {
    let spec = lease.spec.as_ref()?;
    let transitions = spec.lease_transitions.unwrap_or_default();
    Some((lease.metadata.uid.as_deref(), spec.holder_identity.as_deref()?, spec.acquire_time.as_ref()?, transitions))
}

/// What the Lease says to `evaluate`.
pub(super) fn seen(lease: &Lease) -> Seen {
    let spec = lease.spec.as_ref();
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
    Seen { holder: holder(lease).to_owned(), duration: Duration::from_secs(u64::try_from(seconds).unwrap_or_default()) }
}

/// Who holds the Lease; empty for nobody.
pub(super) fn holder(lease: &Lease) -> &str {
    lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default()
}

/// A Lease where there was none.
pub(super) fn created(name: &str, me: &str, duration: Duration, now: DateTime<Utc>) -> Lease {
    let nobody = Lease { metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }, spec: None };
    taken(&nobody, me, duration, now)
}

/// The Lease in our name, as the beginning of a new term.
pub(super) fn taken(lease: &Lease, me: &str, duration: Duration, now: DateTime<Utc>) -> Lease {
    let before = lease.spec.as_ref().map(|spec| spec.lease_transitions.unwrap_or_default());
    let spec = LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: Some(i32::try_from(duration.as_secs().max(1)).unwrap_or(i32::MAX)),
        acquire_time: Some(micro_time(now)),
        renew_time: Some(micro_time(now)),
        lease_transitions: Some(before.map_or(0, |before| before.saturating_add(1))),
        ..LeaseSpec::default()
    };
    Lease { metadata: lease.metadata.clone(), spec: Some(spec) }
}

/// The Lease with a fresh time.
pub(super) fn renewed(lease: &Lease, now: DateTime<Utc>) -> Lease {
    changed(lease, |spec| spec.renew_time = Some(later(micro_time(now), spec.renew_time.as_ref())))
}

/// The Lease in nobody's name.
pub(super) fn released(lease: &Lease, now: DateTime<Utc>) -> Lease {
    changed(lease, |spec| {
        spec.holder_identity = Some(String::new());
        spec.renew_time = Some(micro_time(now));
    })
}

fn changed(lease: &Lease, change: impl FnOnce(&mut LeaseSpec)) -> Lease {
    let mut lease = lease.clone();
    change(lease.spec.get_or_insert_default());
    lease
}

/// A write that changes nothing gets no new resourceVersion, and to others we would look silent: a clock that stands still must not do that.
fn later(now: MicroTime, before: Option<&MicroTime>) -> MicroTime {
    match before {
        Some(before) if *before == now => MicroTime(now.0.saturating_add(jiff::SignedDuration::from_micros(1)).unwrap_or(now.0)),
        _ => now,
    }
}

/// kube speaks jiff, we speak chrono. Microseconds, as the API server stores them.
fn micro_time(at: DateTime<Utc>) -> MicroTime {
    MicroTime(jiff::Timestamp::from_microsecond(at.timestamp_micros()).unwrap_or_default())
}
