//! What the operator found out about a tenant.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct, as public as it is, inside a function")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;
use super::timestamp::Timestamp;

/// What the operator found out about the tenant.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {"observedGeneration": -1}))]
pub struct EntraTenantStatus {
    /// The generation of the spec that this status speaks of; -1 before the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The state of this object: Ready, Reconciling and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,

    /// As whom the operator has signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<TenantIdentity>,

    /// How many ServicePrincipalCredentials refer to this tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32")]
    pub credentials: Option<u32>,

    /// The credentials that were left in Entra when their ServicePrincipalCredential went, oldest first. Remove them in
    /// Entra, and then from this list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = Abandoned::LIST_MAX))]
    pub abandoned: Vec<Abandoned>,
}

/// As whom the operator has signed in.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
pub struct TenantIdentity {
    /// The application (client) ID of the operator.
    #[serde(rename = "clientID", default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,

    /// The object ID of the operator's service principal.
    #[serde(rename = "objectID", default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<String>,

    /// The application permissions that it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub roles: Vec<String>,
}

/// Credentials that were left in Entra when their ServicePrincipalCredential went.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Abandoned {
    /// The namespace of the ServicePrincipalCredential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,

    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// The object in Entra that holds the credentials.
    #[serde(rename = "objectID", default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<String>,

    /// The key IDs of the credentials.
    #[serde(rename = "keyIDs", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = Abandoned::NAMES_MAX))]
    pub key_ids: Vec<String>,

    /// What credentials are recognised by whose key IDs could not be learnt: the thumbprint of a certificate, or the display
    /// name. They may be on the object, or appear there for some minutes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = Abandoned::NAMES_MAX))]
    pub marks: Vec<String>,

    /// When they were let go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl Abandoned {
    /// The most items that a status may list.
    pub const LIST_MAX: usize = 256;
    /// The most key IDs of one item, and the most marks.
    pub const NAMES_MAX: usize = 16;
}
