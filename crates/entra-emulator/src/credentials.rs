//! The entries of credential lists, kept as raw JSON so that what the emulator does not know stays as it is.

use std::fmt;

use chrono::{DateTime, Utc};
use entra_types::ids::KeyId;
use keys::{Certificate, Sensitive};
use serde_json::{Map, Value};

use crate::clock;

/// One entry of either list: its properties as Graph shows them, and what only the service knows.
pub(crate) trait Entry {
    fn raw(&self) -> &Map<String, Value>;

    fn key_id(&self) -> Option<KeyId> {
        self.text("keyId")?.parse().ok()
    }

    fn text(&self, property: &str) -> Option<&str> {
        self.raw().get(property)?.as_str()
    }

    fn identifier(&self) -> Option<&str> {
        self.text("customKeyIdentifier")
    }

    /// Whether the entry authenticates at this instant. A limit that is absent or unreadable does not limit.
    fn is_valid(&self, now: DateTime<Utc>) -> bool {
        let time = |property| self.text(property).and_then(clock::parse);
        time("startDateTime").is_none_or(|start| start <= now) && time("endDateTime").is_none_or(|end| now < end)
    }

    fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.text("endDateTime").and_then(clock::parse).is_some_and(|end| end <= now)
    }
}

/// An entry of `keyCredentials`. `raw` holds `key` as the service stored it; reads decide whether to show it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeyEntry {
    pub(crate) raw: Map<String, Value>,
    /// The certificate, where the entry holds a public one.
    pub(crate) certificate: Option<Certificate>,
}

impl Entry for KeyEntry {
    fn raw(&self) -> &Map<String, Value> {
        &self.raw
    }

    fn is_valid(&self, now: DateTime<Utc>) -> bool {
        let inside = |certificate: &Certificate| certificate.not_before() <= now && now <= certificate.not_after();
        self.certificate.as_ref().is_none_or(inside) && Dates(&self.raw).is_valid(now)
    }
}

/// The dates of an entry alone, without its certificate's.
struct Dates<'a>(&'a Map<String, Value>);

impl Entry for Dates<'_> {
    fn raw(&self) -> &Map<String, Value> {
        self.0
    }
}

impl KeyEntry {
    pub(crate) fn is_sign(&self) -> bool {
        self.text("usage") == Some("Sign")
    }

    pub(crate) fn is_verify(&self) -> bool {
        self.text("usage") == Some("Verify")
    }
}

/// An entry of `passwordCredentials`. `raw` never holds the secret.
#[derive(Clone, PartialEq)]
pub(crate) struct PasswordEntry {
    pub(crate) raw: Map<String, Value>,
    /// What signs in. Absent for the password of a signing key's PFX, which is none of the application's secrets.
    pub(crate) secret: Option<Secret>,
}

impl Entry for PasswordEntry {
    fn raw(&self) -> &Map<String, Value> {
        &self.raw
    }
}

impl PasswordEntry {
    pub(crate) fn accepts(&self, text: &str) -> bool {
        self.secret.as_ref().is_some_and(|secret| secret.0.expose() == text)
    }
}

impl fmt::Debug for PasswordEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PasswordEntry").field(&self.raw).finish()
    }
}

/// A client secret.
#[derive(Clone)]
pub(crate) struct Secret(Sensitive<String>);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(Sensitive::new(text))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose() == other.0.expose()
    }
}

/// An entry with `key` or `secretText` blanked, as reads without `$select` show it.
pub(crate) fn without(property: &str, raw: &Map<String, Value>) -> Value {
    let mut shown = raw.clone();
    shown.insert(property.to_owned(), Value::Null);
    Value::Object(shown)
}
