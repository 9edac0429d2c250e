//! The promises.

use entra_types::Thumbprint;
use rotation::*;
use serde_json::{Value, json};

use std::collections::{BTreeSet, VecDeque};

use super::World;
use super::signing::certificate_of;

/// What the promises speak of and no object shows.
#[derive(Default)]
pub(super) struct Course {
    /// Read in this pass.
    looked: BTreeSet<Looked>,
    notes: u64,
    /// The licences that something was sent under, of late.
    spent: VecDeque<String>,
    /// The entries that a secret was asked for, of late.
    asked: VecDeque<EntryId>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Looked {
    Output,
    Directory,
}

impl Course {
    pub(super) fn begin_pass(&mut self) {
        self.looked.clear();
    }

    pub(super) fn looks(&mut self, at: Looked) {
        self.looked.insert(at);
    }

    /// Another one for every note.
    pub(super) fn nonce(&mut self) -> String {
        self.notes += 1;
        format!("n{}", self.notes)
    }

    /// One licence, one send; and a secret is asked for once.
    pub(super) fn sends(&mut self, id: &EntryId, op: &Op) {
        assert!(!self.spent.contains(&op.nonce), "sent twice under one licence: {op:?}");
        remember(&mut self.spent, op.nonce.clone());
        if op.kind == OpKind::AddPassword {
            assert!(!self.asked.contains(id), "a secret was asked for twice: {op:?}");
            remember(&mut self.asked, id.clone());
        }
    }
}

/// More licences than a ledger can hold at a time.
const OF_LATE: usize = 128;

fn remember<T>(list: &mut VecDeque<T>, one: T) {
    list.push_back(one);
    let excess = list.len().saturating_sub(OF_LATE);
    list.drain(..excess);
}

impl World {
    /// What must be true when the ledger comes to say this.
    pub(super) fn check_fact(&self, fact: &Fact) {
        match fact {
            Fact::Retired(id, Some(_)) if self.policy.deleted_at.is_none() => self.check_door(self.ledger.entry(id).unwrap()),
            Fact::Promoted(id, _) if !self.policy.is_signing() && self.sign_in.is_none() => {
                let name = self.name_of(id).expect("what is promoted can be used");
                let known = self.listed_at.get(&name).is_some_and(|at| *at + self.sign_in_lag <= self.now);
                assert!(known && self.accepts(&name), "promoted before it is accepted at {}", self.now);
            }
            Fact::Adopted(claim) => {
                assert!(claim.key_ids.is_disjoint(&self.application.named()), "adopted from another resource: {claim:?}");
            }
            Fact::Retargeted => {
                let target = self.ledger.target.as_ref().map(|target| target.object_id);
                assert_ne!(target, Some(self.entra.id_now(self.object_id)), "the object is the same as ever at {}", self.now);
            }
            _ => {}
        }
    }

    pub(super) fn licensed(&self) -> Vec<EntryId> {
        self.ledger.entries.iter().filter(|entry| entry.op.is_some()).map(|entry| entry.id.clone()).collect()
    }

    /// The record of a write goes with its entry, not before: until it is over, others wait for it.
    pub(super) fn check_licences(&self, before: &[EntryId]) {
        let forgotten = self.ledger.entries.iter().find(|entry| entry.op.is_none() && before.contains(&entry.id));
        assert!(forgotten.is_none(), "a licence is forgotten: {forgotten:?} after {:#?}", self.last_effects());
    }

    /// Never fight: what somebody else made sign, as far as it was read, is recorded before another one is. One that is going signs on where Current is gone.
    pub(super) fn check_activation(&self, mutation: &Mutation) {
        let (Mutation::Activate(chosen), None) = (mutation, self.policy.signing().and_then(|signing| signing.pinned)) else { return };
        let signs = self.memory.history().latest().and_then(Directory::preferred_thumbprint).filter(|read| self.signs(*read));
        let listed = |entry: &&Entry| {
            self.memory.history().entries().iter().any(|view| view.is_sign() && view.key_id.is_some_and(|id| entry.key_ids.contains(&id)))
        };
        let serves = self.ledger.current().filter(listed).is_some();
        let going = self.ledger.all(Use::Retiring).any(|entry| !serves && entry.thumbprint() == signs);
        let known = [Some(*chosen), self.ledger.current().and_then(Entry::thumbprint)];
        assert!(
            signs.is_none() || going || known.contains(&signs),
            "fights over {signs:?} at {} after {:#?}",
            self.now,
            self.last_effects()
        );
    }

    /// The one-way door: what is read for it is read in this pass, and whoever still uses the old credential had the time that was promised.
    fn check_door(&self, entry: &Entry) {
        let context = || format!("retired at {}: {entry:?} after {:#?}", self.now, self.last_effects());
        let both = BTreeSet::from([Looked::Output, Looked::Directory]);
        assert_eq!(self.course.looked, both, "not everything was read in this pass, {}", context());
        assert_ne!(entry.origin, Origin::Foreign, "not ours, {}", context());
        if entry.published_at.is_none() || entry.r#use != Use::Previous {
            return;
        }
        let published = self.ledger.current().and_then(|current| current.published_at);
        assert!(published.is_some(), "its successor is not published, {}", context());
        if self.policy.revokes(entry, self.now) {
            return;
        }
        let over = published.is_some_and(|published| published + self.policy.durations.overlap <= self.now);
        assert!(over, "its overlap is not over, {}", context());
    }

    /// The promises, after every step.
    pub(super) fn check(&self) {
        for entry in &self.foreign {
            let is_there = self.entra.keys.contains(entry) || self.entra.passwords.contains(entry);
            assert!(is_there, "a foreign entry changed at {} after {:?}", self.now, self.last_effects());
        }
        assert!(self.ledger.all(Use::Current).count() <= 1 && self.ledger.all(Use::Next).count() <= 1, "{:?}", self.ledger);
        let Some(shown) = self.output.as_ref().filter(|_| !self.edited && !self.gap_excused) else { return };
        let context = || format!("at {} after {:#?}", self.now, self.last_effects());
        let early = self.ledger.entry(&shown.entry).is_some_and(|entry| matches!(entry.r#use, Use::Next | Use::Abandoned));
        assert!(!early, "published before it is promoted, {}", context());
        if self.policy.is_signing() {
            let trusted = self.signers().iter().all(|signer| shown.bundle.contains(signer));
            assert!(trusted, "Entra signs with what the output does not show, {}", context());
        } else {
            assert!(self.accepts(&self.name_of_shown(shown)), "a gap {}", context());
        }
    }

    pub(super) fn name_of_shown(&self, shown: &Projection) -> String {
        match shown.current {
            Material::Certificate(thumbprint) => thumbprint.to_string(),
            Material::Secret(fingerprint) => {
                let made = self.listed_at.keys().find(|name| Fingerprint::of(name.as_bytes()) == fingerprint);
                made.cloned().expect("the output holds a secret that was made")
            }
        }
    }

    /// Whether Entra accepts the certificate of this thumbprint, or the secret of this keyId.
    pub(super) fn accepts(&self, name: &str) -> bool {
        let live =
            |entry: &Value| entry["keyId"] == json!(name) && entry["endDateTime"].as_str().is_some_and(|end| self.now < super::time(end));
        self.entra.passwords.iter().any(live) || name.parse().is_ok_and(|thumbprint| self.lists(thumbprint))
    }

    /// A pass that ends has healed the output, whatever else it waits for.
    pub(super) fn check_healed(&self, rest: &Rest) {
        let intact = self.output.is_some() && !self.edited;
        let excused = self.ledger.current().is_none() || matches!(rest.why, Wait::Deleting | Wait::Refused(_)) || self.gap_excused;
        assert!(intact || excused, "the output is not healed at {}: {rest:?}", self.now);
    }

    /// Whether the object lists the certificate, and it is valid.
    pub fn lists(&self, thumbprint: Thumbprint) -> bool {
        let valid = self.certificates.values().any(|facts| facts.thumbprint == thumbprint && self.now < facts.not_after);
        valid && self.entra.keys.iter().any(|key| certificate_of(key) == Some(thumbprint))
    }

    fn signs(&self, thumbprint: Thumbprint) -> bool {
        let sign = |key: &Value| key["usage"] == "Sign" && certificate_of(key) == Some(thumbprint);
        self.lists(thumbprint) && self.entra.keys.iter().any(sign)
    }

    /// Who signs: the preferred certificate if valid, else any valid one.
    pub fn signers(&self) -> Vec<Thumbprint> {
        let able: Vec<_> = self.certificates.values().map(|facts| facts.thumbprint).filter(|t| self.signs(*t)).collect();
        let preferred = able.iter().copied().find(|t| self.entra.preferred == Some(t.to_string()));
        preferred.map_or(able, |preferred| vec![preferred])
    }

    /// How many entries on the object are not foreign.
    pub fn live(&self) -> usize {
        let list = if self.policy.kind == Kind::ClientSecret { &self.entra.passwords } else { &self.entra.keys };
        list.iter().filter(|key| !self.foreign.contains(key)).count()
    }

    /// One published credential, at most one more in its overlap, and no more in Entra than the ledger says.
    pub fn assert_settled(&self) {
        let short = |entry: &Entry| format!("{} {:?} {:?} op {:?}", entry.seq, entry.r#use, entry.origin, entry.op);
        let entries: Vec<_> = self.ledger.entries.iter().map(short).collect();
        let context = || format!("{} {entries:#?}\n{:#?}", self.now, self.effects);
        let current = self.ledger.current().unwrap_or_else(|| panic!("no current credential: {}", context()));
        assert!(current.published_at.is_some(), "not published: {}", context());
        assert!(current.is_valid_at(self.now), "expired: {}", context());
        assert_eq!(self.output.as_ref().map(|shown| &shown.entry), Some(&current.id));
        assert_eq!(self.ledger.all(Use::Abandoned).count(), 0, "{}", context());
        let stuck = |entry: &&Entry| entry.op.as_ref().is_none_or(|op| op.at + chrono::TimeDelta::hours(6) < self.now);
        assert_eq!(self.ledger.all(Use::Retiring).filter(stuck).count(), 0, "removed for ever: {}", context());
        let parts = if self.policy.is_signing() { 2 } else { 1 };
        let recorded = self.ledger.entries.iter().filter(|entry| entry.origin == Origin::Made && !entry.key_ids.is_empty()).count();
        assert!(self.live() <= recorded * parts, "{} entries in Entra, {recorded} in the ledger: {}", self.live(), context());
    }
}
