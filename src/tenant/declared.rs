//! What an EntraTenant declares, parsed.

use entra_types::{ClientId, Cloud, Endpoints, InvalidUrl, TenantId};

use super::reason::{Reason, Trouble};
use crate::api::v1alpha1::{CloudName, EntraTenantSpec, SecretKeyRef, SecretRef, SignIn};
use crate::settings::Settings;

/// How to sign in where.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub(super) address: Address,
    pub(super) client_id: ClientId,
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

/// The Secret to sign in with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Credential {
    ClientSecret(SecretKeyRef),
    ClientCertificate(SecretRef),
}

impl Credential {
    pub(super) fn secret_name(&self) -> &str {
        match self {
            Self::ClientSecret(key) => &key.name,
            Self::ClientCertificate(secret) => &secret.name,
        }
    }
}

impl Declared {
    pub(super) fn read(spec: &EntraTenantSpec, settings: &Settings) -> Result<Self, Trouble> {
        let (client_id, credential) = sign_in(&spec.sign_in)?;
        Ok(Self { address: Address::read(spec, settings)?, client_id: id("a clientID", client_id)?, credential })
    }
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

fn sign_in(given: &SignIn) -> Result<(&str, Credential), Trouble> {
    match (&given.client_secret, &given.client_certificate) {
        (Some(secret), None) => Ok((&secret.client_id, Credential::ClientSecret(secret.secret_ref.clone()))),
        (None, Some(certificate)) => Ok((&certificate.client_id, Credential::ClientCertificate(certificate.secret_ref.clone()))),
        (Some(_), Some(_)) | (None, None) => Err(unusable("spec.signIn must hold one of clientCertificate, clientSecret")),
    }
}

fn id<T: std::str::FromStr<Err: std::fmt::Display>>(field: &str, text: &str) -> Result<T, Trouble> {
    text.parse().map_err(|error| unusable(&format!("{field} {error}")))
}

fn unusable(why: &str) -> Trouble {
    Trouble::new(Reason::InvalidSpec, format!("Cannot sign in as the spec says: {why}"))
}
