//! How a fact changes the ledger. Total: a fact about an entry that is not there changes nothing.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entra_types::KeyId;

use crate::case::{Claim, Fact, Identity, Licence, Trouble};
use crate::foreign;
use crate::id::EntryId;
use crate::ledger::{Detail, Entry, Failure, KEY_IDS, LINK, Ledger, Op, OpKind, Origin, Outcome, Rotation, Signing, Use};
use crate::memory::{Attempt, Made, Memory};
use crate::policy::Policy;
use crate::schedule;
use crate::time::{Time, whole};

/// What a change is stamped with.
#[derive(Clone, Debug)]
pub struct Stamp {
    /// The time of the change.
    pub now: Time,
    /// Unique for every change.
    pub nonce: String,
}

impl Ledger {
    /// The ledger after `fact`. What this process has learnt meanwhile (outcomes, slots that are gone, foreign credentials) goes in with it.
    #[must_use]
    pub fn apply(&self, fact: &Fact, stamp: &Stamp, policy: &Policy, memory: &Memory) -> Self {
        let mut ledger = self.caught_up(policy, memory);
        ledger.change(fact, stamp, policy);
        ledger
    }

    /// The ledger with everything that this process has learnt since it was written.
    #[must_use]
    pub fn caught_up(&self, policy: &Policy, memory: &Memory) -> Self {
        let mut ledger = self.clone();
        for entry in &mut ledger.entries {
            learn_outcome(entry, memory);
            forget_slot(entry, memory);
        }
        ledger.foreign = foreign::count(&ledger, policy, memory).or(ledger.foreign);
        ledger
    }

    fn change(&mut self, fact: &Fact, stamp: &Stamp, policy: &Policy) {
        let now = whole(stamp.now);
        match fact {
            Fact::Claimed(claim) => self.claim(claim, Origin::Made, Use::Next, stamp, policy),
            Fact::ForeignSigner(claim) => self.claim(claim, Origin::Foreign, Use::Current, stamp, policy),
            Fact::ForeignFound(claim) => self.claim(claim, Origin::Foreign, Use::Previous, stamp, policy),
            Fact::Licensed(id, licence) => self.with(id, |entry| {
                match licence.kind {
                    OpKind::AddByUpdate => entry.key_ids = BTreeSet::from([id.key_id(&policy.uid)]),
                    OpKind::AddSigningByUpdate => entry.key_ids = id.signing_key_ids(&policy.uid),
                    OpKind::AddVerifyByUpdate => {
                        let both = entry.key_ids.iter().copied().chain([id.verify_key_id(&policy.uid)]).collect();
                        entry.key_ids = bounded(&id.signing_key_ids(&policy.uid), &both);
                    }
                    _ => {}
                }
                entry.op = Some(op(licence, stamp));
            }),
            Fact::Identified(id, identity) => self.with(id, |entry| identify(entry, identity)),
            Fact::Named(id, key_ids) => self.with(id, |entry| entry.key_ids = bounded(&entry.key_ids, key_ids)),
            Fact::Announced(id) => self.with(id, |entry| {
                if let Detail::TokenSigning(signing) = &mut entry.detail {
                    signing.announced_at = Some(now);
                }
            }),
            Fact::Promoted(id, key_ids) => self.promote(id, key_ids),
            Fact::Published(id) => self.with(id, |entry| entry.published_at = Some(now)),
            Fact::Approved(id) if self.upcoming().is_some_and(|upcoming| upcoming.id == *id) => self.rotation.approved_at = Some(now),
            Fact::Approved(_) => {}
            Fact::Adopted(claim) => self.adopt(claim, stamp, policy),
            Fact::Seeded(claim) => self.claim(claim, Origin::Adopted, Use::Current, stamp, policy),
            Fact::Remembered(claim) => {
                self.claim(claim, Origin::Made, Use::Current, stamp, policy);
                self.end_rotation();
            }
            Fact::Reinstated(id) => self.reinstate(id),
            Fact::ForeignLost(id, lost) => self.with(id, |entry| {
                if let Some(op) = &mut entry.op {
                    op.kept.retain(|kept| !lost.contains(kept));
                }
            }),
            Fact::Retired(id, licence) => self.with(id, |entry| {
                let is_needed = policy.deleted_at.is_none() && matches!(entry.r#use, Use::Next | Use::Current);
                if is_needed || entry.origin == Origin::Foreign {
                    return;
                }
                entry.r#use = Use::Retiring;
                if let Some(licence) = licence {
                    entry.op = Some(op(licence, stamp));
                }
            }),
            Fact::Abandoned(id) => self.with(id, |entry| {
                if entry.r#use == Use::Next {
                    entry.r#use = Use::Abandoned;
                }
            }),
            Fact::Dropped(id) | Fact::LeftToExpire(id, _) => self.drop_entry(id),
            Fact::Retargeted => *self = Self { next_seq: self.next_seq, ..Self::default() },
            Fact::Failed(trouble) => self.fail(trouble, now, policy),
            Fact::Recovered => self.recover(),
        }
        if matches!(
            fact,
            Fact::Promoted(..)
                | Fact::Reinstated(_)
                | Fact::Published(_)
                | Fact::Identified(..)
                | Fact::Announced(_)
                | Fact::Dropped(_)
                | Fact::LeftToExpire(..)
        ) {
            self.recover();
        }
    }

    fn claim(&mut self, claim: &Claim, origin: Origin, r#use: Use, stamp: &Stamp, policy: &Policy) {
        let Some((seq, next_seq)) = self.number_of(&claim.id, &policy.uid) else { return };
        if self.entry(&claim.id).is_some() || (r#use == Use::Next && self.upcoming().is_some()) {
            return;
        }
        if r#use == Use::Current {
            self.turn(Use::Current, Use::Previous);
        }
        let now = whole(stamp.now);
        let key_ids = match claim.op {
            Some(OpKind::AddByUpdate) => BTreeSet::from([claim.id.key_id(&policy.uid)]),
            _ => bounded(&BTreeSet::new(), &claim.key_ids),
        };
        self.entries.push(Entry {
            seq,
            id: claim.id.clone(),
            origin,
            r#use,
            issued_at: claim.issued_at.map_or(now, whole),
            not_after: claim.not_after.map(whole),
            published_at: None,
            adopted_at: None,
            key_ids,
            detail: claim.detail.clone(),
            op: claim.op.map(|kind| op(&Licence::of(kind), stamp)),
        });
        self.next_seq = next_seq;
        self.target = Some(claim.target.clone());
        if r#use == Use::Next || self.upcoming().is_none() {
            self.rotation.reason = Some(claim.cause);
            self.rotation.started_at = Some(now);
            self.rotation.approved_at = None;
        }
    }

    /// A foreign signer that is recorded already only changes hands.
    fn adopt(&mut self, claim: &Claim, stamp: &Stamp, policy: &Policy) {
        let now = whole(stamp.now);
        if let Some(known) = self.entries.iter_mut().find(|entry| !entry.key_ids.is_disjoint(&claim.key_ids)) {
            (known.origin, known.adopted_at) = (Origin::Adopted, known.adopted_at.or(Some(now)));
            return;
        }
        let Some((seq, next_seq)) = self.number_of(&claim.id, &policy.uid) else { return };
        self.entries.push(Entry {
            seq,
            id: claim.id.clone(),
            origin: Origin::Adopted,
            r#use: Use::Previous,
            issued_at: claim.issued_at.map_or(now, whole),
            not_after: claim.not_after.map(whole),
            published_at: None,
            adopted_at: Some(now),
            key_ids: claim.key_ids.clone(),
            detail: claim.detail.clone(),
            op: None,
        });
        self.next_seq = next_seq;
        self.target = Some(claim.target.clone());
    }

    fn reinstate(&mut self, id: &EntryId) {
        match self.entry(id).map(|entry| entry.r#use) {
            None | Some(Use::Retiring) => return,
            Some(Use::Current) => {}
            Some(Use::Next | Use::Previous | Use::Abandoned) => {
                self.turn(Use::Current, Use::Previous);
                self.with(id, |entry| (entry.r#use, entry.published_at) = (Use::Current, None));
            }
        }
        self.end_rotation();
    }

    /// What is not in Entra as far as the ledger knows was never used.
    fn end_rotation(&mut self) {
        for next in self.entries.iter_mut().filter(|entry| entry.r#use == Use::Next) {
            let known = next.thumbprint().is_some() && !next.key_ids.is_empty();
            next.r#use = if known { Use::Previous } else { Use::Abandoned };
        }
    }

    fn promote(&mut self, id: &EntryId, key_ids: &BTreeSet<KeyId>) {
        if self.upcoming().is_none_or(|upcoming| upcoming.id != *id) {
            return;
        }
        self.turn(Use::Current, Use::Previous);
        self.with(id, |entry| {
            entry.r#use = Use::Current;
            if !key_ids.is_empty() {
                entry.key_ids = bounded(&entry.key_ids, key_ids);
            }
        });
    }

    fn fail(&mut self, trouble: &Trouble, now: Time, policy: &Policy) {
        let failures = self.rotation.failures.saturating_add(1);
        let backoff = schedule::backoff(failures, policy.late, &policy.uid);
        let Trouble { reason, message, wait } = trouble;
        let message = message.chars().take(1_000).collect();
        self.rotation.failures = failures;
        self.rotation.next_attempt = Some(whole(now + backoff.max(wait.unwrap_or_default())) + TimeDelta::seconds(1));
        self.rotation.last_failure = Some(Failure { time: now, reason: *reason, message });
    }

    fn recover(&mut self) {
        let Rotation { reason, started_at, approved_at, .. } = self.rotation;
        self.rotation = Rotation { reason, started_at, approved_at, ..Rotation::default() };
    }

    /// What list updates kept of it is not missed when it is gone.
    fn drop_entry(&mut self, id: &EntryId) {
        let Some(at) = self.entries.iter().position(|entry| entry.id == *id) else { return };
        let dropped = self.entries.remove(at);
        for op in self.entries.iter_mut().filter_map(|entry| entry.op.as_mut()) {
            op.kept.retain(|kept| !dropped.key_ids.contains(kept));
        }
    }

    fn turn(&mut self, from: Use, to: Use) {
        self.entries.iter_mut().filter(|entry| entry.r#use == from).for_each(|entry| entry.r#use = to);
    }

    fn with(&mut self, id: &EntryId, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.id == *id) {
            change(entry);
        }
    }
}

fn identify(entry: &mut Entry, identity: &Identity) {
    entry.key_ids = bounded(&entry.key_ids, &identity.key_ids);
    entry.not_after = identity.not_after.map(whole).or(entry.not_after);
    if let Detail::TokenSigning(signing) = &mut entry.detail {
        signing.custom_key_identifier = Some(identity.custom_key_identifier.clone()).filter(|link| link.len() <= LINK);
        signing.thumbprint = Some(identity.thumbprint);
    }
}

/// As many names as an entry takes, those that it has already before others: a certificate can be added any number of times.
fn bounded(known: &BTreeSet<KeyId>, all: &BTreeSet<KeyId>) -> BTreeSet<KeyId> {
    all.intersection(known).chain(all.difference(known)).take(KEY_IDS).copied().collect()
}

fn op(licence: &Licence, stamp: &Stamp) -> Op {
    let Licence { kind, kept, from } = licence.clone();
    Op { kind, nonce: stamp.nonce.clone(), at: whole(stamp.now), outcome: None, kept, from }
}

fn learn_outcome(entry: &mut Entry, memory: &Memory) {
    let Some(op) = &mut entry.op else { return };
    op.outcome = match memory.attempt(&op.nonce) {
        Some(Attempt::Applied { made, .. }) => {
            // No list need show it before this process ends; an application that rolls itself is never shown one.
            if let Some(Made::Key(id)) = made
                && entry.key_ids.is_empty()
            {
                entry.key_ids.insert(*id);
            }
            Some(Outcome::Applied)
        }
        // What was never sent will not be applied either.
        Some(Attempt::Refused | Attempt::Void) => Some(Outcome::Refused),
        Some(Attempt::Ready | Attempt::Unknown) | None => op.outcome,
    };
}

fn forget_slot(entry: &mut Entry, memory: &Memory) {
    let spent = matches!(entry.r#use, Use::Previous | Use::Retiring | Use::Abandoned);
    if let Detail::ClientCertificate { slot, .. } | Detail::ClientSecret { slot, .. } = &mut entry.detail
        && spent
        && slot.is_some_and(|name| memory.slot(name).is_some_and(|seen| seen.is_none_or(|seen| seen.entry.as_ref() != Some(&entry.id))))
    {
        *slot = None;
    }
}

impl Signing {
    /// Of an entry before Entra has heard of it.
    pub(crate) fn named(display_name: String, end_date_time: String) -> Self {
        Self { display_name: Some(display_name), end_date_time: Some(end_date_time), ..Self::default() }
    }
}

#[cfg(test)]
mod tests;
