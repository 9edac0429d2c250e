//! Where and how a credential is published.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct, as public as it is, inside a function")]

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{rules, schema};

/// The object in which a credential is published.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OutputRef<'a> {
    /// A Secret of this name.
    Secret(&'a str),
    /// A ConfigMap of this name.
    ConfigMap(&'a str),
}

impl<'a> OutputRef<'a> {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'a str {
        match self {
            Self::Secret(name) | Self::ConfigMap(name) => name,
        }
    }
}

/// What the published Secret or ConfigMap carries besides the standard keys.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// Labels that the output gets. Those by which GitOps tools, Helm and Kubernetes know their own objects are refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::labels")]
    #[x_kube(validation = rules::TEMPLATE_KEY_LENGTH, validation = rules::TEMPLATE_KEY_FORM, validation = rules::TEMPLATE_KEY_RESERVED)]
    pub labels: BTreeMap<String, String>,

    /// Annotations that the output gets, such as those by which other tools reload or copy it. What is refused as a label is refused here as well.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schema::annotations")]
    #[x_kube(validation = rules::TEMPLATE_KEY_LENGTH, validation = rules::TEMPLATE_KEY_FORM, validation = rules::TEMPLATE_KEY_RESERVED)]
    pub annotations: BTreeMap<String, String>,

    /// Further keys beside the standard ones, for charts that read fixed names. One with the name of a standard key changes nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub keys: Vec<TemplateKey>,

    /// Further forms of a client certificate: PKCS12 adds keystore.p12 and keystore.password.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub additional_formats: Vec<AdditionalFormat>,
}

/// A further key of the output.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct TemplateKey {
    /// The name of the key in the output: a name of a file, which does not begin with two dots.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$"))]
    pub name: String,

    /// Which value it holds: ClientID, TenantID, AuthorityHost (the host to sign in at), ClientSecret, Certificate (in PEM; of a token signing certificate
    /// the one that signs), PrivateKey (in PEM), CombinedPEM (private key and certificate), SigningBundle (all signing certificates in PEM) or
    /// SigningBundleBase64 (the same in base64, separated by commas). A value that the kind of credential does not have is left out.
    pub from: TemplateSource,
}

/// The values that a further key of the output can hold. One that the kind of credential does not have is left out.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum TemplateSource {
    /// The application (client) ID.
    #[serde(rename = "ClientID")]
    ClientId,
    /// The tenant's ID.
    #[serde(rename = "TenantID")]
    TenantId,
    /// The client secret.
    ClientSecret,
    /// The host to sign in at.
    AuthorityHost,
    /// The certificate in PEM: of the client, or the one that signs.
    Certificate,
    /// The private key of a client certificate in PEM.
    PrivateKey,
    /// Private key and certificate in one PEM.
    #[serde(rename = "CombinedPEM")]
    CombinedPem,
    /// All signing certificates in PEM.
    SigningBundle,
    /// All signing certificates in base64, separated by commas.
    SigningBundleBase64,
}

/// A further form of a client certificate.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum AdditionalFormat {
    /// A PFX file and its password.
    #[serde(rename = "PKCS12")]
    Pkcs12,
}
