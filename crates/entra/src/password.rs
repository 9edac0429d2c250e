//! addPassword: what is asked and what is answered.

use chrono::{DateTime, Utc};
use entra_types::KeyId;
use keys::Sensitive;
use serde::{Deserialize, Deserializer, Serialize};

/// The documented range is 16 to 64 characters (passwordCredential resource type). More than this is no secret of Entra's.
const MAX_SECRET: usize = 1024;

/// A client secret to be made by Entra, which chooses its value and its keyId.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewPassword {
    /// What the entry can be recognised by should the answer be lost: Entra gives the value out once.
    pub display_name: String,
    /// RFC 3339 in UTC. Sent as written, so that it can be recognised.
    pub end_date_time: String,
}

/// The client secret that Entra made. `Debug` does not show its value.
#[derive(Clone, Debug)]
pub struct PasswordAnswer {
    /// `keyId`.
    pub key_id: KeyId,
    /// `secretText`: given out in this answer only. 1 to 1,024 bytes.
    pub secret: Sensitive<String>,
    /// `startDateTime`.
    pub start: Option<DateTime<Utc>>,
    /// `endDateTime`.
    pub end: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    key_id: KeyId,
    #[serde(deserialize_with = "sensitive")]
    secret_text: Sensitive<String>,
    start_date_time: Option<String>,
    end_date_time: Option<String>,
}

fn sensitive<'de, D: Deserializer<'de>>(from: D) -> Result<Sensitive<String>, D::Error> {
    String::deserialize(from).map(Sensitive::new)
}

impl PasswordAnswer {
    /// `None` when the answer does not say what was made.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        let body: Body = serde_json::from_slice(body).ok()?;
        let is_secret = (1..=MAX_SECRET).contains(&body.secret_text.expose().len());
        let instant = |text: Option<String>| text?.parse().ok();
        is_secret.then(|| Self {
            key_id: body.key_id,
            secret: body.secret_text,
            start: instant(body.start_date_time),
            end: instant(body.end_date_time),
        })
    }
}
