//! What an EntraTenant declares, parsed.

use std::path::PathBuf;

use entra_types::{ClientId, Cloud, Endpoints, InvalidUrl, TenantId};

use super::reason::{Reason, Trouble};
use crate::api::v1alpha1::{CloudName, EntraTenantSpec, SecretKeyRef, SecretRef, SignIn, SignInByWorkloadIdentity};
use crate::settings::{Ambient, Settings};

/// How to sign in where.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub(super) address: Address,
    pub(super) credential: Credential,
}

/// Where a tenant is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Address {
    pub(super) tenant_id: TenantId,
    pub(super) endpoints: Endpoints,
    /// PEM of the only authorities to trust.
    pub(super) ca: Option<String>,
}

/// What to sign in with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Credential {
    /// What lies in a Secret.
    Stored(Stored),
    /// The token in this file.
    WorkloadIdentity { client_id: ClientId, token_file: PathBuf },
    /// The machine that the operator runs on.
    ManagedIdentity { client_id: Option<ClientId> },
}

/// The Secret to sign in with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Stored {
    pub(super) client_id: ClientId,
    pub(super) kind: StoredKind,
}

/// What the Secret holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum StoredKind {
    ClientSecret(SecretKeyRef),
    ClientCertificate(SecretRef),
}

impl Stored {
    pub(super) fn secret_name(&self) -> &str {
        match &self.kind {
            StoredKind::ClientSecret(key) => &key.name,
            StoredKind::ClientCertificate(secret) => &secret.name,
        }
    }
}

impl Declared {
    pub(super) fn read(spec: &EntraTenantSpec, settings: &Settings) -> Result<Self, Trouble> {
        let credential = Credential::read(&spec.sign_in, &settings.ambient)?;
        Ok(Self { address: Address::read(spec, settings)?, credential })
    }
}

impl Credential {
    fn read(given: &SignIn, ambient: &Ambient) -> Result<Self, Trouble> {
        let SignIn { workload_identity, managed_identity, client_certificate, client_secret } = given;
        match (workload_identity, managed_identity, client_certificate, client_secret) {
            (Some(workload), None, None, None) => Self::workload(workload, ambient),
            (None, Some(managed), None, None) => Ok(Self::ManagedIdentity { client_id: client(managed.client_id.as_deref())? }),
            (None, None, Some(certificate), None) => {
                Self::stored(&certificate.client_id, StoredKind::ClientCertificate(certificate.secret_ref.clone()))
            }
            (None, None, None, Some(secret)) => Self::stored(&secret.client_id, StoredKind::ClientSecret(secret.secret_ref.clone())),
            _ => Err(unusable("spec.signIn must hold one of workloadIdentity, managedIdentity, clientCertificate, clientSecret")),
        }
    }

    fn stored(client_id: &str, kind: StoredKind) -> Result<Self, Trouble> {
        Ok(Self::Stored(Stored { client_id: id("a clientID", client_id)?, kind }))
    }

    fn workload(given: &SignInByWorkloadIdentity, ambient: &Ambient) -> Result<Self, Trouble> {
        let cannot = |reason, why: &str| Trouble::new(reason, format!("Cannot sign in by workload identity: {why}"));
        let client_id = client(given.client_id.as_deref())?.or(ambient.client_id);
        let client_id = client_id.ok_or_else(|| {
            cannot(Reason::ClientIDMissing, "neither spec.signIn.workloadIdentity.clientID nor AZURE_CLIENT_ID says as which client")
        })?;
        let token_file = ambient.federated_token_file.clone();
        let token_file = token_file
            .ok_or_else(|| cannot(Reason::FederatedTokenMissing, "the operator's environment has no AZURE_FEDERATED_TOKEN_FILE"))?;
        Ok(Self::WorkloadIdentity { client_id, token_file })
    }
}

fn client(given: Option<&str>) -> Result<Option<ClientId>, Trouble> {
    given.map(|text| id("a clientID", text)).transpose()
}

impl Address {
    fn read(spec: &EntraTenantSpec, settings: &Settings) -> Result<Self, Trouble> {
        let tenant_id = id("tenantID", &spec.tenant_id)?;
        if spec.cloud == CloudName::Custom && !settings.allow_custom_endpoints {
            let what = format!("Cannot sign in to tenant {tenant_id}: spec.cloud is Custom, which this operator does not serve");
            return Err(Trouble::new(Reason::CustomEndpointsNotAllowed, what));
        }
        let endpoints =
            endpoints(spec).map_err(|error| Trouble::new(Reason::InvalidEndpoints, format!("Cannot use spec.endpoints: {error}")))?;
        let bundle = spec.endpoints.as_ref().and_then(|endpoints| endpoints.ca_bundle.as_ref());
        let ca = bundle.map(|bundle| String::from_utf8(bundle.0.clone())).transpose();
        let ca = ca.map_err(|_| Trouble::new(Reason::InvalidCABundle, "Cannot use spec.endpoints.caBundle: it is no text"))?;
        Ok(Self { tenant_id, endpoints, ca })
    }
}

/// Why it is not known where a tenant signs in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EndpointsError {
    /// `cloud: Custom` without `endpoints`.
    #[error("spec.cloud is Custom, but no endpoints are given")]
    Find,
    /// One of them is no plain https URL.
    #[error(transparent)]
    Read(#[from] InvalidUrl),
}

/// Where a tenant signs in and has its Graph, by its spec alone: whether the operator serves such tenants is another question.
///
/// # Errors
/// When the endpoints of a Custom cloud are missing or no https URLs.
pub fn endpoints(spec: &EntraTenantSpec) -> Result<Endpoints, EndpointsError> {
    let cloud = match spec.cloud {
        CloudName::Global => Cloud::Global,
        CloudName::UsGovernmentL4 => Cloud::UsGovernmentL4,
        CloudName::UsGovernmentL5 => Cloud::UsGovernmentL5,
        CloudName::China => Cloud::China,
        CloudName::Custom => {
            let given = spec.endpoints.as_ref().ok_or(EndpointsError::Find)?;
            return Ok(Endpoints::custom(&given.login, &given.graph)?);
        }
    };
    Ok(cloud.endpoints())
}

fn id<T: std::str::FromStr<Err: std::fmt::Display>>(field: &str, text: &str) -> Result<T, Trouble> {
    text.parse().map_err(|error| unusable(&format!("{field} {error}")))
}

fn unusable(why: &str) -> Trouble {
    Trouble::new(Reason::InvalidSpec, format!("Cannot sign in as the spec says: {why}"))
}
