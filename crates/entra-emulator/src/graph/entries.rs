//! Replacing whole lists of credentials: what is kept must be sent back unchanged, and without its secret part.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entra_types::ids::{KeyId, TenantId};
use serde_json::{Map, Value};

use super::{Source, new_key, policy};
use crate::clock;
use crate::credentials::{Entry, KeyEntry, PasswordEntry};
use crate::directory::Object;
use crate::refusal::Refusal;
use crate::world::World;

/// The list of keys that a PATCH leaves. `passwords` is the other list of the same PATCH, with the passwords of new PFX files.
pub(super) fn keys(
    world: &mut World,
    tenant: TenantId,
    old: &Object,
    list: &Value,
    passwords: Option<&Value>,
    now: DateTime<Utc>,
) -> Result<Vec<KeyEntry>, Refusal> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for given in objects(list, "keyCredentials")? {
        let entry = match existing(&old.keys, given) {
            Some(entry) if world.behaviour.expired_entries_block_patch && entry.is_expired(now) => {
                return Err(Refusal::key("KeyCredentialsInvalidEndDate", "Key credential end date is invalid."));
            }
            Some(entry) => echoed(world, entry, given, "key")?.clone(),
            None => {
                let entry = new_key(world, given, Source::Patch, linked_text(given, passwords), now)?;
                policy::check_certificate(world, tenant, old, &entry)?;
                entry
            }
        };
        once(&mut seen, &entry)?;
        kept.push(entry);
    }
    Ok(kept)
}

/// The `secretText` of the password entry that has the same keyId as a key entry.
fn linked_text<'a>(key: &Map<String, Value>, passwords: Option<&'a Value>) -> Option<&'a str> {
    let id = |entry: &Value| entry.get("keyId")?.as_str()?.parse::<KeyId>().ok();
    let wanted: KeyId = key.get("keyId")?.as_str()?.parse().ok()?;
    let linked = passwords?.as_array()?.iter().find(|entry| id(entry) == Some(wanted))?;
    linked.get("secretText")?.as_str()
}

/// The list of passwords that a PATCH leaves. New ones are accepted for the PFX of a Sign entry only.
pub(super) fn passwords(
    world: &World,
    old: &Object,
    keys: &[KeyEntry],
    list: &Value,
    now: DateTime<Utc>,
) -> Result<Vec<PasswordEntry>, Refusal> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::new();
    for given in objects(list, "passwordCredentials")? {
        let entry = match existing(&old.passwords, given) {
            Some(entry) => echoed(world, entry, given, "secretText")?.clone(),
            None => pfx_password(keys, given, now)?,
        };
        once(&mut seen, &entry)?;
        kept.push(entry);
    }
    Ok(kept)
}

fn objects<'a>(list: &'a Value, property: &str) -> Result<Vec<&'a Map<String, Value>>, Refusal> {
    let schema = || Refusal::schema(property);
    list.as_array().ok_or_else(schema)?.iter().map(|entry| entry.as_object().ok_or_else(schema)).collect()
}

fn once(seen: &mut BTreeSet<KeyId>, entry: &impl Entry) -> Result<(), Refusal> {
    let fresh = entry.key_id().is_none_or(|id| seen.insert(id));
    if fresh { Ok(()) } else { Err(Refusal::request("Two credentials in the request have the same KeyId.")) }
}

fn existing<'a, E: Entry>(entries: &'a [E], given: &Map<String, Value>) -> Option<&'a E> {
    let id: KeyId = given.get("keyId")?.as_str()?.parse().ok()?;
    entries.iter().find(|entry| entry.key_id() == Some(id))
}

/// An entry that was there before, if it came back as it was read. `secret` is the property that never comes back.
fn echoed<'a, E: Entry>(world: &World, entry: &'a E, given: &Map<String, Value>, secret: &str) -> Result<&'a E, Refusal> {
    let id = entry.key_id().map(|id| id.to_string()).unwrap_or_default();
    match given.get(secret) {
        Some(value) if !value.is_null() => {
            return Err(Refusal::request(format!("Existing credential with KeyId '{id}' must be sent back with null value.")));
        }
        None if world.behaviour.require_null_key => {
            return Err(Refusal::request(format!("Existing credential with KeyId '{id}' must be sent back with null value.")));
        }
        _ => {}
    }
    let same = |name: &String| {
        let (stored, sent) = (entry.raw().get(name).unwrap_or(&Value::Null), given.get(name).unwrap_or(&Value::Null));
        name == secret || name.starts_with('@') || equal(world, name, stored, sent)
    };
    if entry.raw().keys().chain(given.keys()).all(same) {
        return Ok(entry);
    }
    Err(Refusal::request(format!("Update to existing credential with KeyId '{id}' is not allowed.")))
}

fn equal(world: &World, name: &str, stored: &Value, sent: &Value) -> bool {
    let instant = |value: &Value| value.as_str().and_then(clock::parse);
    let lenient = !world.behaviour.strict_echo && name.ends_with("DateTime") && instant(stored).is_some();
    let same_id = name == "keyId";
    stored == sent || lenient && instant(stored) == instant(sent) || same_id
}

/// The password of a PFX, linked to its Sign entry by keyId.
fn pfx_password(keys: &[KeyEntry], given: &Map<String, Value>, now: DateTime<Utc>) -> Result<PasswordEntry, Refusal> {
    let by_action = || Refusal::request("New password credentials must be generated using service actions.");
    let id: KeyId = super::text(given, "keyId")?.and_then(|id| id.parse().ok()).ok_or_else(by_action)?;
    let sign = keys.iter().find(|key| key.is_sign() && key.key_id() == Some(id)).ok_or_else(by_action)?;
    super::text(given, "secretText")?.filter(|text| !text.is_empty()).ok_or_else(by_action)?;
    let identifier = given.get("customKeyIdentifier").filter(|value| !value.is_null()).cloned();
    if identifier.as_ref().is_some_and(|identifier| Some(identifier) != sign.raw.get("customKeyIdentifier")) {
        return Err(by_action());
    }
    Ok(linked_password(sign, given, now))
}

/// The password entry that belongs to a Sign entry: same keyId, same identifier, same dates unless others are given.
pub(super) fn linked_password(sign: &KeyEntry, given: &Map<String, Value>, now: DateTime<Utc>) -> PasswordEntry {
    let own = |name: &str| given.get(name).filter(|value| !value.is_null()).or_else(|| sign.raw.get(name)).cloned().unwrap_or(Value::Null);
    let start = given.get("startDateTime").or_else(|| sign.raw.get("startDateTime")).cloned();
    let mut raw = Map::new();
    for name in ["customKeyIdentifier", "displayName", "endDateTime", "keyId"] {
        raw.insert(name.to_owned(), own(name));
    }
    raw.insert("startDateTime".to_owned(), start.filter(Value::is_string).unwrap_or_else(|| clock::with_seven_digits(now).into()));
    raw.insert("hint".to_owned(), Value::Null);
    raw.insert("secretText".to_owned(), Value::Null);
    PasswordEntry { raw, secret: None }
}
