//! `ServicePrincipalCredential`: one credential of one Entra object, kept fresh in one Secret.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct, as public as it is, inside a function")]

mod client_certificate;
mod output;
mod rotation;
mod token_signing;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::client_certificate::{ClientCertificate, KeySize, PrivateKey, SignInAs, UnsupportedKeySize};
pub use self::output::{AdditionalFormat, OutputRef, Template, TemplateKey, TemplateSource};
pub use self::rotation::{Rotation, Window};
pub use self::token_signing::{Activation, Approval, KeySource, MetadataGate, OnDeadline, ProofFrom, TokenSigningCertificate};
use super::credential_status::ServicePrincipalCredentialStatus;
use super::grant::CredentialKind;
use super::lenient::Lenient;
use super::{rules, schema};

/// What is wanted: which credential of which object, how long it lives, and where it is published.
#[derive(Clone, CustomResource, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "entra-rotator.io",
    version = "v1alpha1",
    kind = "ServicePrincipalCredential",
    namespaced,
    shortname = "spcred",
    category = "entra",
    status = "Lenient<ServicePrincipalCredentialStatus>",
    doc = "A ServicePrincipalCredential is a credential of a Microsoft Entra application or service principal that is rotated before it expires and published in a Secret.",
    derive = "PartialEq",
    selectable = ".spec.tenantRef.name",
    selectable = ".spec.target.clientID",
    validation = rules::NAME,
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Secret", type_ = "string", json_path = ".spec.secretName"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.notAfter"),
    printcolumn(name = "Renews", type_ = "string", json_path = ".status.renewalTime"),
    printcolumn(name = "Stage", type_ = "string", json_path = r#".status.conditions[?(@.type=="Rotating")].reason"#),
    printcolumn(name = "Next", type_ = "string", priority = 1, json_path = ".status.nextAction.message"),
    printcolumn(name = "Client ID", type_ = "string", priority = 1, json_path = ".spec.target.clientID"),
    printcolumn(
        name = "Status",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::ONE_KIND, validation = rules::KIND_FIXED)]
#[x_kube(validation = rules::ONE_OUTPUT, validation = rules::NOT_A_STAGING_NAME)]
#[x_kube(validation = rules::CONFIG_MAP_IS_PUBLIC, validation = rules::OUTPUT_FIXED)]
#[x_kube(validation = rules::SIGNING_ON_SERVICE_PRINCIPAL, validation = rules::SELF_ON_APPLICATION)]
#[x_kube(validation = rules::SOAK_FITS, validation = rules::PROOF_FOR_OWN_KEYS)]
#[x_kube(validation = rules::SECRET_OF_A_SECRET)]
pub struct ServicePrincipalCredentialSpec {
    /// The EntraTenant that holds the object. It cannot change.
    #[serde(default)]
    #[x_kube(validation = rules::TENANT_REF_FIXED)]
    pub tenant_ref: TenantRef,

    /// The application or service principal whose credential is kept. It cannot change.
    #[x_kube(validation = rules::TARGET_BY_ONE_ID, validation = rules::OBJECT_ID_SAYS_WHICH)]
    #[x_kube(validation = rules::TARGET_FIXED)]
    pub target: Target,

    /// Keeps the certificate with which Entra signs SAML tokens for the service principal; {} takes the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_signing_certificate: Option<TokenSigningCertificate>,

    /// Keeps a certificate with which the application signs in; {} takes the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,

    /// Keeps a client secret with which the application signs in; {} takes the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<ClientSecret>,

    /// When the credential is replaced. What is left out gets a default that fits the kind of credential, which
    /// status.policy shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,

    /// Stops all changes in Entra while it is true. The published Secret is still kept as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// The Secret, in the namespace of this object, in which the credential is published. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 245), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"))]
    pub secret_name: Option<String>,

    /// The ConfigMap, in the namespace of this object, in which a token signing certificate is published instead of a Secret. It cannot change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 245), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"))]
    pub config_map_name: Option<String>,

    /// What the published Secret or ConfigMap carries besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,

    /// Credentials on the object in Entra that somebody else made and that are handed over: they are removed once a credential of this object is
    /// published and the overlap is over. A grant must allow adoption. It may go on standing here afterwards.
    #[serde(rename = "adoptKeyIDs", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::adopted_key_ids")]
    pub adopt_key_ids: Vec<String>,

    /// What happens in Entra when this object is deleted: Retain leaves every credential as it is, Revoke removes those that were made for this
    /// object, but never the certificate that signs.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

impl ServicePrincipalCredentialSpec {
    /// Which kind of credential it is. Admission lets exactly one through.
    #[must_use]
    pub fn kind(&self) -> CredentialKind {
        match (&self.token_signing_certificate, &self.client_certificate) {
            (Some(_), _) => CredentialKind::TokenSigningCertificate,
            (None, Some(_)) => CredentialKind::ClientCertificate,
            (None, None) => CredentialKind::ClientSecret,
        }
    }

    /// Where it is published. Admission lets exactly one through; without any, nothing is published under an empty name.
    #[must_use]
    pub fn output(&self) -> OutputRef<'_> {
        match (&self.secret_name, &self.config_map_name) {
            (None, Some(name)) => OutputRef::ConfigMap(name),
            (name, _) => OutputRef::Secret(name.as_deref().unwrap_or_default()),
        }
    }
}

/// A client secret with which the application signs in. Entra makes it; there is nothing to choose.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ClientSecret {}

/// What happens in Entra when the object is deleted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum DeletionPolicy {
    /// Every credential stays as it is.
    #[default]
    Retain,
    /// What was made for this object is removed.
    Revoke,
}

/// The name of an EntraTenant.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TenantRef {
    /// The name of the EntraTenant.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

impl Default for TenantRef {
    fn default() -> Self {
        Self { name: "default".to_owned() }
    }
}

/// The object in Entra whose credential is kept.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Target {
    /// The application (client) ID. Give this or objectID.
    #[serde(rename = "clientID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::uuid")]
    pub client_id: Option<String>,

    /// The object ID of the application or of the service principal, together with object.
    #[serde(rename = "objectID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::uuid")]
    pub object_id: Option<String>,

    /// Which object holds the credential: Application or ServicePrincipal. Left out, it is the service principal for
    /// a token signing certificate and the application for everything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TargetObject")]
    pub object: Option<TargetObject>,
}

/// The kinds of object that hold credentials.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum TargetObject {
    /// The application, in the tenant where it is registered.
    Application,
    /// The service principal, which stands for the application in a tenant.
    ServicePrincipal,
}
