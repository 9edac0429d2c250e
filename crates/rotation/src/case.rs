//! The case that is decided, and the answers there are.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entra_types::{KeyId, Thumbprint};

use crate::application::Application;
use crate::history::Detail;
use crate::id::EntryId;
use crate::ledger::{Detail as EntryDetail, Ledger, OpKind, SlotName, Target};
use crate::memory::Memory;
use crate::op::Removal;
use crate::policy::Policy;
use crate::reason::{Cause, Reason, Refusal};
use crate::time::Time;

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
    LetGo(Left),
}

/// What stays in Entra, or may, when a resource goes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Left {
    /// The credentials whose names are known.
    pub key_ids: BTreeSet<KeyId>,
    /// What those are recognised by whose names nobody could learn: they may be there, or appear still.
    pub marks: BTreeSet<String>,
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
    /// It signs again because it is pinned or an admin chose it: it is Current, and what else was Current or Next is Previous.
    Reinstated(EntryId),
    /// The output shows Current.
    Published(EntryId),
    /// The one-way door.
    Retired(EntryId, Option<Licence>),
    /// Given up before use.
    Abandoned(EntryId),
    /// The certificate that the output holds is the one that the target rolls itself with from here on.
    Seeded(Box<Claim>),
    /// What the output names is Current, though a restored status has forgotten it.
    Remembered(Box<Claim>),
    /// Nothing of it is left.
    Dropped(EntryId),
    /// It cannot be removed, as Entra's name for it is not known, and its slot is needed.
    LeftToExpire(EntryId, Option<Thumbprint>),
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

impl Licence {
    pub(crate) fn of(kind: OpKind) -> Self {
        Self { kind, kept: BTreeSet::new(), from: None }
    }
}
