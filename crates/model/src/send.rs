//! Graph writes: sent once under a licence, applied now, later or never.

use std::sync::Arc;

use chrono::TimeDelta;
use entra_types::Thumbprint;
use rotation::{Answer, Entry, EntryId, Made, Mutation, OpKind, Proof, Reason, SigningAnswer};

use crate::check::{self, Broken};
use crate::defect::Defect;
use crate::entra::{Entra, Listed, Maker, Part};
use crate::names;
use crate::pass::{Course, Done};
use crate::world::{Change, ChangeKind, Floating, Key, World};

/// A licence is good for this long.
const LICENCE: TimeDelta = TimeDelta::seconds(10);

/// Why a write is not sent, or not done.
enum Unsent {
    /// Something that it needs is not where it was.
    Void,
    /// Graph does not take the proof.
    ProofRefused,
}

impl World {
    pub(crate) fn send(
        &mut self,
        operator: usize,
        resource: usize,
        id: &EntryId,
        mutation: &Mutation,
        course: Course,
    ) -> Result<Done, Broken> {
        let Some(entry) = self.desk(operator, resource).known.ledger.entry(id).cloned() else { return Ok(Done::Well) };
        let Some(op) = entry.op.clone() else { return Err(Broken::new("a Graph write without a licence")) };
        let prepared = self.prepare(operator, resource, &entry, mutation);
        let is_late = self.now - op.at > LICENCE && self.setup.defect != Some(Defect::LicenceNeverLapses);
        let leads = self.setup.all_lead || self.leader == operator;
        let kind = match prepared {
            Err(Unsent::Void) => return Ok(self.answered(operator, resource, &op.nonce, Answer::Unsent, Done::Well)),
            _ if !leads => return Ok(self.answered(operator, resource, &op.nonce, Answer::Unsent, Done::NotLeader)),
            _ if is_late => return Ok(self.answered(operator, resource, &op.nonce, Answer::Unsent, Done::Well)),
            Err(Unsent::ProofRefused) => {
                let now = self.now;
                self.desk_mut(operator, resource).memory.proof_was_refused(now);
                return Ok(self.answered(operator, resource, &op.nonce, Answer::Refused, Done::failed(Reason::ProofRefused)));
            }
            Ok(kind) => kind,
        };
        check::sends(self, resource, &entry, &kind)?;
        if op.kind == OpKind::AddPassword && course != Course::Refused && !self.chronicle.asked.insert(id.clone()) {
            return Err(Broken::new("addPassword is sent twice for one entry"));
        }
        let change = Change { resource, entry: id.clone(), sent: self.now, kind };
        match course {
            Course::Refused => Ok(self.answered(operator, resource, &op.nonce, Answer::Refused, Done::failed(Reason::InvalidRequest))),
            Course::Floats => {
                self.floating.push(Floating { until: self.now + self.late(), change });
                Ok(self.answered(operator, resource, &op.nonce, Answer::Unknown, Done::failed(Reason::Unavailable)))
            }
            Course::AnswerLost => {
                let _ = self.apply(&change)?;
                Ok(self.answered(operator, resource, &op.nonce, Answer::Unknown, Done::failed(Reason::Unavailable)))
            }
            Course::Well | Course::Behind(_) => self.deliver(operator, resource, &op.nonce, &change),
        }
    }

    fn deliver(&mut self, operator: usize, resource: usize, nonce: &str, change: &Change) -> Result<Done, Broken> {
        let Ok(made) = self.apply(change)? else {
            return Ok(self.answered(operator, resource, nonce, Answer::Refused, Done::failed(Reason::InvalidRequest)));
        };
        if let Some(Made::Password(key_id)) = &made {
            self.desk_mut(operator, resource).keyring.insert(change.entry.clone(), Key::Secret(*key_id));
        }
        Ok(self.answered(operator, resource, nonce, Answer::Applied(made), Done::Well))
    }

    fn answered(&mut self, operator: usize, resource: usize, nonce: &str, answer: Answer, done: Done) -> Done {
        self.desk_mut(operator, resource).memory.answered(nonce, answer);
        done
    }

    fn prepare(&mut self, operator: usize, resource: usize, entry: &Entry, mutation: &Mutation) -> Result<ChangeKind, Unsent> {
        Ok(match mutation {
            Mutation::AddKey(proof) => {
                self.check_proof(operator, resource, proof)?;
                let (thumbprint, end) = self.own_certificate(operator, resource, entry)?;
                ChangeKind::AddKey(thumbprint, end)
            }
            Mutation::AddByUpdate => {
                let (thumbprint, end) = self.own_certificate(operator, resource, entry)?;
                let key_id = *entry.key_ids.first().ok_or(Unsent::Void)?;
                let maker = Maker::Operator(resource, entry.id.clone());
                let new = Listed { part: Part::Verify, key_id, thumbprint: Some(thumbprint), name: None, start: self.now, end, maker };
                let read = self.read_lists(operator, resource)?;
                let mut replaced = Entra::clone(&read);
                replaced.listed.insert(new);
                ChangeKind::Replace(read, Arc::new(replaced))
            }
            Mutation::AddPassword => ChangeKind::AddPassword(entry.not_after.ok_or(Unsent::Void)?),
            Mutation::AddTokenSigningCertificate => {
                let name = entry.signing().and_then(|signing| signing.display_name.clone()).ok_or(Unsent::Void)?;
                ChangeKind::AddSigning(name, entry.not_after.ok_or(Unsent::Void)?)
            }
            Mutation::Activate(thumbprint) => ChangeKind::Activate(*thumbprint),
            Mutation::Remove(removal, proof) if !removal.kind().is_whole_list() => {
                if let Some(proof) = proof {
                    self.check_proof(operator, resource, proof)?;
                }
                ChangeKind::Remove(crate::pass::first(removal.key_ids()).ok_or(Unsent::Void)?)
            }
            Mutation::Remove(removal, _) => {
                let read = self.read_lists(operator, resource)?;
                let mut replaced = Entra::clone(&read);
                let gone = |listed: &Listed| removal.key_ids().contains(&listed.key_id);
                replaced.listed.retain(|listed| !gone(listed) && !self.forgets(listed));
                ChangeKind::Replace(read, Arc::new(replaced))
            }
            Mutation::AddSigningKey(_)
            | Mutation::AddSigningByUpdate
            | Mutation::AddVerifyByUpdate
            | Mutation::SetNotificationAddresses(_) => return Err(Unsent::Void),
        })
    }

    fn forgets(&self, listed: &Listed) -> bool {
        self.setup.defect == Some(Defect::ForeignEntryForgotten) && listed.is_foreign()
    }

    fn own_certificate(&mut self, operator: usize, resource: usize, entry: &Entry) -> Result<(Thumbprint, rotation::Time), Unsent> {
        match self.credential(operator, resource, &entry.id) {
            Some(Key::Pair(thumbprint, end)) => Ok((thumbprint, end)),
            _ => {
                self.desk_mut(operator, resource).memory.forget_fresh_key();
                Err(Unsent::Void)
            }
        }
    }

    /// The key that proves possession: where it should be, and accepted by Graph.
    fn check_proof(&mut self, operator: usize, resource: usize, proof: &Proof) -> Result<(), Unsent> {
        let key = match proof {
            Proof::Slot(entry, slot) => {
                if !self.desk(operator, resource).keyring.contains_key(entry) {
                    self.read_slot(operator, resource, *slot);
                }
                let found = self.desk(operator, resource).keyring.get(entry).cloned();
                if found.is_none() {
                    let now = self.now;
                    self.desk_mut(operator, resource).memory.saw_slot(*slot, None, now);
                }
                found
            }
            Proof::Output => {
                self.read_output(operator, resource);
                self.resources[resource].output.as_ref().and_then(|output| output.holds.clone())
            }
            Proof::Sibling => None,
        };
        match key {
            Some(Key::Pair(thumbprint, _)) if self.entra.accepts_certificate(thumbprint, self.now) => Ok(()),
            Some(_) => Err(Unsent::ProofRefused),
            None => Err(Unsent::Void),
        }
    }

    /// The lists as the last read showed them: what a PATCH is built from.
    fn read_lists(&self, operator: usize, resource: usize) -> Result<Arc<Entra>, Unsent> {
        let history = self.desk(operator, resource).memory.history();
        let read = history.latest().ok_or(Unsent::Void)?;
        let versions = std::iter::once(&self.entra).chain(self.past.iter().rev().map(|(_, entra)| entra));
        for version in versions {
            let reading = version.read(&self.setup.uids).directory;
            if reading.keys == read.keys && reading.passwords == read.passwords {
                return Ok(Arc::clone(version));
            }
        }
        // Read at most five seconds ago, so it is one of the versions of the last quarter of an hour.
        Err(Unsent::Void)
    }

    /// Graph applies a write: what it made, or `Err` where it refuses.
    pub fn apply(&mut self, change: &Change) -> Result<Result<Option<Made>, ()>, Broken> {
        let before = Arc::clone(&self.entra);
        let mut after = Entra::clone(&before);
        let made = self.change(change, &mut after);
        match self.setup.defect {
            Some(Defect::NothingIsApplied) => after = Entra::clone(&before),
            Some(Defect::CurrentRemoved) => self.forget_published(&mut after),
            _ => {}
        }
        if made.is_ok() && after != *before {
            self.become_(after);
            check::applied(self, change, &before)?;
        }
        Ok(made)
    }

    /// A defect: whatever is written, the credential that the first output shows goes.
    fn forget_published(&self, after: &mut Entra) {
        let shown = self.resources[0].output.as_ref().and_then(|output| output.shows.current.thumbprint());
        after.listed.retain(|listed| shown.is_none() || listed.thumbprint != shown);
    }

    /// The object is another one from here on; replicas may lag.
    pub(crate) fn become_(&mut self, after: Entra) {
        let before = std::mem::replace(&mut self.entra, Arc::new(after));
        self.past.push((self.now, before));
    }

    fn change(&mut self, change: &Change, after: &mut Entra) -> Result<Option<Made>, ()> {
        let maker = Maker::Operator(change.resource, change.entry.clone());
        let now = self.now;
        match &change.kind {
            ChangeKind::AddKey(thumbprint, end) => {
                let key_id = self.next_key_id(change);
                let new = Listed { part: Part::Verify, key_id, thumbprint: Some(*thumbprint), name: None, start: now, end: *end, maker };
                after.listed.insert(new);
                Ok(Some(Made::Key(key_id)))
            }
            ChangeKind::AddPassword(end) => {
                let key_id = self.next_key_id(change);
                let uid = &self.setup.uids[change.resource];
                let name = Some(change.entry.password_name(uid));
                after.listed.insert(Listed { part: Part::Password, key_id, thumbprint: None, name, start: now, end: *end, maker });
                Ok(Some(Made::Password(key_id)))
            }
            ChangeKind::AddSigning(name, end) => Ok(Some(self.make_signing(change, name, *end, after))),
            ChangeKind::Replace(read, replaced) => {
                // Graph takes an entry with its key only where it has none of that name.
                let new = replaced.listed.iter().find(|listed| !read.listed.contains(listed));
                if new.is_some_and(|new| after.named(&new.key_id).next().is_some()) {
                    return Err(());
                }
                after.listed.clone_from(&replaced.listed);
                Ok(None)
            }
            ChangeKind::Remove(key_id) => {
                if after.named(key_id).next().is_none() {
                    return Err(());
                }
                after.listed.retain(|listed| listed.key_id != *key_id);
                Ok(None)
            }
            ChangeKind::Activate(thumbprint) => {
                after.preferred = Some(*thumbprint);
                Ok(None)
            }
        }
    }

    fn next_key_id(&mut self, change: &Change) -> entra_types::KeyId {
        let made = self.resource_mut(change.resource).made.entry(change.entry.clone()).or_default();
        *made += 1;
        names::key_id(&change.entry, *made)
    }

    /// A private half, a public half and a password; Entra makes the key.
    fn make_signing(&mut self, change: &Change, name: &str, end: rotation::Time, after: &mut Entra) -> Made {
        let (sign, verify) = (self.next_key_id(change), self.next_key_id(change));
        let thumbprint = self.new_thumbprint(change.resource, &change.entry);
        let parts = [(Part::Sign, sign), (Part::Verify, verify), (Part::Password, sign)];
        for (part, key_id) in parts {
            let maker = Maker::Operator(change.resource, change.entry.clone());
            let listed = Listed { part, key_id, thumbprint: Some(thumbprint), name: Some(name.to_owned()), start: self.now, end, maker };
            after.listed.insert(listed);
        }
        Made::SigningCertificate(SigningAnswer { key_id: sign, custom_key_identifier: thumbprint.to_string(), thumbprint })
    }
}
