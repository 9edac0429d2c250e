//! What is read of a directory object.

use chrono::{DateTime, Utc};
use entra_types::{ClientId, CredentialList, ObjectId, ObjectKind, Thumbprint};
use serde::Deserialize;

use crate::address::{Address, Name};
use crate::text::clean;

/// The longest display name that Graph allows, in characters.
const MAX_NAME: usize = 256;

/// How much to read.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Detail {
    /// Everything but key material.
    Plain,
    /// With `key`: certificates can be told by their thumbprint. 150 a minute per tenant.
    WithKeys,
}

/// One read of an object. It may be stale: replicas lag.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The object.
    pub object: DirectoryObject,
    /// Graph's clock when it answered.
    pub date: Option<DateTime<Utc>>,
}

/// An application or a service principal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DirectoryObject {
    /// `id`.
    pub id: ObjectId,
    /// `appId`.
    pub client_id: ClientId,
    /// `displayName`, for people: at most 256 characters, no control characters.
    pub display_name: String,
    /// `preferredTokenSigningKeyThumbprint`, where it is a thumbprint. Graph accepts any text there, and any case.
    pub preferred_thumbprint: Option<Thumbprint>,
    /// The same as text, at most 256 characters; also where it is no thumbprint.
    pub preferred_raw: Option<String>,
    /// `preferredSingleSignOnMode`, at most 256 characters.
    pub single_sign_on_mode: Option<String>,
    /// `notificationEmailAddresses`: who is mailed before a signing certificate expires. Whole, since an update replaces it; empty for applications.
    pub notification_addresses: Vec<String>,
    /// `keyCredentials`.
    pub keys: CredentialList,
    /// `passwordCredentials`.
    pub passwords: CredentialList,
}

/// The lists are required: a list that is missing from an answer must never be taken for an empty one, which an update would then write.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    id: ObjectId,
    app_id: ClientId,
    display_name: Option<String>,
    preferred_token_signing_key_thumbprint: Option<String>,
    preferred_single_sign_on_mode: Option<String>,
    notification_email_addresses: Option<Vec<String>>,
    key_credentials: CredentialList,
    password_credentials: CredentialList,
}

impl Detail {
    /// The query of the read. A plain read selects nothing: `$select=keyCredentials` is what returns `key` and has a throttle of its own (Microsoft
    /// Graph, "Get application").
    pub(crate) const fn query(self, kind: ObjectKind) -> &'static str {
        match (self, kind) {
            (Self::Plain, _) => "",
            (Self::WithKeys, ObjectKind::Application) => "?$select=id,appId,displayName,keyCredentials,passwordCredentials",
            (Self::WithKeys, ObjectKind::ServicePrincipal) => {
                concat!(
                    "?$select=id,appId,displayName,keyCredentials,passwordCredentials,preferredTokenSigningKeyThumbprint,",
                    "preferredSingleSignOnMode,notificationEmailAddresses"
                )
            }
        }
    }
}

impl DirectoryObject {
    /// Reads the answer to a read of `address`.
    pub(crate) fn read(body: &[u8], address: &Address) -> Result<Self, String> {
        let body: Body = serde_json::from_slice(body).map_err(|error| format!("it is no {}: {error}", address.kind))?;
        let asked_for = match address.name {
            Name::ById(id) => id == body.id,
            Name::ByClient(id) => id == body.app_id,
        };
        if asked_for { Ok(body.into()) } else { Err(format!("it is about another object: id {}, appId {}", body.id, body.app_id)) }
    }
}

impl From<Body> for DirectoryObject {
    fn from(body: Body) -> Self {
        let short = |text: String| clean(&text, MAX_NAME);
        let preferred_raw = body.preferred_token_signing_key_thumbprint.map(short).filter(|text| !text.is_empty());
        Self {
            id: body.id,
            client_id: body.app_id,
            display_name: body.display_name.map(short).unwrap_or_default(),
            preferred_thumbprint: preferred_raw.as_deref().and_then(|text| text.parse().ok()),
            preferred_raw,
            single_sign_on_mode: body.preferred_single_sign_on_mode.map(short),
            notification_addresses: body.notification_email_addresses.unwrap_or_default(),
            keys: body.key_credentials,
            passwords: body.password_credentials,
        }
    }
}
