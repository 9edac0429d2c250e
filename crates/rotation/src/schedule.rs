//! When: due, deadline, backoff, audit. Computed from facts each time, never stored. Jitter comes from the uid, so that it survives a restart.

use chrono::TimeDelta;

use crate::id;
use crate::ledger::{Entry, Ledger};
use crate::policy::Policy;
use crate::time::{Lateness, Time};

/// Issues since the last publication that need no waiting in between.
const FREE_ISSUES: u32 = 3;

/// When the successor of `entry` is due: before its end by renewBefore, but not in the first half of its life, spread by a jitter below renewBefore/10.
pub fn due(entry: &Entry, policy: &Policy) -> Option<Time> {
    let end = entry.not_after?;
    let half = entry.issued_at + (end - entry.issued_at) / 2;
    let renew_before = policy.durations.renew_before;
    Some((end - renew_before).max(half) + part(renew_before / 10, "due", &format!("{}/{}", policy.uid, entry.id)))
}

/// D: from here on nothing but a person gates the successor any more.
pub fn deadline(ledger: &Ledger, upcoming: &Entry, late: Lateness) -> Time {
    let end_of = |current: &Entry| {
        let end = current.not_after?;
        Some(end - ((end - current.issued_at) / 10).min(TimeDelta::hours(24)))
    };
    ledger.current().map_or_else(|| Some(upcoming.issued_at + late.late()), end_of).unwrap_or(Time::MAX_UTC)
}

/// How long to wait after this many failures in a row: LATE/15, doubled each time, at most 4·LATE.
pub fn backoff(failures: u32, late: Lateness, uid: &str) -> TimeDelta {
    let factor = 1 << failures.saturating_sub(1).min(6);
    let wait = (late.late() / 15 * factor).min(late.late() * 4);
    wait + part(wait / 10, "backoff", &format!("{uid}/{failures}"))
}

/// When the object is looked at again although nothing is due: every six hours, give or take one; in the first minutes of a process if never yet.
pub fn audit(last: Option<Time>, born: Time, policy: &Policy) -> Time {
    match last {
        None => born + part(policy.late.late(), "first audit", &policy.uid),
        Some(last) => last + TimeDelta::hours(5) + part(TimeDelta::hours(2), "audit", &format!("{}/{}", policy.uid, last.timestamp())),
    }
}

/// The earliest moment of another issue: three since the last publication are free, then one in every 32·LATE (8 hours).
pub fn next_issue(ledger: &Ledger, late: Lateness) -> Option<Time> {
    let published = ledger.current().map_or(0, |current| current.seq + 1);
    let crowded = ledger.next_seq.saturating_sub(published) >= FREE_ISSUES;
    crowded.then(|| ledger.rotation.started_at.map(|started| started + late.late() * 32)).flatten()
}

/// A share of `whole` that depends on the purpose and the object only.
pub(crate) fn part(whole: TimeDelta, purpose: &str, of: &str) -> TimeDelta {
    let seconds = whole.num_seconds().unsigned_abs();
    let share = if seconds == 0 { 0 } else { id::hash(purpose, of) % seconds };
    TimeDelta::seconds(i64::try_from(share).unwrap_or(0))
}

/// A duration in the way that Go and `spec` write it, such as `720h` or `1m30s`.
pub fn duration(d: TimeDelta) -> String {
    let (h, m, s) = (d.num_hours(), d.num_minutes() % 60, d.num_seconds() % 60);
    let units = [(h, 'h'), (m, 'm'), (s, 's')];
    let text: String = units.iter().filter(|(n, _)| *n != 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}
