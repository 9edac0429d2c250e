//! In what two histories differ, as far as a conclusion or a rule can.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use chrono::TimeDelta;
use entra_types::KeyId;

use super::{History, READS, Run};
use crate::time::Time;

impl History {
    /// Whatever a decision can depend on. What no rule can tell apart any more is left out: how often more than three times something was read, what was read
    /// before three reads that agree and span LATE, when a keyId was first seen if that was before LATE, and keyIds that cannot be met again. Nor is it told
    /// apart how long ago the object was read, if that was before `bound`: only the time of the next audit depends on it.
    pub(crate) fn digest<H: Hasher>(&self, late: TimeDelta, bound: Time, lives: &impl Fn(&KeyId) -> bool, state: &mut H) {
        let Self { runs, certificates, shown, first_seen, last_tick: _, last_tick_with_keys: _, last_with_keys } = self;
        let Some(last) = self.read_at() else { return false.hash(state) };
        (last.max(bound), last_with_keys.map(|at| at.max(bound)), shown).hash(state);
        certificates.iter().filter(|(id, _)| lives(id)).for_each(|known| known.hash(state));
        for run in telling(runs, last - late) {
            // Some conclusions count only reads after something was made: each read within LATE tells.
            let recent = run.reads.0.iter().map(|read| (last - *read).min(late)).collect::<BTreeSet<_>>();
            (run.reads.0.len().min(READS), recent).hash(state);
            (run.directory.object_id, run.directory.client_id, &run.directory.display_name, &run.directory.preferred).hash(state);
            (&run.directory.notification_addresses, &run.views).hash(state);
        }
        for (id, seen) in first_seen.iter().filter(|(id, _)| lives(id)) {
            (id, (*seen).max(last - late).max(bound)).hash(state);
        }
    }
}

/// The latest runs, back to where three reads span the time since `bound`: a statement that holds in all of them is confirmed, and one that does not never gets
/// to what was before.
fn telling(runs: &[Run], bound: Time) -> impl Iterator<Item = &Run> {
    let (mut reads, mut enough) = (0_usize, false);
    runs.iter().rev().take_while(move |run| {
        let wanted = !enough;
        reads = reads.saturating_add(run.reads.0.len());
        enough = reads >= READS && run.reads.0.first().is_some_and(|first| *first <= bound);
        wanted
    })
}
