//! The object in Entra: what it lists, what a read of it shows, and what a write makes of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash as _;

use chrono::SecondsFormat;
use entra_types::{CredentialList, KeyId, Thumbprint};
use rotation::{CertificateFacts, Directory, Time};
use serde_json::{Value, json};

use crate::digest::Digest;

const OBJECT: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const CLIENT: &str = "bbbbbbbb-0000-4000-8000-000000000001";

/// What the object holds at one moment.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Entra {
    /// Of both lists, in the order of their names: Graph promises none.
    pub listed: BTreeSet<Listed>,
    /// `preferredTokenSigningKeyThumbprint`.
    pub preferred: Option<Thumbprint>,
}

/// One entry of `keyCredentials` or `passwordCredentials`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Listed {
    /// Which part of which kind of credential.
    pub part: Part,
    /// Its name. The two halves of a signing certificate have different ones; its password has that of the private half.
    pub key_id: KeyId,
    /// The certificate, if it is one.
    pub thumbprint: Option<Thumbprint>,
    /// `displayName`.
    pub name: Option<String>,
    /// `startDateTime`.
    pub start: Time,
    /// `endDateTime`.
    pub end: Time,
    /// Who made it.
    pub maker: Maker,
}

/// Which list an entry stands in, and as what.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Part {
    /// A certificate: of a client, or the public half of a signing certificate.
    Verify,
    /// The private half of a signing certificate.
    Sign,
    /// A client secret, or the password of a private half.
    Password,
}

/// Who made an entry.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Maker {
    /// The operator, for the resource of this number, as the entry of this id.
    Operator(usize, rotation::EntryId),
    /// Somebody in the portal.
    Person,
}

/// What a read with certificates shows.
#[derive(Clone)]
pub struct Reading {
    /// The object.
    pub directory: Directory,
    /// Of every certificate that is shown.
    pub certificates: BTreeMap<KeyId, CertificateFacts>,
}

thread_local! {
    static READINGS: RefCell<HashMap<u128, Reading>> = RefCell::new(HashMap::new());
}

impl Entra {
    /// What a read of this shows. Made once for each content and thread.
    pub fn read(&self, uids: &[String]) -> Reading {
        let mut digest = Digest::default();
        (self, uids).hash(&mut digest);
        let key = digest.value();
        READINGS.with_borrow_mut(|readings| {
            if readings.len() > 20_000 {
                readings.clear();
            }
            readings.entry(key).or_insert_with(|| self.show(uids)).clone()
        })
    }

    fn show(&self, uids: &[String]) -> Reading {
        let list = |wanted: bool| -> CredentialList {
            let entries = self.listed.iter().filter(|listed| (listed.part == Part::Password) == wanted).map(Listed::json);
            serde_json::from_value(Value::Array(entries.collect())).unwrap_or_default()
        };
        let shown = self.listed.iter().filter(|listed| listed.part != Part::Password);
        let certificates = shown.filter_map(|listed| Some((listed.key_id, listed.facts(uids)?))).collect();
        let directory = Directory {
            object_id: OBJECT.parse().unwrap_or_else(|_| unreachable!("a constant")),
            client_id: CLIENT.parse().unwrap_or_else(|_| unreachable!("a constant")),
            display_name: "Payroll".to_owned(),
            preferred: self.preferred.map(|preferred| preferred.to_string()),
            keys: list(false),
            passwords: list(true),
            notification_addresses: BTreeSet::new(),
        };
        Reading { directory, certificates }
    }

    /// The entries with this name.
    pub fn named(&self, key_id: &KeyId) -> impl Iterator<Item = &Listed> {
        self.listed.iter().filter(move |listed| listed.key_id == *key_id)
    }

    /// Whether a client that holds the key of this certificate may sign in.
    pub fn accepts_certificate(&self, thumbprint: Thumbprint, now: Time) -> bool {
        self.listed.iter().any(|listed| listed.part == Part::Verify && listed.thumbprint == Some(thumbprint) && now < listed.end)
    }

    /// Whether a client that holds the secret of this name may sign in.
    pub fn accepts_secret(&self, key_id: KeyId, now: Time) -> bool {
        self.listed.iter().any(|listed| listed.part == Part::Password && listed.key_id == key_id && now < listed.end)
    }

    /// What could sign: the preferred certificate if it is valid, else all that are.
    pub fn signers(&self, now: Time) -> BTreeSet<Thumbprint> {
        let able = self.listed.iter().filter(|listed| listed.part == Part::Sign && now < listed.end).filter_map(|listed| listed.thumbprint);
        let able: BTreeSet<Thumbprint> = able.collect();
        match self.preferred.filter(|preferred| able.contains(preferred)) {
            Some(preferred) => BTreeSet::from([preferred]),
            None => able,
        }
    }
}

impl Listed {
    fn json(&self) -> Value {
        let usage = match self.part {
            Part::Verify => Some("Verify"),
            Part::Sign => Some("Sign"),
            Part::Password => None,
        };
        let text = |at: Time| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        json!({"keyId": self.key_id, "usage": usage, "customKeyIdentifier": self.thumbprint.map(|thumbprint| thumbprint.to_string()),
            "displayName": self.name, "startDateTime": text(self.start), "endDateTime": text(self.end)})
    }

    fn facts(&self, uids: &[String]) -> Option<CertificateFacts> {
        let der = match &self.maker {
            // What Entra makes itself carries our mark in its name only.
            Maker::Operator(resource, id) if self.name.is_none() => id.san_uri(uids.get(*resource)?).into_bytes(),
            Maker::Operator(..) | Maker::Person => vec![],
        };
        Some(CertificateFacts { thumbprint: self.thumbprint?, not_after: self.end, der })
    }

    /// Whether a person made it.
    pub fn is_foreign(&self) -> bool {
        self.maker == Maker::Person
    }
}
