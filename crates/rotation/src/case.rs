//! The case that is decided, and the answers there are.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entra_types::{KeyId, Thumbprint};

use crate::application::Application;
use crate::history::{Conclusion, Detail, Directory};
use crate::id::EntryId;
use crate::ledger::{Detail as EntryDetail, Entry, Ledger, OpKind, SlotName, Target};
use crate::memory::Memory;
use crate::op::{OpState, Removal};
use crate::policy::{Kind, Policy};
use crate::reason::{Cause, Reason, Refusal};
use crate::time::{TOLERATED_SKEW, Time};

/// Everything that a decision is made from.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What is asked for.
    pub policy: &'a Policy,
    /// What is recorded.
    pub ledger: &'a Ledger,
    /// What this process has seen.
    pub memory: &'a Memory,
    /// What others do on the same application.
    pub application: &'a Application,
    /// Now.
    pub now: Time,
}

/// The one thing to do next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// One effect.
    Act(Act),
    /// Read one thing.
    Look(Look),
    /// Change the ledger by one compare-and-swap.
    Note(Fact),
    /// Nothing for now.
    Rest(Rest),
}

/// A pause, and its reason.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rest {
    /// Decide again then at the latest.
    pub until: Time,
    /// Why.
    pub why: Wait,
}

/// Why nothing is done for now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Wait {
    /// Everything is as it should be.
    AtRest,
    /// The resource is being deleted; what it made stays.
    Deleting,
    /// The resource is being deleted, and what it made is removed.
    Revoking,
    /// `spec.suspend`.
    Suspended,
    /// A person must act.
    Refused(Refusal),
    /// After a failure.
    BackingOff,
    /// A Graph write without an answer may still take effect.
    Settling,
    /// Something on the application must end first.
    Busy,
    /// The list must be quiet before it is replaced.
    Quieting,
    /// A write must become visible.
    Replicating,
    /// The new credential must prove itself.
    Proving,
    /// Relying parties take up the coming certificate.
    Soaking,
    /// The federation metadata must show the coming certificate.
    AwaitingMetadata,
    /// A person must approve the coming certificate.
    AwaitingApproval,
    /// The next window must open.
    AwaitingWindow,
    /// The signing certificate is pinned: nothing new is begun.
    Pinned,
    /// The previous credential stays for its overlap.
    Overlapping,
    /// Too many attempts lately.
    Rationed,
}

/// One read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Look {
    /// The directory object.
    Directory(Detail),
    /// The output.
    Output,
    /// A staging Secret.
    Slot(SlotName),
    /// A sign-in with the credential of this entry.
    SignIn(EntryId),
    /// The federation metadata.
    Metadata,
    /// A new key and certificate for this entry.
    FreshKey(EntryId),
    /// What app management policies allow the object.
    AppPolicy,
}

/// One effect.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Act {
    /// Create the slot with the key of this entry.
    PostSlot(EntryId, SlotName),
    /// Delete a slot by its uid.
    DeleteSlot(SlotName, String),
    /// Write the output so that it shows this.
    Publish(Projection),
    /// Send the Graph write that this entry's op licenses.
    Send(EntryId, Mutation),
    /// Put our finalizer on the resource, or take it off.
    SetFinalizer(bool),
    /// Record on the EntraTenant what stays in Entra, then take the finalizer off.
    LetGo(BTreeSet<KeyId>),
}

pub use crate::memory::Projection;

/// A Graph write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mutation {
    /// addKey.
    AddKey(Proof),
    /// One PATCH that adds the certificate under the keyId that the ledger holds.
    AddByUpdate,
    /// addPassword.
    AddPassword,
    /// addTokenSigningCertificate.
    AddTokenSigningCertificate,
    /// addKey of a private key that signs.
    AddSigningKey(Proof),
    /// One PATCH that adds a private key that signs, its certificate and its password, under the keyIds that the ledger holds.
    AddSigningByUpdate,
    /// One PATCH that adds the certificate to a private key that signs.
    AddVerifyByUpdate,
    /// PATCH of notificationEmailAddresses.
    SetNotificationAddresses(BTreeSet<String>),
    /// PATCH of preferredTokenSigningKeyThumbprint.
    Activate(Thumbprint),
    /// removeKey, removePassword, or one PATCH of both lists.
    Remove(Removal, Option<Proof>),
}

/// Which key proves possession.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Proof {
    /// The one staged for this entry.
    Slot(EntryId, SlotName),
    /// The one that the output holds.
    Output,
    /// That of the resource named in `proofFrom`.
    Sibling,
}

/// A change of the ledger.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fact {
    /// A new entry, licensed.
    Claimed(Claim),
    /// Somebody else's signing certificate is the one in use.
    ForeignSigner(Box<Claim>),
    /// A valid signing certificate of somebody else is pinned: it is kept in the output from here on.
    ForeignFound(Box<Claim>),
    /// A write is licensed (again).
    Licensed(EntryId, Licence),
    /// Entra's names for a credential that was given up are known.
    Named(EntryId, BTreeSet<KeyId>),
    /// Entra's names for a signing certificate are known.
    Identified(EntryId, Identity),
    /// The output shows the coming signing certificate.
    Announced(EntryId),
    /// A person approved it.
    Approved(EntryId),
    /// Somebody else's credential is ours from here on.
    Adopted(Box<Claim>),
    /// Next is Current, and Current is Previous.
    Promoted(EntryId, BTreeSet<KeyId>),
    /// It signs again because it is pinned: it is Current, and what was Current or Next is Previous.
    Reinstated(EntryId),
    /// The output shows Current.
    Published(EntryId),
    /// The one-way door.
    Retired(EntryId, Option<Licence>),
    /// Given up before use.
    Abandoned(EntryId),
    /// The certificate that the output holds is the one that the target rolls itself with from here on.
    Seeded(Box<Claim>),
    /// Nothing of it is left.
    Dropped(EntryId),
    /// What a whole-list update of this entry kept is gone, and nobody of ours removed it.
    ForeignLost(EntryId, BTreeSet<KeyId>),
    /// The object is another one under the same name: the entries belonged to the old one.
    Retargeted,
    /// An attempt failed.
    Failed(Trouble),
    /// What failed works again.
    Recovered,
}

/// Entra's names for a signing certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// Of its entries in both lists.
    pub key_ids: BTreeSet<KeyId>,
    /// Links them.
    pub custom_key_identifier: String,
    /// By the certificate's bytes.
    pub thumbprint: Thumbprint,
    /// Its end.
    pub not_after: Option<Time>,
}

/// An attempt that failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trouble {
    /// Which kind of failure.
    pub reason: Reason,
    /// What was attempted, and what the answer was.
    pub message: String,
    /// How long the other side asks to wait.
    pub wait: Option<TimeDelta>,
}

/// The licence of a write: everything of an op but nonce and time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Licence {
    /// Which write.
    pub kind: OpKind,
    /// What a whole-list update keeps.
    pub kept: BTreeSet<KeyId>,
    /// What an activation replaces.
    pub from: Option<String>,
}

/// A new entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    /// Its id.
    pub id: EntryId,
    /// Where it will live.
    pub target: Target,
    /// Why.
    pub cause: Cause,
    /// Kind and names.
    pub detail: EntryDetail,
    /// Known names in Entra.
    pub key_ids: BTreeSet<KeyId>,
    /// When it was issued, if not now.
    pub issued_at: Option<Time>,
    /// Its end.
    pub not_after: Option<Time>,
    /// The first licence.
    pub op: Option<OpKind>,
}

/// Why a rule does not let the next rule speak.
#[derive(Clone, Debug)]
pub(crate) enum Halt {
    /// Do this.
    Step(Box<Step>),
    /// Nothing else may be done.
    Stop(Rest),
    /// This one waits; others may go on.
    Wait(Rest),
}

pub(crate) type Check<T = ()> = Result<T, Halt>;

impl Licence {
    pub(crate) fn of(kind: OpKind) -> Self {
        Self { kind, kept: BTreeSet::new(), from: None }
    }
}

pub(crate) fn look<T>(look: Look) -> Check<T> {
    Err(Halt::Step(Box::new(Step::Look(look))))
}

pub(crate) fn act<T>(act: Act) -> Check<T> {
    Err(Halt::Step(Box::new(Step::Act(act))))
}

pub(crate) fn note<T>(fact: Fact) -> Check<T> {
    Err(Halt::Step(Box::new(Step::Note(fact))))
}

pub(crate) fn wait<T>(until: Time, why: Wait) -> Check<T> {
    Err(Halt::Wait(Rest { until, why }))
}

pub(crate) fn stop<T>(until: Time, why: Wait) -> Check<T> {
    Err(Halt::Stop(Rest { until, why }))
}

/// Lets every check speak; the first step wins, else the soonest wait.
pub(crate) fn all(checks: impl IntoIterator<Item = Check>) -> Check {
    let mut soonest: Option<Rest> = None;
    for check in checks {
        match check {
            Ok(()) => {}
            Err(Halt::Wait(rest)) => soonest = Some(merge(soonest, rest)),
            Err(halt) => return Err(halt),
        }
    }
    soonest.map_or(Ok(()), |rest| Err(Halt::Wait(rest)))
}

/// The reason of the first, the time of the sooner.
pub(crate) fn merge(first: Option<Rest>, other: Rest) -> Rest {
    match first {
        None => other,
        Some(first) => Rest { until: first.until.min(other.until), why: first.why },
    }
}

impl<'a> Case<'a> {
    /// The state of an entry's last licensed write.
    pub(crate) fn op(&self, entry: &Entry) -> Option<OpState> {
        OpState::of(entry, self.memory, self.now, self.policy.late)
    }

    /// The object as read in this pass.
    pub(crate) fn live_directory(&self, detail: Detail) -> Check<&'a Directory> {
        if let Some(refusal) = &self.policy.refusal {
            return stop(self.now + self.policy.late.late(), Wait::Refused(refusal.clone()));
        }
        let tick = self.memory.history().tick(detail);
        self.memory.history().latest().filter(|_| self.memory.is_live(tick)).map_or_else(|| look(Look::Directory(detail)), Ok)
    }

    /// The object as read after this tick.
    pub(crate) fn directory_after(&self, tick: u64, detail: Detail) -> Check<&'a Directory> {
        let history = self.memory.history();
        history.latest().filter(|_| history.tick(detail) > tick).map_or_else(|| look(Look::Directory(detail)), Ok)
    }

    /// How much a look at the object must show: certificates are told apart by their bytes, secrets by their names.
    pub(crate) fn detail(&self) -> Detail {
        if self.policy.kind == Kind::ClientSecret { Detail::Plain } else { Detail::WithKeys }
    }

    /// When the object was last looked at in this detail.
    pub(crate) fn looked_at(&self) -> Option<Time> {
        match self.detail() {
            Detail::Plain => self.memory.history().read_at(),
            Detail::WithKeys => self.memory.history().audited_at(),
        }
    }

    /// Reads at intervals of LATE/15 until it shows.
    pub(crate) fn look_again(&self, why: Wait) -> Check {
        let next = self.looked_at().map_or(self.now, |read| read + self.policy.late.proof_spread());
        if next <= self.now { look(Look::Directory(self.detail())) } else { wait(next, why) }
    }

    /// How long a new credential lives: as asked, or as long as an app management policy allows.
    pub fn validity(&self) -> TimeDelta {
        let asked = self.policy.durations.validity;
        self.longest_life().map_or(asked, |longest| asked.min(longest))
    }

    /// The longest life that an app management policy allows, as far as read. A certificate begins a little before it is made.
    pub(crate) fn longest_life(&self) -> Option<TimeDelta> {
        let limits = self.memory.limits()?.value.as_ref()?;
        let life = if self.policy.kind == Kind::ClientSecret { limits.secret_life } else { limits.certificate_life };
        life.map(|life| (life - TimeDelta::minutes(10)).max(life / 2))
    }

    /// Asks for the read that a conclusion needs, or waits for its time.
    pub(crate) fn pursue(&self, conclusion: Conclusion, why: Wait) -> Check<bool> {
        match conclusion {
            Conclusion::Confirmed => Ok(true),
            Conclusion::Denied => Ok(false),
            Conclusion::LookAgain(at) if at <= self.now => look(Look::Directory(Detail::Plain)),
            Conclusion::LookAgain(at) => wait(at, why),
        }
    }

    /// Rule 9: no write, promotion or retirement while our clock and Graph's differ. Needs an answer of Graph in this pass.
    pub(crate) fn clock_agrees(&self) -> Check {
        self.live_directory(Detail::Plain)?;
        match self.memory.skew() {
            Some(skew) if skew.abs() > TOLERATED_SKEW => {
                let ahead = if skew < TimeDelta::zero() { "ahead of" } else { "behind" };
                let message = format!("The operator's clock is {} s {ahead} Entra's.", skew.abs().num_seconds());
                stop(self.now + self.policy.late.late() / 3, Wait::Refused(Refusal::new(Reason::ClockSkew, message)))
            }
            _ => Ok(()),
        }
    }

    /// Rule 6: an open whole-list update, of another resource or of another entry of this one, freezes the application.
    pub(crate) fn is_not_frozen(&self, entry: Option<&EntryId>) -> Check {
        let own = self
            .others(entry)
            .filter(|other| other.op.as_ref().is_some_and(|op| op.kind.is_whole_list()))
            .filter_map(|other| self.open(other));
        match own.chain(self.application.frozen(self.now)).max() {
            Some(until) => wait(until, Wait::Busy),
            None => Ok(()),
        }
    }

    /// Entries of this resource but one.
    pub(crate) fn others<'b>(&'b self, but: Option<&'b EntryId>) -> impl Iterator<Item = &'a Entry> + 'b {
        self.ledger.entries.iter().filter(move |entry| Some(&entry.id) != but)
    }

    /// Until when a write of this entry is open.
    pub(crate) fn open(&self, entry: &Entry) -> Option<Time> {
        match self.op(entry)? {
            OpState::Open { until } => Some(until),
            _ => None,
        }
    }

    /// Sends the write if its licence is good, else asks for the licence.
    pub(crate) fn send(&self, entry: &Entry, licence: Licence, mutation: Mutation) -> Check {
        let licensed = entry.op.as_ref().is_some_and(|op| op.kind == licence.kind && op.kept == licence.kept && op.from == licence.from);
        match self.op(entry) {
            Some(OpState::Unsent { fresh: true }) if licensed => act(Act::Send(entry.id.clone(), mutation)),
            _ => note(Fact::Licensed(entry.id.clone(), licence)),
        }
    }
}
