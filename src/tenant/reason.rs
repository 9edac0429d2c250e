//! Why a tenant cannot be signed in to: a closed set for conditions, events and metrics, each with its remedy.

use std::fmt;

use chrono::{DateTime, Utc};
use entra::{Category, Failure, Retry};

use crate::api::v1alpha1::SignIn;

rotation::reasons! {
    /// Why the operator is not signed in to a tenant.
    pub enum Reason {
        /// The spec holds what the schema should have refused.
        InvalidSpec Refusal "Correct the spec of the EntraTenant.",
        /// The spec holds what this version does not know.
        UnknownVariant Refusal "Run a version of the operator that knows it.",
        /// `cloud: Custom`, without the operator's leave.
        CustomEndpointsNotAllowed Refusal "Start the operator with --allow-custom-endpoints, or choose one of the national clouds in another EntraTenant.",
        /// The endpoints are no https URLs.
        InvalidEndpoints Refusal "Make another EntraTenant whose spec.endpoints are https URLs without user, query and fragment.",
        /// The certificate authorities cannot be read.
        InvalidCABundle Refusal "Put one or more certificates in PEM (base64 once more, as in any Kubernetes object) into spec.endpoints.caBundle.",
        /// The Secret to sign in with does not exist.
        SecretNotFound Refusal "Create it; it is read as soon as it is there.",
        /// The Secret does not hold what it should.
        SecretInvalid Refusal "Correct the Secret; it is read again as soon as it changes.",
        /// Entra refuses the credential.
        SignInRefused Refusal "Put a valid credential of that application into the Secret: for a client secret its value, not its ID.",
        /// Nobody says as which client workload identity signs in.
        ClientIDMissing Refusal "Set spec.signIn.workloadIdentity.clientID, or AZURE_CLIENT_ID in the operator's environment (workloadIdentity.clientID in the chart).",
        /// There is no token for workload identity.
        FederatedTokenMissing Refusal "Install the chart with workloadIdentity.enabled: true, and with workloadIdentity.webhook: false where no azure-workload-identity webhook runs; or mount a projected service account token and name its file in AZURE_FEDERATED_TOKEN_FILE.",
        /// Entra does not take the token of the operator's service account.
        FederationRefused Refusal "Give the application or managed identity a federated credential with exactly the issuer, subject and audience of the operator's service account token; a new one takes some minutes to be known.",
        /// The machine does not have the managed identity.
        IdentityNotAssigned Refusal "Assign the managed identity to the machines (or the scale set) that the operator runs on, or correct spec.signIn.managedIdentity.clientID.",
        /// The token is for another tenant than the one that is declared.
        AnotherTenant Refusal "Correct spec.tenantID in another EntraTenant, as it cannot change; a managed identity signs in to its own tenant only, so use workload identity with a federated credential for any other.",
        /// The instance metadata service cannot be reached or fails.
        InstanceMetadataUnavailable Passing "The operator tries again; if it lasts, check that it runs on a machine of Azure, and that nothing keeps its pod from the instance metadata service (169.254.169.254).",
        /// Entra does not know the tenant.
        TenantUnknown Refusal "Check spec.tenantID and spec.cloud, and make another EntraTenant if one is wrong: they cannot change.",
        /// Entra does not know the operator's application in this tenant.
        ApplicationUnknown Refusal "Check spec.signIn's clientID, and give the application a service principal in this tenant by granting admin consent.",
        /// Entra refuses the request as such.
        RequestRefused Refusal "Check that tenant, cloud and endpoints belong together; if they do, report a defect of the operator.",
        /// Our clock and Entra's differ.
        ClockSkew Refusal "Set the clock of the node that runs the operator.",
        /// The Kubernetes API server does not let the operator read the Secret.
        ClusterDenied Refusal "Give the operator's service account the right to read Secrets in its own namespace, as the chart does.",
        /// The Kubernetes API server fails.
        ClusterUnavailable Passing "The operator tries again.",
        /// Entra cannot be reached or fails.
        Unreachable Passing "The operator tries again; if it lasts, check the network path from the operator to Entra.",
        /// What came back is no answer of Entra's.
        InvalidAnswer Passing "The operator tries again; if it lasts, look for a proxy that answers in place of Entra.",
        /// Entra slows us down.
        Throttled Passing "The operator waits as long as Entra asks.",
    }
}

impl Reason {
    fn of(failure: &Failure, way: Way) -> Self {
        let code = failure.code.as_deref();
        match failure.category {
            // No application, or none with a service principal, in this tenant.
            _ if matches!(code, Some("AADSTS700016" | "AADSTS7000229")) => Self::ApplicationUnknown,
            // No such Graph there, whoever asks.
            _ if code == Some("AADSTS500011") => Self::RequestRefused,
            Category::TenantNotFound => Self::TenantUnknown,
            Category::ClockSkew => Self::ClockSkew,
            Category::Throttled => Self::Throttled,
            Category::Unavailable | Category::InvalidAnswer if way == Way::ManagedIdentity => Self::InstanceMetadataUnavailable,
            Category::Unavailable => Self::Unreachable,
            Category::InvalidAnswer => Self::InvalidAnswer,
            // Nothing was sent, for want of a token.
            Category::FederationRefused if failure.status.is_none() => Self::FederatedTokenMissing,
            Category::FederationRefused => Self::FederationRefused,
            Category::TokenRefused | Category::CredentialRefused | Category::CannotProve | Category::Unauthorized => way.refused(),
            Category::PermissionDenied
            | Category::TargetNotFound
            | Category::ProofRefused
            | Category::PropertyLocked
            | Category::PolicyForbidsType
            | Category::PolicyForbidsLifetime
            | Category::ObjectFull
            | Category::InvalidRequest
            | Category::Conflict => Self::RequestRefused,
        }
    }
}

/// By which way the operator signs in, as far as remedies differ.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    Secret,
    WorkloadIdentity,
    ManagedIdentity,
}

impl Way {
    pub(super) const fn of(sign_in: &SignIn) -> Self {
        match sign_in {
            SignIn { workload_identity: Some(_), .. } => Self::WorkloadIdentity,
            SignIn { managed_identity: Some(_), .. } => Self::ManagedIdentity,
            _ => Self::Secret,
        }
    }

    /// What it means that the sign-in was refused.
    const fn refused(self) -> Reason {
        match self {
            Self::Secret => Reason::SignInRefused,
            Self::WorkloadIdentity => Reason::FederationRefused,
            Self::ManagedIdentity => Reason::IdentityNotAssigned,
        }
    }
}

/// A reason with its circumstances.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Trouble {
    pub(super) reason: Reason,
    /// Object, attempt, cause and remedy. The same for the same trouble, or every attempt would write the status anew.
    pub(super) message: String,
    pub(super) retry: Retry,
}

impl Trouble {
    /// `what` says what was attempted on which object, and why it failed; without a full stop.
    pub(super) fn new(reason: Reason, what: impl fmt::Display) -> Self {
        let retry = if reason.is_refusal() { Retry::OnChange } else { Retry::Backoff };
        Self { reason, message: format!("{what}. {}", reason.remedy()), retry }
    }

    /// What a failure at the token endpoint means. `now` is our time when it was met, if known.
    pub(super) fn of(failure: &Failure, way: Way, now: Option<DateTime<Utc>>) -> Self {
        let reason = Reason::of(failure, way);
        let cause = match reason {
            Reason::ClockSkew => skew(failure.date, now),
            Reason::Throttled => "there were too many requests".to_owned(),
            _ => stable(&failure.message),
        };
        let status = failure.status.map(|status| format!(" (status {status})")).unwrap_or_default();
        let what = format!("Cannot {} {}: {cause}{status}", failure.operation, failure.object);
        Self { retry: failure.retry, ..Self::new(reason, what) }
    }
}

/// Entra ends its messages with ids and the time, which differ with each attempt.
fn stable(message: &str) -> String {
    let end = message.find("Trace ID:").unwrap_or(message.len());
    message[..end].trim_end_matches(['.', ' ']).to_owned()
}

/// In whole minutes, for the same reason.
fn skew(theirs: Option<DateTime<Utc>>, ours: Option<DateTime<Utc>>) -> String {
    let minutes = theirs.zip(ours).map(|(theirs, ours)| (ours - theirs).num_minutes());
    match minutes {
        Some(ahead @ 1..) => format!("the operator's clock is {ahead} min ahead of Entra's"),
        Some(behind @ ..=-1) => format!("the operator's clock is {} min behind Entra's", behind.unsigned_abs()),
        Some(0) | None => "the operator's clock and Entra's disagree".to_owned(),
    }
}
