//! What the metrics show of a resource.

use kube::ResourceExt as _;
use rotation::Kind;

use super::pass::Pass;
use crate::api::v1alpha1::ServicePrincipalCredentialStatus;
use crate::metrics::CredentialSample;

impl Pass<'_> {
    /// Brings the gauges of this resource up to date.
    pub(super) fn sample(&self) {
        let Some(status) = self.resource.status.as_ref().and_then(|status| status.read().ok()) else { return };
        let foreign = status.foreign_credentials.as_ref();
        self.context.metrics.describe(&CredentialSample {
            namespace: self.namespace(),
            name: self.resource.name_any(),
            kind: self.kind(),
            not_after: status.not_after.map(|at| at.timestamp()),
            renewal: status.renewal_time.map(|at| at.timestamp()),
            ready: is_true(status, "Ready"),
            at_risk: is_true(status, "RotationAtRisk"),
            foreign: foreign.and_then(|foreign| foreign.count),
            foreign_expiry: foreign.and_then(|foreign| foreign.soonest_expiry).map(|at| at.timestamp()),
        });
    }

    /// The kind of credential as a metric label.
    pub(super) fn kind(&self) -> &'static str {
        match self.policy.kind {
            Kind::ClientSecret => "ClientSecret",
            Kind::ClientCertificate { .. } => "ClientCertificate",
            Kind::TokenSigning(_) => "TokenSigningCertificate",
        }
    }
}

fn is_true(status: &ServicePrincipalCredentialStatus, name: &str) -> bool {
    status.conditions.iter().any(|condition| condition.type_ == name && condition.status == "True")
}
