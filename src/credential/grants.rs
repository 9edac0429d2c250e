//! Who may rotate what. Resolved before any request to Graph: an error from there would already tell what exists.

use std::sync::Arc;

use entra::{Address, Name};
use entra_types::{ClientId, Endpoints, InvalidId, ObjectKind, TenantId};
use kube::ResourceExt as _;
use rotation::{Reason, Refusal};

use super::registry::AppKey;
use crate::api::v1alpha1::{AllowAdoption, CredentialKind, Grant, OutputRef, ServicePrincipalCredential, TargetObject};
use crate::tenant::{Access, Selection, SignedIn, Tenant};

/// A target that a grant covers. Nothing reads or writes Entra without one, and only this module makes them.
pub(crate) struct Granted {
    /// The object in the directory.
    pub(crate) address: Address,
    /// The client that may act on it.
    pub(crate) signed_in: Arc<SignedIn>,
    /// Whether credentials of others may be taken over.
    pub(crate) allow_adoption: bool,
    _sealed: (),
}

impl Granted {
    /// Whether a grant still covers the target.
    pub(crate) fn still_holds(&self, resource: &ServicePrincipalCredential, tenant: &Tenant) -> bool {
        let wanted = Wanted { address: self.address, kind: resource.spec.kind() };
        covering(&resource.namespace().unwrap_or_default(), &wanted, tenant).is_ok()
    }
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
        let kind = resource.spec.kind();
        let object = match (target.object, kind) {
            (Some(TargetObject::Application), _) | (None, CredentialKind::ClientCertificate | CredentialKind::ClientSecret) => {
                ObjectKind::Application
            }
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

/// Checks the grants of the tenant, then its sign-in. `home` is the operator's own namespace.
pub(crate) fn resolve(resource: &ServicePrincipalCredential, wanted: &Wanted, tenant: &Tenant, home: &str) -> Result<Granted, Refusal> {
    let namespace = resource.namespace().unwrap_or_default();
    let covering = covering(&namespace, wanted, tenant)?;
    let signed_in = match &tenant.access {
        Access::Ready(signed_in) => Arc::clone(signed_in),
        Access::NotReady { reason, message } => {
            return Err(Refusal::new(Reason::TenantNotReady, format!("EntraTenant {} is not ready ({reason}): {message}", tenant.name)));
        }
        Access::Unknown => return Err(Refusal::new(Reason::TenantNotReady, format!("EntraTenant {} has not signed in yet.", tenant.name))),
    };
    if own_client(resource, tenant, home).is_some() && is_own(wanted, &signed_in) {
        return Err(Refusal::new(Reason::OwnIdentity, format!("Client {} is the operator's own application.", signed_in.client_id)));
    }
    // A namespace with many credentials due must not keep the others waiting.
    let signed_in = Arc::new(signed_in.for_share(&namespace));
    let allow_adoption = covering.iter().any(|grant| grant.allow_adoption == AllowAdoption::Always);
    Ok(Granted { address: wanted.address, signed_in, allow_adoption, _sealed: () })
}

/// Whether it takes the namespaces, which are about to be listed, to say if a grant covers the target.
pub(crate) fn is_undecided(resource: &ServicePrincipalCredential, wanted: &Wanted, tenant: &Tenant) -> bool {
    let namespace = resource.namespace().unwrap_or_default();
    let selections: Vec<Selection> = named(wanted, tenant).map(|grant| selection(grant, &namespace, tenant)).collect();
    !selections.contains(&Selection::Selected) && selections.contains(&Selection::Unlisted)
}

/// The client that this resource must not be about: the operator's own, unless the resource keeps the very Secret that the operator
/// signs in with. `home` is the operator's own namespace.
pub(crate) fn own_client(resource: &ServicePrincipalCredential, tenant: &Tenant, home: &str) -> Option<ClientId> {
    let Access::Ready(signed_in) = &tenant.access else { return None };
    let is_at_home = resource.namespace().as_deref() == Some(home);
    let keeps_sign_in = sign_in_secret(tenant, resource.spec.kind()).is_some_and(|name| OutputRef::Secret(name) == resource.spec.output());
    (!(is_at_home && keeps_sign_in)).then_some(signed_in.client_id)
}

/// The Secret that the operator signs in with, if it holds this kind of credential.
fn sign_in_secret(tenant: &Tenant, kind: CredentialKind) -> Option<&str> {
    let sign_in = &tenant.spec.sign_in;
    match kind {
        CredentialKind::ClientCertificate => sign_in.client_certificate.as_ref().map(|certificate| certificate.secret_ref.name.as_str()),
        CredentialKind::ClientSecret => sign_in.client_secret.as_ref().map(|secret| secret.secret_ref.name.as_str()),
        CredentialKind::TokenSigningCertificate => None,
    }
}

/// As far as that shows before the object is read.
fn is_own(wanted: &Wanted, signed_in: &SignedIn) -> bool {
    match wanted.address.name {
        Name::ByClient(client) => client == signed_in.client_id,
        Name::ById(object) => signed_in.object_id == Some(object),
    }
}

/// The grants that cover the target for this namespace: at least one.
fn covering<'a>(namespace: &str, wanted: &Wanted, tenant: &'a Tenant) -> Result<Vec<&'a Grant>, Refusal> {
    let (mut covering, mut denied) = (Vec::new(), None);
    for grant in named(wanted, tenant) {
        match selection(grant, namespace, tenant) {
            Selection::Selected => covering.push(grant),
            Selection::Denied(why) => denied = Some(why),
            Selection::NotSelected | Selection::Unlisted => {}
        }
    }
    if !covering.is_empty() {
        return Ok(covering);
    }
    let (name, kind) = (&tenant.name, wanted.kind);
    let nobody = format!("No grant of EntraTenant {name} lets namespace {namespace} rotate a {kind:?} of this target.");
    let message = match denied {
        Some(why) => format!("{nobody} Grants by namespaceSelector select nothing, as the operator cannot list the namespaces: {why}."),
        None => nobody,
    };
    Err(Refusal::new(Reason::NotGranted, message))
}

/// The grants that name target and kind, whoever they are for.
fn named<'a>(wanted: &Wanted, tenant: &'a Tenant) -> impl Iterator<Item = &'a Grant> {
    let wanted = *wanted;
    tenant.spec.grants.iter().filter(move |grant| names(grant, &wanted))
}

/// A grant by objectID names only targets that are given so, likewise by clientID.
fn names(grant: &Grant, wanted: &Wanted) -> bool {
    let listed = |list: &[String], id: String| list.iter().any(|granted| granted.eq_ignore_ascii_case(&id));
    let target = match wanted.address.name {
        Name::ByClient(client) => listed(&grant.client_ids, client.to_string()),
        Name::ById(object) => listed(&grant.object_ids, object.to_string()),
    };
    target && grant.credentials.contains(&wanted.kind)
}

/// Whether the grant is for this namespace: by name or by selector.
fn selection(grant: &Grant, namespace: &str, tenant: &Tenant) -> Selection {
    if grant.namespaces.iter().any(|granted| granted == namespace) {
        return Selection::Selected;
    }
    grant.namespace_selector.as_ref().map_or(Selection::NotSelected, |selector| tenant.namespaces.select(selector, namespace))
}

/// Where the tenant signs in, known even while it cannot.
pub(crate) fn endpoints(tenant: &Tenant) -> Option<Endpoints> {
    match &tenant.access {
        Access::Ready(signed_in) => Some(signed_in.endpoints.clone()),
        Access::NotReady { .. } | Access::Unknown => crate::tenant::endpoints(&tenant.spec).ok(),
    }
}

#[cfg(test)]
mod tests;
