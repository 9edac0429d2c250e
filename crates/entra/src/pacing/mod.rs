//! How much may be sent to one tenant, and by whom first. Pure: it is told the time and never sleeps.

mod permit;
mod tally;
#[cfg(test)]
mod tests;
mod window;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub(crate) use permit::Permit;
use window::{Limit, Window};

/// On whose behalf something is sent. The empty one is the program's own.
pub(crate) type Share = Arc<str>;

/// What is counted, and throttled, by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lane {
    /// Reads of Graph. Their budget (thousands per 10 s) is out of our reach.
    Read,
    /// `$select=keyCredentials` on one object: 150 a minute per tenant (Microsoft Graph, "Get application").
    ReadWithKeys,
    /// Writes: 3,000 in 150 s per application and tenant (Microsoft Graph, "throttling limits", identity and access).
    Write,
    /// Our own tokens.
    Token,
    /// Credentials on trial.
    Trial,
    /// Federation metadata.
    Metadata,
}

const LANES: usize = 6;

impl Lane {
    /// What is reserved lets another share begin at once; the burst keeps one from taking a whole period in a moment, which the others would have to wait
    /// out.
    const fn limit(self) -> Option<Limit> {
        match self {
            Self::ReadWithKeys => Some(Limit { requests: 150, period: TimeDelta::seconds(60), reserved: 10, burst: 30 }),
            Self::Write => Some(Limit { requests: 3000, period: TimeDelta::seconds(150), reserved: 90, burst: 150 }),
            Self::Read | Self::Token | Self::Trial | Self::Metadata => None,
        }
    }
}

/// No wait is longer, whatever was said and wherever the clock jumps.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);

/// How long writes stay slow after Graph said that a limit is near.
const STRAIN: TimeDelta = TimeDelta::seconds(10);

/// The budget of one tenant.
#[derive(Debug)]
pub(crate) struct Pacing([Gate; LANES]);

#[derive(Debug)]
struct Gate {
    window: Option<Window>,
    closed_until: Option<DateTime<Utc>>,
}

impl Gate {
    /// After a jump back of the clock, what was noted lies too far ahead to be true.
    fn closed_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.closed_until.filter(|until| *until > now && *until <= now + LONGEST_WAIT)
    }
}

impl Default for Pacing {
    fn default() -> Self {
        let lanes = [Lane::Read, Lane::ReadWithKeys, Lane::Write, Lane::Token, Lane::Trial, Lane::Metadata];
        Self(lanes.map(|lane| Gate { window: lane.limit().map(Window::new), closed_until: None }))
    }
}

impl Pacing {
    /// Lets one request go; or says when to ask again. What is let go must be [`done`](Self::done) or [given back](Self::give_back) one day.
    pub(crate) fn take(&mut self, lane: Lane, share: &Share, now: DateTime<Utc>) -> Result<(), DateTime<Utc>> {
        let gate = &mut self.0[lane as usize];
        match (gate.closed_until(now), &mut gate.window) {
            (Some(until), _) => Err(until),
            (None, Some(window)) => window.take(share, now),
            (None, None) => Ok(()),
        }
    }

    /// A request was answered, or given up: Graph counted it before now.
    pub(crate) fn done(&mut self, lane: Lane, share: &Share, now: DateTime<Utc>) {
        if let Some(window) = &mut self.0[lane as usize].window {
            window.done(share, now);
        }
    }

    /// A request was never sent.
    pub(crate) fn give_back(&mut self, lane: Lane, share: &Share) {
        if let Some(window) = &mut self.0[lane as usize].window {
            window.give_back(share);
        }
    }

    /// Entra asked for a pause on this lane. The longest of several counts.
    pub(crate) fn close(&mut self, lane: Lane, now: DateTime<Utc>, pause: Duration) {
        let pause = TimeDelta::from_std(pause).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        let gate = &mut self.0[lane as usize];
        gate.closed_until = gate.closed_until(now).max(Some(now + pause));
    }

    /// Graph said how much of a limit is used: 0.8 to 1.8 (`x-ms-throttle-limit-percentage`). From 0.8 on writes go one by one for ten seconds: twenty a
    /// second, which uses their quota up but does not exceed it, as long as the limit is not; down to one a second where it is.
    pub(crate) fn strain(&mut self, used: f64, now: DateTime<Utc>) {
        if let Some(window) = self.0[Lane::Write as usize].window.as_mut().filter(|_| used >= 0.8) {
            let beyond = (used - 1.0).clamp(0.0, 0.8) / 0.8;
            let milliseconds = 50.0 + 950.0 * beyond;
            window.slow_down(TimeDelta::milliseconds(milliseconds as i64), now, now + STRAIN);
        }
    }
}
