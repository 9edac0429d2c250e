//! The ledger: what `status.credentials` and its neighbours say, parsed. The claim is the entry; there is no other record.

use std::collections::BTreeSet;

use entra_types::{ClientId, KeyId, ObjectId, ObjectKind, TenantId, Thumbprint};

use crate::id::EntryId;
use crate::memory::Memory;
use crate::reason::{Cause, Reason};
use crate::time::{LICENCE, Lateness, Time};

/// More credentials than a resource is given between a backup and its restoration.
const MOST_FORGOTTEN: u32 = 256;

/// So many keyIDs, and characters of a link, an entry of `status.credentials` takes.
pub(crate) const KEY_IDS: usize = 8;
pub(crate) const LINK: usize = 64;

/// The record of one resource.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Ledger {
    /// The objects that the entries belong to. Absent until the first claim.
    pub target: Option<Target>,
    /// The sequence number of the next entry.
    pub next_seq: u32,
    /// The credentials, oldest first.
    pub entries: Vec<Entry>,
    /// The rotation under way, and what went wrong.
    pub rotation: Rotation,
    /// Credentials on the object that no entry names: how many, and when the first of them expires.
    pub foreign: Option<Foreign>,
}

/// The directory object that carries the credentials.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Target {
    /// The tenant.
    pub tenant_id: TenantId,
    /// Which of the two objects of the application.
    pub object: ObjectKind,
    /// The object's own id: what a proof names as its issuer.
    pub object_id: ObjectId,
    /// The application's id at sign-in.
    pub client_id: ClientId,
    /// What people call it.
    pub display_name: String,
}

/// A count of credentials that we did not make.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Foreign {
    /// How many.
    pub count: u32,
    /// When the first of them expires.
    pub soonest_expiry: Option<Time>,
    /// Those that carry this operator's mark although no ledger knows them; 16 at most.
    pub unrecorded: BTreeSet<KeyId>,
}

/// One credential.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Entry {
    /// Its number.
    pub seq: u32,
    /// Its name, and the mark that it carries in Entra.
    pub id: EntryId,
    /// Who made it.
    pub origin: Origin,
    /// What it is used for now.
    pub r#use: Use,
    /// When it was claimed.
    pub issued_at: Time,
    /// When Entra stops accepting it, as far as known.
    pub not_after: Option<Time>,
    /// When a read or write first showed it in the output as the current one.
    pub published_at: Option<Time>,
    /// When it was handed over, if somebody else made it.
    pub adopted_at: Option<Time>,
    /// The names of its entries in Entra, as they become known. A certificate that was added twice owns them all.
    pub key_ids: BTreeSet<KeyId>,
    /// What only this kind of credential has.
    pub detail: Detail,
    /// The licence of the one Graph write under way, or of the last one.
    pub op: Option<Op>,
}

/// What only one kind of credential has.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Detail {
    /// A client secret, made by Entra.
    ClientSecret {
        /// The name it was found under when it was adopted. One that we made is named by its mark.
        display_name: Option<String>,
        /// Where it is staged.
        slot: Option<SlotName>,
    },
    /// A client certificate, generated here.
    ClientCertificate {
        /// Known from the claim on: the key comes first.
        thumbprint: Thumbprint,
        /// Where its key is staged.
        slot: Option<SlotName>,
    },
    /// A SAML token signing certificate, made by Entra.
    TokenSigning(Signing),
}

/// A token signing certificate.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Signing {
    /// As sent, ending in the entry id.
    pub display_name: Option<String>,
    /// As sent: the second mark.
    pub end_date_time: Option<String>,
    /// Links the three entries of the certificate in Entra.
    pub custom_key_identifier: Option<String>,
    /// Known once Entra made it.
    pub thumbprint: Option<Thumbprint>,
    /// When the output first showed it as the next one: soak counts from here.
    pub announced_at: Option<Time>,
}

/// Who made a credential.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Origin {
    /// This operator, for this resource.
    Made,
    /// Somebody else, who handed it over: it is removed like one of ours once its time has come.
    Adopted,
    /// Somebody else: the signing certificate that was active when we came, or that an admin made active. Never removed by us.
    Foreign,
}

/// What a credential is used for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Use {
    /// Made or being made, not yet in use.
    Next,
    /// The one that the output holds.
    Current,
    /// The one before, still accepted during the overlap.
    Previous,
    /// Being removed. Nothing comes back from here.
    Retiring,
    /// Given up before it was used; removed if it should appear.
    Abandoned,
}

/// The licence of one Graph write.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Op {
    /// Which write.
    pub kind: OpKind,
    /// Makes the licence a change even where nothing else changes, and ties the outcome to it.
    pub nonce: String,
    /// When it was licensed.
    pub at: Time,
    /// How it ended, if that is certain.
    pub outcome: Option<Outcome>,
    /// The keyIds that a whole-list update kept.
    pub kept: BTreeSet<KeyId>,
    /// The preferred thumbprint that an activation replaces, as read; empty for null.
    pub from: Option<String>,
}

/// The Graph writes that are licensed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum OpKind {
    /// addKey with a proof.
    AddKey,
    /// A whole-list update that adds a certificate.
    AddByUpdate,
    /// addPassword.
    AddPassword,
    /// addTokenSigningCertificate.
    AddTokenSigningCertificate,
    /// addKey with a private key that signs, with a proof.
    AddSigningKey,
    /// A whole-list update that adds a private key that signs, its certificate and its password.
    AddSigningByUpdate,
    /// A whole-list update that adds the certificate of a private key that signs.
    AddVerifyByUpdate,
    /// An update of preferredTokenSigningKeyThumbprint.
    Activate,
    /// An update of notificationEmailAddresses.
    SetNotificationAddresses,
    /// removeKey with a proof.
    RemoveKey,
    /// removePassword.
    RemovePassword,
    /// A whole-list update that leaves a certificate out.
    RemoveByUpdate,
}

/// How a licensed write ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// Graph said that it did it.
    Applied,
    /// Graph said that it did not and will not.
    Refused,
}

/// One of the two staging Secrets of a resource.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SlotName {
    /// `<output>-entra-a`
    A,
    /// `<output>-entra-b`
    B,
}

/// The rotation under way and its failures.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Rotation {
    /// Why the last rotation began.
    pub reason: Option<Cause>,
    /// When it began.
    pub started_at: Option<Time>,
    /// When a person's approval of the successor was first seen.
    pub approved_at: Option<Time>,
    /// Failures in a row.
    pub failures: u32,
    /// Nothing is tried before.
    pub next_attempt: Option<Time>,
    /// The last of them.
    pub last_failure: Option<Failure>,
}

/// An attempt that failed.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Failure {
    /// When.
    pub time: Time,
    /// Which kind of failure.
    pub reason: Reason,
    /// What was attempted, and what the answer was.
    pub message: String,
}

impl Ledger {
    /// The entry with this id.
    pub fn entry(&self, id: &EntryId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == *id)
    }

    /// The first entry of this use.
    pub fn first(&self, r#use: Use) -> Option<&Entry> {
        self.all(r#use).next()
    }

    /// All entries of this use.
    pub fn all(&self, r#use: Use) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.r#use == r#use)
    }

    /// The credential that the output holds, or should hold.
    pub fn current(&self) -> Option<&Entry> {
        self.first(Use::Current)
    }

    /// The successor under way.
    pub fn upcoming(&self) -> Option<&Entry> {
        self.first(Use::Next)
    }

    /// Whether the id is that of a number that is still to be given.
    pub fn is_ahead(&self, id: &EntryId, uid: &str) -> bool {
        self.entry(id).is_none() && self.number_of(id, uid).is_some()
    }

    /// The number of this id, which is the next one or a later one, and the number after it.
    pub(crate) fn number_of(&self, id: &EntryId, uid: &str) -> Option<(u32, u32)> {
        let numbers = self.next_seq..self.next_seq.saturating_add(MOST_FORGOTTEN);
        let seq = numbers.into_iter().find(|seq| EntryId::derive(uid, *seq) == *id)?;
        Some((seq, seq.checked_add(1)?))
    }

    /// The id that the next claim takes: the first that nothing seen carries. A status that was restored from a backup has forgotten numbers that were given
    /// away since, and a mark must never name two credentials.
    pub fn next_id(&self, uid: &str, memory: &Memory) -> EntryId {
        let numbers = self.next_seq..self.next_seq.saturating_add(MOST_FORGOTTEN);
        let free = numbers.map(|seq| EntryId::derive(uid, seq)).find(|id| !memory.bears(uid, id));
        free.unwrap_or_else(|| EntryId::derive(uid, self.next_seq))
    }
}

impl Entry {
    /// The certificate's thumbprint, once known.
    pub fn thumbprint(&self) -> Option<Thumbprint> {
        match &self.detail {
            Detail::ClientSecret { .. } => None,
            Detail::ClientCertificate { thumbprint, .. } => Some(*thumbprint),
            Detail::TokenSigning(signing) => signing.thumbprint,
        }
    }

    /// The staging Secret that holds its key.
    pub fn slot(&self) -> Option<SlotName> {
        match &self.detail {
            Detail::ClientSecret { slot, .. } | Detail::ClientCertificate { slot, .. } => *slot,
            Detail::TokenSigning(_) => None,
        }
    }

    /// The signing part.
    pub fn signing(&self) -> Option<&Signing> {
        match &self.detail {
            Detail::ClientSecret { .. } | Detail::ClientCertificate { .. } => None,
            Detail::TokenSigning(signing) => Some(signing),
        }
    }

    /// When it was there at the latest, as far as the ledger says: replicas may still have shown the object without it.
    pub(crate) fn made_by(&self, late: Lateness) -> Time {
        let made = self.op.as_ref().filter(|op| op.kind.is_creation() || op.kind == OpKind::AddVerifyByUpdate).map(|op| op.at);
        made.max(self.published_at).unwrap_or(self.issued_at).max(self.issued_at) + LICENCE.min(late.late() / 15)
    }

    /// Whether Entra accepts it at that time by its dates.
    pub fn is_valid_at(&self, at: Time) -> bool {
        self.not_after.is_none_or(|end| at < end)
    }
}

impl OpKind {
    /// Every kind, for tables.
    pub const ALL: [Self; 12] = [
        Self::AddKey,
        Self::AddByUpdate,
        Self::AddPassword,
        Self::AddTokenSigningCertificate,
        Self::AddSigningKey,
        Self::AddSigningByUpdate,
        Self::AddVerifyByUpdate,
        Self::Activate,
        Self::SetNotificationAddresses,
        Self::RemoveKey,
        Self::RemovePassword,
        Self::RemoveByUpdate,
    ];

    /// The word in `status`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AddKey => "AddKey",
            Self::AddByUpdate => "AddByUpdate",
            Self::AddPassword => "AddPassword",
            Self::AddTokenSigningCertificate => "AddTokenSigningCertificate",
            Self::AddSigningKey => "AddSigningKey",
            Self::AddSigningByUpdate => "AddSigningByUpdate",
            Self::AddVerifyByUpdate => "AddVerifyByUpdate",
            Self::Activate => "Activate",
            Self::SetNotificationAddresses => "SetNotificationAddresses",
            Self::RemoveKey => "RemoveKey",
            Self::RemovePassword => "RemovePassword",
            Self::RemoveByUpdate => "RemoveByUpdate",
        }
    }

    /// Whether it replaces whole lists, and so could undo what others write meanwhile.
    pub const fn is_whole_list(self) -> bool {
        matches!(self, Self::AddByUpdate | Self::AddSigningByUpdate | Self::AddVerifyByUpdate | Self::RemoveByUpdate)
    }

    /// Whether it makes a credential: what was refused does not exist then.
    pub const fn is_creation(self) -> bool {
        matches!(
            self,
            Self::AddKey
                | Self::AddByUpdate
                | Self::AddPassword
                | Self::AddTokenSigningCertificate
                | Self::AddSigningKey
                | Self::AddSigningByUpdate
        )
    }

    /// Whether it takes a credential away.
    pub const fn is_removal(self) -> bool {
        matches!(self, Self::RemoveKey | Self::RemovePassword | Self::RemoveByUpdate)
    }
}

impl SlotName {
    /// Both.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// The letter in `status` and in the Secret's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }
}

#[cfg(test)]
mod tests;
