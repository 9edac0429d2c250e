//! How the times of an election follow from the Lease's duration.

use std::time::Duration;

/// The duration of a Lease, and what follows from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace(Duration);

impl Pace {
    pub(super) fn new(duration: Duration) -> Self {
        Self(duration.max(Duration::from_secs(1)))
    }

    /// What stands in the Lease: for so long others leave a silent holder alone.
    pub(super) fn duration(self) -> Duration {
        self.0
    }

    /// For so long after sending a renewal a holder relies on it. The rest is for clocks that run apart: the holder's may lose a third on
    /// that of whoever waits before the two believe in different leaders.
    pub(super) fn trust(self) -> Duration {
        self.0 * 2 / 3
    }

    /// From one renewal to the next: two that hang still leave time for a third.
    pub(super) fn renewal(self) -> Duration {
        self.0 / 5
    }

    /// The longest that a request about the Lease may take.
    pub(super) fn call(self) -> Duration {
        LONGEST_CALL.min(self.0 / 5)
    }

    /// Between two tries to renew.
    pub(super) fn again(self) -> Duration {
        self.0 / 15
    }

    /// Between two looks at a Lease that somebody else holds: what was given up is taken after this, however long the Lease.
    pub(super) fn look(self) -> Duration {
        LONGEST_LOOK.min(self.0 / 10)
    }
}

const LONGEST_CALL: Duration = Duration::from_secs(20);
const LONGEST_LOOK: Duration = Duration::from_secs(2);
