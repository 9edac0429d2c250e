//! When: due, deadline, backoff, audit. Computed from facts each time, never stored. Jitter comes from the uid, so that it survives a restart.

use chrono::TimeDelta;

use crate::id;
use crate::ledger::{Entry, Ledger};
use crate::policy::Policy;
use crate::time::{Lateness, TOLERATED_SKEW, Time};

/// Issues since the last publication that need no waiting in between.
const FREE_ISSUES: u32 = 3;

/// When the successor of `entry` is due: before its end by renewBefore, but not in the first half of its life, spread by a jitter below a tenth of what is then left.
pub fn due(entry: &Entry, policy: &Policy) -> Option<Time> {
    let end = entry.not_after?;
    let half = entry.issued_at + (end - entry.issued_at) / 2;
    let from = (end - policy.durations.renew_before).max(half);
    // A tenth of what is left and not of renewBefore: the policy of now may be meant for a much longer life.
    Some(from + part((end - from) / 10, "due", &format!("{}/{}", policy.uid, entry.id)))
}

/// D: from here on nothing but a person gates the successor any more.
pub fn deadline(ledger: &Ledger, upcoming: &Entry, late: Lateness) -> Time {
    let end_of = |current: &Entry| {
        let end = current.not_after?;
        Some(end - ((end - current.issued_at) / 10).min(TimeDelta::hours(24)))
    };
    ledger.current().map_or_else(|| Some(upcoming.issued_at + late.late()), end_of).unwrap_or(Time::MAX_UTC)
}

/// When the next attempt after a failure may be made. Once the deadline of Current has passed, our own patience ends at LATE/3: often enough to be in time,
/// seldom enough not to press. What the other side asked for is obeyed all the same. A failure of the future was recorded by a clock that was wrong: nothing waits
/// for its time.
pub(crate) fn next_attempt(ledger: &Ledger, policy: &Policy, now: Time) -> Option<Time> {
    let until = ledger.rotation.next_attempt?;
    let failure = ledger.rotation.last_failure.as_ref();
    if failure.is_some_and(|failure| failure.time > now + TOLERATED_SKEW) {
        return None;
    }
    let (Some(failure), Some(current)) = (failure, ledger.current()) else { return Some(until) };
    let ours = backoff(ledger.rotation.failures, policy.late, &policy.uid) + TimeDelta::seconds(1);
    let asked = until > failure.time + ours;
    if asked || now < deadline(ledger, current, policy.late) {
        return Some(until);
    }
    Some(until.min(failure.time + policy.late.late() / 3))
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::ledger::{Failure, Rotation, Use};
    use crate::reason::Reason;
    use crate::sample::{at, certificate, entry, signing};

    fn hours(h: i64) -> TimeDelta {
        TimeDelta::hours(h)
    }

    fn living(life: TimeDelta) -> Entry {
        Entry { not_after: Some(at(0) + life), ..entry(1, Use::Current) }
    }

    #[rstest]
    #[case::by_renew_before(4_320, 720, 3_600, 72)]
    #[case::not_in_the_first_half(1_000, 720, 500, 50)]
    #[case::a_life_shorter_than_what_is_asked_by_now(24, 720, 12, 2)]
    #[case::at_the_edge(2, 1, 1, 1)]
    fn due_is_before_the_end_by_renew_before_or_at_half_life(
        #[case] life: i64,
        #[case] renew_before: i64,
        #[case] from: i64,
        #[case] jitter: i64,
    ) {
        let mut policy = certificate();
        policy.durations.renew_before = hours(renew_before);
        for uid in 0..200 {
            policy.uid = uid.to_string();
            let due = due(&living(hours(life)), &policy).unwrap();
            assert!(at(0) + hours(from) <= due && due < at(0) + hours(from + jitter), "{due}");
        }
    }

    #[rstest]
    #[case(60)]
    #[case(7 * 60)]
    #[case(24 * 60)]
    #[case(10 * 24 * 60)]
    #[case(1_000 * 24 * 60)]
    fn due_comes_before_the_deadline_whatever_the_policy_says_now(#[case] minutes: i64) {
        for (policy, seq) in [certificate(), signing()].iter().flat_map(|policy| (0..100).map(move |seq| (policy, seq))) {
            let current = Entry { seq, id: id::EntryId::derive("uid", seq), ..living(TimeDelta::minutes(minutes)) };
            let ledger = Ledger { entries: vec![current.clone()], ..Ledger::default() };
            let deadline = deadline(&ledger, &entry(101, Use::Next), Lateness::default());
            let due = due(&current, policy).unwrap();
            assert!(due < deadline, "due {due}, deadline {deadline}");
        }
    }

    #[test]
    fn what_never_ends_is_never_due() {
        let current = Entry { not_after: None, ..entry(1, Use::Current) };
        assert_eq!(due(&current, &certificate()), None);
        let ledger = Ledger { entries: vec![current], ..Ledger::default() };
        assert_eq!(deadline(&ledger, &entry(2, Use::Next), Lateness::default()), Time::MAX_UTC);
    }

    #[rstest]
    #[case::a_day_before_the_end(24 * 100, 24 * 99)]
    #[case::a_tenth_of_a_short_life(20, 18)]
    fn the_deadline_is_a_day_or_a_tenth_of_the_life_before_the_end(#[case] life: i64, #[case] expected: i64) {
        let ledger = Ledger { entries: vec![living(hours(life))], ..Ledger::default() };
        assert_eq!(deadline(&ledger, &entry(2, Use::Next), Lateness::default()), at(0) + hours(expected));
    }

    #[test]
    fn without_a_current_credential_the_deadline_is_late_after_the_issue() {
        assert_eq!(deadline(&Ledger::default(), &entry(2, Use::Next), Lateness::default()), at(15));
    }

    #[rstest]
    #[case::a_moment_ago(-1, 59, Some(59))]
    #[case::by_a_clock_a_little_ahead(2, 60, Some(60))]
    #[case::by_a_clock_that_was_a_day_ahead(24 * 60, 25 * 60, None)]
    #[case::by_a_clock_that_was_a_year_ahead(365 * 24 * 60, 365 * 24 * 60 + 1, None)]
    fn a_failure_of_the_future_holds_nothing_up(#[case] failed: i64, #[case] attempt: i64, #[case] expected: Option<i64>) {
        let failure = Failure { time: at(60 + failed), reason: Reason::ClockSkew, message: "It failed.".to_owned() };
        let rotation = Rotation { last_failure: Some(failure), failures: 1, next_attempt: Some(at(60 + attempt)), ..Rotation::default() };
        let ledger = Ledger { rotation, ..Ledger::default() };
        assert_eq!(next_attempt(&ledger, &certificate(), at(60)), expected.map(|minutes| at(60 + minutes)));
    }

    /// Failures of a credential of ten days, whose deadline is the end of the ninth.
    #[rstest]
    #[case::before_the_deadline(9 * 24 * 60 - 1, 60, 60)]
    #[case::from_the_deadline_on(9 * 24 * 60, 60, 5)]
    #[case::after_the_deadline(9 * 24 * 60 + 1, 60, 5)]
    #[case::what_is_sooner_anyway(9 * 24 * 60 + 1, 2, 2)]
    #[case::what_the_other_side_asked_for(9 * 24 * 60 + 1, 90, 90)]
    fn from_the_deadline_on_our_own_patience_ends_at_a_third_of_late(#[case] now: i64, #[case] attempt: i64, #[case] expected: i64) {
        let failure = Failure { time: at(now), reason: Reason::Unavailable, message: "It failed.".to_owned() };
        let rotation = Rotation { last_failure: Some(failure), failures: 9, next_attempt: Some(at(now + attempt)), ..Rotation::default() };
        let ledger = Ledger { rotation, entries: vec![living(hours(24 * 10))], ..Ledger::default() };
        assert_eq!(next_attempt(&ledger, &certificate(), at(now)), Some(at(now + expected)));
    }

    #[rstest]
    #[case(1, 60)]
    #[case(2, 120)]
    #[case(3, 240)]
    #[case(6, 1_920)]
    #[case(7, 3_600)]
    #[case(8, 3_600)]
    #[case(u32::MAX, 3_600)]
    fn the_backoff_doubles_up_to_four_times_late(#[case] failures: u32, #[case] seconds: i64) {
        for uid in ["a", "b", "c", "d"] {
            let wait = backoff(failures, Lateness::default(), uid).num_seconds();
            assert!((seconds..seconds + seconds / 10).contains(&wait), "{wait}");
        }
    }

    #[test]
    fn audits_come_every_six_hours_give_or_take_one_and_not_all_at_once() {
        let mut policy = certificate();
        let mut distinct = std::collections::BTreeSet::new();
        for uid in 0..100 {
            policy.uid = uid.to_string();
            let next = audit(Some(at(0)), at(0), &policy);
            assert!(at(0) + hours(5) <= next && next < at(0) + hours(7), "{next}");
            let first = audit(None, at(0), &policy);
            assert!(at(0) <= first && first < at(15), "{first}");
            distinct.insert(next);
        }
        assert!(distinct.len() > 80, "{}", distinct.len());
    }

    #[rstest]
    #[case::nothing_yet(None, 0, None)]
    #[case::two_tries(None, 2, None)]
    #[case::three_tries(None, 3, Some(8 * 60))]
    #[case::the_one_after_a_publication(Some(4), 5, None)]
    #[case::two_tries_after_it(Some(4), 7, None)]
    #[case::three_tries_after_it(Some(4), 8, Some(8 * 60))]
    fn three_issues_are_free_and_then_one_in_eight_hours(#[case] current: Option<u32>, #[case] next_seq: u32, #[case] until: Option<i64>) {
        let ledger = Ledger {
            entries: current.map(|seq| entry(seq, Use::Current)).into_iter().collect(),
            next_seq,
            rotation: Rotation { started_at: Some(at(0)), ..Rotation::default() },
            ..Ledger::default()
        };
        assert_eq!(next_issue(&ledger, Lateness::default()), until.map(at));
    }

    #[rstest]
    #[case(0, "0s")]
    #[case(59, "59s")]
    #[case(90, "1m30s")]
    #[case(3_600, "1h")]
    #[case(2_592_001, "720h1s")]
    fn durations_are_written_as_go_writes_them(#[case] seconds: i64, #[case] text: &str) {
        assert_eq!(duration(TimeDelta::seconds(seconds)), text);
    }
}
