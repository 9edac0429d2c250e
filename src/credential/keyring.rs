//! The keys and secrets that one resource's pass has in memory: the coming one until it is published, others for the length of a pass.

use std::collections::BTreeMap;

use entra::SignIn;
use entra_types::{ClientId, KeyId};
use keys::{Certificate, PrivateKey, Sensitive};
use rotation::{EntryId, Fingerprint, Ledger, StagedSecret};

/// A private key and its certificate.
#[derive(Clone, Debug)]
pub(crate) struct KeyPair {
    /// The private key.
    pub(crate) key: PrivateKey,
    /// Its certificate.
    pub(crate) certificate: Certificate,
}

/// A client secret and its name in Entra.
#[derive(Clone, Debug)]
pub(crate) struct ClientSecret {
    /// As addPassword answered it.
    pub(crate) key_id: KeyId,
    /// The secret.
    pub(crate) value: Sensitive<String>,
}

/// Keys and secrets by ledger entry.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    pairs: BTreeMap<EntryId, KeyPair>,
    secrets: BTreeMap<EntryId, ClientSecret>,
}

impl KeyPair {
    /// How a client signs in with it.
    pub(crate) fn sign_in(&self, client_id: ClientId) -> SignIn {
        SignIn::ClientCertificate { client_id, key: self.key.clone(), certificate: self.certificate.clone() }
    }
}

impl ClientSecret {
    /// What the protocol knows of it.
    pub(crate) fn staged(&self) -> StagedSecret {
        StagedSecret { fingerprint: Fingerprint::of(self.value.expose().as_bytes()), key_id: self.key_id }
    }
}

impl Keyring {
    pub(crate) fn get(&self, entry: &EntryId) -> Option<&KeyPair> {
        self.pairs.get(entry)
    }

    pub(crate) fn secret(&self, entry: &EntryId) -> Option<&ClientSecret> {
        self.secrets.get(entry)
    }

    pub(crate) fn keep(&mut self, entry: EntryId, pair: KeyPair) {
        self.pairs.insert(entry, pair);
    }

    pub(crate) fn keep_secret(&mut self, entry: EntryId, secret: ClientSecret) {
        self.secrets.insert(entry, secret);
    }

    /// Drops keys that are not those of their entries: another process may have claimed an entry with a key of its own.
    pub(crate) fn drop_strangers(&mut self, ledger: &Ledger) {
        let stranger =
            |id: &EntryId, pair: &KeyPair| ledger.entry(id).is_some_and(|entry| entry.thumbprint() != Some(pair.certificate.thumbprint()));
        self.pairs.retain(|id, pair| !stranger(id, pair));
    }

    /// Drops everything but what is still wanted.
    pub(crate) fn keep_only(&mut self, wanted: Option<&EntryId>) {
        self.pairs.retain(|entry, _| Some(entry) == wanted);
        self.secrets.retain(|entry, _| Some(entry) == wanted);
    }
}
