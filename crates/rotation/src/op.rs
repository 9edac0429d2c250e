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
