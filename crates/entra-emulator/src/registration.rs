//! What is handed in to register applications and secrets, and what comes of it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entra_types::ids::{ClientId, ObjectId, TenantId};

/// An application to register, with its service principal.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// `displayName` of both objects.
    pub display_name: String,
    /// `appId`; made if absent.
    pub client_id: Option<ClientId>,
    /// `id` of the application; made if absent.
    pub application: Option<ObjectId>,
    /// `id` of the service principal; made if absent.
    pub service_principal: Option<ObjectId>,
    /// Graph application permissions of the service principal.
    pub roles: BTreeSet<String>,
    /// Service principals that own both objects.
    pub owners: BTreeSet<ObjectId>,
}

impl Registration {
    /// A registration without permissions and owners.
    pub fn named(display_name: &str) -> Self {
        Self { display_name: display_name.to_owned(), ..Self::default() }
    }

    /// With a fixed `appId`.
    #[must_use]
    pub fn client_id(self, id: ClientId) -> Self {
        Self { client_id: Some(id), ..self }
    }

    /// With a Graph application permission.
    #[must_use]
    pub fn role(mut self, role: &str) -> Self {
        self.roles.insert(role.to_owned());
        self
    }

    /// With a service principal as owner of both objects.
    #[must_use]
    pub fn owner(mut self, service_principal: ObjectId) -> Self {
        self.owners.insert(service_principal);
        self
    }
}

/// What came of a registration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Registered {
    /// The tenant.
    pub tenant: TenantId,
    /// `appId` of both objects.
    pub client_id: ClientId,
    /// `id` of the application.
    pub application: ObjectId,
    /// `id` of the service principal.
    pub service_principal: ObjectId,
}

/// A client secret to add.
#[derive(Clone)]
pub struct NewSecret {
    /// What signs in.
    pub text: String,
    /// `displayName` of the entry.
    pub display_name: Option<String>,
    /// First instant; now if absent.
    pub start: Option<DateTime<Utc>>,
    /// First instant at which it is expired.
    pub end: DateTime<Utc>,
}
