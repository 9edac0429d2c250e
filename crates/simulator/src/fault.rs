//! What can go wrong with one request, or with the process that sends it.

use std::time::Duration;

use chrono::TimeDelta;

/// What goes wrong at one effect.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    /// The process ends before the request leaves it.
    CrashBefore,
    /// The process ends before the answer reaches it.
    CrashAfter,
    /// The request is served, and its answer lost.
    AnswerLost,
    /// The connection breaks, and the request is served ten minutes later all the same.
    AppliedLate,
    /// The request is served twice; the second answer arrives.
    DeliveredTwice,
    /// The process stands still for an hour before the request leaves it.
    PausedBefore,
    /// The process stands still for an hour before the answer reaches it.
    PausedAfter,
}

impl Fault {
    /// Every fault there is.
    pub const ALL: [Self; 7] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::AnswerLost,
        Self::AppliedLate,
        Self::DeliveredTwice,
        Self::PausedBefore,
        Self::PausedAfter,
    ];

    /// How long it lasts.
    pub(crate) fn lasts(self) -> TimeDelta {
        match self {
            Self::AppliedLate => TimeDelta::from_std(LATE).unwrap_or_default(),
            Self::PausedBefore | Self::PausedAfter => TimeDelta::from_std(PAUSE).unwrap_or_default(),
            _ => TimeDelta::zero(),
        }
    }

    /// How a plan names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::CrashBefore => "crash-before",
            Self::CrashAfter => "crash-after",
            Self::AnswerLost => "answer-lost",
            Self::AppliedLate => "applied-late",
            Self::DeliveredTwice => "delivered-twice",
            Self::PausedBefore => "paused-before",
            Self::PausedAfter => "paused-after",
        }
    }
}

/// How late a request is served whose connection broke: within LATE.
pub(crate) const LATE: Duration = Duration::from_secs(600);

/// How long a paused process stands still: beyond LATE, and beyond every lease.
pub(crate) const PAUSE: Duration = Duration::from_secs(3_600);
