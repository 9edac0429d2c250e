//! addKey and removeKey.

use data_encoding::BASE64;
use entra_types::ids::KeyId;
use http::StatusCode;
use serde_json::{Map, Value};

use super::policy::{self, Locked};
use super::proof::Proof;
use super::{Edit, Source, context, entries, new_key, only, text};
use crate::answer::{Answer, Visit};
use crate::behaviour::AddKeyBody;
use crate::credentials::{Entry as _, KeyEntry};
use crate::directory::Object;
use crate::refusal::Refusal;
use crate::route::Inbound;
use crate::world::World;

pub(super) fn add(
    world: &mut World,
    inbound: &Inbound,
    visit: &Visit,
    edit: Edit,
    body: &Map<String, Value>,
) -> Result<(Object, Answer), Refusal> {
    let mut object = edit.object;
    only(body, &["keyCredential", "passwordCredential", "proof"])?;
    Proof::check(world, &object, body, visit)?;
    let given = body.get("keyCredential").and_then(Value::as_object).ok_or_else(|| Refusal::schema("keyCredential"))?;
    let password = password_of(body)?;
    let entry = new_key(world, given, Source::AddKey, password, visit.now)?;
    if password.is_some() && !entry.is_sign() {
        return Err(Refusal::request("A password credential can only come with a key of type X509CertAndPassword."));
    }
    policy::check_certificate(world, edit.tenant, &object, &entry)?;
    let locked = if entry.is_sign() { Locked::Sign } else { Locked::Verify };
    policy::check_lock(world, &object, locked, "keyCredentials", visit.now)?;
    if world.behaviour.refuse_duplicate_certificate && holds(&object, &entry) {
        return Err(Refusal::request("A key credential with the same certificate already exists."));
    }
    let answer = body_of(world, inbound, &entry);
    if entry.is_sign() {
        object.passwords.push(entries::linked_password(&entry, &Map::new(), visit.now));
        object.keys.extend(verify_entry(world, &entry));
    }
    object.keys.push(entry);
    Ok((object, answer))
}

/// What opens the PFX that is added.
fn password_of(body: &Map<String, Value>) -> Result<Option<&str>, Refusal> {
    match body.get("passwordCredential") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(password)) => Ok(text(password, "secretText")?.filter(|text| !text.is_empty())),
        Some(_) => Err(Refusal::schema("passwordCredential")),
    }
}

/// The public half that the service adds to a PFX, where the switch says so.
fn verify_entry(world: &mut World, sign: &KeyEntry) -> Option<KeyEntry> {
    let certificate = sign.certificate.clone().filter(|_| world.behaviour.add_key_makes_verify_entry)?;
    let mut raw = sign.raw.clone();
    raw.insert("key".to_owned(), BASE64.encode(certificate.der()).into());
    raw.insert("keyId".to_owned(), world.new_key_id().to_string().into());
    raw.insert("type".to_owned(), "AsymmetricX509Cert".into());
    raw.insert("usage".to_owned(), "Verify".into());
    Some(KeyEntry { raw, certificate: Some(certificate) })
}

fn holds(object: &Object, entry: &KeyEntry) -> bool {
    entry.certificate.is_some() && object.keys.iter().any(|known| known.certificate == entry.certificate)
}

fn body_of(world: &World, inbound: &Inbound, entry: &KeyEntry) -> Answer {
    let mut body = match world.behaviour.add_key_body {
        AddKeyBody::Full => entry.raw.clone(),
        AddKeyBody::ContextOnly => Map::new(),
    };
    if !body.is_empty() {
        body.insert("key".to_owned(), Value::Null);
    }
    body.insert("@odata.context".to_owned(), context(inbound, "microsoft.graph.keyCredential"));
    Answer::odata(&Value::Object(body))
}

pub(super) fn remove(world: &mut World, visit: &Visit, edit: Edit, body: &Map<String, Value>) -> Result<(Object, Answer), Refusal> {
    only(body, &["keyId", "proof"])?;
    stumble(world, visit, &edit)?;
    let mut object = edit.object;
    let signer = Proof::check(world, &object, body, visit)?.signer;
    let id = key_id(body)?;
    let unseen = world.behaviour.removal_reads_replica && !edit.seen.keys.iter().any(|entry| entry.key_id() == Some(id));
    let place = object.keys.iter().position(|entry| entry.key_id() == Some(id)).filter(|_| !unseen);
    let place = place.ok_or_else(|| unknown_key(world, format!("No key credential found with keyId '{id}'.")))?;
    let entry = &object.keys[place];
    if world.behaviour.saml_removal_fails && belongs_to_signing(&object, entry.identifier(), entry.is_sign()) {
        return Err(Refusal::server(StatusCode::INTERNAL_SERVER_ERROR));
    }
    let locked = if entry.is_sign() { Locked::Sign } else { Locked::Verify };
    policy::check_lock(world, &object, locked, "keyCredentials", visit.now)?;
    if world.behaviour.refuse_last_key && object.keys.len() == 1 || world.behaviour.refuse_proof_key && signer == Some(id) {
        return Err(Refusal::request("The key credential cannot be removed."));
    }
    object.keys.remove(place);
    Ok((object, Answer::no_content()))
}

/// The service fails now and then when it removes what it has hardly stored, where the switch says so.
pub(super) fn stumble(world: &mut World, visit: &Visit, edit: &Edit) -> Result<(), Refusal> {
    let failures = &world.behaviour.removal_failures;
    let soon = world.throttle.was_written(edit.tenant, edit.object.app_id, failures.within, visit.now);
    let fails = soon && world.random.below(100) < usize::from(failures.percent);
    if fails { Err(Refusal::server(StatusCode::INTERNAL_SERVER_ERROR)) } else { Ok(()) }
}

/// Whether an entry is part of a token-signing certificate.
pub(super) fn belongs_to_signing(object: &Object, identifier: Option<&str>, is_sign: bool) -> bool {
    is_sign || identifier.is_some_and(|identifier| object.is_signing_group(identifier))
}

pub(super) fn key_id(body: &Map<String, Value>) -> Result<KeyId, Refusal> {
    text(body, "keyId")?.and_then(|id| id.parse().ok()).ok_or_else(|| Refusal::schema("keyId"))
}

pub(super) fn unknown_key(world: &World, message: String) -> Refusal {
    let refusal = Refusal::request(message);
    let status = StatusCode::from_u16(world.behaviour.unknown_key_status).unwrap_or(StatusCode::BAD_REQUEST);
    Refusal { status, ..refusal }
}
