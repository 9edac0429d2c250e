//! Application management policies and the lock of a service principal's properties.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ids::ObjectKind;
use http::StatusCode;
use serde_json::json;

use crate::credentials::KeyEntry;
use crate::directory::Object;
use crate::refusal::Refusal;
use crate::world::World;

/// Id of the one policy that the emulator has.
const POLICY: &str = "d015220e-9789-4e8e-bbcc-270fe419229d";

/// Checks a new client secret.
pub(super) fn check_secret(world: &World, life: TimeDelta) -> Result<(), Refusal> {
    let policy = &world.behaviour.policy;
    if policy.secrets_blocked {
        let message = format!("Credential type not allowed as per assigned policy '{POLICY}'.");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "CredentialTypeNotAllowedAsPerAppPolicy", message));
    }
    check_life(life, policy.max_secret_lifetime)
}

/// Checks a new certificate.
pub(super) fn check_certificate(world: &World, entry: &KeyEntry) -> Result<(), Refusal> {
    super::new_key::life_of(entry).map_or(Ok(()), |life| check_life(life, world.behaviour.policy.max_certificate_lifetime))
}

fn check_life(life: TimeDelta, limit: Option<Duration>) -> Result<(), Refusal> {
    let allowed = limit.and_then(|limit| TimeDelta::from_std(limit).ok());
    if allowed.is_none_or(|allowed| life <= allowed) {
        return Ok(());
    }
    let message = format!("Credential lifetime exceeds the max value allowed as per assigned policy '{POLICY}'.");
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
}

/// Refuses a change that `servicePrincipalLockConfiguration` of the application forbids on its service principals.
pub(super) fn check_lock(world: &World, object: &Object, what: Locked, property: &str, now: DateTime<Utc>) -> Result<(), Refusal> {
    if object.kind == ObjectKind::Application {
        return Ok(());
    }
    let lock = world.registration_of(object, now).and_then(|application| application.properties.get("servicePrincipalLockConfiguration"));
    let is_on = |name: &str| lock.and_then(|lock| lock.get(name)?.as_bool()).unwrap_or(false);
    let part = if what == Locked::Sign { "credentialsWithUsageSign" } else { "credentialsWithUsageVerify" };
    if is_on("isEnabled") && (is_on("allProperties") || is_on(part)) {
        let message = format!("Property {property} is invalid.");
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "CannotUpdateLockedServicePrincipalProperty", message));
    }
    Ok(())
}
