//! `federatedIdentityCredentials` of an application: whose tokens it trusts.
//!
//! From Microsoft's pages on federatedIdentityCredential. Descriptions are not kept, so none is taken.

use aws_lc_rs::digest::{SHA256, digest};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Edit, context, only, text};
use crate::answer::Answer;
use crate::directory::Object;
use crate::refusal::Refusal;
use crate::route::{Inbound, Route};
use crate::token::Federated;
use crate::world::World;

const MAX_CREDENTIALS: usize = 20;
const MAX_NAME: usize = 120;
const MAX_TEXT: usize = 600;

/// GET of all, or of the one that is named by id or name.
pub(super) fn show(inbound: &Inbound, object: &Object, named: Option<&str>) -> Result<Answer, Refusal> {
    let fragment = format!("applications('{}')/federatedIdentityCredentials", object.id);
    let Some(named) = named else {
        let all: Vec<Value> = object.federated.iter().map(|trust| shown(object, trust)).collect();
        return Ok(Answer::odata(&json!({"@odata.context": context(inbound, &fragment), "value": all})));
    };
    let mut one = shown(object, &object.federated[find(object, named)?]);
    one["@odata.context"] = context(inbound, &format!("{fragment}/$entity"));
    Ok(Answer::odata(&one))
}

fn shown(object: &Object, trust: &Federated) -> Value {
    json!({
        "id": id(object, trust), "name": trust.name, "issuer": trust.issuer, "subject": trust.subject,
        "description": null, "audiences": trust.audiences,
    })
}

/// The same for as long as the name is.
fn id(object: &Object, trust: &Federated) -> Uuid {
    let hash = digest(&SHA256, format!("{}/{}", object.id, trust.name).as_bytes());
    let bytes = hash.as_ref().first_chunk().copied().unwrap_or_default();
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

fn find(object: &Object, named: &str) -> Result<usize, Refusal> {
    let is = |trust: &Federated| trust.name == named || named.parse() == Ok(id(object, trust));
    object.federated.iter().position(is).ok_or_else(|| Refusal::not_found(named))
}

/// POST, PATCH or DELETE.
pub(super) fn change(world: &World, inbound: &Inbound, edit: Edit, body: &Map<String, Value>) -> Result<(Object, Answer), Refusal> {
    let Route::Federated { named, .. } = &inbound.route else { return Err(Refusal::method()) };
    let mut object = edit.object;
    match (&inbound.method, named.as_deref()) {
        (&Method::POST, None) => {
            let trust = read(world, body, None)?;
            check_alone(&object, &trust, None)?;
            let mut answer = shown(&object, &trust);
            answer["@odata.context"] = context(inbound, &format!("applications('{}')/federatedIdentityCredentials/$entity", object.id));
            object.federated.push(trust);
            Ok((object, Answer { status: StatusCode::CREATED, ..Answer::odata(&answer) }))
        }
        (&Method::PATCH, Some(named)) => {
            let place = find(&object, named)?;
            let trust = read(world, body, Some(&object.federated[place]))?;
            check_alone(&object, &trust, Some(place))?;
            object.federated[place] = trust;
            Ok((object, Answer::no_content()))
        }
        (&Method::DELETE, Some(named)) => {
            object.federated.remove(find(&object, named)?);
            Ok((object, Answer::no_content()))
        }
        _ => Err(Refusal::method()),
    }
}

/// A new credential, or an old one with what the body changes. A name stays.
fn read(world: &World, body: &Map<String, Value>, old: Option<&Federated>) -> Result<Federated, Refusal> {
    only(body, &["name", "issuer", "subject", "description", "audiences"])?;
    if text(body, "description")?.is_some() {
        return Err(Refusal::request("The emulator does not keep the description of a federated identity credential."));
    }
    let part = |name: &'static str, old: Option<&String>, limit: usize| {
        let value = text(body, name)?.map(str::to_owned).or_else(|| old.cloned()).filter(|value| (1..=limit).contains(&value.len()));
        value.ok_or_else(|| Refusal::request(format!("The property '{name}' must have 1 to {limit} characters.")))
    };
    let name = part("name", old.map(|old| &old.name), MAX_NAME)?;
    if old.is_some_and(|old| old.name != name) {
        return Err(Refusal::request("Property 'name' is read-only and cannot be set."));
    }
    let audiences = match body.get("audiences") {
        None => old.map(|old| old.audiences.clone()).unwrap_or_default(),
        Some(given) => serde_json::from_value(given.clone()).map_err(|_| Refusal::schema("audiences"))?,
    };
    if audiences.len() > 1 {
        return Err(Refusal::request("The property 'audiences' can hold one audience only."));
    }
    let (issuer, subject) =
        (part("issuer", old.map(|old| &old.issuer), MAX_TEXT)?, part("subject", old.map(|old| &old.subject), MAX_TEXT)?);
    Ok(Federated { name, issuer, subject, audiences }.completed(world.profile()))
}

/// Names differ, and so do issuer and subject together. `place` is the one that is changed.
fn check_alone(object: &Object, trust: &Federated, place: Option<usize>) -> Result<(), Refusal> {
    let others = || object.federated.iter().enumerate().filter(|(number, _)| Some(*number) != place).map(|(_, other)| other);
    if others().count() >= MAX_CREDENTIALS {
        let message = format!("A maximum of {MAX_CREDENTIALS} federated identity credentials can be added to an application.");
        return Err(Refusal::new(StatusCode::FORBIDDEN, "Directory_ResourceSizeExceeded", message));
    }
    if others().any(|other| other.name == trust.name) {
        let message = format!("FederatedIdentityCredential with name {} already exists.", trust.name);
        return Err(Refusal::new(StatusCode::CONFLICT, "Request_MultipleObjectsWithSameKeyValue", message));
    }
    if others().any(|other| other.issuer == trust.issuer && other.subject == trust.subject) {
        return Err(Refusal::request("The combination of issuer and subject must be unique for this application."));
    }
    Ok(())
}
