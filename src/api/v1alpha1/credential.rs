//! `ServicePrincipalCredential`: one credential of one Entra object, kept fresh in one Secret.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct, as public as it is, inside a function")]

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::credential_status::ServicePrincipalCredentialStatus;
use super::duration::GoDuration;
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
#[x_kube(validation = rules::SIGNING_ON_SERVICE_PRINCIPAL, validation = rules::SOAK_FITS)]
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

    /// When the credential is replaced. What is left out gets a default that fits the kind of credential, which
    /// status.policy shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,

    /// Stops all changes in Entra while it is true. The published Secret is still kept as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,

    /// The Secret, in the namespace of this object, in which the credential is published. It cannot change.
    #[schemars(length(min = 1, max = 245), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"))]
    #[x_kube(validation = rules::NOT_A_STAGING_NAME, validation = rules::SECRET_NAME_FIXED)]
    pub secret_name: String,
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

/// A certificate with which Entra signs SAML tokens.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenSigningCertificate {
    /// The subject of the certificate, such as CN=payroll. Left out, it is CN= and the first 45 characters of the
    /// name of this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 48))]
    #[x_kube(validation = rules::DISPLAY_NAME)]
    pub display_name: Option<String>,

    /// When a new certificate, already published, becomes the one that signs.
    #[serde(default)]
    #[schemars(extend("default" = {}))]
    pub activation: Activation,
}

/// When a new signing certificate takes over.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Activation {
    /// How long a new certificate is published before it signs. Left out, it is a quarter of renewBefore, at most 72h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soak: Option<GoDuration>,

    /// What the federation metadata of the tenant has to say first: Ignore does not read it, Observe waits a second
    /// soak at most for the new certificate to be listed there, Require waits for it until the old one is about to
    /// expire.
    #[serde(default)]
    pub metadata: MetadataGate,
}

/// How far the federation metadata holds up an activation.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum MetadataGate {
    /// It is not read.
    Ignore,
    /// It is waited for, one more soak at most.
    #[default]
    Observe,
    /// It is waited for until the deadline.
    Require,
}

/// A certificate with which the application signs in.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificate {
    /// The private key of the certificate. Entra takes RSA keys only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<PrivateKey>,
}

impl ClientCertificate {
    /// The size of the private key, said or not.
    #[must_use]
    pub fn key_size(&self) -> KeySize {
        self.private_key.as_ref().map_or_else(KeySize::default, |key| key.size)
    }
}

/// The private key of a certificate.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct PrivateKey {
    /// The size of the RSA key in bits: 2048, 3072 or 4096.
    #[serde(default)]
    pub size: KeySize,
}

/// The size of an RSA key, in bits.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "i32", into = "i32")]
pub enum KeySize {
    /// 2048 bits.
    #[default]
    Rsa2048,
    /// 3072 bits.
    Rsa3072,
    /// 4096 bits.
    Rsa4096,
}

/// A size of RSA keys that is not offered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("RSA keys of {0} bits are not offered: use 2048, 3072 or 4096")]
pub struct UnsupportedKeySize(pub i32);

impl TryFrom<i32> for KeySize {
    type Error = UnsupportedKeySize;

    fn try_from(bits: i32) -> Result<Self, Self::Error> {
        match bits {
            2048 => Ok(Self::Rsa2048),
            3072 => Ok(Self::Rsa3072),
            4096 => Ok(Self::Rsa4096),
            _ => Err(UnsupportedKeySize(bits)),
        }
    }
}

impl From<KeySize> for i32 {
    fn from(size: KeySize) -> Self {
        match size {
            KeySize::Rsa2048 => 2048,
            KeySize::Rsa3072 => 3072,
            KeySize::Rsa4096 => 4096,
        }
    }
}

impl JsonSchema for KeySize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "KeySize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "format": "int32", "enum": [2048, 3072, 4096]})
    }
}

/// When a credential is replaced.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::validity(), validation = rules::renew_before(), validation = rules::overlap())]
pub struct Rotation {
    /// How long a new credential is valid. Left out, it is 26280h for a token signing certificate and 4320h for a
    /// client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validity: Option<GoDuration>,

    /// How long before the end of a credential its successor is made. Left out, it is a third of validity, at most
    /// 1440h for a token signing certificate and 720h for a client certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renew_before: Option<GoDuration>,

    /// How long an old credential stays valid after its successor was published. Left out, it is half of renewBefore,
    /// at most 168h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap: Option<GoDuration>,

    /// Replaces, with the usual overlap, a credential that was issued before this time. A time in the future does
    /// nothing until it has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::instant")]
    pub not_issued_before: Option<DateTime<Utc>>,
}
