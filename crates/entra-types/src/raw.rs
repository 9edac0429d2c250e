//! Credential lists exactly as Graph wrote them.
//!
//! A PATCH replaces a whole list, and Graph takes any difference in a kept entry (a digit less in a timestamp, a field left out) for an attempt to
//! change it. So every field is kept as the text that was read.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use data_encoding::{BASE64, BASE64_NOPAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use zeroize::Zeroize as _;

use crate::ids::{KeyId, Thumbprint};

/// Fields that hold key material. Graph wants them back as `null`: "must be sent back with null value".
const MATERIAL: [&str; 2] = ["key", "secretText"];

/// One entry of `keyCredentials` or `passwordCredentials`, field by field as read.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
pub struct RawCredential(BTreeMap<String, Box<RawValue>>);

impl RawCredential {
    /// The entry as it must be sent back to stay untouched: as read, but without key material.
    #[must_use]
    pub fn echo(&self) -> Self {
        let mut fields = self.0.clone();
        for name in MATERIAL {
            if let Some(value) = fields.get_mut(name) {
                *value = RawValue::NULL.to_owned();
            }
        }
        Self(fields)
    }

    /// The fields that we work with, parsed; what cannot be parsed is absent.
    pub fn view(&self) -> Credential {
        Credential {
            key_id: self.key_id(),
            custom_key_identifier: self.text("customKeyIdentifier"),
            display_name: self.text("displayName"),
            usage: self.text("usage"),
            start: self.time("startDateTime"),
            end: self.time("endDateTime"),
            der: self.text("key").as_deref().and_then(certificate_der),
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        self.field(name)
    }

    fn time(&self, name: &str) -> Option<DateTime<Utc>> {
        self.field::<DateTime<Utc>>(name)
    }

    fn field<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    fn key_id(&self) -> Option<KeyId> {
        self.text("keyId").and_then(|id| id.parse().ok())
    }

    /// What identifies the entry's state, key material aside: a plain read and one with `$select` show the same.
    fn comparable(&self) -> impl Iterator<Item = (&str, &str)> {
        let kept = self.0.iter().filter(|(name, _)| !MATERIAL.contains(&name.as_str()));
        kept.map(|(name, value)| (name.as_str(), value.get()))
    }
}

/// Key material may be a secret that we are about to send: it is overwritten.
impl Drop for RawCredential {
    fn drop(&mut self) {
        for name in MATERIAL {
            let text: Option<Box<str>> = self.0.remove(name).map(Into::into);
            text.into_iter().for_each(|mut text| text.zeroize());
        }
    }
}

impl std::fmt::Debug for RawCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.comparable()).finish()
    }
}

/// Equal but for key material, which depends on how the list was read.
impl PartialEq for RawCredential {
    fn eq(&self, other: &Self) -> bool {
        self.comparable().eq(other.comparable())
    }
}

impl Eq for RawCredential {}

/// The fields of a credential entry that decisions are made on.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Credential {
    /// `keyId`. The Sign entry and the password of a SAML certificate share one; the Verify entry has another.
    pub key_id: Option<KeyId>,
    /// `customKeyIdentifier`: opaque, equal on all parts of one SAML certificate.
    pub custom_key_identifier: Option<String>,
    /// `displayName`.
    pub display_name: Option<String>,
    /// `usage`: `Sign` or `Verify`; passwords have none.
    pub usage: Option<String>,
    /// `startDateTime`.
    pub start: Option<DateTime<Utc>>,
    /// `endDateTime`.
    pub end: Option<DateTime<Utc>>,
    /// The certificate in `key`, if the read asked for it and the entry holds one.
    pub der: Option<Vec<u8>>,
}

impl Credential {
    /// Whether the entry is the private half of a signing certificate.
    pub fn is_sign(&self) -> bool {
        self.usage.as_deref() == Some("Sign")
    }

    /// Whether the entry is a public certificate: of a client, or the visible half of a signing certificate.
    pub fn is_verify(&self) -> bool {
        self.usage.as_deref() == Some("Verify")
    }

    /// Whether the entry's own dates contain `at`. A missing date does not bound.
    pub fn is_valid_at(&self, at: DateTime<Utc>) -> bool {
        self.start.is_none_or(|start| start <= at) && self.end.is_none_or(|end| at < end)
    }

    /// The thumbprint that `customKeyIdentifier` states. A hint only: callers may put anything there.
    pub fn stated_thumbprint(&self) -> Option<Thumbprint> {
        self.custom_key_identifier.as_deref().and_then(Thumbprint::from_custom_key_identifier)
    }
}

/// `key` holds base64 of DER, or base64 of the whole PEM text (two well-known tools upload that).
fn certificate_der(key: &str) -> Option<Vec<u8>> {
    let bytes = decode_base64(key)?;
    let Some(pem) = std::str::from_utf8(&bytes).ok().filter(|text| text.contains("-----BEGIN CERTIFICATE-----")) else {
        return (!bytes.is_empty()).then_some(bytes);
    };
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).flat_map(str::chars).filter(|c| !c.is_whitespace()).collect();
    decode_base64(&body)
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.as_bytes()).or_else(|_| BASE64_NOPAD.decode(text.trim_end_matches('=').as_bytes())).ok()
}

/// One credential list of an object. Order is not promised by Graph, so equality is that of sets.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct CredentialList(Vec<RawCredential>);

impl CredentialList {
    /// The entries, parsed.
    pub fn views(&self) -> impl Iterator<Item = Credential> {
        self.0.iter().map(RawCredential::view)
    }

    /// The raw entries.
    pub fn entries(&self) -> &[RawCredential] {
        &self.0
    }

    /// Every keyId on the list.
    pub fn key_ids(&self) -> BTreeSet<KeyId> {
        self.0.iter().filter_map(RawCredential::key_id).collect()
    }

    /// The list to send so that exactly the entries with these keyIds go and nothing else changes.
    #[must_use]
    pub fn without(&self, gone: &BTreeSet<KeyId>) -> Self {
        let kept = |entry: &&RawCredential| !entry.key_id().is_some_and(|id| gone.contains(&id));
        Self(self.0.iter().filter(kept).map(RawCredential::echo).collect())
    }

    /// The list to send so that `new` is added and nothing else changes.
    #[must_use]
    pub fn with(&self, new: RawCredential) -> Self {
        self.with_all([new])
    }

    /// The list to send so that all of `new` are added and nothing else changes. Not the same as adding one after another: the second would take the key
    /// material off the first.
    #[must_use]
    pub fn with_all(&self, new: impl IntoIterator<Item = RawCredential>) -> Self {
        Self(self.0.iter().map(RawCredential::echo).chain(new).collect())
    }
}

impl From<Vec<RawCredential>> for CredentialList {
    fn from(entries: Vec<RawCredential>) -> Self {
        Self(entries)
    }
}

impl PartialEq for CredentialList {
    fn eq(&self, other: &Self) -> bool {
        let sorted = |list: &Self| {
            let mut entries: Vec<_> = list.0.iter().map(|entry| format!("{entry:?}")).collect();
            entries.sort_unstable();
            entries
        };
        // Replicas mostly answer in the same order.
        self.0 == other.0 || (self.0.len() == other.0.len() && sorted(self) == sorted(other))
    }
}

impl Eq for CredentialList {}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = r#"{"keyId":"11111111-1111-4111-8111-111111111111","startDateTime":"2021-05-05T18:38:51.8100763Z","future":{"x":[1.0,1e2]},"key":"QUJD","usage":"Verify"}"#;
    const B: &str = r#"{"keyId":"22222222-2222-4222-8222-222222222222","usage":"Sign","key":null}"#;

    fn list(json: &str) -> CredentialList {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_echo_keeps_every_digit_and_unknown_field_and_drops_only_the_key() {
        let sent = serde_json::to_string(&list(&format!("[{A}]")).without(&BTreeSet::new())).unwrap();
        assert!(sent.contains("2021-05-05T18:38:51.8100763Z"), "{sent}");
        assert!(sent.contains(r#"{"x":[1.0,1e2]}"#), "{sent}");
        assert!(sent.contains(r#""key":null"#), "{sent}");
    }

    #[test]
    fn a_list_without_a_key_id_keeps_the_others_only() {
        let gone = BTreeSet::from(["22222222-2222-4222-8222-222222222222".parse().unwrap()]);
        assert_eq!(list(&format!("[{A},{B}]")).without(&gone), list(&format!("[{A}]")));
    }

    #[test]
    fn order_and_key_material_do_not_make_lists_differ_but_a_digit_does() {
        assert_eq!(list(&format!("[{A},{B}]")), list(&format!("[{B},{}]", A.replace("QUJD", "REVG"))));
        assert_ne!(list(&format!("[{A}]")), list(&format!("[{}]", A.replace("0763Z", "076Z"))));
    }

    #[test]
    fn a_certificate_uploaded_as_pem_text_is_read_as_der() {
        let pem = BASE64.encode(b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n");
        assert_eq!(certificate_der(&pem), Some(b"ABC".to_vec()));
        assert_eq!(certificate_der("QUJD"), Some(b"ABC".to_vec()));
        assert_eq!(certificate_der("%%%"), None);
    }

    #[test]
    fn several_entries_are_added_with_their_key_material_beside_kept_ones_without() {
        let new = || list(&format!("[{}]", A.replace("1111-1111", "3333-3333"))).0;
        let both = new().into_iter().chain(list(&format!("[{}]", A.replace("1111-1111", "4444-4444"))).0);
        let sent = serde_json::to_string(&list(&format!("[{A}]")).with_all(both)).unwrap();
        assert_eq!((sent.matches(r#""key":null"#).count(), sent.matches(r#""key":"QUJD""#).count()), (1, 2), "{sent}");
    }

    #[test]
    fn debug_output_shows_no_key_material() {
        let shown = format!("{:?}", list(&format!(r#"[{A},{{"keyId":"x","secretText":"c4n4ry"}}]"#)));
        assert!(!shown.contains("QUJD") && !shown.contains("c4n4ry") && shown.contains("1111"), "{shown}");
    }

    #[test]
    fn fields_of_the_wrong_type_are_absent_and_nothing_panics() {
        let view = list(r#"[{"keyId":7,"endDateTime":"soon","key":{}}]"#).views().next().unwrap();
        assert_eq!(view, Credential::default());
    }
}
