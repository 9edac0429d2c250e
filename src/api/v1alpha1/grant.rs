//! Grants: who may have what rotated in a tenant.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct, as public as it is, inside a function")]

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{rules, schema};

/// Who may have what rotated.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::GRANT_SAYS_WHO, validation = rules::GRANT_SAYS_WHAT)]
pub struct Grant {
    /// The name of the grant.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,

    /// The namespaces whose ServicePrincipalCredentials the grant is for, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub namespaces: Vec<String>,

    /// The namespaces whose ServicePrincipalCredentials the grant is for, by their labels. Whoever may set these labels
    /// decides who has the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    pub namespace_selector: Option<NamespaceSelector>,

    /// The applications, by application (client) ID. They match a target that is given by clientID only.
    #[serde(rename = "clientIDs", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::uuids")]
    pub client_ids: Vec<String>,

    /// The objects, by object ID. They match a target that is given by objectID only.
    #[serde(rename = "objectIDs", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::uuids")]
    pub object_ids: Vec<String>,

    /// The kinds of credential that may be kept: TokenSigningCertificate, ClientCertificate, ClientSecret.
    #[schemars(length(min = 1, max = 3))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub credentials: Vec<CredentialKind>,

    /// Whether credentials that somebody else made may be taken over by adoptKeyIDs: Never or Always. What is taken over
    /// is removed like the operator's own.
    #[serde(default)]
    pub allow_adoption: AllowAdoption,
}

/// Namespaces, by their labels. All that is said must hold.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1))]
pub struct NamespaceSelector {
    /// Labels that a namespace must have, with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::match_labels")]
    pub match_labels: BTreeMap<String, String>,

    /// What else must be true of its labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    pub match_expressions: Vec<LabelRequirement>,
}

/// What must be true of one label.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[x_kube(validation = rules::LABEL_VALUES)]
pub struct LabelRequirement {
    /// The key of the label.
    #[schemars(length(max = 317))]
    pub key: String,

    /// How the label relates to the values: In, NotIn, Exists or DoesNotExist.
    pub operator: LabelOperator,

    /// The values, for In and NotIn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 63)))]
    pub values: Vec<String>,
}

/// How a label relates to values.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum LabelOperator {
    /// It has one of the values.
    In,
    /// It has none of the values, or is not there.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

/// The kinds of credential.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum CredentialKind {
    /// A certificate with which Entra signs SAML tokens.
    TokenSigningCertificate,
    /// A certificate with which an application signs in.
    ClientCertificate,
    /// A secret with which an application signs in.
    ClientSecret,
}

/// Whether credentials of others may be taken over.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum AllowAdoption {
    /// No.
    #[default]
    Never,
    /// Yes, those that adoptKeyIDs names.
    Always,
}
