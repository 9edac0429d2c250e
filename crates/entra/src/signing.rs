//! addTokenSigningCertificate: what is asked and what is answered.

use chrono::{DateTime, Utc};
use data_encoding::BASE64;
use entra_types::{KeyId, Thumbprint};
use keys::Certificate;
use serde::{Deserialize, Serialize};

/// A signing certificate to be made by Entra. Only these two fields are sent: some clouds refuse others.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewSigning {
    /// Must begin with `CN=`.
    pub display_name: String,
    /// RFC 3339 in UTC, at most three years ahead. Sent as written, so that it can be recognised.
    pub end_date_time: String,
}

/// The certificate that Entra made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SigningAnswer {
    /// `keyId`: that of the Sign entry and its password, although the answer calls itself Verify.
    pub key_id: KeyId,
    /// `customKeyIdentifier`: equal on all three entries.
    pub custom_key_identifier: String,
    /// SHA-1 over the certificate.
    pub thumbprint: Thumbprint,
    /// The certificate, if it came and is the one of the thumbprint.
    pub certificate: Option<Certificate>,
    /// `startDateTime`.
    pub start: Option<DateTime<Utc>>,
    /// `endDateTime`.
    pub end: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    key_id: KeyId,
    custom_key_identifier: String,
    thumbprint: String,
    key: Option<String>,
    start_date_time: Option<String>,
    end_date_time: Option<String>,
}

impl SigningAnswer {
    /// Reads the answer. `None` if it does not identify the certificate: it was made, and must be found by reading the object.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let body: Body = serde_json::from_slice(body).ok()?;
        let thumbprint = body.thumbprint.parse().ok()?;
        let certificate = body.key.and_then(|key| certificate(&key)).filter(|certificate| certificate.thumbprint() == thumbprint);
        let (start, end) = (instant(body.start_date_time.as_deref()), instant(body.end_date_time.as_deref()));
        Some(Self { key_id: body.key_id, custom_key_identifier: body.custom_key_identifier, thumbprint, certificate, start, end })
    }
}

fn certificate(key: &str) -> Option<Certificate> {
    Certificate::from_der(&BASE64.decode(key.as_bytes()).ok()?).ok()
}

fn instant(text: Option<&str>) -> Option<DateTime<Utc>> {
    text?.parse().ok()
}
