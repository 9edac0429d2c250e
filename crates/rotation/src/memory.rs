//! What one process has seen and done for one resource. Losing it costs time and reads, never a promise: the ledger is the record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::TimeDelta;
use entra_types::{KeyId, Thumbprint};
use sha2::{Digest as _, Sha256};

use crate::history::{CertificateFacts, Detail, Directory, History};
use crate::id::EntryId;
use crate::ledger::{Ledger, SlotName};
use crate::policy::Limits;
use crate::time::{Lateness, Time};

/// Sign-ins in a row that prove a credential.
pub(crate) const PROOFS: usize = 5;

/// So many writes of the output within LATE are a contest: a rotation takes three, and people heal by hand.
const CONTEST: usize = 8;

/// The memory of one process for one resource.
#[derive(Debug)]
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
    unhealable: bool,
    others: BTreeSet<KeyId>,
    publications: Vec<Time>,
}

/// Something seen, with the order in which it was seen.
#[derive(Clone, Debug)]
pub(crate) struct Seen<T> {
    pub(crate) tick: u64,
    pub(crate) at: Time,
    pub(crate) value: T,
}

/// The published Secret as read or written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Output {
    /// There is none.
    Absent,
    /// There is one that is not ours, and why it is not.
    Foreign(String),
    /// It is ours.
    Ours {
        /// What it shows; `None` when it is not the whole, constant set of keys that belong together.
        shows: Option<Projection>,
        /// The key or secret that it holds, whole or not.
        holds: Option<Held>,
    },
}

/// What a Secret holds to sign in with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Held {
    /// A private key and its certificate, which belong together.
    Key(HeldKey),
    /// A client secret.
    Secret(Fingerprint),
}

/// The SHA-256 of a client secret: enough to tell two apart, and in memory only.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Fingerprint([u8; 32]);

/// What tells a credential from others in an output: never the credential itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Material {
    /// Of a certificate.
    Certificate(Thumbprint),
    /// Of a client secret.
    Secret(Fingerprint),
}

/// A certificate whose key a Secret holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeldKey {
    /// Of the certificate.
    pub thumbprint: Thumbprint,
    /// Its end.
    pub not_after: Time,
    /// Size of the RSA key.
    pub bits: u32,
}

/// What an output shows: a function of the ledger and, for signing certificates, of what the object lists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Projection {
    /// The entry that it names.
    pub entry: EntryId,
    /// The credential in use.
    pub current: Material,
    /// The coming signing certificate.
    pub next: Option<Thumbprint>,
    /// The signing certificate before.
    pub previous: Option<Thumbprint>,
    /// Everything a relying party should trust.
    pub bundle: BTreeSet<Thumbprint>,
}

/// A staging Secret as read or written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Slot {
    /// Its uid: it is deleted by that only.
    pub uid: String,
    /// The entry whose key it says to hold, if it is marked as ours at all.
    pub entry: Option<EntryId>,
    /// The uid of the resource that made it.
    pub owner: Option<String>,
    /// The client secret that it holds, if it is one, and what Entra calls it.
    pub secret: Option<StagedSecret>,
}

/// A client secret in a slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StagedSecret {
    /// Of the secret.
    pub fingerprint: Fingerprint,
    /// As addPassword answered it.
    pub key_id: KeyId,
}

/// A key that was generated for the next claim; the key itself stays with the caller.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FreshKey {
    /// The entry whose mark its certificate carries.
    pub entry: EntryId,
    /// Of its certificate.
    pub thumbprint: Thumbprint,
    /// End of its certificate.
    pub not_after: Time,
}

/// How one sign-in with a credential ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignInResult {
    /// Accepted.
    Accepted,
    /// Refused for a reason about the credential.
    Refused,
    /// Refused for another reason, such as conditional access.
    CannotProve,
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
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Made {
    /// By addTokenSigningCertificate.
    SigningCertificate(SigningAnswer),
    /// By addKey.
    Key(KeyId),
    /// By addPassword; the caller holds the secret.
    Password(KeyId),
}

/// What addTokenSigningCertificate answers.
#[derive(Clone, Debug, Eq, PartialEq)]
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

#[derive(Clone, Debug, Default)]
pub(crate) struct SignIns {
    pub(crate) accepted: Vec<Time>,
    pub(crate) refused: Vec<Time>,
    pub(crate) unprovable: u32,
    pub(crate) last: Option<(u64, Time)>,
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
            unhealable: false,
            others: BTreeSet::new(),
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
        self.unhealable = false;
        self.history.learn(certificates);
        self.output = Some(self.seen(output, now));
    }

    /// The output is about to be written.
    pub fn publishing(&mut self, now: Time) {
        self.publications.push(now);
        let excess = self.publications.len().saturating_sub(CONTEST);
        self.publications.drain(..excess);
    }

    /// Until when the output is left to whoever else writes it: it was written more often within LATE than any undisturbed course needs.
    pub(crate) fn contested_until(&self, late: Lateness) -> Option<Time> {
        let (first, last) = (self.publications.first()?, self.publications.last()?);
        (self.publications.len() >= CONTEST && *last - *first < late.late()).then(|| *last + late.late() / 3)
    }

    /// The output may have changed since.
    pub fn forget_output(&mut self) {
        self.output = None;
    }

    /// The output cannot be written again: its key is in no slot any more.
    pub fn output_is_unhealable(&mut self) {
        self.unhealable = true;
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

    /// The slot as last seen.
    pub fn slot(&self, name: SlotName) -> Option<Option<&Slot>> {
        self.slots.get(&name).map(|seen| seen.value.as_ref())
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

    pub(crate) fn is_unhealable(&self) -> bool {
        self.unhealable
    }

    pub(crate) fn is_others(&self, id: &KeyId) -> bool {
        self.others.contains(id)
    }

    /// Whether proofs were refused three times over at least `span`: time to do without.
    pub(crate) fn proof_is_hopeless(&self, span: TimeDelta) -> bool {
        match (self.proof_refusals.first(), self.proof_refusals.last()) {
            (Some(first), Some(last)) => self.proof_refusals.len() >= 3 && *last - *first >= span,
            _ => false,
        }
    }
}

impl Fingerprint {
    /// Of this secret.
    pub fn of(secret: &[u8]) -> Self {
        Self(Sha256::digest(secret).into())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint")
    }
}

impl Material {
    /// The certificate's thumbprint, if it is one.
    pub fn thumbprint(&self) -> Option<Thumbprint> {
        match self {
            Self::Certificate(thumbprint) => Some(*thumbprint),
            Self::Secret(_) => None,
        }
    }
}

impl Output {
    /// The key pair that it holds, if it does.
    pub fn held_key(&self) -> Option<&HeldKey> {
        match self {
            Self::Ours { holds: Some(Held::Key(held)), .. } => Some(held),
            _ => None,
        }
    }
}

impl SignIns {
    fn record(&mut self, result: SignInResult, tick: u64, now: Time) {
        self.last = Some((tick, now));
        match result {
            SignInResult::Accepted => {
                self.refused.clear();
                self.unprovable = 0;
                self.accepted.push(now);
                let excess = self.accepted.len().saturating_sub(PROOFS);
                self.accepted.drain(..excess);
            }
            SignInResult::Refused => {
                self.accepted.clear();
                self.refused.push(now);
                if self.refused.len() > PROOFS {
                    self.refused.remove(1);
                }
            }
            SignInResult::CannotProve => {
                self.accepted.clear();
                self.unprovable = self.unprovable.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests;
