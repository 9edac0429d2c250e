//! Application management policies in the admin API.

use entra_types::ids::{ObjectId, TenantId};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Outcome, Refused, read};
use crate::emulator::Emulator;
use crate::route::Inbound;
use crate::world::World;

/// Answers whatever is asked of the policies of a tenant.
pub(super) fn serve(emulator: &Emulator, inbound: &Inbound, tenant: TenantId, rest: &[&str]) -> Outcome {
    let id = |text: &str| text.parse::<Uuid>().map_err(Refused::bad);
    match (inbound.method.as_str(), rest) {
        ("GET", []) => Ok(emulator.with(|world| all(world, tenant))),
        ("POST", []) => read(inbound).and_then(|policy: Value| Ok(json!({"id": emulator.add_policy(tenant, &policy)?}))),
        ("PATCH", ["default"]) => {
            read(inbound).and_then(|change: Value| Ok(emulator.change_default_policy(tenant, &change).map(|()| Value::Null)?))
        }
        ("PATCH", [policy]) => {
            let (policy, change) = (id(policy)?, read::<Map<String, Value>>(inbound)?);
            let found = emulator.with(|world| world.policies.change(tenant, policy, &change)).map_err(Refused::bad)?;
            if found { Ok(Value::Null) } else { Err(Refused::missing(format!("policy {policy}"))) }
        }
        ("DELETE", [policy]) => {
            let policy = id(policy)?;
            let found = emulator.with(|world| world.policies.remove(tenant, policy));
            if found { Ok(Value::Null) } else { Err(Refused::missing(format!("policy {policy}"))) }
        }
        _ => Err(Refused::missing(format!("{} {}", inbound.method, inbound.path))),
    }
}

fn all(world: &mut World, tenant: TenantId) -> Value {
    let shown = |policy: &crate::policy::AppPolicy| {
        let mut shown = serde_json::to_value(policy).unwrap_or_default();
        shown["appliesTo"] = json!(world.policies.objects_of(policy.id).collect::<Vec<ObjectId>>());
        shown
    };
    let specific: Vec<Value> = world.policies.all(tenant).map(shown).collect();
    json!({"default": world.policies.default_of(tenant, &world.behaviour.policy), "appManagementPolicies": specific})
}
