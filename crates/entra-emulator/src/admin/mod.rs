//! The admin API under `/_emulator/`: JSON, without authentication, not subject to faults.

mod objects;
mod policies;

use std::fmt::Display;

use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ids::{ClientId, ObjectId, TenantId};
use http::{Method, StatusCode};
use keys::Certificate;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::administration::AdministrationError;
use crate::answer::Answer;
use crate::emulator::Emulator;
use crate::faults::Fault;
use crate::registration::Registered;
use crate::route::Inbound;
use crate::seed::{self, ApplicationSeed, Seed, TenantSeed};
use crate::token::AssignedIdentity;

const PREFIX: &str = "/_emulator/";

/// Why the admin API refuses.
pub(crate) struct Refused(StatusCode, String);

type Outcome = Result<Value, Refused>;

impl Refused {
    fn bad(reason: impl Display) -> Self {
        Self(StatusCode::BAD_REQUEST, reason.to_string())
    }

    fn missing(what: impl Display) -> Self {
        Self(StatusCode::NOT_FOUND, format!("there is no {what}; docs/admin-api.md lists all paths"))
    }
}

impl From<AdministrationError> for Refused {
    fn from(error: AdministrationError) -> Self {
        let is_missing = matches!(error, AdministrationError::FindObject(_) | AdministrationError::FindCredential { .. });
        Self(if is_missing { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST }, error.to_string())
    }
}

/// Whether a request is for the admin API.
pub(crate) fn is_for(inbound: &Inbound) -> bool {
    inbound.path.starts_with(PREFIX)
}

/// Answers a request to the admin API.
pub(crate) fn answer(emulator: &Emulator, inbound: &Inbound) -> Answer {
    let answer = match serve(emulator, inbound) {
        Ok(Value::Null) => Answer::no_content(),
        Ok(body) => Answer::json(StatusCode::OK, &body),
        Err(Refused(status, reason)) => Answer::json(status, &json!({"error": reason})),
    };
    answer.dated(emulator.now())
}

fn serve(emulator: &Emulator, inbound: &Inbound) -> Outcome {
    let segments: Vec<&str> = inbound.path.strip_prefix(PREFIX).unwrap_or_default().trim_end_matches('/').split('/').collect();
    let method = inbound.method.as_str();
    match (method, segments.as_slice()) {
        ("GET", ["health"]) => Ok(json!({"status": "ok"})),
        ("GET", ["state"]) => Ok(emulator.state()),
        ("POST", ["seed"]) => load(emulator, &String::from_utf8_lossy(&inbound.body)),
        ("POST", ["tenants"]) => read(inbound).and_then(|tenant: NewTenant| done(|| emulator.add_tenant(tenant.id))),
        ("POST", ["applications"]) => read(inbound).and_then(|new| register(emulator, new)),
        ("POST", ["objects"]) => {
            let single = read(inbound)?;
            Ok(json!({"id": emulator.with(|world| seed::make_one(world, &single)).map_err(Refused::bad)?}))
        }
        (_, ["objects", id, rest @ ..]) => objects::serve(emulator, inbound, id.parse().map_err(Refused::bad)?, rest),
        (_, ["policies", tenant, rest @ ..]) => policies::serve(emulator, inbound, tenant.parse().map_err(Refused::bad)?, rest),
        ("PUT", ["issuers"]) => read(inbound).and_then(|new: NewIssuer| done(|| emulator.set_issuer(&new.issuer, new.key_set()))),
        ("PUT", ["managedIdentity"]) => read(inbound).and_then(|new: Machine| done(|| new.apply(emulator))),
        ("GET", ["calls"]) => Ok(json!(emulator.calls().into_iter().filter(|call| call.sequence > after(inbound)).collect::<Vec<_>>())),
        ("DELETE", ["calls"]) => done(|| emulator.clear_calls()),
        ("GET", ["mutations"]) => Ok(mutations(emulator, inbound, None)),
        (_, ["faults", rest @ ..]) => faults(emulator, inbound, rest),
        ("GET", ["lag"]) => show(&emulator.lag()),
        ("PUT", ["lag"]) => read(inbound).and_then(|lag| done(|| emulator.set_lag(lag))),
        ("GET", ["behaviour"]) => show(&emulator.behaviour()),
        ("PATCH", ["behaviour"]) => read(inbound).and_then(|change| adjust(emulator, change)),
        ("GET", ["clock"]) => Ok(json!({"now": emulator.now()})),
        ("POST", ["clock"]) => read(inbound).map(|change| set_clock(emulator, &change)),
        ("POST", ["accepts"]) => read(inbound).and_then(|question| accepts(emulator, &question)),
        _ => Err(Refused::missing(format!("{method} {}", inbound.path))),
    }
}

fn done(act: impl FnOnce()) -> Outcome {
    act();
    Ok(Value::Null)
}

fn show(value: &impl Serialize) -> Outcome {
    serde_json::to_value(value).map_err(Refused::bad)
}

fn read<T: DeserializeOwned>(inbound: &Inbound) -> Result<T, Refused> {
    let body: &[u8] = if inbound.body.is_empty() { b"{}" } else { &inbound.body };
    serde_json::from_slice(body).map_err(|error| Refused::bad(format!("cannot read the body: {error}")))
}

fn after(inbound: &Inbound) -> u64 {
    inbound.query("after").and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTenant {
    id: TenantId,
}

#[derive(Deserialize)]
struct NewApplication {
    tenant: TenantId,
    #[serde(flatten)]
    application: ApplicationSeed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewIssuer {
    issuer: String,
    keys: Vec<Value>,
}

impl NewIssuer {
    fn key_set(&self) -> Value {
        json!({"keys": self.keys})
    }
}

/// The identities of the machine, all of them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct Machine {
    system_assigned: Option<ClientId>,
    user_assigned: Vec<AssignedIdentity>,
}

impl Machine {
    fn apply(self, emulator: &Emulator) {
        emulator.with(|world| world.machine = crate::token::Machine { own: self.system_assigned, assigned: self.user_assigned });
    }
}

fn load(emulator: &Emulator, text: &str) -> Outcome {
    let made = emulator.load(Seed::parse(text).map_err(Refused::bad)?).map_err(Refused::bad)?;
    let shown = |made: &Registered| json!({"tenant": made.tenant, "appId": made.client_id, "application": made.application, "servicePrincipal": made.service_principal});
    Ok(json!({"applications": made.iter().map(shown).collect::<Vec<_>>()}))
}

fn register(emulator: &Emulator, new: NewApplication) -> Outcome {
    let seed = Seed {
        tenants: vec![TenantSeed { id: new.tenant, applications: vec![new.application], default_policy: Map::new() }],
        ..Seed::default()
    };
    let made = emulator.load(seed).map_err(Refused::bad)?;
    let made = made.first().ok_or_else(|| Refused::bad("nothing was made"))?;
    Ok(json!({"appId": made.client_id, "application": made.application, "servicePrincipal": made.service_principal}))
}

fn mutations(emulator: &Emulator, inbound: &Inbound, object: Option<ObjectId>) -> Value {
    let all = object.map_or_else(|| emulator.mutations(), |id| emulator.mutations_of(id));
    all.iter().filter(|mutation| mutation.sequence > after(inbound)).map(crate::record::Mutation::to_json).collect()
}

fn faults(emulator: &Emulator, inbound: &Inbound, rest: &[&str]) -> Outcome {
    match (&inbound.method, rest) {
        (&Method::GET, []) => show(&emulator.faults()),
        (&Method::POST, []) => read(inbound).map(|fault: Fault| json!({"id": emulator.inject(fault)})),
        (&Method::DELETE, []) => done(|| emulator.withdraw_all()),
        (&Method::DELETE, [id]) if id.parse().is_ok_and(|id| emulator.withdraw(id)) => Ok(Value::Null),
        _ => Err(Refused::missing(format!("{} {}", inbound.method, inbound.path))),
    }
}

/// Changes only the switches that are named.
fn adjust(emulator: &Emulator, change: Map<String, Value>) -> Outcome {
    let mut all = show(&emulator.behaviour())?;
    merge(&mut all, Value::Object(change));
    let behaviour = serde_json::from_value(all).map_err(Refused::bad)?;
    emulator.adjust(|current| *current = behaviour);
    show(&emulator.behaviour())
}

fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (name, value) in change {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum ClockChange {
    /// Seconds.
    Advance(f64),
    Set(DateTime<Utc>),
}

fn set_clock(emulator: &Emulator, change: &ClockChange) -> Value {
    match change {
        ClockChange::Advance(seconds) => {
            emulator.advance(TimeDelta::try_milliseconds((seconds * 1000.0) as i64).unwrap_or_default());
        }
        ClockChange::Set(time) => emulator.set_time(*time),
    }
    json!({"now": emulator.now()})
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Question {
    app_id: ClientId,
    secret: Option<String>,
    /// PEM.
    certificate: Option<String>,
}

fn accepts(emulator: &Emulator, question: &Question) -> Outcome {
    let client = question.app_id;
    let (now, everywhere) = match (&question.secret, &question.certificate) {
        (Some(secret), None) => (emulator.accepts_secret(client, secret), emulator.accepts_secret_everywhere(client, secret)),
        (None, Some(pem)) => {
            let certificate = Certificate::from_pem(pem).map_err(Refused::bad)?;
            (emulator.accepts_certificate(client, &certificate), emulator.accepts_certificate_everywhere(client, &certificate))
        }
        _ => return Err(Refused::bad("ask about a secret or about a certificate")),
    };
    Ok(json!({"accepted": now, "everywhere": everywhere}))
}
