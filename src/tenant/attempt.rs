//! One attempt to sign in to a tenant.

use std::sync::Arc;

use entra::{Environment, Graph, Identity, InstanceMetadata, NetworkError, NetworkOptions, SignIn, TokenFile};

use super::declared::{Address, Credential, Declared};
use super::reason::{Reason, Trouble, Way};
use super::reconcile::Context;
use super::registry::SignedIn;
use super::secret;
use crate::api::v1alpha1::EntraTenantSpec;

/// A client of a tenant, kept from attempt to attempt for its budget and its connections.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    address: Address,
    graph: Graph,
}

impl Opened {
    pub(super) fn is_at(&self, address: &Address) -> bool {
        self.address == *address
    }
}

/// What an attempt came to.
pub(super) struct Attempt {
    pub(super) opened: Option<Opened>,
    /// The version of the Secret that was read.
    pub(super) version: Option<String>,
    pub(super) outcome: Result<Arc<SignedIn>, Trouble>,
}

impl Attempt {
    /// Reads what is declared and signs in, with a fresh token: one that is held proves nothing about the credential.
    pub(super) async fn make(spec: &EntraTenantSpec, opened: Option<Opened>, context: &Context) -> Self {
        let mut steps = Steps { opened, version: None };
        let outcome = steps.take(spec, context).await.map(Arc::new);
        Self { opened: steps.opened, version: steps.version, outcome }
    }
}

/// What the steps leave behind, whichever fails.
struct Steps {
    opened: Option<Opened>,
    version: Option<String>,
}

impl Steps {
    async fn take(&mut self, spec: &EntraTenantSpec, context: &Context) -> Result<SignedIn, Trouble> {
        let declared = Declared::read(spec, &context.settings)?;
        let sign_in = self.sign_in(&declared.credential, context).await?;
        let graph = self.open(&declared.address, sign_in, context)?;
        let identity = graph.identity().await.map_err(|failure| {
            // The status leaves out what differs with each attempt: here is the id to quote to Microsoft.
            tracing::info!(%failure, "sign-in failed");
            Trouble::of(&failure, Way::of(&spec.sign_in), Some(context.seams.clock.now()))
        })?;
        same_tenant(&identity, &declared.address)?;
        Ok(SignedIn::of(graph, identity, declared.address))
    }

    async fn sign_in(&mut self, credential: &Credential, context: &Context) -> Result<SignIn, Trouble> {
        match credential {
            Credential::Stored(stored) => {
                let found = secret::read(&context.client, &context.settings.namespace, stored).await?;
                self.version = found.version;
                Ok(found.sign_in)
            }
            // The file is read for each token: the kubelet renews what is in it.
            Credential::WorkloadIdentity { client_id, token_file } => {
                Ok(SignIn::WorkloadIdentity { client_id: *client_id, assertions: Arc::new(TokenFile::new(token_file)) })
            }
            Credential::ManagedIdentity { client_id } => {
                Ok(SignIn::ManagedIdentity { client_id: *client_id, service: instance_metadata(context)? })
            }
        }
    }

    /// Another credential at the same address keeps the tenant's budget, and so does another EntraTenant.
    fn open(&mut self, address: &Address, sign_in: SignIn, context: &Context) -> Result<Graph, Trouble> {
        let own = self.opened.take().filter(|opened| opened.is_at(address));
        let graph = match own.or_else(|| context.tenants.opened(address)) {
            Some(opened) => opened.graph.signed_in_as(sign_in),
            None => connect(address, sign_in, context)?,
        };
        self.opened = Some(Opened { address: address.clone(), graph: graph.clone() });
        Ok(graph)
    }
}

/// The token of a managed identity is for the tenant in which the identity lives, whichever is declared: work would be done there.
fn same_tenant(identity: &Identity, address: &Address) -> Result<(), Trouble> {
    let (client, declared) = (identity.client_id, address.tenant_id);
    match identity.tenant_id.filter(|tenant| *tenant != declared) {
        Some(other) => {
            let what = format!("Cannot work in tenant {declared} as client {client}: the access token is for tenant {other}");
            Err(Trouble::new(Reason::AnotherTenant, what))
        }
        None => Ok(()),
    }
}

fn connect(address: &Address, sign_in: SignIn, context: &Context) -> Result<Graph, Trouble> {
    let wire = context.seams.wires.open(&NetworkOptions { ca: address.ca.clone(), ..NetworkOptions::default() });
    let wire = wire.map_err(|error| unconnectable(&error))?;
    let environment = Environment::new(Arc::clone(&context.seams.clock), Arc::clone(&context.seams.ids));
    let environment = environment.observed_by(Arc::new(context.metrics.clone()));
    Ok(Graph::new(wire, address.endpoints.clone(), address.tenant_id, sign_in, environment))
}

fn instance_metadata(context: &Context) -> Result<InstanceMetadata, Trouble> {
    let root = &context.settings.ambient.instance_metadata;
    let wire = context.seams.wires.open(&NetworkOptions::instance_metadata(root));
    let wire = wire.map_err(|error| {
        Trouble::new(Reason::InstanceMetadataUnavailable, format!("Cannot connect to the instance metadata service: {error}"))
    })?;
    Ok(InstanceMetadata::new(wire, root))
}

fn unconnectable(error: &NetworkError) -> Trouble {
    match error {
        NetworkError::ReadCa(why) => Trouble::new(Reason::InvalidCABundle, format!("Cannot use spec.endpoints.caBundle: {why}")),
        error => Trouble::new(Reason::Unreachable, format!("Cannot connect to Entra: {error}")),
    }
}

impl SignedIn {
    fn of(graph: Graph, identity: Identity, address: Address) -> Self {
        let Identity { client_id, object_id, roles, .. } = identity;
        Self { graph, client_id, object_id, roles, endpoints: address.endpoints, tenant_id: address.tenant_id }
    }
}
