//! Which directory object a call is about.

use std::fmt;

use entra_types::{ClientId, ObjectId, ObjectKind};

/// One application or service principal. Displays as its path in Graph: `/applications/{id}` or `/applications(appId='{client id}')`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Address {
    /// Which of the two objects.
    pub kind: ObjectKind,
    /// How it is named.
    pub name: Name,
}

/// The two names that Graph takes for an object.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Name {
    /// By `id`: dies with the object.
    ById(ObjectId),
    /// By `appId`: names its successor too, if the object is deleted and made anew.
    ByClient(ClientId),
}

impl Address {
    /// An object by its `id`.
    pub const fn by_id(kind: ObjectKind, id: ObjectId) -> Self {
        Self { kind, name: Name::ById(id) }
    }

    /// An object by its `appId`.
    pub const fn by_client(kind: ObjectKind, id: ClientId) -> Self {
        Self { kind, name: Name::ByClient(id) }
    }

    /// The object for people: `service principal 8c9f…`.
    pub(crate) fn describe(&self) -> String {
        let kind = match self.kind {
            ObjectKind::Application => "application",
            ObjectKind::ServicePrincipal => "service principal",
        };
        match self.name {
            Name::ById(id) => format!("{kind} {id}"),
            Name::ByClient(id) => format!("{kind} of client {id}"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let collection = self.kind.collection();
        match self.name {
            Name::ById(id) => write!(f, "/{collection}/{id}"),
            Name::ByClient(id) => write!(f, "/{collection}(appId='{id}')"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const GUID: &str = "8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10";

    #[test]
    fn an_address_prints_the_path_that_graph_documents() {
        let by_id = Address::by_id(ObjectKind::Application, GUID.parse().unwrap());
        let by_client = Address::by_client(ObjectKind::ServicePrincipal, GUID.parse().unwrap());
        assert_eq!(by_id.to_string(), format!("/applications/{GUID}"));
        assert_eq!(by_client.to_string(), format!("/servicePrincipals(appId='{GUID}')"));
        assert_eq!(by_client.describe(), format!("service principal of client {GUID}"));
    }
}
