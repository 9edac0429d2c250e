//! addTokenSigningCertificate.

use chrono::{DateTime, Months, Utc};
use data_encoding::BASE64;
use http::StatusCode;
use keys::{Certificate, CertificateRequest};
use serde_json::{Map, Value, json};

use super::new_key::{instant, stored};
use super::policy::{self, Locked};
use super::{Edit, context, only, text};
use crate::answer::{Answer, Visit};
use crate::clock::with_seven_digits;
use crate::credentials::{KeyEntry, PasswordEntry};
use crate::directory::Object;
use crate::refusal::Refusal;
use crate::route::Inbound;
use crate::world::World;

const DEFAULT_NAME: &str = "CN=Microsoft Azure Federated SSO Certificate";
const MAX_LIFE: Months = Months::new(36);

pub(super) fn add(
    world: &mut World,
    inbound: &Inbound,
    visit: &Visit,
    edit: Edit,
    body: &Map<String, Value>,
) -> Result<(Object, Answer), Refusal> {
    let mut object = edit.object;
    only(body, &["displayName", "endDateTime"])?;
    policy::check_lock(world, &object, Locked::Sign, "keyCredentials", visit.now)?;
    let name = text(body, "displayName")?.unwrap_or(DEFAULT_NAME);
    let is_first = !object.keys.iter().any(KeyEntry::is_sign);
    let mut answer = add_signing_certificate(world, &mut object, name, body, visit.now)?;
    object.keys.iter().rev().take(2).try_for_each(|entry| policy::check_certificate(world, edit.tenant, &object, entry))?;
    if let Some(thumbprint) = answer.get("thumbprint").filter(|_| is_first && world.behaviour.first_certificate_preferred) {
        object.properties.insert("preferredTokenSigningKeyThumbprint".to_owned(), thumbprint.clone());
    }
    answer.insert("@odata.context".to_owned(), context(inbound, "microsoft.graph.selfSignedCertificate"));
    Ok((object, Answer::odata(&Value::Object(answer))))
}

/// Makes the three linked entries and gives the `selfSignedCertificate` that describes them. Its keyId is the Sign entry's, although it says `usage: Verify`.
pub(crate) fn add_signing_certificate(
    world: &mut World,
    object: &mut Object,
    name: &str,
    given: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<Map<String, Value>, Refusal> {
    let common_name = name.strip_prefix("CN=").filter(|rest| !rest.trim().is_empty());
    let common_name = common_name.ok_or_else(|| Refusal::request("The property 'displayName' must start with 'CN='."))?;
    let end = end(given, now)?;
    let certificate = certificate(world, common_name, now, end)?;
    let shared = json!({
        "customKeyIdentifier": BASE64.encode(certificate.thumbprint().as_bytes()),
        "displayName": name,
        "startDateTime": with_seven_digits(now),
        "endDateTime": stored(given, "endDateTime", end),
    });
    Ok(link(world, object, &certificate, &shared))
}

/// The entries of a new certificate, and its description.
fn link(world: &mut World, object: &mut Object, certificate: &Certificate, shared: &Value) -> Map<String, Value> {
    let (sign, verify) = (world.new_key_id().to_string(), world.new_key_id().to_string());
    let key = BASE64.encode(certificate.der());
    let with = |extra: Value| -> Map<String, Value> {
        let parts = [shared, &extra].into_iter().filter_map(Value::as_object).flatten();
        parts.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let sign_type = world.behaviour.sign_entry_type.name();
    let sign_entry = with(json!({"key": null, "keyId": sign, "type": sign_type, "usage": "Sign"}));
    let verify_entry = with(json!({"key": key, "keyId": verify, "type": "AsymmetricX509Cert", "usage": "Verify"}));
    object.keys.push(KeyEntry { raw: sign_entry, certificate: None });
    object.keys.push(KeyEntry { raw: verify_entry, certificate: Some(certificate.clone()) });
    let password = with(json!({"keyId": sign, "hint": null, "secretText": null}));
    object.passwords.push(PasswordEntry { raw: password, secret: None });
    let thumbprint = certificate.thumbprint().to_string();
    with(json!({"key": key, "keyId": sign, "type": "AsymmetricX509Cert", "usage": "Verify", "thumbprint": thumbprint}))
}

/// At most three years from now, which is also the default.
fn end(given: &Map<String, Value>, now: DateTime<Utc>) -> Result<DateTime<Utc>, Refusal> {
    let limit = now.checked_add_months(MAX_LIFE).unwrap_or(now);
    let end = instant(given, "endDateTime")?.unwrap_or(limit);
    if end > limit {
        return Err(Refusal::request("The property 'endDateTime' can be at most three years after the creation of the certificate."));
    }
    if end.timestamp() <= now.timestamp() {
        return Err(Refusal::request("The property 'endDateTime' must be in the future."));
    }
    Ok(end)
}

fn certificate(world: &mut World, name: &str, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Certificate, Refusal> {
    let broken = || Refusal::server(StatusCode::INTERNAL_SERVER_ERROR);
    let key = world.new_private_key().map_err(|_| broken())?;
    let mut serial = world.random.bytes();
    serial[0] = serial[0] & 0x3f | 0x40;
    let request = CertificateRequest { common_name: name.to_owned(), san_uris: Vec::new(), not_before: start, not_after: end, serial };
    Certificate::self_signed(&key, &request).map_err(|_| broken())
}
