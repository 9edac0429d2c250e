//! The instance metadata service, which gives tokens to managed identities without any credential.
//!
//! From Microsoft's pages "How to use managed identities on an Azure VM to acquire an access token" and "Azure Instance Metadata Service".

use entra_types::ids::{ClientId, ObjectKind};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Identity, audience_of, issue};
use crate::answer::{Answer, Visit};
use crate::issuer::Proven;
use crate::route::Inbound;
use crate::world::World;

const VERSIONS: [&str; 2] = ["2018-02-01", "2019-08-01"];

/// A user-assigned identity of the machine.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AssignedIdentity {
    /// `appId` of its service principal.
    pub app_id: ClientId,
    /// What `msi_res_id` names it by, such as `/subscriptions/…/userAssignedIdentities/payroll`; compared without regard to case.
    pub resource_id: Option<String>,
}

/// Who the machine is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    /// The system-assigned identity, which is meant where none is named.
    pub(crate) own: Option<ClientId>,
    pub(crate) assigned: Vec<AssignedIdentity>,
}

/// Why there is no token: `error` and `error_description`.
struct Trouble(&'static str, &'static str);

const fn invalid(description: &'static str) -> Trouble {
    Trouble("invalid_request", description)
}

/// Answers `GET /metadata/identity/oauth2/token`.
pub(crate) fn answer(world: &mut World, inbound: &Inbound, visit: &mut Visit) -> Answer {
    match token(world, inbound, visit) {
        Ok(body) => Answer::json(StatusCode::OK, &body),
        Err(Trouble(error, reason)) => Answer::json(StatusCode::BAD_REQUEST, &json!({"error": error, "error_description": reason})),
    }
}

fn token(world: &mut World, inbound: &Inbound, visit: &mut Visit) -> Result<Value, Trouble> {
    let is_marked = inbound.header("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !is_marked {
        return Err(invalid("Required metadata header not specified"));
    }
    if !inbound.query("api-version").is_some_and(|version| VERSIONS.contains(&version)) {
        return Err(invalid("Required query variable 'api-version' is missing or unsupported"));
    }
    let resource = inbound.query("resource").filter(|resource| !resource.is_empty());
    let resource = resource.ok_or(invalid("Required query variable 'resource' is missing"))?;
    let client = client(world, inbound)?;
    visit.caller = Some(client);
    let tenants: Vec<_> = world.directory.tenants().collect();
    let found = tenants.into_iter().find_map(|tenant| Some((tenant, Identity::find(world, tenant, client, visit.now, visit.lag).ok()?)));
    let (tenant, identity) = found.ok_or(invalid("Identity not found"))?;
    visit.object = Some((ObjectKind::ServicePrincipal, identity.service_principal.id));
    let unknown = Trouble("invalid_resource", "AADSTS500011: The resource principal was not found in the tenant.");
    let audience = audience_of(world, inbound, resource).ok_or(unknown)?;
    let issued = issue(world, tenant, &identity, audience, Proven::Certificate, visit.now);
    let (token, life) = issued.map_err(|_| Trouble("unknown", "Failed to retrieve token from the Active directory."))?;
    Ok(json!({
        "access_token": token, "client_id": client.to_string(), "resource": resource, "token_type": "Bearer",
        "expires_in": life.to_string(), "ext_expires_in": life.to_string(),
        "not_before": visit.now.timestamp().to_string(),
        "expires_on": visit.now.timestamp().saturating_add(life).to_string(),
    }))
}

/// The identity that is asked for. Only those that the machine has are given out.
fn client(world: &World, inbound: &Inbound) -> Result<ClientId, Trouble> {
    let machine = &world.machine;
    let named = |name: &'static str| inbound.query(name).filter(|value| !value.is_empty()).map(|value| (name, value));
    let names: Vec<_> = ["client_id", "object_id", "msi_res_id", "mi_res_id"].into_iter().filter_map(named).collect();
    let users = || machine.assigned.iter().map(|identity| identity.app_id);
    match (names.as_slice(), machine.own, machine.assigned.as_slice()) {
        ([], Some(own), _) => Ok(own),
        ([], None, [only]) => Ok(only.app_id),
        ([], None, [_, _, ..]) => Err(invalid(
            "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token request",
        )),
        ([(name, value)], own, assigned) => {
            let is_meant = |client: &ClientId| match *name {
                "client_id" => value.parse() == Ok(*client),
                "object_id" => value.parse().ok().and_then(|id| world.directory.stored(id)).is_some_and(|object| object.app_id == *client),
                _ => assigned.iter().any(|one| one.app_id == *client && one.is_called(value)),
            };
            own.into_iter().chain(users()).find(is_meant).ok_or(invalid("Identity not found"))
        }
        ([], None, []) => Err(invalid("Identity not found")),
        _ => Err(invalid("Only one of 'client_id', 'object_id' and 'msi_res_id' can be given")),
    }
}

impl AssignedIdentity {
    fn is_called(&self, resource: &str) -> bool {
        self.resource_id.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(resource))
    }
}
