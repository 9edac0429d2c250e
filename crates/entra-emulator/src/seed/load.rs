//! Making what a seed describes.

use std::collections::BTreeSet;

use chrono::Months;
use data_encoding::BASE64;
use entra_types::ids::{KeyId, ObjectId, ObjectKind, TenantId};
use serde_json::{Map, Value};

use super::{ApplicationSeed, CertificateSeed, ObjectSeed, SecretSeed, Seed, SeedError, SigningSeed, SingleSeed};
use crate::administration::{self, AdministrationError};
use crate::clock::in_seconds;
use crate::directory::{Address, Object};
use crate::emulator::Emulator;
use crate::graph;
use crate::registration::{NewSecret, Registered, Registration};
use crate::world::World;

impl Emulator {
    /// Adds what a seed describes. Gives the applications in order of appearance.
    ///
    /// # Errors
    /// When something in it cannot be made. What was made before stays.
    pub fn load(&self, seed: Seed) -> Result<Vec<Registered>, SeedError> {
        self.with(|world| load(world, seed))
    }
}

fn load(world: &mut World, seed: Seed) -> Result<Vec<Registered>, SeedError> {
    arrange(world, &seed)?;
    let mut made = Vec::new();
    for tenant in &seed.tenants {
        world.directory.add_tenant(tenant.id);
        world
            .policies
            .change_default(tenant.id, &tenant.default_policy)
            .map_err(|reason| SeedError::Police { tenant: tenant.id, reason })?;
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

/// Everything but tenants and faults.
fn arrange(world: &mut World, seed: &Seed) -> Result<(), SeedError> {
    if let Some(time) = seed.time {
        world.clock.set(time);
    }
    if let Some(cloud) = seed.cloud {
        world.issuer.move_to(cloud)?;
    }
    world.behaviour = seed.behaviour.as_ref().unwrap_or(&world.behaviour).clone();
    world.lag = seed.lag.as_ref().unwrap_or(&world.lag).clone();
    world.issuers.extend(seed.issuers.clone());
    world.machine.own = seed.managed_identity.or(world.machine.own);
    world.machine.assigned.extend(seed.assigned_identities.iter().cloned());
    Ok(())
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

/// Makes one of the two objects alone: the other may be there already, or never be.
pub(crate) fn make_one(world: &mut World, wanted: &SingleSeed) -> Result<ObjectId, SeedError> {
    let failed = |source| SeedError::Make { name: wanted.display_name.clone(), source };
    let registration = Registration {
        display_name: wanted.display_name.clone(),
        application: wanted.object.id,
        service_principal: wanted.object.id,
        roles: wanted.object.roles.clone(),
        ..Registration::default()
    };
    let id = administration::create(world, wanted.tenant, wanted.kind, wanted.app_id, &registration).map_err(failed)?;
    administration::edit(world, id, |world, object| fill(world, object, &wanted.object)).map_err(failed)?;
    set_owners(world, wanted.tenant, id, &wanted.object.owners)?;
    Ok(id)
}

fn fill(world: &mut World, object: &mut Object, seed: &ObjectSeed) -> Result<(), AdministrationError> {
    object.properties.extend(seed.properties.clone());
    if let (Some(policy), Some(tenant)) = (&seed.policy, world.directory.tenant_of(object.id)) {
        let id = world.random.guid();
        world.policies.add(tenant, id, policy).map_err(AdministrationError::Police)?;
        world.policies.assign(object.id, Some(id));
    }
    let profile = world.profile();
    object.federated.extend(seed.federated.iter().cloned().map(|federated| federated.completed(profile)));
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
