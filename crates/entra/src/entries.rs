//! New entries of credential lists, for [`Graph::replace_credentials`](crate::Graph::replace_credentials).

use data_encoding::BASE64;
use entra_types::{KeyId, RawCredential};
use keys::{Certificate, Sensitive};
use serde::Serialize;

use crate::signing_key::SigningKey;

/// Graph cuts longer ones (keyCredential resource type).
const MAX_KEY_NAME: usize = 90;

/// A new entry of `keyCredentials`: a public certificate under a keyId of our choice, which makes adding it safe to repeat. Start and end are the
/// certificate's own. The name is cut to 90 characters.
pub fn certificate_entry(key_id: KeyId, display_name: &str, certificate: &Certificate) -> RawCredential {
    raw(&KeyEntry { key: &BASE64.encode(certificate.der()), ..KeyEntry::verify(key_id, display_name, None) })
}

/// The Verify entry of a signing certificate: its public half, tied to the Sign entry by the identifier. For a list that holds the Sign entry already,
/// since addKey makes that one alone.
pub fn verify_entry(key_id: KeyId, custom_key_identifier: &str, display_name: &str, certificate: &Certificate) -> RawCredential {
    raw(&KeyEntry { key: &BASE64.encode(certificate.der()), ..KeyEntry::verify(key_id, display_name, Some(custom_key_identifier)) })
}

/// The three entries of a signing certificate of one's own, to be added in one request with both lists (Microsoft Entra, "Customize app JSON Web
/// Token claims", custom signing keys). All carry the identifier of `key`, and the password the keyId of the Sign entry. They hold the PFX and its
/// password: `Debug` and [`RawCredential::echo`] leave those out.
pub fn signing_entries(
    sign_id: KeyId,
    verify_id: KeyId,
    display_name: &str,
    certificate: &Certificate,
    key: &SigningKey,
) -> (Vec<RawCredential>, RawCredential) {
    let pfx = Sensitive::new(BASE64.encode(key.pfx.expose()));
    let verify = KeyEntry::verify(verify_id, display_name, Some(&key.custom_key_identifier));
    let sign = KeyEntry { key_id: sign_id, kind: "X509CertAndPassword", usage: "Sign", key: pfx.expose(), ..verify };
    let password = PasswordEntry {
        key_id: sign_id,
        custom_key_identifier: &key.custom_key_identifier,
        start_date_time: certificate.not_before().format(SECONDS).to_string(),
        end_date_time: certificate.not_after().format(SECONDS).to_string(),
        secret_text: key.password.expose(),
    };
    (vec![raw(&sign), verify_entry(verify_id, &key.custom_key_identifier, display_name, certificate)], raw(&password))
}

const SECONDS: &str = "%Y-%m-%dT%H:%M:%SZ";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyEntry<'a> {
    key_id: KeyId,
    #[serde(rename = "type")]
    kind: &'static str,
    usage: &'static str,
    #[serde(serialize_with = "cut")]
    display_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_key_identifier: Option<&'a str>,
    key: &'a str,
}

impl<'a> KeyEntry<'a> {
    const fn verify(key_id: KeyId, display_name: &'a str, custom_key_identifier: Option<&'a str>) -> Self {
        Self { key_id, kind: "AsymmetricX509Cert", usage: "Verify", display_name, custom_key_identifier, key: "" }
    }
}

fn cut<S: serde::Serializer>(name: &str, to: S) -> Result<S::Ok, S::Error> {
    let end = name.char_indices().nth(MAX_KEY_NAME).map_or(name.len(), |(at, _)| at);
    to.serialize_str(&name[..end])
}

/// With dates: a password without an end is given two years.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PasswordEntry<'a> {
    key_id: KeyId,
    custom_key_identifier: &'a str,
    start_date_time: String,
    end_date_time: String,
    secret_text: &'a str,
}

#[expect(clippy::expect_used, reason = "a JSON object is always a credential entry")]
fn raw(entry: &impl Serialize) -> RawCredential {
    let text = serde_json::to_string(entry).map(Sensitive::new).expect("an entry of texts is JSON");
    serde_json::from_str(text.expose()).expect("a JSON object is a credential entry")
}
