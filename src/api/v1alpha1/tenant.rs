//! `EntraTenant`: a tenant of Microsoft Entra, how the operator signs in there, and who may have what rotated.

#![allow(rustdoc::bare_urls, reason = "the texts are shown by kubectl explain, where brackets would stand in the way")]
#![expect(unreachable_pub, reason = "KubeSchema repeats each struct, as public as it is, inside a function")]
#![expect(clippy::duplicated_attributes, reason = "the columns are alike in type")]

use k8s_openapi::ByteString;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::GoDuration;
use super::grant::Grant;
use super::lenient::Lenient;
use super::tenant_status::EntraTenantStatus;
use super::{rules, schema};

/// Which tenant it is, how the operator signs in there, and who may have what rotated.
#[derive(Clone, CustomResource, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[kube(
    group = "entra-rotator.io",
    version = "v1alpha1",
    kind = "EntraTenant",
    shortname = "entratenant",
    category = "entra",
    status = "Lenient<EntraTenantStatus>",
    doc = "An EntraTenant is a tenant of Microsoft Entra in which the operator rotates credentials, for those whom its grants name.",
    derive = "PartialEq",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Cloud", type_ = "string", json_path = ".spec.cloud"),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenantID"),
    printcolumn(name = "Status", type_ = "string", priority = 1, json_path = r#".status.conditions[?(@.type=="Ready")].message"#),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::ENDPOINTS_OF_CUSTOM, validation = rules::ENDPOINTS_FIXED)]
pub struct EntraTenantSpec {
    /// The ID of the tenant. It cannot change.
    #[serde(rename = "tenantID")]
    #[schemars(schema_with = "schema::uuid")]
    #[x_kube(validation = rules::TENANT_ID_FIXED)]
    pub tenant_id: String,

    /// The cloud in which the tenant lives: Global, USGovernmentL4, USGovernmentL5, China, or Custom, which takes its
    /// endpoints from the field of that name. It cannot change.
    #[serde(default)]
    #[x_kube(validation = rules::CLOUD_FIXED)]
    pub cloud: CloudName,

    /// Where the services of a Custom cloud are. Only caBundle can change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,

    /// How the operator signs in to the tenant. Secrets are read in the operator's own namespace only.
    #[x_kube(validation = rules::ONE_SIGN_IN)]
    pub sign_in: SignIn,

    /// The shortest validity that a ServicePrincipalCredential may ask for.
    #[serde(default = "minimum_validity")]
    pub minimum_validity: GoDuration,

    /// Who may have what rotated. An empty list, the default, lets nobody in. A grant is the right to sign in as the
    /// applications that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub grants: Vec<Grant>,
}

fn minimum_validity() -> GoDuration {
    GoDuration::from_hours(24)
}

/// The clouds in which Entra exists.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum CloudName {
    /// The worldwide cloud.
    #[default]
    Global,
    /// The cloud of the government of the United States, level 4.
    #[serde(rename = "USGovernmentL4")]
    UsGovernmentL4,
    /// The cloud of the government of the United States, level 5 (Department of Defense).
    #[serde(rename = "USGovernmentL5")]
    UsGovernmentL5,
    /// The cloud operated by 21Vianet in China.
    China,
    /// Endpoints of one's own.
    Custom,
}

/// Where the services of a cloud are.
#[derive(Clone, Debug, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoints {
    /// The https URL of the login service, such as https://login.example.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::HTTPS_URL)]
    pub login: String,

    /// The https URL of Microsoft Graph, such as https://graph.example.
    #[schemars(length(max = 253))]
    #[x_kube(validation = rules::HTTPS_URL)]
    pub graph: String,

    /// The certificates, in PEM, that vouch for these services instead of those the system trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::ca_bundle")]
    pub ca_bundle: Option<ByteString>,
}

/// How the operator signs in.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignIn {
    /// Signs in with the token of the operator's own Kubernetes service account, which a federated credential of the
    /// application or of the user-assigned managed identity must name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_identity: Option<SignInByWorkloadIdentity>,

    /// Signs in with a managed identity of the node that the operator runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_identity: Option<SignInByManagedIdentity>,

    /// Signs in with a certificate and its private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<SignInByCertificate>,

    /// Signs in with a client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SignInBySecret>,
}

/// Signs in with the token of the operator's own Kubernetes service account.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SignInByWorkloadIdentity {
    /// The client ID of the application or user-assigned managed identity. Left out, it is AZURE_CLIENT_ID of the
    /// operator's environment.
    #[serde(rename = "clientID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::uuid")]
    pub client_id: Option<String>,
}

/// Signs in with a managed identity of the node that the operator runs on.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SignInByManagedIdentity {
    /// The client ID of the user-assigned managed identity. Left out, it is the system-assigned one, or the only one that
    /// the node has.
    #[serde(rename = "clientID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::uuid")]
    pub client_id: Option<String>,
}

/// Signs in with a certificate and its private key.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignInByCertificate {
    /// The application (client) ID of the operator.
    #[serde(rename = "clientID")]
    #[schemars(schema_with = "schema::uuid")]
    pub client_id: String,

    /// The Secret, in the operator's namespace, that holds the certificate as tls.crt and the key as tls.key.
    pub secret_ref: SecretRef,
}

/// Signs in with a client secret.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignInBySecret {
    /// The application (client) ID of the operator.
    #[serde(rename = "clientID")]
    #[schemars(schema_with = "schema::uuid")]
    pub client_id: String,

    /// The Secret, in the operator's namespace, that holds the client secret.
    pub secret_ref: SecretKeyRef,
}

/// A Secret in the operator's namespace.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SecretRef {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// One key of a Secret in the operator's namespace.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SecretKeyRef {
    /// The name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// The key, in the Secret, under which the client secret stands.
    #[serde(default = "client_secret_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn client_secret_key() -> String {
    "AZURE_CLIENT_SECRET".to_owned()
}
