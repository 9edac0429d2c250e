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
