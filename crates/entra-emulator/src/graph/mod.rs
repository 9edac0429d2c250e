//! Microsoft Graph v1.0, as far as credentials of applications and service principals go.

mod access;
mod batch;
mod entries;
mod keys;
mod list;
mod new_key;
mod passwords;
mod patch;
mod pfx;
mod policies;
mod policy;
mod proof;
mod read;
mod signing;
mod trusts;

use std::sync::Arc;

use entra_types::ids::{ObjectKind, TenantId};
use http::Method;
use serde_json::{Map, Value};

use access::Caller;
pub(crate) use access::{GRAPH as GRAPH_APP_ID, known_role};
pub(crate) use new_key::{Source, certificate, new_key};
pub(crate) use signing::add_signing_certificate;

use crate::answer::{Answer, Visit};
use crate::directory::{Address, Object};
use crate::record::Author;
use crate::refusal::Refusal;
use crate::route::{Inbound, Operation, Route};
use crate::throttle;
use crate::world::World;

/// Answers a request to Graph.
pub(crate) fn answer(world: &mut World, inbound: &Inbound, visit: &mut Visit) -> Answer {
    let answer = serve(world, inbound, visit).unwrap_or_else(|refusal| Answer::refused(&refusal, visit));
    answer.with_graph_headers(visit)
}

fn serve(world: &mut World, inbound: &Inbound, visit: &mut Visit) -> Result<Answer, Refusal> {
    let caller = Caller::of(world, inbound, visit)?;
    visit.caller = Some(caller.client);
    if inbound.route == Route::Batch {
        return if inbound.method == Method::POST { batch::answer(world, inbound, visit) } else { Err(Refusal::method()) };
    }
    visit.units = throttle::cost(inbound);
    visit.share = world.throttle.request(&world.behaviour, caller.asks(visit), inbound)?;
    let (kind, address) = match &inbound.route {
        Route::Object { kind, address, .. } => (*kind, address.clone()),
        Route::Federated { address, .. } => (ObjectKind::Application, address.clone()),
        Route::Collection(kind) if inbound.operation() == Operation::List => return list::list(world, inbound, visit, &caller, *kind),
        Route::Delta(kind) if inbound.operation() == Operation::List => return list::delta(world, inbound, visit, &caller, *kind),
        Route::Collection(_) | Route::Delta(_) => return Err(Refusal::method()),
        Route::Policy(path) => return policies::serve(world, inbound, visit, &caller, path),
        Route::Segment(segment) => return Err(Refusal::malformed(format!("Resource not found for the segment '{segment}'."))),
        _ => return Err(Refusal::malformed(format!("Invalid version: {}", inbound.path.trim_start_matches('/')))),
    };
    let operation = inbound.operation();
    if operation == Operation::Unknown {
        return Err(Refusal::method());
    }
    let address = address.map_err(|text| Refusal::request(format!("Invalid object identifier '{text}'.")))?;
    let seen = locate(world, visit, &caller, kind, address, operation)?;
    visit.object = Some((kind, seen.id));
    match (operation, &inbound.route) {
        (Operation::Get, _) => read::get(world, inbound, visit, &caller, &seen),
        (Operation::ReadFederated, Route::Federated { named, .. }) => trusts::show(inbound, &seen, named.as_deref()),
        _ => write(world, inbound, visit, &caller, &seen),
    }
}

/// Finds the object in the view of the replica, and checks that the caller may do this to it.
fn locate(
    world: &World,
    visit: &Visit,
    caller: &Caller,
    kind: ObjectKind,
    address: Address,
    operation: Operation,
) -> Result<Arc<Object>, Refusal> {
    let found = world.directory.find(caller.tenant, kind, address, visit.now, visit.lag);
    match found {
        Some(object) if caller.may(operation, object) => Ok(Arc::clone(object)),
        None if caller.may_search() => Err(Refusal::not_found(&address.to_string())),
        _ => Err(Refusal::forbidden()),
    }
}

/// What a write works on: the object as now stored, whatever the replica showed.
pub(crate) struct Edit {
    pub(crate) tenant: TenantId,
    pub(crate) object: Object,
    pub(crate) seen: Arc<Object>,
}

fn write(world: &mut World, inbound: &Inbound, visit: &Visit, caller: &Caller, seen: &Arc<Object>) -> Result<Answer, Refusal> {
    let operation = inbound.operation();
    let body = if inbound.method == Method::DELETE { Map::new() } else { body(inbound)? };
    let stored = world.directory.stored(seen.id).ok_or_else(|| Refusal::not_found(&seen.id.to_string()))?;
    let edit = Edit { tenant: caller.tenant, object: stored.as_ref().clone(), seen: Arc::clone(seen) };
    if world.registration_of(stored, visit.now).is_some_and(Object::is_for_personal_accounts) {
        world.throttle.personal(&world.behaviour, caller.asks(visit), seen.app_id)?;
    }
    world.throttle.overlap(caller.tenant, seen.app_id, world.behaviour.conflict_window, visit.now)?;
    let (object, answer) = match operation {
        Operation::WriteFederated => trusts::change(world, inbound, edit, &body),
        Operation::Patch => patch::patch(world, visit, edit, &body),
        Operation::AddKey => keys::add(world, inbound, visit, edit, &body),
        Operation::RemoveKey => keys::remove(world, visit, edit, &body),
        Operation::AddPassword => passwords::add(world, inbound, visit, edit, &body),
        Operation::RemovePassword => passwords::remove(world, visit, edit, &body),
        _ => signing::add(world, inbound, visit, edit, &body),
    }?;
    world.ensure_room(&object)?;
    let target = object.app_id;
    if world.commit(caller.tenant, object, Author { operation, caller: Some(caller.client) }, visit.now) {
        world.throttle.wrote(caller.tenant, target, visit.now);
    }
    Ok(answer)
}

/// The body of a write: one JSON object, said to be JSON.
fn body(inbound: &Inbound) -> Result<Map<String, Value>, Refusal> {
    let media = inbound.header(http::header::CONTENT_TYPE).unwrap_or_default();
    if !media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Refusal::malformed("Entity only allows writes with a JSON Content-Type header."));
    }
    match serde_json::from_slice(&inbound.body) {
        Ok(Value::Object(body)) => Ok(body),
        _ => Err(Refusal::malformed(
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
        )),
    }
}

/// `@odata.context` of an answer.
fn context(inbound: &Inbound, fragment: &str) -> Value {
    format!("https://{}/v1.0/$metadata#{fragment}", inbound.host).into()
}

/// Refuses parameters that an action does not have.
fn only(body: &Map<String, Value>, known: &[&str]) -> Result<(), Refusal> {
    match body.keys().find(|name| !known.contains(&name.as_str()) && !name.starts_with('@')) {
        Some(name) => {
            Err(Refusal::malformed(format!("The parameter '{name}' in the request payload is not a valid parameter for the operation.")))
        }
        None => Ok(()),
    }
}

/// A property that must be text if it is there at all; null is the same as absent.
fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::schema(name)),
    }
}
