//! Carrying out one request, and putting it on record.

use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use uuid::Uuid;

use crate::answer::{Answer, Visit};
use crate::cloud::Place;
use crate::record::Call;
use crate::route::{Inbound, Operation, Route};
use crate::token::TokenError;
use crate::world::World;
use crate::{discovery, graph, metadata, token};

/// Notes the arrival of a request. Gives its number in the record and the visit that answers it.
pub(crate) fn arrive(world: &mut World, inbound: &Inbound, now: DateTime<Utc>) -> (u64, Visit) {
    let visit = visit(world, inbound, now);
    let call = Call {
        sequence: 0,
        at: now,
        method: inbound.method.to_string(),
        path: inbound.path.clone(),
        query: inbound.raw_query.clone(),
        operation: inbound.operation(),
        request_id: visit.request_id.to_string(),
        object: None,
        kind: None,
        caller: None,
        handled: None,
        answered: None,
        disturbed: false,
        handled_at: None,
        changed: false,
        keys_added: Vec::new(),
        keys_removed: Vec::new(),
    };
    (world.record.call(call), visit)
}

fn visit(world: &mut World, inbound: &Inbound, now: DateTime<Utc>) -> Visit {
    let request_id = world.random.guid();
    let named = inbound.header("client-request-id").and_then(|id| id.parse::<Uuid>().ok());
    Visit {
        arrived: now,
        now,
        request_id,
        client_request_id: named.unwrap_or(request_id).to_string(),
        lag: world.lag.clone().choose(inbound.operation(), &mut world.random),
        caller: None,
        object: None,
        units: 0,
        share: 0.0,
        login: world.profile().login.first().copied().unwrap_or_default(),
    }
}

/// Carries a request out and completes its record.
pub(crate) fn handle(world: &mut World, inbound: &Inbound, visit: &mut Visit, sequence: u64) -> Answer {
    let before = world.record.last_mutation();
    let answer = route(world, inbound, visit);
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for mutation in world.record.mutations_after(before) {
        added.extend(&mutation.keys_added);
        removed.extend(&mutation.keys_removed);
    }
    let changed = world.record.last_mutation() > before;
    if let Some(call) = world.record.call_mut(sequence) {
        call.handled = Some(answer.status.as_u16());
        call.handled_at = Some(visit.now);
        call.object = visit.object.map(|(_, id)| id);
        call.kind = visit.object.map(|(kind, _)| kind);
        call.caller = visit.caller;
        call.changed = changed;
        call.keys_added = added;
        call.keys_removed = removed;
    }
    answer
}

fn route(world: &mut World, inbound: &Inbound, visit: &mut Visit) -> Answer {
    let is_sign_in = !inbound.route.is_graph();
    match (world.profile().place(&inbound.host), &inbound.route) {
        (_, Route::ManagedIdentity) | (Place::Anything, _) | (Place::Login, Route::Nowhere) => by_path(world, inbound, visit),
        (Place::Elsewhere, _) if is_sign_in => TokenError::tenant(first_segment(&inbound.path)).answer(visit).with_login_headers(visit),
        (Place::Graph, _) if is_sign_in => graph::answer(world, inbound, visit),
        (Place::Login, _) if !is_sign_in => Answer::new(StatusCode::NOT_FOUND, "text/plain", "").with_login_headers(visit),
        _ => by_path(world, inbound, visit),
    }
}

fn first_segment(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

/// What a path means where the host says nothing about it.
fn by_path(world: &mut World, inbound: &Inbound, visit: &mut Visit) -> Answer {
    let get = inbound.method == Method::GET;
    match &inbound.route {
        Route::Token { tenant } if inbound.operation() == Operation::Token => token::answer(world, inbound, visit, tenant),
        Route::ManagedIdentity if get => token::managed_identity(world, inbound, visit),
        Route::Metadata { tenant } if get => metadata::answer(world, inbound, visit, tenant),
        Route::OpenId { tenant } if get => discovery::open_id(world, inbound, visit, tenant).with_login_headers(visit),
        Route::SigningKeys if get => Answer::json(StatusCode::OK, &world.issuer.key_set()).with_login_headers(visit),
        Route::Instance if get => discovery::instance(world, inbound, visit).with_login_headers(visit),
        Route::Token { .. }
        | Route::Metadata { .. }
        | Route::OpenId { .. }
        | Route::SigningKeys
        | Route::Instance
        | Route::ManagedIdentity => Answer::new(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "").with_login_headers(visit),
        Route::Nowhere if !inbound.path.starts_with("/beta") => {
            Answer::new(StatusCode::NOT_FOUND, "text/plain", "").with_login_headers(visit)
        }
        _ => graph::answer(world, inbound, visit),
    }
}
