//! Changes that do not come through Graph: what a test, a seed file or an administrator in the portal does.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use data_encoding::BASE64;
use entra_types::ids::{ClientId, KeyId, ObjectId, ObjectKind, TenantId};
use http::StatusCode;
use keys::Certificate;
use serde_json::{Map, Value, json};

use crate::clock::{in_seconds, with_seven_digits};
use crate::credentials::{Entry as _, KeyEntry, PasswordEntry, Secret};
use crate::directory::{Address, Object};
use crate::emulator::Emulator;
use crate::graph::{self, Source};
use crate::record::Author;
use crate::refusal::Refusal;
use crate::registration::{NewSecret, Registered, Registration};
use crate::token::{AssignedIdentity, Federated};
use crate::world::World;

/// Why a change could not be made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AdministrationError {
    /// The tenant is not there.
    #[error("cannot register in tenant {0}: it does not exist; add the tenant first")]
    FindTenant(TenantId),
    /// The object is not there.
    #[error("cannot change object {0}: it does not exist")]
    FindObject(ObjectId),
    /// The credential is not there.
    #[error("cannot remove credential {key} of object {object}: it has no such entry")]
    FindCredential {
        /// The object.
        object: ObjectId,
        /// The entry that was to go.
        key: KeyId,
    },
    /// The id is taken.
    #[error("cannot create {kind} {id}: the id or its appId is taken")]
    Create {
        /// Which kind.
        kind: ObjectKind,
        /// The id that was asked for.
        id: ObjectId,
    },
    /// The role is not one of Graph's that the emulator knows.
    #[error(
        "cannot grant role {0:?}: it must be one of Application.ReadWrite.OwnedBy, Application.ReadWrite.All, Directory.ReadWrite.All, Application.Read.All, Directory.Read.All, Policy.Read.All, Policy.Read.ApplicationConfiguration, Policy.ReadWrite.ApplicationConfiguration"
    )]
    Grant(String),
    /// The policy is none, or is not there.
    #[error("cannot set the app management policy: {0}")]
    Police(String),
    /// Graph would refuse the entry.
    #[error("cannot add the credential: {0}")]
    AddCredential(String),
}

impl From<Refusal> for AdministrationError {
    fn from(refusal: Refusal) -> Self {
        Self::AddCredential(format!("{} {}", refusal.code, refusal.message))
    }
}

impl Emulator {
    /// Adds a tenant.
    pub fn add_tenant(&self, tenant: TenantId) {
        self.with(|world| world.directory.add_tenant(tenant));
    }

    /// Registers an application and its service principal.
    ///
    /// # Errors
    /// When the tenant is unknown, an id is taken or a role is none of Graph's.
    pub fn register(&self, tenant: TenantId, registration: &Registration) -> Result<Registered, AdministrationError> {
        self.with(|world| register(world, tenant, registration))
    }

    /// Creates one object as given, both ids included.
    ///
    /// # Errors
    /// When the tenant is unknown, an id is taken or a role is none of Graph's.
    pub fn create(
        &self,
        tenant: TenantId,
        kind: ObjectKind,
        client: ClientId,
        registration: &Registration,
    ) -> Result<ObjectId, AdministrationError> {
        self.with(|world| create(world, tenant, kind, client, registration))
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn delete(&self, object: ObjectId) -> Result<(), AdministrationError> {
        let deleted = self.with(|world| world.delete(object, Author::ADMINISTRATOR, world.clock.now()));
        if deleted { Ok(()) } else { Err(AdministrationError::FindObject(object)) }
    }

    /// Makes a service principal an owner of an object.
    ///
    /// # Errors
    /// When the object does not exist.
    pub fn add_owner(&self, object: ObjectId, owner: ObjectId) -> Result<(), AdministrationError> {
        self.edit(object, |_, object| {
            object.owners.insert(owner);
            Ok(())
        })
    }

    /// Grants Graph application permissions to a service principal, and withdraws all others. Tokens that are out keep what they say.
    ///
    /// # Errors
    /// When the object does not exist or a role is none of Graph's.
    pub fn set_roles(&self, service_principal: ObjectId, roles: &[&str]) -> Result<(), AdministrationError> {
        let roles = known(roles.iter().map(|role| (*role).to_owned()).collect())?;
        self.edit(service_principal, |_, object| {
            object.roles = roles;
            Ok(())
        })
    }

    /// Sets any property of an object, unchecked; null removes it.
    ///
    /// # Errors
    /// When the object does not exist.
    pub fn set_property(&self, object: ObjectId, name: &str, value: Value) -> Result<(), AdministrationError> {
        self.edit(object, |_, object| {
            match value {
                Value::Null => object.properties.remove(name),
                value => object.properties.insert(name.to_owned(), value),
            };
            Ok(())
        })
    }

    /// Adds a client secret.
    ///
    /// # Errors
    /// When the object does not exist.
    pub fn add_secret(&self, object: ObjectId, secret: NewSecret) -> Result<KeyId, AdministrationError> {
        self.edit(object, |world, object| Ok(add_secret(world, object, secret)))
    }

    /// Adds a client certificate, with the certificate's own dates and subject.
    ///
    /// # Errors
    /// When the object does not exist or Graph would refuse the certificate: an expired one, say.
    pub fn add_certificate(&self, object: ObjectId, certificate: &Certificate) -> Result<KeyId, AdministrationError> {
        let key = BASE64.encode(certificate.der());
        let given = [("type", "AsymmetricX509Cert"), ("usage", "Verify"), ("key", &key)];
        let given = given.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        self.edit(object, |world, object| add_key(world, object, &given))
    }

    /// Makes a token-signing certificate as addTokenSigningCertificate does, and gives its `selfSignedCertificate`.
    ///
    /// # Errors
    /// When the object does not exist, or Graph would refuse the name or the end.
    pub fn add_signing_certificate(
        &self,
        service_principal: ObjectId,
        display_name: &str,
        end: Option<DateTime<Utc>>,
    ) -> Result<Value, AdministrationError> {
        let end = end.map(|end| ("endDateTime".to_owned(), Value::from(in_seconds(end))));
        let given: Map<String, Value> = end.into_iter().collect();
        self.edit(service_principal, |world, object| {
            let now = world.clock.now();
            Ok(Value::Object(graph::add_signing_certificate(world, object, display_name, &given, now)?))
        })
    }

    /// Adds a raw entry to `keyCredentials` (`is_key`) or `passwordCredentials`, unchecked. A `secretText` in it signs in.
    ///
    /// # Errors
    /// When the object does not exist.
    pub fn add_raw(&self, object: ObjectId, is_key: bool, entry: Map<String, Value>) -> Result<(), AdministrationError> {
        self.edit(object, |_, object| {
            if is_key {
                object.keys.push(raw_key(entry));
            } else {
                object.passwords.push(raw_password(entry));
            }
            Ok(())
        })
    }

    /// Lets tokens of another issuer sign in as an application.
    ///
    /// # Errors
    /// When the object does not exist.
    pub fn add_federated(&self, application: ObjectId, federated: Federated) -> Result<(), AdministrationError> {
        self.edit(application, |world, object| {
            object.federated.push(federated.completed(world.profile()));
            Ok(())
        })
    }

    /// Publishes the keys (a JSON Web Key Set) of an issuer whose tokens federated credentials may trust.
    pub fn set_issuer(&self, issuer: &str, key_set: Value) {
        self.with(|world| world.issuers.insert(issuer.to_owned(), key_set));
    }

    /// The client that the instance metadata service speaks for when none is named: the machine's system-assigned identity.
    pub fn set_managed_identity(&self, client: Option<ClientId>) {
        self.with(|world| world.machine.own = client);
    }

    /// Gives the machine a user-assigned identity. The instance metadata service knows no others.
    pub fn assign_identity(&self, identity: AssignedIdentity) {
        self.with(|world| world.machine.assigned.push(identity));
    }

    /// Removes every entry with this keyId from both lists.
    ///
    /// # Errors
    /// When the object or the entry does not exist.
    pub fn remove_credential(&self, object: ObjectId, key: KeyId) -> Result<(), AdministrationError> {
        self.edit(object, |_, object| {
            let before = object.keys.len() + object.passwords.len();
            object.keys.retain(|entry| entry.key_id() != Some(key));
            object.passwords.retain(|entry| entry.key_id() != Some(key));
            let is_gone = object.keys.len() + object.passwords.len() < before;
            if is_gone { Ok(()) } else { Err(AdministrationError::FindCredential { object: object.id, key }) }
        })
    }

    fn edit<T>(
        &self,
        id: ObjectId,
        change: impl FnOnce(&mut World, &mut Object) -> Result<T, AdministrationError>,
    ) -> Result<T, AdministrationError> {
        self.with(|world| edit(world, id, change))
    }
}

/// Changes an object in place.
pub(crate) fn edit<T>(
    world: &mut World,
    id: ObjectId,
    change: impl FnOnce(&mut World, &mut Object) -> Result<T, AdministrationError>,
) -> Result<T, AdministrationError> {
    let missing = AdministrationError::FindObject(id);
    let (Some(stored), Some(tenant)) = (world.directory.stored(id).cloned(), world.directory.tenant_of(id)) else { return Err(missing) };
    let mut object = stored.as_ref().clone();
    let result = change(world, &mut object)?;
    let now = world.clock.now();
    world.commit(tenant, object, Author::ADMINISTRATOR, now);
    Ok(result)
}

pub(crate) fn register(world: &mut World, tenant: TenantId, registration: &Registration) -> Result<Registered, AdministrationError> {
    let client_id = registration.client_id.unwrap_or_else(|| ClientId::new(world.random.guid()));
    let plain = Registration { roles: BTreeSet::new(), ..registration.clone() };
    let application = create(world, tenant, ObjectKind::Application, client_id, &plain)?;
    let service_principal = create(world, tenant, ObjectKind::ServicePrincipal, client_id, registration)?;
    Ok(Registered { tenant, client_id, application, service_principal })
}

pub(crate) fn create(
    world: &mut World,
    tenant: TenantId,
    kind: ObjectKind,
    client: ClientId,
    registration: &Registration,
) -> Result<ObjectId, AdministrationError> {
    if !world.directory.has_tenant(tenant) {
        return Err(AdministrationError::FindTenant(tenant));
    }
    let now = world.clock.now();
    let chosen = if kind == ObjectKind::Application { registration.application } else { registration.service_principal };
    let id = chosen.unwrap_or_else(|| ObjectId::new(world.random.guid()));
    let found = world.directory.find(tenant, kind, Address::AppId(client), now, chrono::TimeDelta::zero());
    if found.is_some() || world.directory.stored(id).is_some() {
        return Err(AdministrationError::Create { kind, id });
    }
    let properties = json!({"displayName": registration.display_name, "createdDateTime": in_seconds(now)});
    let object = Object {
        kind,
        id,
        app_id: client,
        properties: properties.as_object().cloned().unwrap_or_default(),
        keys: Vec::new(),
        passwords: Vec::new(),
        federated: Vec::new(),
        owners: registration.owners.clone(),
        roles: known(registration.roles.clone())?,
    };
    world.commit(tenant, object, Author::ADMINISTRATOR, now);
    Ok(id)
}

pub(crate) fn known(roles: BTreeSet<String>) -> Result<BTreeSet<String>, AdministrationError> {
    match roles.iter().find(|role| !graph::known_role(role)) {
        Some(role) => Err(AdministrationError::Grant(role.clone())),
        None => Ok(roles),
    }
}

pub(crate) fn add_secret(world: &mut World, object: &mut Object, secret: NewSecret) -> KeyId {
    let id = world.new_key_id();
    let start = secret.start.unwrap_or_else(|| world.clock.now());
    let raw = json!({
        "customKeyIdentifier": null,
        "displayName": secret.display_name,
        "startDateTime": with_seven_digits(start),
        "endDateTime": in_seconds(secret.end),
        "hint": secret.text.get(..3),
        "keyId": id.to_string(),
        "secretText": null,
    });
    let raw = raw.as_object().cloned().unwrap_or_default();
    object.passwords.push(PasswordEntry { raw, secret: Some(Secret::new(secret.text)) });
    id
}

pub(crate) fn add_key(world: &mut World, object: &mut Object, given: &Map<String, Value>) -> Result<KeyId, AdministrationError> {
    let now = world.clock.now();
    let entry = graph::new_key(world, given, Source::Patch, None, now)?;
    let id = entry.key_id().ok_or_else(|| Refusal::server(StatusCode::INTERNAL_SERVER_ERROR))?;
    object.keys.push(entry);
    Ok(id)
}

pub(crate) fn raw_key(raw: Map<String, Value>) -> KeyEntry {
    let bytes = raw.get("key").and_then(Value::as_str).and_then(|key| BASE64.decode(key.as_bytes()).ok());
    KeyEntry { certificate: bytes.and_then(|bytes| graph::certificate(&bytes)), raw }
}

pub(crate) fn raw_password(mut raw: Map<String, Value>) -> PasswordEntry {
    let secret = raw.insert("secretText".to_owned(), Value::Null).and_then(|text| text.as_str().map(str::to_owned));
    PasswordEntry { raw, secret: secret.map(Secret::new) }
}
