//! Policies as tests set them.

use entra_types::ids::{ObjectId, TenantId};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::administration::AdministrationError;
use crate::emulator::Emulator;

impl Emulator {
    /// Changes a tenant's default application management policy: `isEnabled`, `applicationRestrictions`, `servicePrincipalRestrictions`, in the
    /// words of Graph's `tenantAppManagementPolicy`.
    ///
    /// # Errors
    /// When it is no such policy.
    pub fn change_default_policy(&self, tenant: TenantId, change: &Value) -> Result<(), AdministrationError> {
        let change = object(change)?;
        self.with(|world| world.policies.change_default(tenant, change)).map_err(AdministrationError::Police)
    }

    /// Adds an application management policy (Graph's `appManagementPolicy`: `isEnabled`, `restrictions`) that can be assigned to single objects.
    ///
    /// # Errors
    /// When it is no such policy.
    pub fn add_policy(&self, tenant: TenantId, policy: &Value) -> Result<Uuid, AdministrationError> {
        let policy = object(policy)?;
        let added = self.with(|world| {
            let id = world.random.guid();
            world.policies.add(tenant, id, policy).map(|_| id)
        });
        added.map_err(AdministrationError::Police)
    }

    /// Lets an object obey a policy of its own instead of the default, or the default again.
    ///
    /// # Errors
    /// When the object or the policy does not exist.
    pub fn assign_policy(&self, object: ObjectId, policy: Option<Uuid>) -> Result<(), AdministrationError> {
        self.with(|world| {
            let tenant = world.directory.stored(object).and_then(|_| world.directory.tenant_of(object));
            let tenant = tenant.ok_or(AdministrationError::FindObject(object))?;
            if let Some(unknown) = policy.filter(|id| world.policies.one(tenant, *id).is_none()) {
                return Err(AdministrationError::Police(format!("there is no policy {unknown} in tenant {tenant}")));
            }
            world.policies.assign(object, policy);
            Ok(())
        })
    }
}

fn object(policy: &Value) -> Result<&Map<String, Value>, AdministrationError> {
    policy.as_object().ok_or_else(|| AdministrationError::Police("it is not a JSON object".to_owned()))
}
