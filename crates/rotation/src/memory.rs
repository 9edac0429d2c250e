//! What one process has seen and done for one resource. Losing it costs time and reads, never a promise: the ledger is the record.

mod digest;
mod published;
mod sign_ins;

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use entra_types::{KeyId, Thumbprint};

use crate::history::{CertificateFacts, Detail, Directory, History};
use crate::id::EntryId;
use crate::ledger::{Entry, Ledger, SlotName};
use crate::policy::Limits;
use crate::time::{Lateness, Time};

/// So many writes of the output within 4·LATE are a contest: a rotation takes three, and people heal by hand.
const CONTEST: usize = 8;
/// So many keyIds that were other resources' stay known at least.
const REMEMBERED: usize = 128;

pub use self::published::{Fingerprint, Held, HeldKey, Material, Output, Projection, Slot, StagedSecret};
pub use self::sign_ins::SignInResult;
pub(crate) use self::sign_ins::{PROOFS, SignIns};

/// The memory of one process for one resource.
#[derive(Clone, Debug)]
pub struct Memory {
    born: Time,
    tick: u64,
    pass: u64,
    history: History,
    skew: Option<TimeDelta>,
    output: Option<Seen<Output>>,
    slots: BTreeMap<SlotName, Seen<Option<Slot>>>,
    sign_ins: BTreeMap<EntryId, SignIns>,
    metadata: Option<Seen<BTreeSet<Thumbprint>>>,
    limits: Option<Seen<Option<Limits>>>,
    fresh: Option<FreshKey>,
    attempts: BTreeMap<String, Attempt>,
    proof_refusals: Vec<Time>,
    unhealable: Option<EntryId>,
    others: BTreeSet<KeyId>,
    /// What was in `others` lately, and before that.
    once_others: [BTreeSet<KeyId>; 2],
    publications: Vec<Time>,
}

/// Something seen, with the order in which it was seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen<T> {
    pub(crate) tick: u64,
    pub(crate) at: Time,
    pub(crate) value: T,
}

/// A key that was generated for the next claim; the key itself stays with the caller.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct FreshKey {
    /// The entry whose mark its certificate carries.
    pub entry: EntryId,
    /// Of its certificate.
    pub thumbprint: Thumbprint,
    /// End of its certificate.
    pub not_after: Time,
}

/// How a licensed write was answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Done; with what Entra called it, if it said so and that could be read.
    Applied(Option<Made>),
    /// Not done, and it will not be.
    Refused,
    /// Nobody knows.
    Unknown,
    /// It was never sent: the licence is void, nothing else happened.
    Unsent,
}

/// What Entra calls a credential that was just added.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Made {
    /// By addTokenSigningCertificate.
    SigningCertificate(SigningAnswer),
    /// By addKey.
    Key(KeyId),
    /// By addPassword; the caller holds the secret.
    Password(KeyId),
}

impl Made {
    /// By which Entra lists it.
    pub(crate) fn key_id(&self) -> KeyId {
        match self {
            Self::SigningCertificate(answer) => answer.key_id,
            Self::Key(id) | Self::Password(id) => *id,
        }
    }
}

/// What addTokenSigningCertificate answers.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct SigningAnswer {
    /// Of the Sign entry.
    pub key_id: KeyId,
    /// Links the three entries.
    pub custom_key_identifier: String,
    /// Of the certificate.
    pub thumbprint: Thumbprint,
}

#[derive(Clone, Debug)]
pub(crate) enum Attempt {
    Ready,
    Void,
    Applied { tick: u64, made: Option<Made> },
    Refused,
    Unknown,
}

impl Memory {
    /// Of a process that has seen nothing yet.
    pub fn new(now: Time) -> Self {
        Self {
            born: now,
            tick: 0,
            pass: 0,
            history: History::default(),
            skew: None,
            output: None,
            slots: BTreeMap::new(),
            sign_ins: BTreeMap::new(),
            metadata: None,
            limits: None,
            fresh: None,
            attempts: BTreeMap::new(),
            proof_refusals: Vec::new(),
            unhealable: None,
            others: BTreeSet::new(),
            once_others: Default::default(),
            publications: Vec::new(),
        }
    }

    /// Starts a pass: what is read from here on is live.
    pub fn begin_pass(&mut self) {
        self.pass = self.next_tick();
    }

    fn next_tick(&mut self) -> u64 {
        self.tick += 1;
        self.tick
    }

    fn seen<T>(&mut self, value: T, now: Time) -> Seen<T> {
        Seen { tick: self.next_tick(), at: now, value }
    }

    /// A read of the object. `date` is Graph's own clock.
    pub fn saw_directory(
        &mut self,
        directory: Directory,
        certificates: BTreeMap<KeyId, CertificateFacts>,
        detail: Detail,
        date: Option<Time>,
        now: Time,
    ) {
        let tick = self.next_tick();
        self.skew = date.map(|date| date - now).or(self.skew);
        self.history.record(directory, certificates, detail, tick, now);
    }

    /// A read of the output, or the answer to a write of it, and the certificates that it holds.
    pub fn saw_output(&mut self, output: Output, certificates: Vec<CertificateFacts>, now: Time) {
        self.unhealable = None;
        self.history.learn(certificates);
        self.output = Some(self.seen(output, now));
    }

    /// The output is about to be written.
    pub fn publishing(&mut self, now: Time) {
        self.publications.push(now);
        let excess = self.publications.len().saturating_sub(CONTEST);
        self.publications.drain(..excess);
    }

    /// Until when the output is left to whoever else writes it: it was written more often within 4·LATE than any undisturbed course needs.
    pub(crate) fn contested_until(&self, late: Lateness) -> Option<Time> {
        let (first, last) = (self.publications.first()?, self.publications.last()?);
        (self.publications.len() >= CONTEST && *last - *first < late.late() * 4).then(|| *last + late.late() / 3)
    }

    /// The output may have changed since.
    pub fn forget_output(&mut self) {
        self.output = None;
    }

    /// The output cannot be written again for this entry: its key is in no slot any more.
    pub fn output_is_unhealable(&mut self, entry: EntryId) {
        self.unhealable = Some(entry);
    }

    /// A read of a slot, or the answer to a write of it.
    pub fn saw_slot(&mut self, name: SlotName, slot: Option<Slot>, now: Time) {
        let seen = self.seen(slot, now);
        self.slots.insert(name, seen);
    }

    /// A slot may have changed since.
    pub fn forget_slot(&mut self, name: SlotName) {
        self.slots.remove(&name);
    }

    /// A sign-in with the credential of an entry.
    pub fn saw_sign_in(&mut self, entry: &EntryId, result: SignInResult, now: Time) {
        let tick = self.next_tick();
        self.sign_ins.entry(entry.clone()).or_default().record(result, tick, now);
    }

    /// The signing certificates that the federation metadata lists; unreadable metadata lists none.
    pub fn saw_metadata(&mut self, listed: BTreeSet<Thumbprint>, now: Time) {
        self.metadata = Some(self.seen(listed, now));
    }

    /// What app management policies allow; `None` where nobody may read them.
    pub fn saw_limits(&mut self, limits: Option<Limits>, now: Time) {
        self.limits = Some(self.seen(limits, now));
    }

    /// A key was generated.
    pub fn generated(&mut self, key: FreshKey) {
        self.fresh = Some(key);
    }

    /// The generated key is gone from memory after all.
    pub fn forget_fresh_key(&mut self) {
        self.fresh = None;
    }

    /// A licence is about to be written. Whatever becomes of the write, nothing was sent under this nonce yet.
    pub fn licensing(&mut self, nonce: &str) {
        self.attempts.insert(nonce.to_owned(), Attempt::Ready);
    }

    /// A licensed write was answered.
    pub fn answered(&mut self, nonce: &str, answer: Answer) {
        let tick = self.next_tick();
        if matches!(answer, Answer::Applied(_)) {
            self.proof_refusals.clear();
        }
        let attempt = match answer {
            Answer::Applied(made) => Attempt::Applied { tick, made },
            Answer::Refused => Attempt::Refused,
            Answer::Unknown => Attempt::Unknown,
            Answer::Unsent => Attempt::Void,
        };
        self.attempts.insert(nonce.to_owned(), attempt);
    }

    /// Graph refused a proof of possession.
    pub fn proof_was_refused(&mut self, now: Time) {
        self.proof_refusals.push(now);
        if self.proof_refusals.len() > PROOFS {
            self.proof_refusals.remove(1);
        }
    }

    /// The credentials on the object that other resources' ledgers name.
    pub fn others_own(&mut self, key_ids: BTreeSet<KeyId>) {
        let [lately, before] = &mut self.once_others;
        if lately.len() >= REMEMBERED {
            *before = std::mem::take(lately);
        }
        lately.extend(&key_ids);
        self.others = key_ids;
    }

    /// Forgets what no entry of the ledger needs any more.
    pub fn settle(&mut self, ledger: &Ledger) {
        let nonces: BTreeSet<&str> = ledger.entries.iter().filter_map(|entry| Some(entry.op.as_ref()?.nonce.as_str())).collect();
        self.attempts.retain(|nonce, _| nonces.contains(nonce.as_str()));
        self.sign_ins.retain(|id, _| ledger.entry(id).is_some());
        let claimed = |fresh: &FreshKey| ledger.entry(&fresh.entry).is_none_or(|entry| entry.published_at.is_none());
        self.fresh = self.fresh.take().filter(claimed);
    }

    /// The reads of the object.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The key that was generated last, while its entry is not yet published.
    pub fn fresh_key(&self) -> Option<&FreshKey> {
        self.fresh.as_ref()
    }

    /// Whether this process has the key of this entry. Another one may have claimed the entry with a key of its own meanwhile.
    pub(crate) fn holds_key_of(&self, entry: &Entry) -> bool {
        self.fresh.as_ref().is_some_and(|fresh| fresh.entry == entry.id && Some(fresh.thumbprint) == entry.thumbprint())
    }

    /// The slot as last seen.
    pub fn slot(&self, name: SlotName) -> Option<Option<&Slot>> {
        self.slots.get(&name).map(|seen| seen.value.as_ref())
    }

    /// Whether that was in this pass.
    pub(crate) fn slot_is_live(&self, name: SlotName) -> bool {
        self.slots.get(&name).is_some_and(|seen| self.is_live(seen.tick))
    }

    /// The output as last seen.
    pub fn output(&self) -> Option<&Output> {
        self.output.as_ref().map(|seen| &seen.value)
    }

    /// The projection that the output showed when last seen.
    pub fn shown(&self) -> Option<&Projection> {
        match self.output()? {
            Output::Ours { shows, .. } => shows.as_ref(),
            Output::Absent | Output::Foreign(_) => None,
        }
    }

    /// The difference between Graph's clock and ours at the last answer.
    pub fn skew(&self) -> Option<TimeDelta> {
        self.skew
    }

    pub(crate) fn born(&self) -> Time {
        self.born
    }

    pub(crate) fn is_live(&self, tick: u64) -> bool {
        tick >= self.pass
    }

    pub(crate) fn output_is_ours(&self) -> bool {
        matches!(self.output(), Some(Output::Ours { .. }))
    }

    pub(crate) fn output_is_live(&self) -> bool {
        self.output.as_ref().is_some_and(|seen| self.is_live(seen.tick))
    }

    pub(crate) fn metadata(&self) -> Option<&Seen<BTreeSet<Thumbprint>>> {
        self.metadata.as_ref()
    }

    pub(crate) fn limits(&self) -> Option<&Seen<Option<Limits>>> {
        self.limits.as_ref()
    }

    pub(crate) fn sign_ins(&self, id: &EntryId) -> Option<&SignIns> {
        self.sign_ins.get(id)
    }

    pub(crate) fn attempt(&self, nonce: &str) -> Option<&Attempt> {
        self.attempts.get(nonce)
    }

    pub(crate) fn is_unhealable(&self, entry: &EntryId) -> bool {
        self.unhealable.as_ref() == Some(entry)
    }

    pub(crate) fn is_others(&self, id: &KeyId) -> bool {
        self.others.contains(id)
    }

    /// Whether anything that was seen carries the mark of this entry.
    pub(crate) fn bears(&self, uid: &str, id: &EntryId) -> bool {
        let in_slot = |seen: &Seen<Option<Slot>>| seen.value.as_ref().is_some_and(|slot| slot.entry.as_ref() == Some(id));
        self.shown().is_some_and(|shown| shown.entry == *id)
            || self.slots.values().any(in_slot)
            || self.history.entries().iter().any(|listed| self.history.bears(listed, uid, id))
    }

    /// Whether another resource's ledger named it, as far as this process remembers: that it is gone is their doing.
    pub(crate) fn was_others(&self, id: &KeyId) -> bool {
        self.once_others.iter().any(|ids| ids.contains(id))
    }

    /// Whether proofs were refused three times over at least `span`: time to do without.
    pub(crate) fn proof_is_hopeless(&self, span: TimeDelta) -> bool {
        match (self.proof_refusals.first(), self.proof_refusals.last()) {
            (Some(first), Some(last)) => self.proof_refusals.len() >= 3 && *last - *first >= span,
            _ => false,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
