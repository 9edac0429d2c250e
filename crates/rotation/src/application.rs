//! What the other resources on the same application are doing. Application and service principal of one clientID conflict with each other.

use std::collections::BTreeSet;

use entra_types::{KeyId, ObjectId};

use crate::ledger::{Entry, Ledger, Use};
use crate::time::{Lateness, Time};

/// The state of an application beyond one resource's own ledger.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Application {
    frozen_until: Option<Time>,
    busy_until: Option<Time>,
    unidentified_until: Option<Time>,
    known: BTreeSet<KeyId>,
    leaving: BTreeSet<KeyId>,
    rival: Option<String>,
}

impl Application {
    /// Gathers the ledgers of all other resources on the application. `rival` is an older resource that manages the same signing certificates.
    pub fn of<'a>(
        ledgers: impl IntoIterator<Item = &'a Ledger>,
        rival: Option<String>,
        object: Option<ObjectId>,
        late: Lateness,
        now: Time,
    ) -> Self {
        let mut application = Self { rival, ..Self::default() };
        for ledger in ledgers {
            let same_object = ledger.target.as_ref().map(|target| target.object_id) == object;
            ledger.entries.iter().for_each(|entry| application.add(entry, same_object, late, now));
        }
        application
    }

    fn add(&mut self, entry: &Entry, same_object: bool, late: Lateness, now: Time) {
        if same_object && matches!(entry.r#use, Use::Next | Use::Current | Use::Previous) {
            self.known.extend(&entry.key_ids);
        }
        let Some(op) = &entry.op else { return };
        if op.outcome.is_none() {
            let until = Some(op.at + late.open());
            self.busy_until = self.busy_until.max(until);
            if op.kind.is_whole_list() {
                self.frozen_until = self.frozen_until.max(until);
            }
        }
        let settled = op.at + late.settled();
        if op.kind.is_removal() && now < settled {
            self.leaving.extend(&entry.key_ids);
        }
        if entry.key_ids.is_empty() && entry.r#use != Use::Retiring {
            self.unidentified_until = self.unidentified_until.max(Some(op.at + late.late() * 2));
        }
    }

    /// An open whole-list update freezes the application until then: it could undo whatever is written meanwhile.
    pub(crate) fn frozen(&self, now: Time) -> Option<Time> {
        self.frozen_until.filter(|until| now < *until)
    }

    /// Until when no whole-list update may be licensed: another write is open, or something made lately has no keyId in its ledger yet.
    pub(crate) fn restless(&self, now: Time) -> Option<Time> {
        self.busy_until.max(self.unidentified_until).filter(|until| now < *until)
    }

    /// Every keyId that must be on the list.
    pub(crate) fn known(&self) -> &BTreeSet<KeyId> {
        &self.known
    }

    /// KeyIds whose removal was licensed lately: a list that shows them is stale.
    pub(crate) fn leaving(&self) -> &BTreeSet<KeyId> {
        &self.leaving
    }

    /// The older resource that manages the same signing certificates.
    pub(crate) fn rival(&self) -> Option<&str> {
        self.rival.as_deref()
    }
}
