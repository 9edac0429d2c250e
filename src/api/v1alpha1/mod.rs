//! `entra-rotator.io/v1alpha1`: the first version of the API. Ids and names are text here, as they were written;
//! whoever acts on them parses them first.

mod credential;
mod credential_status;
mod duration;
mod lenient;
mod rules;
mod schema;
mod tenant;
mod timestamp;

pub use credential::{
    Activation, ClientCertificate, KeySize, MetadataGate, PrivateKey, Rotation, ServicePrincipalCredential, ServicePrincipalCredentialSpec,
    Target, TargetObject, TenantRef, TokenSigningCertificate, UnsupportedKeySize,
};
pub use credential_status::{
    CredentialEntry, CredentialOp, CredentialOrigin, CredentialUse, Failure, ForeignCredentials, MESSAGE_MAX, NextAction, OpOutcome,
    ResolvedPolicy, ResolvedTarget, RotationProgress, ServicePrincipalCredentialStatus, Slot,
};
pub use duration::{GoDuration, ParseDurationError};
pub use lenient::{Lenient, Unreadable};
pub(super) use schema::tidy;
pub use tenant::{
    CloudName, CredentialKind, Endpoints, EntraTenant, EntraTenantSpec, EntraTenantStatus, Grant, SecretKeyRef, SecretRef, SignIn,
    SignInByCertificate, SignInBySecret, TenantIdentity,
};
pub use timestamp::Timestamp;

/// The group of the API.
pub const GROUP: &str = "entra-rotator.io";
