//! How a client shows who it is.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entra_types::ClientId;
use keys::{Certificate, PrivateKey, Sensitive};
use uuid::Uuid;

use crate::assertions::Assertions;
use crate::instance_metadata::InstanceMetadata;
use crate::jwt::{self, SignError};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client and its credential. `Debug` shows no secret.
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
    /// With a token of another issuer that the application trusts by a federated credential, such as a Kubernetes service account's (workload identity).
    WorkloadIdentity {
        /// Who signs in.
        client_id: ClientId,
        /// Gives the other issuer's token: asked at each request, never cached.
        assertions: Arc<dyn Assertions>,
    },
    /// As the identity that Azure gave to this machine, without any credential.
    ManagedIdentity {
        /// Which one, where the machine has several; else its system-assigned one, or the only one.
        client_id: Option<ClientId>,
        /// Who gives out the tokens.
        service: InstanceMetadata,
    },
}

impl SignIn {
    /// Who signs in. Only the machine knows its managed identity, until the first token tells.
    pub const fn client_id(&self) -> Option<ClientId> {
        match self {
            Self::ClientSecret { client_id, .. } | Self::ClientCertificate { client_id, .. } | Self::WorkloadIdentity { client_id, .. } => {
                Some(*client_id)
            }
            Self::ManagedIdentity { client_id, .. } => *client_id,
        }
    }
}

/// What shows a token endpoint who a client is.
pub(crate) enum Evidence<'a> {
    Secret(Sensitive<String>),
    Certificate(&'a PrivateKey, &'a Certificate),
    /// Another issuer's token.
    Assertion(Sensitive<String>),
}

impl Evidence<'_> {
    /// The form of a client-credentials request (Microsoft identity platform, "OAuth 2.0 client credentials flow").
    pub(crate) fn form(
        &self,
        client_id: ClientId,
        token_url: &str,
        scope: &str,
        now: DateTime<Utc>,
        jti: Uuid,
    ) -> Result<String, SignError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.append_pair("client_id", &client_id.to_string());
        form.append_pair("scope", scope);
        match self {
            Self::Secret(secret) => {
                form.append_pair("client_secret", secret.expose());
            }
            Self::Certificate(key, certificate) => {
                let assertion = jwt::assertion(client_id, key, certificate, token_url, now, jti)?;
                form.append_pair("client_assertion_type", ASSERTION_TYPE).append_pair("client_assertion", &assertion);
            }
            Self::Assertion(assertion) => {
                form.append_pair("client_assertion_type", ASSERTION_TYPE).append_pair("client_assertion", assertion.expose());
            }
        }
        Ok(form.finish())
    }

    /// What must not come back in an error message.
    pub(crate) fn secret(&self) -> Option<Sensitive<String>> {
        match self {
            Self::Secret(secret) | Self::Assertion(secret) => Some(secret.clone()),
            Self::Certificate(..) => None,
        }
    }
}
