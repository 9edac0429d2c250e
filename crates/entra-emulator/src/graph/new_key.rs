//! A new entry of `keyCredentials`, checked as Graph checks it.

use chrono::{DateTime, Utc};
use data_encoding::{BASE64, HEXUPPER};
use entra_types::ids::KeyId;
use keys::Certificate;
use serde_json::{Map, Value};

use super::{pfx, text};
use crate::behaviour::DefaultIdentifier;
use crate::clock::{in_seconds, parse, with_seven_digits};
use crate::credentials::{Entry as _, KeyEntry};
use crate::jwt;
use crate::refusal::Refusal;
use crate::world::World;

/// Longer display names are cut.
const MAX_DISPLAY_NAME: usize = 90;
const PROPERTIES: [&str; 8] = ["customKeyIdentifier", "displayName", "startDateTime", "endDateTime", "key", "keyId", "type", "usage"];

/// Where a new entry comes from: only an update may choose its keyId.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    Patch,
    AddKey,
}

/// The two kinds of key that there are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Verify,
    Sign,
}

/// Makes the entry that a caller describes. `password` opens its PFX, if it is one.
pub(crate) fn new_key(
    world: &mut World,
    given: &Map<String, Value>,
    source: Source,
    password: Option<&str>,
    now: DateTime<Utc>,
) -> Result<KeyEntry, Refusal> {
    if given.keys().any(|name| !PROPERTIES.contains(&name.as_str()) && !name.starts_with('@')) {
        return Err(Refusal::schema("keyCredentials"));
    }
    let kind = kind(given)?;
    let material = text(given, "key")?.filter(|key| !key.is_empty()).ok_or_else(|| invalid("KeyCredentialsInvalidValue"))?;
    let bytes = BASE64.decode(material.as_bytes()).map_err(|_| invalid("KeyCredentialsInvalidValue"))?;
    let certificate = match (kind, password) {
        (Kind::Verify, _) => certificate(&bytes),
        (Kind::Sign, Some(password)) => pfx::certificate(&bytes, password),
        (Kind::Sign, None) => return Err(Refusal::request("A password credential must come with a key of type X509CertAndPassword.")),
    };
    let certificate = certificate.ok_or_else(|| invalid("KeyCredentialsInvalidValue"))?;
    let (start, end) = dates(given, &certificate, now)?;
    let mut raw = Map::new();
    raw.insert("customKeyIdentifier".to_owned(), identifier(world, given, &certificate)?);
    raw.insert("displayName".to_owned(), display_name(given, &certificate)?);
    raw.insert("startDateTime".to_owned(), start);
    raw.insert("endDateTime".to_owned(), end);
    raw.insert("type".to_owned(), if kind == Kind::Verify { "AsymmetricX509Cert" } else { "X509CertAndPassword" }.into());
    raw.insert("usage".to_owned(), if kind == Kind::Verify { "Verify" } else { "Sign" }.into());
    raw.insert("keyId".to_owned(), key_id(world, given, source)?.to_string().into());
    raw.insert("key".to_owned(), if kind == Kind::Verify { material.into() } else { Value::Null });
    Ok(KeyEntry { raw, certificate: Some(certificate) })
}

fn invalid(code: &'static str) -> Refusal {
    match code {
        "KeyCredentialsInvalidEndDate" => Refusal::key(code, "Key credential end date is invalid."),
        _ => Refusal::key(code, "Key credential value is invalid."),
    }
}

fn kind(given: &Map<String, Value>) -> Result<Kind, Refusal> {
    let required =
        |name| text(given, name)?.ok_or_else(|| Refusal::request(format!("The property '{name}' of a new key credential is required.")));
    let usage = || {
        let message = "The value for the property \"usage\" in one of your credentials is invalid. Acceptable values are Sign, Verify.";
        Refusal::request(message)
    };
    match (required("type")?, required("usage")?) {
        ("AsymmetricX509Cert", "Verify") => Ok(Kind::Verify),
        ("X509CertAndPassword", "Sign") => Ok(Kind::Sign),
        ("AsymmetricX509Cert" | "X509CertAndPassword", _) => Err(usage()),
        _ => Err(Refusal::key("KeyCredentialsInvalidType", "Key credential type is invalid.")),
    }
}

/// DER, or the whole text of a PEM file.
pub(crate) fn certificate(bytes: &[u8]) -> Option<Certificate> {
    let pem = || Certificate::from_pem(std::str::from_utf8(bytes).ok()?).ok();
    Certificate::from_der(bytes).ok().or_else(pem)
}

/// Start and end as they will be stored: as given, else the certificate's.
fn dates(given: &Map<String, Value>, certificate: &Certificate, now: DateTime<Utc>) -> Result<(Value, Value), Refusal> {
    let (start, end) = (instant(given, "startDateTime")?, instant(given, "endDateTime")?);
    let (first, limit) = (start.unwrap_or_else(|| certificate.not_before()), certificate.not_after());
    let last = end.unwrap_or(limit);
    if last <= now || last <= first || last > limit {
        return Err(invalid("KeyCredentialsInvalidEndDate"));
    }
    Ok((stored(given, "startDateTime", first), stored(given, "endDateTime", last)))
}

pub(super) fn instant(given: &Map<String, Value>, name: &str) -> Result<Option<DateTime<Utc>>, Refusal> {
    text(given, name)?.map(|time| parse(time).ok_or_else(|| Refusal::schema(name))).transpose()
}

/// A time is stored as it was written if it was written in UTC.
pub(super) fn stored(given: &Map<String, Value>, name: &str, time: DateTime<Utc>) -> Value {
    let written = given.get(name).and_then(Value::as_str).filter(|text| text.ends_with('Z'));
    let printed = || if time.timestamp_subsec_nanos() == 0 { in_seconds(time) } else { with_seven_digits(time) };
    written.map_or_else(printed, str::to_owned).into()
}

fn identifier(world: &World, given: &Map<String, Value>, certificate: &Certificate) -> Result<Value, Refusal> {
    if let Some(text) = given_identifier(given)? {
        return Ok(text.into());
    }
    let thumbprint = certificate.thumbprint();
    Ok(match world.behaviour.default_identifier {
        DefaultIdentifier::HexText => HEXUPPER.encode(thumbprint.as_bytes()).into(),
        DefaultIdentifier::Sha1 => BASE64.encode(thumbprint.as_bytes()).into(),
    })
}

/// The identifier that a caller chose: base64 of one to 32 bytes.
pub(super) fn given_identifier(given: &Map<String, Value>) -> Result<Option<&str>, Refusal> {
    let Some(text) = text(given, "customKeyIdentifier")? else { return Ok(None) };
    let length = jwt::decode(text).ok_or_else(|| Refusal::schema("customKeyIdentifier"))?.len();
    let message = "When present, application key identifier cannot be empty and can be at most 32 bytes.";
    if (1..=32).contains(&length) { Ok(Some(text)) } else { Err(Refusal::request(message)) }
}

fn display_name(given: &Map<String, Value>, certificate: &Certificate) -> Result<Value, Refusal> {
    let name = text(given, "displayName")?.map_or_else(|| certificate.subject(), str::to_owned);
    Ok(name.chars().take(MAX_DISPLAY_NAME).collect::<String>().into())
}

fn key_id(world: &mut World, given: &Map<String, Value>, source: Source) -> Result<KeyId, Refusal> {
    match (text(given, "keyId")?, source) {
        (None, _) => Ok(world.new_key_id()),
        (Some(text), Source::Patch) => text.parse().map_err(|_| Refusal::schema("keyId")),
        (Some(_), Source::AddKey) => {
            Err(Refusal::request("The property 'keyId' of a key credential that is added by this action must be null."))
        }
    }
}

/// Refuses an entry that outlives what the tenant's policy allows.
pub(super) fn life_of(entry: &KeyEntry) -> Option<chrono::TimeDelta> {
    let time = |name| entry.text(name).and_then(parse);
    Some(time("endDateTime")?.signed_duration_since(time("startDateTime")?))
}
