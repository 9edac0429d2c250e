//! Application management policies as resources: the tenant's default, those for single objects, and whom they are assigned to.

use entra_types::ids::{ObjectId, ObjectKind, TenantId};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Caller, body, context, read};
use crate::answer::{Answer, Visit};
use crate::directory::Address;
use crate::policy::AppPolicy;
use crate::refusal::Refusal;
use crate::route::{Inbound, PolicyPath};
use crate::world::World;

const ALL: &str = "policies/appManagementPolicies";

/// Answers whatever is asked of policies.
pub(super) fn serve(
    world: &mut World,
    inbound: &Inbound,
    visit: &mut Visit,
    caller: &Caller,
    path: &PolicyPath,
) -> Result<Answer, Refusal> {
    let is_read = inbound.method == Method::GET;
    if !(if is_read { caller.may_read_policies() } else { caller.may_write_policies() }) {
        return Err(Refusal::forbidden());
    }
    if is_read {
        read::check_options(inbound, &["$select", "$top", "$filter", "$count"])?;
        return show(world, inbound, visit, caller.tenant, path);
    }
    change(world, inbound, visit, caller.tenant, path)
}

fn change(world: &mut World, inbound: &Inbound, visit: &mut Visit, tenant: TenantId, path: &PolicyPath) -> Result<Answer, Refusal> {
    match (&inbound.method, path) {
        (&Method::PATCH, PolicyPath::Default) => {
            let change = body(inbound)?;
            world.policies.change_default(tenant, &change).map_err(|reason| refused(&reason))?;
        }
        (&Method::POST, PolicyPath::All) => return add(world, inbound, tenant),
        (&Method::PATCH, PolicyPath::One(id)) => {
            let (id, change) = (parse(id)?, body(inbound)?);
            let found = world.policies.change(tenant, id, &change).map_err(|reason| refused(&reason))?;
            found.then_some(()).ok_or_else(|| Refusal::not_found(&id.to_string()))?;
        }
        (&Method::DELETE, PolicyPath::One(id)) => {
            let found = world.policies.remove(tenant, parse(id)?);
            found.then_some(()).ok_or_else(|| Refusal::not_found(id))?;
        }
        (&Method::POST, PolicyPath::Of { kind, address, reference: true }) => {
            let object = locate(world, visit, tenant, *kind, address)?;
            assign(world, inbound, tenant, object)?;
        }
        (&Method::DELETE, PolicyPath::Assigned { kind, address, policy }) => {
            let object = locate(world, visit, tenant, *kind, address)?;
            let is_assigned = world.policies.of(tenant, object).is_some_and(|own| Some(own.id) == parse(policy).ok());
            is_assigned.then_some(()).ok_or_else(|| Refusal::not_found(policy))?;
            world.policies.assign(object, None);
        }
        _ => return Err(Refusal::method()),
    }
    Ok(Answer::no_content())
}

fn refused(reason: &str) -> Refusal {
    Refusal::request(format!("Invalid app management policy: {reason}."))
}

fn parse(id: &str) -> Result<Uuid, Refusal> {
    id.parse().map_err(|_| Refusal::request(format!("Invalid object identifier '{id}'.")))
}

fn locate(
    world: &World,
    visit: &mut Visit,
    tenant: TenantId,
    kind: ObjectKind,
    address: &Result<Address, String>,
) -> Result<ObjectId, Refusal> {
    let address = address.as_ref().map_err(|text| Refusal::request(format!("Invalid object identifier '{text}'.")))?;
    let found = world.directory.find(tenant, kind, *address, visit.now, visit.lag);
    let id = found.ok_or_else(|| Refusal::not_found(&address.to_string()))?.id;
    visit.object = Some((kind, id));
    Ok(id)
}

fn show(world: &World, inbound: &Inbound, visit: &mut Visit, tenant: TenantId, path: &PolicyPath) -> Result<Answer, Refusal> {
    let one = |id: &str| world.policies.one(tenant, parse(id)?).ok_or_else(|| Refusal::not_found(id));
    match path {
        PolicyPath::Default => {
            let policy = world.policies.default_of(tenant, &world.behaviour.policy);
            Ok(single(inbound, "policies/defaultAppManagementPolicy/$entity", &policy))
        }
        PolicyPath::All => Ok(several(inbound, ALL, world.policies.all(tenant).map(shown))),
        PolicyPath::One(id) => Ok(single(inbound, &format!("{ALL}/$entity"), one(id)?)),
        PolicyPath::AppliesTo(id) => {
            let policy = one(id)?.id;
            let objects = world.policies.objects_of(policy).filter_map(|id| world.directory.seen(id, visit.now, visit.lag));
            let reference = |object: &std::sync::Arc<crate::directory::Object>| {
                let kind = read::type_name(object.kind);
                json!({"@odata.type": format!("#microsoft.graph.{kind}"), "id": object.id, "appId": object.app_id, "displayName": object.property("displayName")})
            };
            Ok(several(inbound, "directoryObjects", objects.map(reference)))
        }
        PolicyPath::Of { kind, address, .. } => {
            let object = locate(world, visit, tenant, *kind, address)?;
            Ok(several(inbound, "appManagementPolicies", world.policies.of(tenant, object).into_iter().map(shown)))
        }
        PolicyPath::Assigned { .. } => Err(Refusal::method()),
    }
}

fn shown(policy: &AppPolicy) -> Value {
    serde_json::to_value(policy).unwrap_or_default()
}

fn single(inbound: &Inbound, fragment: &str, policy: &impl Serialize) -> Answer {
    let mut body = serde_json::to_value(policy).unwrap_or_default();
    body["@odata.context"] = context(inbound, fragment);
    Answer::odata(&body)
}

fn several(inbound: &Inbound, fragment: &str, items: impl Iterator<Item = Value>) -> Answer {
    Answer::odata(&json!({"@odata.context": context(inbound, fragment), "value": items.collect::<Vec<_>>()}))
}

fn add(world: &mut World, inbound: &Inbound, tenant: TenantId) -> Result<Answer, Refusal> {
    let body: Map<String, Value> = body(inbound)?;
    let id = world.random.guid();
    let policy = world.policies.add(tenant, id, &body).map_err(|reason| refused(&reason))?;
    Ok(Answer { status: StatusCode::CREATED, ..single(inbound, &format!("{ALL}/$entity"), &policy) })
}

/// The body names the policy by its address. An object has one policy at most.
fn assign(world: &mut World, inbound: &Inbound, tenant: TenantId, object: ObjectId) -> Result<(), Refusal> {
    let body = body(inbound)?;
    let address = body.get("@odata.id").and_then(Value::as_str).ok_or_else(|| Refusal::schema("@odata.id"))?;
    let id = address.rsplit('/').next().unwrap_or_default();
    let policy = world.policies.one(tenant, parse(id)?).map(|policy| policy.id).ok_or_else(|| Refusal::not_found(id))?;
    if world.policies.of(tenant, object).is_some_and(|own| own.id != policy) {
        return Err(Refusal::request("Only one app management policy can be assigned to an application or service principal."));
    }
    world.policies.assign(object, Some(policy));
    Ok(())
}
