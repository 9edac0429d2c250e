//! The instance metadata service, which gives tokens to managed identities without any credential.

use entra_types::ids::{ClientId, ObjectId, ObjectKind};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Identity, audience_of, issue};
use crate::answer::{Answer, Visit};
use crate::issuer::Proven;
use crate::route::Inbound;
use crate::world::World;

/// Answers `GET /metadata/identity/oauth2/token`. The machine's own identity is the one that was set; others are asked for by name.
pub(crate) fn answer(world: &mut World, inbound: &Inbound, visit: &mut Visit) -> Answer {
    match token(world, inbound, visit) {
        Ok(body) => Answer::json(StatusCode::OK, &body),
        Err(reason) => Answer::json(StatusCode::BAD_REQUEST, &json!({"error": "invalid_request", "error_description": reason})),
    }
}

fn token(world: &mut World, inbound: &Inbound, visit: &mut Visit) -> Result<Value, &'static str> {
    let is_marked = inbound.header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !is_marked {
        return Err("Required metadata header not specified");
    }
    if !matches!(inbound.query("api-version"), Some("2018-02-01" | "2019-08-01")) {
        return Err("Required query variable 'api-version' is missing or unsupported");
    }
    let resource = inbound.query("resource").ok_or("Required query variable 'resource' is missing")?;
    let audience = audience_of(world, inbound, resource).ok_or("The resource principal was not found")?;
    let client = client(world, inbound).ok_or("Identity not found")?;
    visit.caller = Some(client);
    let tenants: Vec<_> = world.directory.tenants().collect();
    let found = tenants.into_iter().find_map(|tenant| Some((tenant, Identity::find(world, tenant, client, visit.now, visit.lag).ok()?)));
    let (tenant, identity) = found.ok_or("Identity not found")?;
    visit.object = Some((ObjectKind::ServicePrincipal, identity.service_principal.id));
    let (token, life) = issue(world, tenant, &identity, audience, Proven::Certificate, visit.now).map_err(|_| "Internal error")?;
    Ok(json!({
        "access_token": token, "client_id": client.to_string(), "resource": resource, "token_type": "Bearer",
        "expires_in": life.to_string(), "ext_expires_in": life.to_string(),
        "not_before": visit.now.timestamp().to_string(),
        "expires_on": visit.now.timestamp().saturating_add(life).to_string(),
    }))
}

fn client(world: &World, inbound: &Inbound) -> Option<ClientId> {
    let by_object = |id: &str| {
        let id: ObjectId = id.parse().ok()?;
        world.directory.stored(id).map(|object| object.app_id)
    };
    match (inbound.query("client_id"), inbound.query("object_id")) {
        (Some(client), _) => client.parse().ok(),
        (None, Some(object)) => by_object(object),
        (None, None) => world.managed_identity,
    }
}
