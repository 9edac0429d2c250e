//! Application management policies: what a tenant forbids its applications and service principals to hold.
//!
//! Every tenant has one default policy. An object that a policy of its own is assigned to obeys that one instead, as long as it is enabled.

mod administration;
mod duration;
mod shape;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ids::{ObjectId, ObjectKind, TenantId};
use serde_json::{Map, Value};
use uuid::Uuid;

pub(crate) use shape::{AppPolicy, DefaultPolicy, Restriction, Restrictions};

use crate::behaviour::Policy;
use crate::clock;
use crate::directory::Object;
use crate::world::World;

/// Id of every tenant's default policy.
pub(crate) const DEFAULT: Uuid = Uuid::nil();

/// The policies of all tenants, and whom they are assigned to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies {
    defaults: BTreeMap<TenantId, DefaultPolicy>,
    specific: BTreeMap<(TenantId, Uuid), AppPolicy>,
    assigned: BTreeMap<ObjectId, Uuid>,
}

impl Policies {
    /// A tenant's default policy as it was set, with what the switches add to it.
    pub(crate) fn default_of(&self, tenant: TenantId, switches: &Policy) -> DefaultPolicy {
        let set = self.defaults.get(&tenant).cloned().unwrap_or_default();
        if *switches == Policy::default() { set } else { set.with(switches) }
    }

    /// Changes what a JSON object names of a tenant's default policy.
    pub(crate) fn change_default(&mut self, tenant: TenantId, change: &Map<String, Value>) -> Result<(), String> {
        let policy = self.defaults.get(&tenant).cloned().unwrap_or_default().changed(change)?;
        self.defaults.insert(tenant, policy);
        Ok(())
    }

    pub(crate) fn all(&self, tenant: TenantId) -> impl Iterator<Item = &AppPolicy> {
        self.specific.iter().filter(move |((of, _), _)| *of == tenant).map(|(_, policy)| policy)
    }

    pub(crate) fn one(&self, tenant: TenantId, id: Uuid) -> Option<&AppPolicy> {
        self.specific.get(&(tenant, id))
    }

    pub(crate) fn add(&mut self, tenant: TenantId, id: Uuid, body: &Map<String, Value>) -> Result<AppPolicy, String> {
        let policy = AppPolicy::new(id).changed(body)?;
        self.specific.insert((tenant, id), policy.clone());
        Ok(policy)
    }

    /// Changes what is named of a policy. Whether it was there.
    pub(crate) fn change(&mut self, tenant: TenantId, id: Uuid, change: &Map<String, Value>) -> Result<bool, String> {
        let Some(policy) = self.specific.get_mut(&(tenant, id)) else { return Ok(false) };
        *policy = policy.clone().changed(change)?;
        Ok(true)
    }

    /// Removes a policy, and from whom it was assigned to. Whether it was there.
    pub(crate) fn remove(&mut self, tenant: TenantId, id: Uuid) -> bool {
        self.assigned.retain(|_, assigned| *assigned != id);
        self.specific.remove(&(tenant, id)).is_some()
    }

    /// Assigns a policy to an object, or takes it away.
    pub(crate) fn assign(&mut self, object: ObjectId, policy: Option<Uuid>) {
        match policy {
            Some(policy) => self.assigned.insert(object, policy),
            None => self.assigned.remove(&object),
        };
    }

    /// The policy that is assigned to an object.
    pub(crate) fn of(&self, tenant: TenantId, object: ObjectId) -> Option<&AppPolicy> {
        self.one(tenant, *self.assigned.get(&object)?)
    }

    /// The objects that a policy is assigned to.
    pub(crate) fn objects_of(&self, policy: Uuid) -> impl Iterator<Item = ObjectId> {
        self.assigned.iter().filter(move |(_, assigned)| **assigned == policy).map(|(object, _)| *object)
    }
}

/// What one object has to obey.
pub(crate) struct Governing {
    pub(crate) policy: Uuid,
    restrictions: Restrictions,
    created: Option<DateTime<Utc>>,
}

impl Governing {
    /// The policy of the object itself if it has an enabled one, else the tenant's default.
    pub(crate) fn of(world: &World, tenant: TenantId, object: &Object) -> Option<Self> {
        let created = object.property("createdDateTime").and_then(clock::parse);
        if let Some(own) = world.policies.of(tenant, object.id).filter(|policy| policy.is_enabled) {
            return Some(Self { policy: own.id, restrictions: own.restrictions.clone(), created });
        }
        let default = world.policies.default_of(tenant, &world.behaviour.policy);
        let restrictions = match object.kind {
            ObjectKind::Application => default.application_restrictions,
            ObjectKind::ServicePrincipal => default.service_principal_restrictions,
        };
        default.is_enabled.then_some(Self { policy: DEFAULT, restrictions, created })
    }

    /// Whether client secrets may not be added at all.
    pub(crate) fn forbids_secrets(&self) -> bool {
        self.in_force(&self.restrictions.password_credentials, "passwordAddition").is_some()
    }

    /// The longest life of a client secret.
    pub(crate) fn longest_secret(&self) -> Option<TimeDelta> {
        self.in_force(&self.restrictions.password_credentials, "passwordLifetime")?.longest()
    }

    /// The longest life of a certificate.
    pub(crate) fn longest_certificate(&self) -> Option<TimeDelta> {
        self.in_force(&self.restrictions.key_credentials, "asymmetricKeyLifetime")?.longest()
    }

    fn in_force<'a>(&self, list: &'a [Restriction], kind: &str) -> Option<&'a Restriction> {
        list.iter().find(|restriction| restriction.restriction_type == kind && restriction.concerns(self.created))
    }
}
