//! `entra-rotator.io/v1alpha1`: the first version of the API. Ids and names are text here, as they were written;
//! whoever acts on them parses them first.

mod credential;
mod credential_status;
mod duration;
mod grant;
mod lenient;
mod rules;
mod schema;
mod tenant;
mod tenant_status;
mod timestamp;

pub use credential::{
    Activation, AdditionalFormat, Approval, ClientCertificate, ClientSecret, DeletionPolicy, KeySize, KeySource, MetadataGate, OnDeadline,
    OutputRef, PrivateKey, ProofFrom, Rotation, ServicePrincipalCredential, ServicePrincipalCredentialSpec, SignInAs, Target, TargetObject,
    Template, TemplateKey, TemplateSource, TenantRef, TokenSigningCertificate, UnsupportedKeySize, Window,
};
pub use credential_status::{
    CredentialEntry, CredentialOp, CredentialOrigin, CredentialUse, Failure, ForeignCredentials, MESSAGE_MAX, NextAction, OpOutcome,
    ResolvedPolicy, ResolvedTarget, RotationProgress, ServicePrincipalCredentialStatus, Slot,
};
pub use duration::{GoDuration, ParseDurationError};
pub use grant::{AllowAdoption, CredentialKind, Grant, LabelOperator, LabelRequirement, NamespaceSelector};
pub use lenient::{Lenient, Unreadable};
pub(super) use schema::tidy;
pub use tenant::{
    CloudName, Endpoints, EntraTenant, EntraTenantSpec, SecretKeyRef, SecretRef, SignIn, SignInByCertificate, SignInByManagedIdentity,
    SignInBySecret, SignInByWorkloadIdentity,
};
pub use tenant_status::{Abandoned, EntraTenantStatus, TenantIdentity};
pub use timestamp::Timestamp;

/// The group of the API.
pub const GROUP: &str = "entra-rotator.io";
