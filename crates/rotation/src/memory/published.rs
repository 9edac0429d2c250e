//! Outputs and slots as this process sees them: what tells their contents apart, never the contents.

use std::collections::BTreeSet;
use std::fmt;

use entra_types::{KeyId, Thumbprint};
use sha2::{Digest as _, Sha256};

use crate::id::EntryId;
use crate::time::Time;

/// The published Secret as read or written.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
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
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Held {
    /// A private key and its certificate, which belong together.
    Key(HeldKey),
    /// A client secret.
    Secret(Fingerprint),
}

/// The SHA-256 of a client secret: enough to tell two apart, and in memory only.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct Fingerprint([u8; 32]);

/// What tells a credential from others in an output: never the credential itself.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Material {
    /// Of a certificate.
    Certificate(Thumbprint),
    /// Of a client secret.
    Secret(Fingerprint),
}

/// A certificate whose key a Secret holds.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct HeldKey {
    /// Of the certificate.
    pub thumbprint: Thumbprint,
    /// Its end.
    pub not_after: Time,
    /// Size of the RSA key.
    pub bits: u32,
}

/// What an output shows: a function of the ledger and, for signing certificates, of what the object lists.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
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
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
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
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct StagedSecret {
    /// Of the secret.
    pub fingerprint: Fingerprint,
    /// As addPassword answered it.
    pub key_id: KeyId,
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
