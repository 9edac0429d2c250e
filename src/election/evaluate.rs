//! Whose turn it is. Pure.

use std::time::Duration;

/// A Lease that says more is not waited for longer than this after its holder fell silent.
pub const LONGEST: Duration = Duration::from_secs(300);

/// What a Lease says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    /// `spec.holderIdentity`; empty where nobody holds it.
    pub holder: String,
    /// `spec.leaseDurationSeconds`; zero where there is none.
    pub duration: Duration,
}

/// What a replica does next about the Lease.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// There is no Lease: make one.
    Create,
    /// Nobody holds it, or its holder fell silent: take it.
    Take,
    /// It bears our name: write a fresh time into it.
    Renew,
    /// Somebody else holds it, and may be silent for so long yet.
    Wait(Duration),
}

/// Judges a Lease that we have seen unchanged for so long, by our own monotonic clock: what the holder wrote as its time is never
/// compared with ours. If our clock runs faster than the holder's, we take the Lease from a holder that still believes in it: that costs
/// it its work, and no more, as it reads the Lease before each write to Entra.
///
/// A holder is given its own duration or ours, whichever is longer, so that replicas with different settings are safe beside each other.
pub fn evaluate(seen: Option<&Seen>, unchanged_for: Duration, me: &str, duration: Duration) -> Verdict {
    let Some(seen) = seen else {
        return Verdict::Create;
    };
    if seen.holder.is_empty() {
        return Verdict::Take;
    }
    if seen.holder == me {
        return Verdict::Renew;
    }
    let patience = duration.max(seen.duration.min(LONGEST));
    match patience.saturating_sub(unchanged_for) {
        Duration::ZERO => Verdict::Take,
        left => Verdict::Wait(left),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn held_by(holder: &str, seconds: u64) -> Option<Seen> {
        Some(Seen { holder: holder.to_owned(), duration: s(seconds) })
    }

    #[rstest]
    #[case::a_lease_that_does_not_exist_is_made(None, s(0), Verdict::Create)]
    #[case::a_lease_that_nobody_holds_is_taken_at_once(held_by("", 15), s(0), Verdict::Take)]
    #[case::a_lease_in_our_name_is_renewed_at_once(held_by("me", 15), s(0), Verdict::Renew)]
    #[case::a_lease_in_our_name_is_renewed_however_old(held_by("me", 15), s(900), Verdict::Renew)]
    #[case::a_lease_just_seen_is_waited_for_in_full(held_by("other", 15), s(0), Verdict::Wait(s(15)))]
    #[case::a_lease_seen_before_is_waited_for_the_rest(held_by("other", 15), s(14), Verdict::Wait(s(1)))]
    #[case::a_lease_unchanged_for_its_duration_is_taken(held_by("other", 15), s(15), Verdict::Take)]
    #[case::a_holder_with_a_longer_duration_keeps_its_own(held_by("other", 60), s(15), Verdict::Wait(s(45)))]
    #[case::a_holder_with_a_shorter_duration_is_given_ours(held_by("other", 5), s(5), Verdict::Wait(s(10)))]
    #[case::a_holder_without_a_duration_is_given_ours(held_by("other", 0), s(0), Verdict::Wait(s(15)))]
    #[case::an_absurd_duration_is_cut(held_by("other", 2_147_483_647), s(0), Verdict::Wait(LONGEST))]
    #[case::a_name_that_merely_begins_like_ours_is_not_ours(held_by("me-2", 15), s(0), Verdict::Wait(s(15)))]
    fn judging(#[case] seen: Option<Seen>, #[case] unchanged_for: Duration, #[case] verdict: Verdict) {
        assert_eq!(evaluate(seen.as_ref(), unchanged_for, "me", s(15)), verdict);
    }
}
