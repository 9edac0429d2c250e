//! How a client shows who it is.

use chrono::{DateTime, Utc};
use entra_types::ClientId;
use keys::{Certificate, PrivateKey, Sensitive};
use uuid::Uuid;

use crate::jwt::{self, SignError};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client and its credential.
#[derive(Clone, Debug)]
pub enum SignIn {
    /// With a client secret.
    ClientSecret {
        /// Who signs in.
        client_id: ClientId,
        /// The secret's value, not its id.
        secret: Sensitive<String>,
    },
    /// With a certificate and its key.
    ClientCertificate {
        /// Who signs in.
        client_id: ClientId,
        /// The private key.
        key: PrivateKey,
        /// Its certificate, registered on the application or its service principal.
        certificate: Certificate,
    },
}

impl SignIn {
    /// Who signs in.
    pub const fn client_id(&self) -> ClientId {
        match self {
            Self::ClientSecret { client_id, .. } | Self::ClientCertificate { client_id, .. } => *client_id,
        }
    }

    /// The form of a client-credentials request (Microsoft identity platform, "OAuth 2.0 client credentials flow").
    pub(crate) fn form(&self, token_url: &str, scope: &str, now: DateTime<Utc>, jti: Uuid) -> Result<String, SignError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.append_pair("client_id", &self.client_id().to_string());
        form.append_pair("scope", scope);
        match self {
            Self::ClientSecret { secret, .. } => {
                form.append_pair("client_secret", secret.expose());
            }
            Self::ClientCertificate { client_id, key, certificate } => {
                let assertion = jwt::assertion(*client_id, key, certificate, token_url, now, jti)?;
                form.append_pair("client_assertion_type", ASSERTION_TYPE).append_pair("client_assertion", &assertion);
            }
        }
        Ok(form.finish())
    }

    /// What must not come back in an error message.
    pub(crate) fn secret(&self) -> Option<Sensitive<String>> {
        match self {
            Self::ClientSecret { secret, .. } => Some(secret.clone()),
            Self::ClientCertificate { .. } => None,
        }
    }
}
