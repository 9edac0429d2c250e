//! Who may rotate what. Resolved before any request to Graph: an error from there would already tell what exists.

use std::sync::Arc;

use entra::{Address, Name};
use entra_types::{ClientId, Endpoints, InvalidId, ObjectKind, TenantId};
use kube::ResourceExt as _;
use rotation::{Reason, Refusal};

use super::registry::AppKey;
use crate::api::v1alpha1::{CredentialKind, Grant, ServicePrincipalCredential, TargetObject};
use crate::tenant::{Access, SignedIn, Tenant};

/// A target that a grant covers. Nothing reads or writes Entra without one, and only this module makes them.
pub(crate) struct Granted {
    /// The object in the directory.
    pub(crate) address: Address,
    /// The client that may act on it.
    pub(crate) signed_in: Arc<SignedIn>,
    _sealed: (),
}

/// What a resource names, parsed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Which object, by which id.
    pub(crate) address: Address,
    /// The kind of credential.
    pub(crate) kind: CredentialKind,
}

impl Wanted {
    /// Parses the target. The object follows from the kind unless `target.object` says otherwise.
    pub(crate) fn of(resource: &ServicePrincipalCredential) -> Result<Self, InvalidId> {
        let target = &resource.spec.target;
        let kind = kind(resource);
        let object = match (target.object, kind) {
            (Some(TargetObject::Application), _) | (None, CredentialKind::ClientCertificate) => ObjectKind::Application,
            (Some(TargetObject::ServicePrincipal), _) | (None, CredentialKind::TokenSigningCertificate) => ObjectKind::ServicePrincipal,
        };
        let address = match (&target.client_id, &target.object_id) {
            (Some(client), _) => Address::by_client(object, client.parse()?),
            (None, object_id) => Address::by_id(object, object_id.as_deref().unwrap_or_default().parse()?),
        };
        Ok(Self { address, kind })
    }

    /// The application that is locked while a pass works on it.
    pub(crate) fn app(&self, tenant: TenantId, known: Option<ClientId>) -> AppKey {
        match (self.address.name, known) {
            (Name::ByClient(client), _) | (Name::ById(_), Some(client)) => AppKey::Client(tenant, client),
            (Name::ById(object), None) => AppKey::Object(tenant, object),
        }
    }
}

/// The kind of credential that a resource declares; admission sees to it that there is exactly one.
pub(crate) fn kind(resource: &ServicePrincipalCredential) -> CredentialKind {
    if resource.spec.token_signing_certificate.is_some() {
        CredentialKind::TokenSigningCertificate
    } else {
        CredentialKind::ClientCertificate
    }
}

/// Checks the grants of the tenant, then its sign-in.
pub(crate) fn resolve(resource: &ServicePrincipalCredential, wanted: &Wanted, tenant: &Tenant) -> Result<Granted, Refusal> {
    let namespace = resource.namespace().unwrap_or_default();
    if !tenant.spec.grants.iter().any(|grant| covers(grant, &namespace, wanted)) {
        let message =
            format!("No grant of EntraTenant {} lets namespace {namespace} rotate a {:?} of this target.", tenant.name, wanted.kind);
        return Err(Refusal::new(Reason::NotGranted, message));
    }
    let signed_in = match &tenant.access {
        Access::Ready(signed_in) => Arc::clone(signed_in),
        Access::NotReady { reason, message } => {
            return Err(Refusal::new(Reason::TenantNotReady, format!("EntraTenant {} is not ready ({reason}): {message}", tenant.name)));
        }
        Access::Unknown => return Err(Refusal::new(Reason::TenantNotReady, format!("EntraTenant {} has not signed in yet.", tenant.name))),
    };
    if matches!(wanted.address.name, Name::ByClient(client) if client == signed_in.client_id) {
        return Err(Refusal::new(Reason::OwnIdentity, format!("Client {} is the operator's own application.", signed_in.client_id)));
    }
    Ok(Granted { address: wanted.address, signed_in, _sealed: () })
}

/// A grant by objectID covers only resources that name their target so, likewise by clientID.
fn covers(grant: &Grant, namespace: &str, wanted: &Wanted) -> bool {
    let named = |list: &[String], id: String| list.iter().any(|granted| granted.eq_ignore_ascii_case(&id));
    let target = match wanted.address.name {
        Name::ByClient(client) => named(&grant.client_ids, client.to_string()),
        Name::ById(object) => named(&grant.object_ids, object.to_string()),
    };
    target && grant.credentials.contains(&wanted.kind) && grant.namespaces.iter().any(|granted| granted == namespace)
}

/// Where the tenant signs in, known even while it cannot.
pub(crate) fn endpoints(tenant: &Tenant) -> Option<Endpoints> {
    match &tenant.access {
        Access::Ready(signed_in) => Some(signed_in.endpoints.clone()),
        Access::NotReady { .. } | Access::Unknown => crate::tenant::endpoints(&tenant.spec).ok(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const CLIENT: &str = "11111111-1111-4111-8111-111111111111";
    const OBJECT: &str = "22222222-2222-4222-8222-222222222222";

    fn resource(target: &serde_json::Value) -> ServicePrincipalCredential {
        let spec = json!({"target": target, "clientCertificate": {}, "secretName": "out"});
        serde_json::from_value(json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential",
            "metadata": {"name": "x", "namespace": "payroll"}, "spec": spec}))
        .unwrap()
    }

    fn grant(value: &serde_json::Value) -> Grant {
        serde_json::from_value(value.clone()).unwrap()
    }

    #[rstest]
    #[case::exact(json!({"name": "g", "namespaces": ["payroll"], "clientIDs": [CLIENT], "credentials": ["ClientCertificate"]}), true)]
    #[case::another_case_of_letters(json!({"name": "g", "namespaces": ["payroll"], "clientIDs": [CLIENT.to_uppercase()], "credentials": ["ClientCertificate"]}), true)]
    #[case::another_namespace(json!({"name": "g", "namespaces": ["payroll2"], "clientIDs": [CLIENT], "credentials": ["ClientCertificate"]}), false)]
    #[case::another_kind(json!({"name": "g", "namespaces": ["payroll"], "clientIDs": [CLIENT], "credentials": ["TokenSigningCertificate"]}), false)]
    #[case::another_target(json!({"name": "g", "namespaces": ["payroll"], "clientIDs": [OBJECT], "credentials": ["ClientCertificate"]}), false)]
    #[case::the_same_guid_as_object(json!({"name": "g", "namespaces": ["payroll"], "objectIDs": [CLIENT], "credentials": ["ClientCertificate"]}), false)]
    fn a_grant_covers_exactly_what_it_names(#[case] value: serde_json::Value, #[case] expected: bool) {
        let wanted = Wanted::of(&resource(&json!({"clientID": CLIENT}))).unwrap();
        assert_eq!(covers(&grant(&value), "payroll", &wanted), expected);
    }

    #[test]
    fn a_grant_by_object_covers_only_targets_named_by_object() {
        let by_object =
            grant(&json!({"name": "g", "namespaces": ["payroll"], "objectIDs": [OBJECT], "credentials": ["ClientCertificate"]}));
        let wanted = Wanted::of(&resource(&json!({"objectID": OBJECT, "object": "Application"}))).unwrap();
        assert!(covers(&by_object, "payroll", &wanted));
    }

    #[test]
    fn a_target_without_a_proper_id_is_refused() {
        assert!(Wanted::of(&resource(&json!({}))).is_err());
        assert!(Wanted::of(&resource(&json!({"clientID": "../users"}))).is_err());
    }
}
