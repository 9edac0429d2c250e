//! A sliding window: at most so many requests in any period, however the other side counts them.
//!
//! Graph counts a request at some moment between its start and its answer, which we do not see. So a request occupies the window from its start until a
//! period after its answer. Then whatever period Graph looks at, when the last request in it was let go all others in it occupied the window.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use super::Share;
use super::tally::{Pace, Tally};

/// How much may go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// Requests in any period.
    pub(super) requests: usize,
    pub(super) period: TimeDelta,
    /// Of these, what one named share must leave to others.
    pub(super) reserved: usize,
    /// How many requests a named share may send at once, before it goes at the pace of what it may have.
    pub(super) burst: i32,
}

impl Limit {
    /// What one named share may have.
    const fn most(&self) -> usize {
        self.requests - self.reserved
    }

    fn pace(&self) -> Pace {
        Pace { every: self.period / i32::try_from(self.most()).unwrap_or(i32::MAX), burst: self.burst }
    }
}

/// What is counted as one moment, as a part of the period: keeps the record short.
const GRAINS: i32 = 600;

/// Promises are kept for this many times the limit. Whoever comes beyond is told the last of these times.
const MOST_PROMISES: usize = 4;

/// For how long a turn that nobody took while requests go slowly is kept.
const LATENESS: TimeDelta = TimeDelta::seconds(1);

#[derive(Debug)]
pub(super) struct Window {
    limit: Limit,
    /// Answered requests that still occupy the window, oldest first.
    answered: VecDeque<Answered>,
    shares: BTreeMap<Share, Tally>,
    used: usize,
    slow: Option<Slow>,
}

#[derive(Clone, Debug)]
struct Answered {
    /// When, rounded up.
    at: DateTime<Utc>,
    share: Share,
    count: usize,
}

#[derive(Clone, Copy, Debug)]
struct Slow {
    every: TimeDelta,
    next: DateTime<Utc>,
    until: DateTime<Utc>,
}

impl Slow {
    /// How many may go now. What was not used lately is not lost at once: who has been told to come now may come a moment later.
    fn room(&self, now: DateTime<Utc>) -> usize {
        let unused = (now - self.next).min(LATENESS).num_milliseconds();
        let steps = unused.div_euclid(self.every.num_milliseconds().max(1)) + 1;
        usize::try_from(steps).unwrap_or(0)
    }

    fn take(&mut self, now: DateTime<Utc>) {
        self.next = self.next.max(now - LATENESS) + self.every;
    }
}

impl Window {
    pub(super) const fn new(limit: Limit) -> Self {
        Self { limit, answered: VecDeque::new(), shares: BTreeMap::new(), used: 0, slow: None }
    }

    /// Lets one request of this share go; or promises a time when there should be room.
    pub(super) fn take(&mut self, share: &Share, now: DateTime<Utc>) -> Result<(), DateTime<Utc>> {
        self.tidy(now);
        let room = self.limit.requests.saturating_sub(self.used).min(self.slow.map_or(usize::MAX, |slow| slow.room(now)));
        if room <= self.claims(share, now) || self.own_room_at(share, 1, now) > now {
            return Err(self.promise(share, now));
        }
        self.used += 1;
        self.shares.entry(Share::clone(share)).or_default().take(self.limit.pace(), now);
        if let Some(slow) = &mut self.slow {
            slow.take(now);
        }
        Ok(())
    }

    pub(super) fn done(&mut self, share: &Share, now: DateTime<Utc>) {
        let Some(tally) = self.shares.get_mut(share) else { return };
        if !tally.land() {
            return;
        }
        tally.answered += 1;
        let at = self.grain(now);
        match self.answered.back_mut().filter(|last| last.at >= at && last.share == *share) {
            Some(last) => last.count += 1,
            // Never before the last one, or the order is lost.
            None => {
                let at = self.answered.back().map_or(at, |last| last.at.max(at));
                self.answered.push_back(Answered { at, share: Share::clone(share), count: 1 });
            }
        }
    }

    pub(super) fn give_back(&mut self, share: &Share) {
        if self.shares.get_mut(share).is_some_and(Tally::land) {
            self.used -= 1;
        }
    }

    /// Lets requests go no closer to each other than this for a while. Said again and again, it puts nobody off for longer.
    pub(super) fn slow_down(&mut self, every: TimeDelta, now: DateTime<Utc>, until: DateTime<Utc>) {
        let next = self.slow.filter(|slow| slow.until > now).map_or(now + every, |slow| slow.next);
        self.slow = Some(Slow { every, next, until });
    }

    /// Rounded up to the next grain, so that no request is taken for older than it is.
    fn grain(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let grain = (self.limit.period / GRAINS).num_milliseconds().max(1);
        let rounded = (now.timestamp_millis().div_euclid(grain) + 1) * grain;
        DateTime::from_timestamp_millis(rounded).unwrap_or(now)
    }

    /// Forgets what is over.
    fn tidy(&mut self, now: DateTime<Utc>) {
        self.slow = self.slow.filter(|slow| slow.until > now && slow.until <= now + self.limit.period);
        self.rewind(now);
        while let Some(first) = self.answered.front().filter(|first| first.at + self.limit.period <= now) {
            if let Some(tally) = self.shares.get_mut(&first.share) {
                tally.answered -= first.count;
            }
            self.used -= first.count;
            self.answered.pop_front();
        }
        let horizon = now + self.limit.period * 2 * i32::try_from(MOST_PROMISES).unwrap_or(i32::MAX);
        self.shares.values_mut().for_each(|tally| tally.forget_promises(now, horizon));
        self.shares.retain(|_, tally| !tally.is_idle());
    }

    /// After a jump back of the clock, what was answered in the future was answered now at the latest.
    fn rewind(&mut self, now: DateTime<Utc>) {
        let latest = self.grain(now);
        for answered in self.answered.iter_mut().rev().take_while(|answered| answered.at > latest) {
            answered.at = latest;
        }
        let pace = self.limit.pace();
        self.shares.values_mut().for_each(|tally| tally.rewind(pace, now));
    }

    /// How much room is spoken for: others who had less and who have been told to come now.
    fn claims(&self, share: &Share, now: DateTime<Utc>) -> usize {
        let own = self.shares.get(share).map_or(0, Tally::used);
        let others = self.shares.iter().filter(|(other, tally)| *other != share && tally.used() < own);
        others.map(|(_, tally)| tally.due(now).min(own - tally.used())).sum()
    }

    /// When to ask again, in turns: the n-th of one share comes after the n-th of each other share, however many more these wait for.
    fn promise(&mut self, share: &Share, now: DateTime<Utc>) -> DateTime<Utc> {
        let own = self.shares.get_mut(share).map_or(0, |tally| tally.place(now));
        let others = self.shares.iter().filter(|(other, _)| *other != share);
        let before: usize = others.map(|(_, tally)| tally.promised().min(own + 1)).sum();
        let turn = own + before + 1;
        let at = self.room_at(turn, now).max(self.own_room_at(share, own + 1, now)).max(self.pace_at(turn, now));
        let at = at.max(now + self.limit.period / GRAINS);
        let all: usize = self.shares.values().map(Tally::promised).sum();
        if all < self.limit.requests * MOST_PROMISES {
            self.shares.entry(Share::clone(share)).or_default().promise(at);
        }
        at
    }

    /// When there is room for this many requests more.
    fn room_at(&self, count: usize, now: DateTime<Utc>) -> DateTime<Utc> {
        let missing = count.saturating_sub(self.limit.requests.saturating_sub(self.used));
        self.freed_at(missing, self.limit.requests, self.answered.iter(), now)
    }

    /// When the share may send this many more, as far as it goes: it leaves something to others, and goes at a pace.
    fn own_room_at(&self, share: &Share, count: usize, now: DateTime<Utc>) -> DateTime<Utc> {
        if share.is_empty() {
            return now;
        }
        let Some(tally) = self.shares.get(share) else { return now };
        let most = self.limit.most();
        let missing = (tally.used() + count).saturating_sub(most);
        let own = self.answered.iter().filter(|answered| answered.share == *share);
        self.freed_at(missing, most, own, now).max(tally.ready_at(count, self.limit.pace(), now))
    }

    /// When so many of these will have left the window. What flies leaves it last. A whole limit takes a period.
    fn freed_at<'a>(&self, count: usize, limit: usize, answered: impl Iterator<Item = &'a Answered>, now: DateTime<Utc>) -> DateTime<Utc> {
        let Some(last) = count.checked_sub(1) else { return now };
        let (periods, place) = (last / limit, last % limit);
        let mut sum = 0;
        let freed = answered.map(|answered| {
            sum += answered.count;
            (sum, answered.at)
        });
        let at = freed.into_iter().find(|(sum, _)| *sum > place).map_or(now, |(_, at)| at.max(now - self.limit.period));
        at + self.limit.period * i32::try_from(periods + 1).unwrap_or(i32::MAX).min(64)
    }

    /// When its turn comes while requests go one by one.
    fn pace_at(&self, turn: usize, now: DateTime<Utc>) -> DateTime<Utc> {
        let Some(slow) = self.slow else { return now };
        let steps = i32::try_from(turn - 1).unwrap_or(i32::MAX);
        (slow.next.max(now) + slow.every.checked_mul(steps).unwrap_or(self.limit.period)).min(slow.until.max(now))
    }
}
