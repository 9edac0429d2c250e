//! The id of a ledger entry, and the marks that carry it into Entra.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use entra_types::KeyId;
use sha2::{Digest, Sha256};

const LENGTH: usize = 10;

/// What the SAN URIs of our certificates begin with.
pub(crate) const CERTIFICATE_MARK: &str = "urn:entra-rotator:";

/// What the names of our client secrets in Entra begin with.
pub(crate) const MARK: &str = "entra-rotator/";

/// Names an entry: the first ten characters of the lower-case RFC 4648 base32 of SHA-256(`<CR uid>/<seq>`). A resource cannot claim another's mark, and
/// the core needs no randomness. The format never changes: marks in Entra outlive every release.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EntryId(String);

impl EntryId {
    /// The id of the `seq`-th entry of the resource with this uid.
    pub fn derive(uid: &str, seq: u32) -> Self {
        let digest = Sha256::digest(format!("{uid}/{seq}"));
        let text = data_encoding::BASE32_NOPAD.encode(&digest).to_ascii_lowercase();
        Self(text.chars().take(LENGTH).collect())
    }

    /// The id that a name ends with, if it could be one.
    pub(crate) fn at_the_end_of(name: &str) -> Option<Self> {
        name.get(name.len().checked_sub(LENGTH)?..)?.parse().ok()
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The keyId that a list update gives this entry. Chosen before the call and the same on every try, so that a repeat cannot add a second one.
    pub fn key_id(&self, uid: &str) -> KeyId {
        let digest = Sha256::digest(format!("keyId/{uid}/{self}"));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        KeyId::new(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// The keyId that a list update gives the public half of a signing certificate; [`key_id`](Self::key_id) names its private half and the password.
    pub fn verify_key_id(&self, uid: &str) -> KeyId {
        let digest = Sha256::digest(format!("verifyKeyId/{uid}/{self}"));
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        KeyId::new(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// Both.
    pub(crate) fn signing_key_ids(&self, uid: &str) -> BTreeSet<KeyId> {
        BTreeSet::from([self.key_id(uid), self.verify_key_id(uid)])
    }

    /// The name that marks a client secret as this entry of that resource.
    pub fn password_name(&self, uid: &str) -> String {
        format!("{MARK}{uid}/{self}")
    }

    /// The SAN URI that marks a certificate as this entry of that resource.
    pub fn san_uri(&self, uid: &str) -> String {
        format!("{CERTIFICATE_MARK}{uid}:{self}")
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EntryId {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        let base32 = |c: char| c.is_ascii_lowercase() || ('2'..='7').contains(&c);
        (text.len() == LENGTH && text.chars().all(base32)).then(|| Self(text.to_owned())).ok_or(InvalidEntryId)
    }
}

/// A text is no entry id.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an entry id has ten characters of lower-case base32")]
pub struct InvalidEntryId;

/// A number from the id and a purpose, for jitter: the same after every restart, different for every entry.
pub(crate) fn hash(purpose: &str, of: &str) -> u64 {
    let digest = Sha256::digest(format!("{purpose}/{of}"));
    digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_format_of_an_id_never_changes() {
        assert_eq!(EntryId::derive("0c5a7c1e-6f64-4d3c-9b57-6a0d0d0c9a11", 1).as_str(), "cvajp6x4o7");
    }

    #[test]
    fn the_format_of_the_marks_never_changes() {
        let id = EntryId::derive("0c5a7c1e-6f64-4d3c-9b57-6a0d0d0c9a11", 1);
        assert_eq!(id.password_name("uid"), "entra-rotator/uid/cvajp6x4o7");
        assert_eq!(id.san_uri("uid"), "urn:entra-rotator:uid:cvajp6x4o7");
    }

    #[test]
    fn an_id_is_found_at_the_end_of_a_name() {
        let id = EntryId::derive("uid", 7);
        assert_eq!(EntryId::at_the_end_of(&format!("CN=payroll {id}")), Some(id.clone()));
        assert_eq!(EntryId::at_the_end_of(id.as_str()), Some(id));
        for name in ["", "CN=payroll", "CN=payroll-ABCDEFGHIJ", "\u{fc}bcdefghij"] {
            assert_eq!(EntryId::at_the_end_of(name), None, "{name}");
        }
    }

    #[test]
    fn an_id_is_read_back_and_anything_else_is_refused() {
        let id = EntryId::derive("uid", 7);
        assert_eq!(id.as_str().parse(), Ok(id));
        for text in ["", "abc", "ABCDEFGHIJ", "abcdefghi1", "abcdefghijk"] {
            assert_eq!(text.parse::<EntryId>(), Err(InvalidEntryId), "{text}");
        }
    }
}
