//! The key pairs that one resource's pass has in memory: the coming one until it is published, others for the length of a pass.

use std::collections::BTreeMap;

use keys::{Certificate, PrivateKey};
use rotation::EntryId;

/// A private key and its certificate.
#[derive(Clone, Debug)]
pub(crate) struct KeyPair {
    /// The private key.
    pub(crate) key: PrivateKey,
    /// Its certificate.
    pub(crate) certificate: Certificate,
}

/// Key pairs by ledger entry.
#[derive(Debug, Default)]
pub(crate) struct Keyring(BTreeMap<EntryId, KeyPair>);

impl Keyring {
    pub(crate) fn get(&self, entry: &EntryId) -> Option<&KeyPair> {
        self.0.get(entry)
    }

    pub(crate) fn keep(&mut self, entry: EntryId, pair: KeyPair) {
        self.0.insert(entry, pair);
    }

    /// Drops every key but the one that is still wanted.
    pub(crate) fn keep_only(&mut self, wanted: Option<&EntryId>) {
        self.0.retain(|entry, _| Some(entry) == wanted);
    }
}
