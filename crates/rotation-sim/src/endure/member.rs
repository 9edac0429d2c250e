//! One resource of a site.

use chrono::TimeDelta;
use rotation::{EntryId, Time, schedule};

use super::layout::Sort;
use super::tally::SortTally;
use crate::{Object, World};

/// A disturbance explains a gap for at most this long: then it should be over whatever else goes on.
const EXCUSE: TimeDelta = TimeDelta::hours(36);

/// A resource, when it acts next, and what it has been through.
pub(super) struct Member {
    pub(super) world: World,
    pub(super) sort: Sort,
    /// Which of the site's two objects carries its credential.
    pub(super) object: usize,
    pub(super) wake: Time,
    pub(super) tally: SortTally,
    /// A gap is explained from the first moment on, until it is over, but not before the second.
    excuse: Option<(Time, Time)>,
    /// The published entry, and when its successor is due.
    published: Option<(EntryId, Option<Time>)>,
}

impl Member {
    pub(super) fn new(world: World, sort: Sort, object: usize, wake: Time) -> Self {
        Self { world, sort, object, wake, tally: SortTally::default(), excuse: None, published: None }
    }

    /// What happens to the resource explains a gap that lasts until `until` at least.
    pub(super) fn excuse(&mut self, from: Time, until: Time) {
        let from = self.excuse.map_or(from, |(first, _)| first);
        let until = self.excuse.map_or(until, |(_, last)| last.max(until));
        self.excuse = Some((from, until));
    }

    /// Counts the gap since the last count.
    pub(super) fn account(&mut self, object: &mut Object, now: Time) -> TimeDelta {
        self.world.exchange(object);
        self.world.now = now;
        let gap = self.world.gap();
        let serves = gap == TimeDelta::zero() && self.world.serves(now);
        self.world.exchange(object);
        let Some((from, until)) = self.excuse else {
            self.tally.gap += gap;
            return gap;
        };
        let explained = now < until + EXCUSE;
        if serves && until <= now {
            self.excuse = None;
        }
        if !explained {
            self.tally.gap += gap;
            return gap;
        }
        self.tally.excused += gap;
        if gap > TimeDelta::zero() {
            self.tally.longest_excused = self.tally.longest_excused.max(now - from);
        }
        TimeDelta::zero()
    }

    /// Notices that another credential was published, and how long that took since it was due.
    pub(super) fn observe(&mut self) {
        let Some(current) = self.world.ledger.current() else { return };
        let Some(at) = current.published_at else { return };
        if self.published.as_ref().is_some_and(|(id, _)| *id == current.id) {
            return;
        }
        if let Some((_, due)) = self.published.take() {
            let took = due.map_or(TimeDelta::zero(), |due| at - due);
            self.tally.rotated(took);
        }
        self.published = Some((current.id.clone(), schedule::due(current, &self.world.policy)));
    }

    pub(super) fn measure(&mut self, live: usize) {
        let ledger = &self.world.ledger;
        self.tally.most_live = self.tally.most_live.max(live);
        self.tally.most_entries = self.tally.most_entries.max(ledger.entries.len());
        let names = ledger.entries.iter().map(|entry| entry.key_ids.len()).max().unwrap_or(0);
        self.tally.most_key_ids = self.tally.most_key_ids.max(names);
    }
}
