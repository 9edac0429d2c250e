//! What was counted.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::layout::Sort;

/// Everything that a run counted.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By kind of resource.
    pub sorts: BTreeMap<Sort, SortTally>,
    /// Disturbances from outside, by name.
    pub disturbances: BTreeMap<&'static str, u64>,
    /// Passes of all resources.
    pub passes: u64,
    /// What broke a promise.
    pub failures: Vec<Failure>,
}

/// What was counted for one kind of resource.
#[derive(Clone, Debug, Default)]
pub struct SortTally {
    /// How many resources.
    pub resources: u64,
    /// Successors that were published.
    pub rotations: u64,
    /// Time in which what is published did not serve, unexplained.
    pub gap: TimeDelta,
    /// The same, explained by what somebody did.
    pub excused: TimeDelta,
    /// From what somebody did to the end of the gap that it made, at most.
    pub longest_excused: TimeDelta,
    /// From due to published, at most.
    pub slowest: TimeDelta,
    /// From due to published, all together.
    pub took: TimeDelta,
    /// Credentials of one resource in Entra at the same time, at most.
    pub most_live: usize,
    /// Entries of one ledger, at most.
    pub most_entries: usize,
    /// KeyIds of one entry, at most.
    pub most_key_ids: usize,
    /// Graph writes and faults at effects.
    pub counts: BTreeMap<(&'static str, &'static str), u64>,
}

/// A broken promise.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Of which site.
    pub site: u32,
    /// What was seen.
    pub what: String,
}

impl SortTally {
    pub(super) fn rotated(&mut self, took: TimeDelta) {
        let took = took.max(TimeDelta::zero());
        self.rotations += 1;
        self.took += took;
        self.slowest = self.slowest.max(took);
    }

    /// Graph writes that were sent, of all kinds.
    pub fn graph_writes(&self) -> u64 {
        self.counts.iter().filter(|((what, _), _)| *what == "Graph").map(|(_, n)| n).sum()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.resources += other.resources;
        self.rotations += other.rotations;
        self.gap += other.gap;
        self.excused += other.excused;
        self.longest_excused = self.longest_excused.max(other.longest_excused);
        self.slowest = self.slowest.max(other.slowest);
        self.took += other.took;
        self.most_live = self.most_live.max(other.most_live);
        self.most_entries = self.most_entries.max(other.most_entries);
        self.most_key_ids = self.most_key_ids.max(other.most_key_ids);
        for (name, n) in &other.counts {
            *self.counts.entry(*name).or_default() += n;
        }
    }
}

impl Tally {
    /// Adds what another site or thread counted.
    pub fn add(&mut self, other: &Self) {
        for (sort, tally) in &other.sorts {
            self.sorts.entry(*sort).or_default().add(tally);
        }
        for (name, n) in &other.disturbances {
            *self.disturbances.entry(name).or_default() += n;
        }
        self.passes += other.passes;
        self.failures.extend(other.failures.iter().cloned());
    }

    /// All kinds of resources together.
    pub fn total(&self) -> SortTally {
        let mut total = SortTally::default();
        self.sorts.values().for_each(|tally| total.add(tally));
        total
    }

    /// Whether every promise held.
    pub fn holds(&self) -> bool {
        self.failures.is_empty() && self.total().gap == TimeDelta::zero()
    }
}
