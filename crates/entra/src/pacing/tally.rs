//! What one share has of a window.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

/// Whoever does not come within this time after the promised one has lost the place.
const PATIENCE: TimeDelta = TimeDelta::seconds(10);

#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Sent, not answered.
    flying: usize,
    /// Answered within the last period.
    pub(super) answered: usize,
    /// The times that were told, in order.
    promised: VecDeque<DateTime<Utc>>,
    /// When its burst is whole again.
    rested_at: Option<DateTime<Utc>>,
}

/// How fast one share may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) every: TimeDelta,
    pub(super) burst: i32,
}

impl Tally {
    /// How much of the window it occupies.
    pub(super) const fn used(&self) -> usize {
        self.flying + self.answered
    }

    pub(super) fn promised(&self) -> usize {
        self.promised.len()
    }

    /// One request goes, in place of the one that waits longest.
    pub(super) fn take(&mut self, pace: Pace, now: DateTime<Utc>) {
        self.rested_at = Some(self.rested_at(now) + pace.every);
        self.flying += 1;
        self.promised.pop_front();
    }

    /// When the pace lets the n-th request from now go; 1 is the next.
    pub(super) fn ready_at(&self, turn: usize, pace: Pace, now: DateTime<Utc>) -> DateTime<Utc> {
        let turn = i32::try_from(turn).unwrap_or(i32::MAX).min(1_000_000);
        (self.rested_at(now) + pace.every * turn - pace.every * pace.burst).max(now)
    }

    fn rested_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.rested_at.map_or(now, |at| at.max(now))
    }

    /// After a jump of the clock back, it is whole no later than after a whole burst from now on.
    pub(super) fn rewind(&mut self, pace: Pace, now: DateTime<Utc>) {
        self.rested_at = self.rested_at.map(|at| at.min(now + pace.every * pace.burst));
    }

    /// One request is over. Whether there was one.
    pub(super) const fn land(&mut self) -> bool {
        let flew = self.flying > 0;
        if flew {
            self.flying -= 1;
        }
        flew
    }

    pub(super) fn promise(&mut self, at: DateTime<Utc>) {
        let place = self.promised.partition_point(|other| *other <= at);
        self.promised.insert(place, at);
    }

    /// How many of the same share go before one that asks now. Who came when it was told, for nothing, keeps its place before those told a later time.
    pub(super) fn place(&mut self, now: DateTime<Utc>) -> usize {
        if self.due(now) > 0 {
            self.promised.pop_front();
            self.due(now)
        } else {
            self.promised.len()
        }
    }

    /// How many were told to come now.
    pub(super) fn due(&self, now: DateTime<Utc>) -> usize {
        self.promised.partition_point(|at| *at <= now)
    }

    /// Forgets those who did not come, and what lies too far ahead to have been promised by this clock.
    pub(super) fn forget_promises(&mut self, now: DateTime<Utc>, horizon: DateTime<Utc>) {
        let lapsed = self.promised.partition_point(|at| *at + PATIENCE < now);
        self.promised.drain(..lapsed);
        self.promised.truncate(self.promised.partition_point(|at| *at <= horizon));
    }

    pub(super) fn is_idle(&self) -> bool {
        self.used() == 0 && self.promised.is_empty()
    }
}
