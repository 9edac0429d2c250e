//! What the other resources on the same application are doing. Application and service principal of one clientID conflict with each other.

use std::collections::{BTreeMap, BTreeSet};

use entra_types::{KeyId, ObjectId};

use crate::ledger::{Entry, Ledger, Use};
use crate::time::{Lateness, Time};

/// The state of an application beyond one resource's own ledger.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Application {
    frozen_until: Option<Time>,
    busy_until: Option<Time>,
    unidentified_until: Option<Time>,
    known: BTreeMap<KeyId, Time>,
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
            let made_by = entry.made_by(late);
            self.known.extend(entry.key_ids.iter().map(|id| (*id, made_by)));
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

    /// Every keyId that must be on the list, and when it was there at the latest.
    pub(crate) fn known(&self) -> &BTreeMap<KeyId, Time> {
        &self.known
    }

    /// Every credential on the object that another resource's ledger names.
    pub fn named(&self) -> BTreeSet<KeyId> {
        self.known.keys().chain(&self.leaving).copied().collect()
    }

    /// Whether another resource on the object counts on this credential, or is removing it.
    pub(crate) fn claims(&self, id: &KeyId) -> bool {
        self.known.contains_key(id) || self.leaving.contains(id)
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::ledger::{OpKind, Outcome};
    use crate::sample::{at, entry, key_id, op, target};

    fn ledger(entries: Vec<Entry>) -> Ledger {
        Ledger { target: Some(target()), next_seq: 9, entries, ..Ledger::default() }
    }

    fn of(entries: Vec<Entry>, now: Time) -> Application {
        Application::of([&ledger(entries)], None, Some(target().object_id), Lateness::default(), now)
    }

    fn licensed(kind: OpKind, outcome: Option<Outcome>) -> Entry {
        Entry { op: Some(op(kind, at(0), outcome)), ..entry(1, Use::Retiring) }
    }

    #[rstest]
    #[case(OpKind::AddKey, None, false, true)]
    #[case(OpKind::Activate, None, false, true)]
    #[case(OpKind::RemoveKey, None, false, true)]
    #[case(OpKind::AddByUpdate, None, true, true)]
    #[case(OpKind::RemoveByUpdate, None, true, true)]
    #[case(OpKind::AddByUpdate, Some(Outcome::Applied), false, false)]
    #[case(OpKind::RemoveByUpdate, Some(Outcome::Refused), false, false)]
    fn an_open_list_update_freezes_and_any_open_write_makes_restless(
        #[case] kind: OpKind,
        #[case] outcome: Option<Outcome>,
        #[case] freezes: bool,
        #[case] disturbs: bool,
    ) {
        let application = of(vec![licensed(kind, outcome)], at(1));
        assert_eq!(application.frozen(at(19)), freezes.then(|| at(20)));
        assert_eq!(application.restless(at(19)), disturbs.then(|| at(20)));
        assert_eq!((application.frozen(at(20)), application.restless(at(20))), (None, None));
    }

    #[rstest]
    #[case(Use::Next, true)]
    #[case(Use::Current, true)]
    #[case(Use::Previous, true)]
    #[case(Use::Retiring, false)]
    #[case(Use::Abandoned, false)]
    fn what_others_count_on_must_be_listed(#[case] r#use: Use, #[case] known: bool) {
        assert_eq!(of(vec![entry(1, r#use)], at(0)).known().contains_key(&key_id(1)), known);
    }

    #[test]
    fn the_other_object_of_the_application_has_another_list_but_the_same_peace() {
        let open = Entry { op: Some(op(OpKind::AddByUpdate, at(0), None)), ..entry(1, Use::Next) };
        let other = Some("aaaaaaaa-0000-4000-8000-000000000002".parse().unwrap());
        let application = Application::of([&ledger(vec![open])], None, other, Lateness::default(), at(0));
        assert_eq!((application.known().len(), application.frozen(at(0))), (0, Some(at(20))));
    }

    #[test]
    fn what_was_licensed_to_go_is_leaving_for_twice_late_and_five_minutes() {
        let removed = || vec![licensed(OpKind::RemoveKey, Some(Outcome::Applied))];
        assert!(of(removed(), at(34)).leaving().contains(&key_id(1)));
        assert!(of(removed(), at(35)).leaving().is_empty());
    }

    #[rstest]
    #[case(Use::Next, Some(at(30)))]
    #[case(Use::Abandoned, Some(at(30)))]
    #[case(Use::Retiring, None)]
    fn what_has_no_name_yet_makes_restless_for_twice_late(#[case] r#use: Use, #[case] until: Option<Time>) {
        let nameless = Entry { key_ids: BTreeSet::new(), op: Some(op(OpKind::AddKey, at(0), Some(Outcome::Applied))), ..entry(1, r#use) };
        let application = of(vec![nameless], at(0));
        assert_eq!(application.restless(at(29)), until);
        assert_eq!(application.restless(at(30)), None);
    }

    #[test]
    fn an_older_resource_is_named() {
        let application = Application::of([], Some("payroll/saml".to_owned()), None, Lateness::default(), at(0));
        assert_eq!(application.rival(), Some("payroll/saml"));
    }
}
