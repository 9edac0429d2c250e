//! Seeds: what an emulator starts with, from a YAML or JSON file or from Rust.

mod load;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entra_types::Cloud;
use entra_types::ids::{ClientId, KeyId, ObjectId, ObjectKind, TenantId};
use serde::Deserialize;
use serde_json::{Map, Value};

pub(crate) use load::{add_secret, add_signing, described, make_one, set_owners};

use crate::administration::AdministrationError;
use crate::behaviour::Behaviour;
use crate::cloud;
use crate::faults::Fault;
use crate::replicas::Lag;
use crate::token::{AssignedIdentity, Federated};

/// Longer seeds are refused.
const MAX_LENGTH: usize = 16 << 20;

/// Why a seed could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// The text is none.
    #[error("cannot read the seed: {0}")]
    Parse(String),
    /// An application could not be made as described.
    #[error("cannot make application {name:?} of the seed: {source}")]
    Make {
        /// Its display name.
        name: String,
        /// Why.
        source: AdministrationError,
    },
    /// The key of another cloud's tokens could not be certified.
    #[error("cannot become another cloud: {0}")]
    Move(#[from] keys::CertificateError),
    /// The default policy is none.
    #[error("cannot set the default app management policy of tenant {tenant}: {reason}")]
    Police {
        /// Whose it is.
        tenant: TenantId,
        /// What is wrong with it.
        reason: String,
    },
    /// An owner is nobody.
    #[error("cannot make {owner} an owner in tenant {tenant}: it is neither the appId nor the id of a service principal there")]
    FindOwner {
        /// As written.
        owner: String,
        /// Where it was looked for.
        tenant: TenantId,
    },
}

/// What an emulator starts with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Seed {
    /// Where the clock stands at the start. Absent: the present.
    pub time: Option<DateTime<Utc>>,
    /// Tenants and all that is in them.
    pub tenants: Vec<TenantSeed>,
    /// Which national cloud it is: `Global`, `USGovernmentL4`, `USGovernmentL5` or `China`. Absent: as it was started.
    #[serde(deserialize_with = "cloud::deserialize")]
    pub cloud: Option<Cloud>,
    /// Published keys (JSON Web Key Sets) of issuers that federated credentials trust, by issuer.
    pub issuers: BTreeMap<String, Value>,
    /// The client that the instance metadata service speaks for where none is named: the machine's system-assigned identity.
    pub managed_identity: Option<ClientId>,
    /// User-assigned identities of the machine.
    pub assigned_identities: Vec<AssignedIdentity>,
    /// Switches. Absent: as they are.
    pub behaviour: Option<Behaviour>,
    /// Lag. Absent: as it is.
    pub lag: Option<Lag>,
    /// Faults in force from the start.
    pub faults: Vec<Fault>,
}

/// A tenant.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TenantSeed {
    /// Its id.
    pub id: TenantId,
    /// What its default application management policy says, as a PATCH of Graph has it.
    #[serde(default)]
    pub default_policy: Map<String, Value>,
    /// Applications registered in it, each with its service principal.
    #[serde(default)]
    pub applications: Vec<ApplicationSeed>,
}

/// An application.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApplicationSeed {
    /// `displayName` of both objects.
    pub display_name: String,
    /// `appId` of both; made if absent.
    pub app_id: Option<ClientId>,
    /// What the application object is like.
    #[serde(default)]
    pub application: ObjectSeed,
    /// What the service principal is like.
    #[serde(default)]
    pub service_principal: ObjectSeed,
}

/// One of the two objects.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ObjectSeed {
    /// `id`; made if absent.
    pub id: Option<ObjectId>,
    /// Graph application permissions; of service principals only.
    pub roles: BTreeSet<String>,
    /// Service principals that own it, by appId or id.
    pub owners: Vec<String>,
    /// Any further properties.
    pub properties: Map<String, Value>,
    /// Client secrets.
    pub secrets: Vec<SecretSeed>,
    /// Client certificates.
    pub certificates: Vec<CertificateSeed>,
    /// Federated identity credentials; of applications only.
    pub federated: Vec<Federated>,
    /// An application management policy of its own, as Graph has it.
    pub policy: Option<Map<String, Value>>,
    /// Token-signing certificates, made on loading; of service principals only.
    pub signing_certificates: Vec<SigningSeed>,
    /// Raw entries of `keyCredentials`, unchecked.
    pub key_credentials: Vec<Map<String, Value>>,
    /// Raw entries of `passwordCredentials`, unchecked. A `secretText` in one signs in.
    pub password_credentials: Vec<Map<String, Value>>,
}

impl std::fmt::Debug for ObjectSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectSeed").field("id", &self.id).field("roles", &self.roles).field("owners", &self.owners).finish_non_exhaustive()
    }
}

/// One object alone, as the admin API makes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SingleSeed {
    pub(crate) tenant: TenantId,
    pub(crate) kind: ObjectKind,
    pub(crate) app_id: ClientId,
    pub(crate) display_name: String,
    #[serde(flatten)]
    pub(crate) object: ObjectSeed,
}

/// A client secret, in plain text.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretSeed {
    /// What signs in.
    pub secret_text: String,
    /// `displayName` of the entry.
    pub display_name: Option<String>,
    /// First instant; now if absent.
    pub start_date_time: Option<DateTime<Utc>>,
    /// First instant at which it is expired; two years from now if absent.
    pub end_date_time: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for SecretSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretSeed").field("display_name", &self.display_name).finish_non_exhaustive()
    }
}

/// A client certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateSeed {
    /// The public certificate.
    pub pem: String,
    /// `displayName` of the entry; the certificate's subject if absent.
    pub display_name: Option<String>,
    /// `keyId` of the entry; made if absent.
    pub key_id: Option<KeyId>,
    /// `customKeyIdentifier` of the entry; made from the thumbprint if absent.
    pub custom_key_identifier: Option<String>,
}

/// A token-signing certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SigningSeed {
    /// Its name, `CN=` and something.
    pub display_name: String,
    /// Its end; three years from now if absent.
    pub end_date_time: Option<DateTime<Utc>>,
    /// Whether it is the preferred one.
    #[serde(default)]
    pub preferred: bool,
}

impl Seed {
    /// Reads YAML, of which JSON is a part.
    ///
    /// # Errors
    /// When the text is no seed.
    pub fn parse(text: &str) -> Result<Self, SeedError> {
        if text.len() > MAX_LENGTH {
            return Err(SeedError::Parse(format!("{} bytes are more than the {MAX_LENGTH} that a seed may have", text.len())));
        }
        serde_saphyr::from_str(text).map_err(|error| SeedError::Parse(error.to_string()))
    }
}
