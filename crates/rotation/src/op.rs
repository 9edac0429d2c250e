//! The state of a licensed write, and the only way to build a removal.

use std::collections::BTreeSet;

use entra_types::KeyId;

use crate::id::EntryId;
use crate::ledger::{Entry, OpKind, Outcome};
use crate::memory::{Attempt, Memory};
use crate::time::{LICENCE, Lateness, Time};

/// Where the last licensed write of an entry stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OpState {
    /// Licensed by this process and not sent. `fresh`: the licence is still good.
    Unsent { fresh: bool },
    /// Done. Reads from this tick on may show it.
    Applied { tick: u64 },
    /// Not done, and it will not be.
    Refused,
    /// It may still be applied until then.
    Open { until: Time },
    /// Whatever it did shows by now.
    Over,
}

impl OpState {
    pub(crate) fn of(entry: &Entry, memory: &Memory, now: Time, late: Lateness) -> Option<Self> {
        let op = entry.op.as_ref()?;
        Some(match memory.attempt(&op.nonce) {
            Some(Attempt::Ready) => Self::Unsent { fresh: now - op.at <= LICENCE },
            Some(Attempt::Void) => Self::Unsent { fresh: false },
            Some(Attempt::Applied { tick, .. }) => Self::Applied { tick: *tick },
            Some(Attempt::Refused) => Self::Refused,
            Some(Attempt::Unknown) | None => match op.outcome {
                Some(Outcome::Applied) => Self::Applied { tick: 0 },
                Some(Outcome::Refused) => Self::Refused,
                None => open_or_over(op.at + late.open(), now),
            },
        })
    }
}

fn open_or_over(until: Time, now: Time) -> OpState {
    if now < until { OpState::Open { until } } else { OpState::Over }
}

/// The entries that a removal takes out. Built only where rule 4 was checked: each keyId stands in the ledger and in Entra carries the entry's thumbprint or mark.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Removal {
    entry: EntryId,
    kind: OpKind,
    key_ids: BTreeSet<KeyId>,
}

impl Removal {
    pub(crate) fn new(entry: &Entry, kind: OpKind, key_ids: BTreeSet<KeyId>) -> Self {
        Self { entry: entry.id.clone(), kind, key_ids }
    }

    /// The ledger entry.
    pub fn entry(&self) -> &EntryId {
        &self.entry
    }

    /// removeKey or a whole-list update.
    pub fn kind(&self) -> OpKind {
        self.kind
    }

    /// What goes.
    pub fn key_ids(&self) -> &BTreeSet<KeyId> {
        &self.key_ids
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use rstest::rstest;

    use super::*;
    use crate::ledger::Use;
    use crate::memory::Answer;
    use crate::sample::{at, entry, op};

    fn state(seconds: i64, outcome: Option<Outcome>, remember: impl FnOnce(&mut Memory)) -> Option<OpState> {
        let entry = Entry { op: Some(op(OpKind::AddKey, at(0), outcome)), ..entry(1, Use::Next) };
        let mut memory = Memory::new(at(0));
        remember(&mut memory);
        OpState::of(&entry, &memory, at(0) + TimeDelta::seconds(seconds), Lateness::default())
    }

    #[test]
    fn without_a_licence_there_is_no_state() {
        assert_eq!(OpState::of(&entry(1, Use::Next), &Memory::new(at(0)), at(0), Lateness::default()), None);
    }

    #[rstest]
    #[case(0, true)]
    #[case(10, true)]
    #[case(11, false)]
    #[case(100_000, false)]
    fn a_licence_lapses_after_ten_seconds(#[case] seconds: i64, #[case] fresh: bool) {
        assert_eq!(state(seconds, None, |memory| memory.licensing("nonce")), Some(OpState::Unsent { fresh }));
    }

    #[rstest]
    #[case(0)]
    #[case(1_199)]
    fn after_a_crash_a_licence_is_open_for_late_and_five_minutes(#[case] seconds: i64) {
        assert_eq!(state(seconds, None, |_| {}), Some(OpState::Open { until: at(20) }));
        assert_eq!(state(seconds, None, |memory| memory.licensing("another")), Some(OpState::Open { until: at(20) }));
        let lost = |memory: &mut Memory| memory.answered("nonce", Answer::Unknown);
        assert_eq!(state(seconds, None, lost), Some(OpState::Open { until: at(20) }));
    }

    #[test]
    fn then_it_is_over() {
        assert_eq!(state(1_200, None, |_| {}), Some(OpState::Over));
    }

    #[test]
    fn an_answer_settles_it() {
        assert_eq!(state(5, None, |memory| memory.answered("nonce", Answer::Applied(None))), Some(OpState::Applied { tick: 1 }));
        assert_eq!(state(5, None, |memory| memory.answered("nonce", Answer::Refused)), Some(OpState::Refused));
        assert_eq!(state(5, None, |memory| memory.answered("nonce", Answer::Unsent)), Some(OpState::Unsent { fresh: false }));
    }

    #[rstest]
    #[case(Outcome::Applied, OpState::Applied { tick: 0 })]
    #[case(Outcome::Refused, OpState::Refused)]
    fn a_recorded_outcome_outlives_the_process(#[case] outcome: Outcome, #[case] expected: OpState) {
        assert_eq!(state(5, Some(outcome), |_| {}), Some(expected));
        assert_eq!(state(100_000, Some(outcome), |_| {}), Some(expected));
    }
}
