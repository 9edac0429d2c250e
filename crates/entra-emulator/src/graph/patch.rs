//! PATCH of an object.

use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ids::{ObjectKind, TenantId};
use http::StatusCode;
use serde_json::{Map, Value};

use super::policy::{self, Locked};
use super::{Edit, entries, read};
use crate::answer::{Answer, Visit};
use crate::directory::Object;
use crate::refusal::Refusal;
use crate::world::World;

/// Properties that cannot be set by an update.
const READ_ONLY: [&str; 7] =
    ["id", "appId", "createdDateTime", "publisherDomain", "appDisplayName", "appOwnerOrganizationId", "servicePrincipalType"];
const SIGN_ON_MODES: [&str; 5] = ["password", "saml", "notSupported", "oidc", "external"];
const MAX_NOTIFIED: usize = 5;

pub(super) fn patch(world: &mut World, visit: &Visit, edit: Edit, body: &Map<String, Value>) -> Result<(Object, Answer), Refusal> {
    let old = edit.object;
    let mut new = old.clone();
    if let Some(list) = body.get("keyCredentials") {
        new.keys = entries::keys(world, edit.tenant, &old, list, body.get("passwordCredentials"), visit.now)?;
    }
    if let Some(list) = body.get("passwordCredentials") {
        new.passwords = entries::passwords(world, &old, &new.keys, list, visit.now)?;
    }
    for (name, value) in body.iter().filter(|(name, _)| !name.starts_with('@') && !name.ends_with("Credentials")) {
        check_property(old.kind, name, value)?;
        set(&mut new, name, value);
    }
    if let Some(name) =
        body.keys().find(|name| name.ends_with("Credentials") && !["keyCredentials", "passwordCredentials"].contains(&name.as_str()))
    {
        return Err(unknown(name));
    }
    check_locks(world, visit, &old, &new)?;
    check_unique(world, visit, edit.tenant, &new)?;
    check_secret_limit(world, &new, visit.now)?;
    Ok((new, Answer::no_content()))
}

/// A URI identifies one application of a tenant.
fn check_unique(world: &World, visit: &Visit, tenant: TenantId, new: &Object) -> Result<(), Refusal> {
    let uris =
        |object: &Object| -> Vec<Value> { object.properties.get("identifierUris").and_then(Value::as_array).cloned().unwrap_or_default() };
    let own = uris(new);
    if own.is_empty() {
        return Ok(());
    }
    let others = world.directory.all_seen(tenant, visit.now, TimeDelta::zero());
    let is_taken =
        others.filter(|other| other.kind == new.kind && other.id != new.id).any(|other| uris(other).iter().any(|uri| own.contains(uri)));
    if !is_taken {
        return Ok(());
    }
    let message = "Another object with the same value for property identifierUris already exists.";
    Err(Refusal::new(StatusCode::BAD_REQUEST, "Request_MultipleObjectsWithSameKeyValue", message))
}

fn unknown(name: &str) -> Refusal {
    Refusal::request(format!("Property '{name}' does not exist as a declared property or extension property."))
}

/// Any thumbprint is taken as preferred, even one that belongs to no certificate.
fn check_property(kind: ObjectKind, name: &str, value: &Value) -> Result<(), Refusal> {
    if !read::declared(kind).contains(&name) {
        return Err(unknown(name));
    }
    if READ_ONLY.contains(&name) {
        return Err(Refusal::request(format!("Property '{name}' is read-only and cannot be set.")));
    }
    let text = |value: &Value| value.is_string() || value.is_null();
    let fits = match name {
        "preferredTokenSigningKeyThumbprint" | "displayName" | "notes" | "description" => text(value),
        "preferredSingleSignOnMode" => value.is_null() || value.as_str().is_some_and(|mode| SIGN_ON_MODES.contains(&mode)),
        "notificationEmailAddresses" => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
        _ => true,
    };
    if !fits {
        return Err(Refusal::schema(name));
    }
    if name == "notificationEmailAddresses" && value.as_array().is_some_and(|list| list.len() > MAX_NOTIFIED) {
        return Err(Refusal::request("The property 'notificationEmailAddresses' can hold at most 5 addresses."));
    }
    Ok(())
}

fn set(object: &mut Object, name: &str, value: &Value) {
    if value.is_null() {
        object.properties.remove(name);
    } else {
        object.properties.insert(name.to_owned(), value.clone());
    }
}

/// A locked service principal refuses any change of the entries that the lock protects, removal included.
fn check_locks(world: &World, visit: &Visit, old: &Object, new: &Object) -> Result<(), Refusal> {
    let keys = |object: &Object, sign: bool| -> Vec<_> {
        let of_sign = |entry: &&crate::credentials::KeyEntry| in_group(object, entry) == sign;
        object.keys.iter().filter(of_sign).cloned().collect()
    };
    if keys(old, true) != keys(new, true) {
        policy::check_lock(world, old, Locked::Sign, "keyCredentials", visit.now)?;
    }
    if keys(old, false) != keys(new, false) {
        policy::check_lock(world, old, Locked::Verify, "keyCredentials", visit.now)?;
    }
    if old.properties.get("tokenEncryptionKeyId") != new.properties.get("tokenEncryptionKeyId") {
        policy::check_lock(world, old, Locked::Encryption, "tokenEncryptionKeyId", visit.now)?;
    }
    let secrets = |object: &Object| -> Vec<_> { object.passwords.iter().filter(|entry| entry.secret.is_some()).cloned().collect() };
    if secrets(old) != secrets(new) {
        policy::check_lock(world, old, Locked::Verify, "passwordCredentials", visit.now)?;
    }
    Ok(())
}

fn in_group(object: &Object, entry: &crate::credentials::KeyEntry) -> bool {
    use crate::credentials::Entry as _;
    entry.is_sign() || entry.identifier().is_some_and(|identifier| object.is_signing_group(identifier))
}

/// An application for personal accounts holds at most two secrets.
pub(super) fn check_secret_limit(world: &World, object: &Object, now: DateTime<Utc>) -> Result<(), Refusal> {
    let of_registration = || world.registration_of(object, now).is_some_and(Object::is_for_personal_accounts);
    let personal = object.is_for_personal_accounts() || object.property("signInAudience").is_none() && of_registration();
    let secrets = object.passwords.iter().filter(|entry| entry.secret.is_some()).count();
    if personal && secrets > 2 {
        return Err(Refusal::request("You can only add a maximum of 2 encrypted credentials."));
    }
    Ok(())
}
