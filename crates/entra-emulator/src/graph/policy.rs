//! Application management policies and the lock of a service principal's properties.

use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ids::{ObjectKind, TenantId};
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::credentials::KeyEntry;
use crate::directory::Object;
use crate::policy::Governing;
use crate::refusal::Refusal;
use crate::world::World;

/// Checks a new client secret.
pub(super) fn check_secret(world: &World, tenant: TenantId, object: &Object, life: TimeDelta) -> Result<(), Refusal> {
    let Some(governing) = Governing::of(world, tenant, object) else { return Ok(()) };
    if governing.forbids_secrets() {
        let message = format!("Credential type not allowed as per assigned policy '{}'.", governing.policy);
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "CredentialTypeNotAllowedAsPerAppPolicy", message));
    }
    check_life(life, governing.longest_secret(), governing.policy)
}

/// Checks a new certificate.
pub(super) fn check_certificate(world: &World, tenant: TenantId, object: &Object, entry: &KeyEntry) -> Result<(), Refusal> {
    let (Some(governing), Some(life)) = (Governing::of(world, tenant, object), super::new_key::life_of(entry)) else { return Ok(()) };
    check_life(life, governing.longest_certificate(), governing.policy)
}

fn check_life(life: TimeDelta, allowed: Option<TimeDelta>, policy: Uuid) -> Result<(), Refusal> {
    if allowed.is_none_or(|allowed| life <= allowed) {
        return Ok(());
    }
    let message = format!("Credential lifetime exceeds the max value allowed as per assigned policy '{policy}'.");
    let details = json!([{"code": "InvalidKeyEndDate", "message": message, "target": "EndDate"}]);
    Err(Refusal { details, ..Refusal::new(StatusCode::BAD_REQUEST, "CredentialInvalidLifetimeAsPerAppPolicy", message) })
}

/// What of a service principal a lock can protect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Locked {
    /// Secrets and client certificates.
    Verify,
    /// Token-signing certificates.
    Sign,
    /// Which key tokens are encrypted with.
    Encryption,
}

/// Refuses a change that `servicePrincipalLockConfiguration` of the application forbids on its service principals.
pub(super) fn check_lock(world: &World, object: &Object, what: Locked, property: &str, now: DateTime<Utc>) -> Result<(), Refusal> {
    if object.kind == ObjectKind::Application {
        return Ok(());
    }
    let lock = world.registration_of(object, now).and_then(|application| application.properties.get("servicePrincipalLockConfiguration"));
    let is_on = |name: &str| lock.and_then(|lock| lock.get(name)?.as_bool()).unwrap_or(false);
    let part = match what {
        Locked::Verify => "credentialsWithUsageVerify",
        Locked::Sign => "credentialsWithUsageSign",
        Locked::Encryption => "tokenEncryptionKeyId",
    };
    if is_on("isEnabled") && (is_on("allProperties") || is_on(part)) {
        let message = format!("Property {property} is invalid.");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "CannotUpdateLockedServicePrincipalProperty", message));
    }
    Ok(())
}
