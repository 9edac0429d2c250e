//! Seeds: what an emulator starts with, from a YAML or JSON file or from Rust.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Months, Utc};
use data_encoding::BASE64;
use entra_types::Cloud;
use entra_types::ids::{ClientId, KeyId, ObjectId, ObjectKind, TenantId};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::administration::{self, AdministrationError};
use crate::behaviour::Behaviour;
use crate::clock::in_seconds;
use crate::cloud;
use crate::directory::{Address, Object};
use crate::emulator::Emulator;
use crate::faults::Fault;
use crate::graph;
use crate::registration::{NewSecret, Registered, Registration};
use crate::replicas::Lag;
use crate::token::Federated;
use crate::world::World;

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
    /// The client that the instance metadata service speaks for.
    pub managed_identity: Option<ClientId>,
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
#[derive(Clone, Debug, Default, Deserialize)]
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
    /// Token-signing certificates, made on loading; of service principals only.
    pub signing_certificates: Vec<SigningSeed>,
    /// Raw entries of `keyCredentials`, unchecked.
    pub key_credentials: Vec<Map<String, Value>>,
    /// Raw entries of `passwordCredentials`, unchecked. A `secretText` in one signs in.
    pub password_credentials: Vec<Map<String, Value>>,
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

impl Emulator {
    /// Adds what a seed describes. Gives the applications in order of appearance.
    ///
    /// # Errors
    /// When something in it cannot be made. What was made before stays.
    pub fn load(&self, seed: Seed) -> Result<Vec<Registered>, SeedError> {
        self.with(|world| load(world, seed))
    }
}

pub(crate) fn load(world: &mut World, seed: Seed) -> Result<Vec<Registered>, SeedError> {
    if let Some(time) = seed.time {
        world.clock.set(time);
    }
    if let Some(cloud) = seed.cloud {
        world.issuer.move_to(cloud)?;
    }
    world.behaviour = seed.behaviour.unwrap_or_else(|| world.behaviour.clone());
    world.lag = seed.lag.unwrap_or_else(|| world.lag.clone());
    world.issuers.extend(seed.issuers);
    world.managed_identity = seed.managed_identity.or(world.managed_identity);
    let mut made = Vec::new();
    for tenant in &seed.tenants {
        world.directory.add_tenant(tenant.id);
        for application in &tenant.applications {
            let failed = |source| SeedError::Make { name: application.display_name.clone(), source };
            made.push((make(world, tenant.id, application).map_err(failed)?, application));
        }
    }
    for (registered, application) in &made {
        set_owners(world, registered.tenant, registered.application, &application.application.owners)?;
        set_owners(world, registered.tenant, registered.service_principal, &application.service_principal.owners)?;
    }
    for fault in seed.faults {
        world.faults.arm(fault);
    }
    Ok(made.into_iter().map(|(registered, _)| registered).collect())
}

fn make(world: &mut World, tenant: TenantId, seed: &ApplicationSeed) -> Result<Registered, AdministrationError> {
    let registration = Registration {
        display_name: seed.display_name.clone(),
        client_id: seed.app_id,
        application: seed.application.id,
        service_principal: seed.service_principal.id,
        roles: seed.service_principal.roles.clone(),
        owners: BTreeSet::new(),
    };
    let registered = administration::register(world, tenant, &registration)?;
    administration::edit(world, registered.application, |world, object| fill(world, object, &seed.application))?;
    administration::edit(world, registered.service_principal, |world, object| fill(world, object, &seed.service_principal))?;
    Ok(registered)
}

fn fill(world: &mut World, object: &mut Object, seed: &ObjectSeed) -> Result<(), AdministrationError> {
    object.properties.extend(seed.properties.clone());
    let profile = world.profile();
    object.federated.extend(seed.federated.iter().map(|federated| federated.completed(profile)));
    for secret in &seed.secrets {
        add_secret(world, object, secret);
    }
    for certificate in &seed.certificates {
        administration::add_key(world, object, &described(certificate))?;
    }
    object.keys.extend(seed.key_credentials.iter().cloned().map(administration::raw_key));
    object.passwords.extend(seed.password_credentials.iter().cloned().map(administration::raw_password));
    seed.signing_certificates.iter().try_for_each(|signing| add_signing(world, object, signing).map(drop))
}

/// Adds a client secret to an object.
pub(crate) fn add_secret(world: &mut World, object: &mut Object, secret: &SecretSeed) -> KeyId {
    let now = world.clock.now();
    let end = secret.end_date_time.or_else(|| now.checked_add_months(Months::new(24))).unwrap_or(now);
    let new = NewSecret { text: secret.secret_text.clone(), display_name: secret.display_name.clone(), start: secret.start_date_time, end };
    administration::add_secret(world, object, new)
}

/// Makes a token-signing certificate of an object.
pub(crate) fn add_signing(world: &mut World, object: &mut Object, signing: &SigningSeed) -> Result<Value, AdministrationError> {
    let end = signing.end_date_time.map(|end| ("endDateTime".to_owned(), Value::from(in_seconds(end))));
    let (given, now) = (end.into_iter().collect(), world.clock.now());
    let made = graph::add_signing_certificate(world, object, &signing.display_name, &given, now)?;
    if let Some(thumbprint) = made.get("thumbprint").filter(|_| signing.preferred) {
        object.properties.insert("preferredTokenSigningKeyThumbprint".to_owned(), thumbprint.clone());
    }
    Ok(Value::Object(made))
}

/// The entry that a PATCH would send for a certificate.
pub(crate) fn described(seed: &CertificateSeed) -> Map<String, Value> {
    let key = BASE64.encode(seed.pem.as_bytes());
    let fixed = [("type", "AsymmetricX509Cert".to_owned()), ("usage", "Verify".to_owned()), ("key", key)];
    let chosen = [
        ("displayName", seed.display_name.clone()),
        ("keyId", seed.key_id.map(|id| id.to_string())),
        ("customKeyIdentifier", seed.custom_key_identifier.clone()),
    ];
    let chosen = chosen.into_iter().filter_map(|(name, value)| Some((name, value?)));
    fixed.into_iter().chain(chosen).map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// Makes service principals owners of an object, each named by appId or id.
pub(crate) fn set_owners(world: &mut World, tenant: TenantId, object: ObjectId, owners: &[String]) -> Result<(), SeedError> {
    let found: Result<BTreeSet<ObjectId>, SeedError> = owners.iter().map(|owner| find_owner(world, tenant, owner)).collect();
    let owners = found?;
    let failed = |source| SeedError::Make { name: object.to_string(), source };
    administration::edit(world, object, |_, object| {
        object.owners = owners;
        Ok(())
    })
    .map_err(failed)
}

fn find_owner(world: &World, tenant: TenantId, owner: &str) -> Result<ObjectId, SeedError> {
    let now = world.clock.now();
    let find = |address| world.directory.find(tenant, ObjectKind::ServicePrincipal, address, now, chrono::TimeDelta::zero());
    let by_app_id = owner.parse().ok().and_then(|id| find(Address::AppId(id)));
    let by_id = || owner.parse().ok().and_then(|id| find(Address::Id(id)));
    let found = by_app_id.or_else(by_id).map(|object| object.id);
    found.ok_or_else(|| SeedError::FindOwner { owner: owner.to_owned(), tenant })
}
