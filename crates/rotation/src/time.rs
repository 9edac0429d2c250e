//! Instants, and the one duration that every wait of the protocol is a fraction of.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// An instant of the wall clock.
pub type Time = DateTime<Utc>;

/// The difference between our clock and Graph's from which nothing is written any more.
pub const TOLERATED_SKEW: TimeDelta = TimeDelta::minutes(2);

/// A licence is good for this long.
pub const LICENCE: TimeDelta = TimeDelta::seconds(10);

/// A list that a whole-list update is built from may be this old.
pub const FRESH: TimeDelta = TimeDelta::seconds(5);

/// LATE: the longest time after which a Graph write whose answer was lost may still be applied. 15 minutes; shorter for tests and demonstrations only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lateness(TimeDelta);

impl Lateness {
    /// Wraps LATE; below a second it is a second.
    pub fn new(late: TimeDelta) -> Self {
        Self(late.max(TimeDelta::seconds(1)))
    }

    /// LATE itself.
    pub fn late(self) -> TimeDelta {
        self.0
    }

    /// The sign-ins that prove a credential spread over this.
    pub fn proof_spread(self) -> TimeDelta {
        self.0 / 15
    }

    /// Between two sign-ins of a proof, and between two looks for something that should be there by now.
    pub fn step(self) -> TimeDelta {
        self.0 / 60
    }

    /// How long a list must be quiet before a whole-list update: LATE, or a sixtieth of it where there is nothing valid to lose.
    pub fn quiet(self, emergency: bool) -> TimeDelta {
        if emergency { self.0 / 60 } else { self.0 }
    }

    /// Licence, timeout and twice the tolerated difference of clocks: five minutes, less where LATE is short.
    pub fn slack(self) -> TimeDelta {
        (self.0 / 3).min(TimeDelta::minutes(5))
    }

    /// A write without an outcome stays open for this long after its licence.
    pub fn open(self) -> TimeDelta {
        self.0 + self.slack()
    }

    /// After this long since its last licence nothing of an entry can appear any more.
    pub fn settled(self) -> TimeDelta {
        self.0 * 2 + self.slack()
    }
}

impl Default for Lateness {
    fn default() -> Self {
        Self(TimeDelta::minutes(15))
    }
}

/// What is written into the ledger has whole seconds.
pub(crate) fn whole(at: Time) -> Time {
    at.trunc_subsecs(0)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn seconds(s: i64) -> TimeDelta {
        TimeDelta::seconds(s)
    }

    #[rstest]
    #[case::in_production(900, 60, 15, 300)]
    #[case::an_hour(3_600, 240, 60, 300)]
    #[case::in_a_demonstration(6, 0, 0, 2)]
    fn every_wait_is_a_fraction_of_late(#[case] late: i64, #[case] spread: i64, #[case] step: i64, #[case] slack: i64) {
        let lateness = Lateness::new(seconds(late));
        assert_eq!(lateness.late(), seconds(late));
        assert_eq!(lateness.proof_spread().num_seconds(), spread);
        assert_eq!(lateness.step().num_seconds(), step);
        assert_eq!(lateness.quiet(true), lateness.step());
        assert_eq!(lateness.quiet(false), seconds(late));
        assert_eq!(lateness.slack(), seconds(slack));
        assert_eq!(lateness.open(), seconds(late + slack));
        assert_eq!(lateness.settled(), seconds(2 * late + slack));
    }

    #[rstest]
    #[case(0)]
    #[case(-5)]
    fn late_is_at_least_a_second_so_that_no_wait_is_none(#[case] late: i64) {
        assert_eq!(Lateness::new(seconds(late)).late(), seconds(1));
        assert!(Lateness::new(seconds(late)).step() > TimeDelta::zero());
    }

    #[test]
    fn late_is_a_quarter_of_an_hour_unless_told() {
        assert_eq!(Lateness::default().late(), TimeDelta::minutes(15));
    }
}
