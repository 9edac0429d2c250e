//! Token signing certificates.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct, as public as it is, inside a function")]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::duration::GoDuration;
use super::super::{rules, schema};

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

    /// Who makes the private key: Entra, or Operator, which sends it to Entra and keeps no copy.
    #[serde(default)]
    pub key_source: KeySource,

    /// The ServicePrincipalCredential with a client certificate of the same service principal, in this namespace, whose key proves to Entra that the new
    /// key may be added. It goes with keySource: Operator; left out, the lists of the service principal are updated instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_from: Option<ProofFrom>,

    /// The SHA-1 thumbprint of the certificate that shall sign, whatever else is asked: the way back to the one before. While it stands here, no
    /// successor is made; taking it away starts a fresh rotation when one is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40), regex(pattern = r"^[0-9A-Fa-f]{40}$"))]
    pub pinned_thumbprint: Option<String>,

    /// Who is mailed by Entra before the certificate expires, at most five addresses. Left out, the addresses in Entra are left alone; an empty list takes
    /// all away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::addresses")]
    pub notification_email_addresses: Option<Vec<String>>,

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

    /// Whether a person has to approve each new certificate before it signs: Required or NotRequired. It is approved by the annotation
    /// entra-rotator.io/approve on this object, whose value is the id of the certificate in status.credentials.
    #[serde(default)]
    pub approval: Approval,

    /// What becomes of a new certificate that nobody approved shortly before the old one expires: Activate lets it sign all the same, Withdraw removes
    /// it, and the old one expires.
    #[serde(default)]
    pub on_deadline: OnDeadline,
}

/// Whether a person has to approve a new signing certificate.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Approval {
    /// Nobody has to.
    #[default]
    NotRequired,
    /// Somebody has to.
    Required,
}

/// What becomes of a signing certificate that nobody approved in time.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum OnDeadline {
    /// It signs all the same.
    #[default]
    Activate,
    /// It is removed.
    Withdraw,
}

/// Who makes the private key of a signing certificate.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum KeySource {
    /// Entra does.
    #[default]
    Entra,
    /// The operator does.
    Operator,
}

/// The name of a ServicePrincipalCredential in the same namespace.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ProofFrom {
    /// The name of the ServicePrincipalCredential.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
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
