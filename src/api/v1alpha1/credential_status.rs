//! The status of a `ServicePrincipalCredential`: what people see, and the ledger from which the operator goes on.

#![expect(unreachable_pub, reason = "KubeSchema repeats each struct, as public as it is, inside a function")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::GoDuration;
use super::schema;
use super::timestamp::Timestamp;

/// What the operator found and did. It is the operator's record as well: do not edit it.
#[derive(Clone, Debug, Default, Deserialize, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {"observedGeneration": -1}))]
pub struct ServicePrincipalCredentialStatus {
    /// The generation of the spec that this status speaks of; -1 before the operator has seen the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The version of the record in this status. An operator that does not know it changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32")]
    pub protocol: Option<u32>,

    /// The sequence number of the next credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32")]
    pub next_seq: Option<u32>,

    /// The state of this object: Ready, Reconciling, Stalled, Rotating and RotationAtRisk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,

    /// The beginning of the validity of the published credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,

    /// The end of the validity of the published credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,

    /// When the successor of the published credential is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewal_time: Option<Timestamp>,

    /// What the operator does next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_action: Option<NextAction>,

    /// The object in Entra, as it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<ResolvedTarget>,

    /// The durations in force, defaults included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<ResolvedPolicy>,

    /// Every credential that this object is answerable for, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = ServicePrincipalCredentialStatus::CREDENTIALS_MAX))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".to_owned()]))]
    pub credentials: Vec<CredentialEntry>,

    /// The rotation in progress and its troubles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationProgress>,

    /// The credentials on the object in Entra that were not made here. They are never changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_credentials: Option<ForeignCredentials>,
}

impl ServicePrincipalCredentialStatus {
    /// The most entries that `credentials` may have.
    pub const CREDENTIALS_MAX: usize = 16;
}

/// What the operator does next.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct NextAction {
    /// When it does so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,

    /// What it does, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MESSAGE_MAX))]
    pub message: Option<String>,
}

/// The object in Entra, as it was found.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedTarget {
    /// The ID of the tenant.
    #[serde(rename = "tenantID", default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,

    /// Which object it is: Application or ServicePrincipal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,

    /// The ID of the object.
    #[serde(rename = "objectID", default, skip_serializing_if = "Option::is_none")]
    pub object_id: Option<String>,

    /// The application (client) ID.
    #[serde(rename = "clientID", default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,

    /// The name that Entra shows for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = ResolvedTarget::DISPLAY_NAME_MAX))]
    pub display_name: Option<String>,
}

impl ResolvedTarget {
    /// The longest `displayName`, in characters.
    pub const DISPLAY_NAME_MAX: usize = 256;
}

/// The durations in force, defaults included.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedPolicy {
    /// How long a new credential is valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub validity: Option<GoDuration>,

    /// How long before the end of a credential its successor is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub renew_before: Option<GoDuration>,

    /// How long an old credential stays valid after its successor was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub overlap: Option<GoDuration>,

    /// How long a new signing certificate is published before it signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub soak: Option<GoDuration>,

    /// Why a duration is not what the spec asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MESSAGE_MAX))]
    pub note: Option<String>,
}

/// One credential in the operator's record.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialEntry {
    /// The id of this entry, which the credential in Entra carries as a mark where it can.
    #[schemars(length(max = 10))]
    pub id: String,

    /// The sequence number of this entry among all of this object.
    #[schemars(with = "i32")]
    pub seq: u32,

    /// Where the credential comes from: Made here, Adopted on request, or Foreign.
    pub origin: CredentialOrigin,

    /// What it is for now: Next, Current, Previous, Retiring (being removed) or Abandoned (never published).
    #[serde(rename = "use")]
    pub usage: CredentialUse,

    /// When it was issued.
    pub issued_at: Timestamp,

    /// The end of its validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,

    /// When it was seen in the published Secret as the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Timestamp>,

    /// When it was handed over, if somebody else made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted_at: Option<Timestamp>,

    /// When it was seen in the published Secret as the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announced_at: Option<Timestamp>,

    /// The IDs of its entries in Entra.
    #[serde(rename = "keyIDs", default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = CredentialEntry::KEY_IDS_MAX), inner(length(max = 36)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub key_ids: Vec<String>,

    /// The SHA-1 thumbprint of its certificate, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub thumbprint: Option<String>,

    /// The custom key identifier that its entries in Entra share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = CredentialEntry::CUSTOM_KEY_IDENTIFIER_MAX))]
    pub custom_key_identifier: Option<String>,

    /// The display name under which it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = CredentialEntry::DISPLAY_NAME_MAX))]
    pub display_name: Option<String>,

    /// The end of validity that was asked for, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = CredentialEntry::END_DATE_TIME_MAX))]
    pub end_date_time: Option<String>,

    /// Which of the two staging Secrets holds its key: a or b.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Slot")]
    pub slot: Option<Slot>,

    /// The last change in Entra that was licensed for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<CredentialOp>,
}

impl CredentialEntry {
    /// The most items that `keyIDs` may have.
    pub const KEY_IDS_MAX: usize = 8;
    /// The longest `customKeyIdentifier`, in characters.
    pub const CUSTOM_KEY_IDENTIFIER_MAX: usize = 64;
    /// The longest `displayName`, in characters.
    pub const DISPLAY_NAME_MAX: usize = 90;
    /// The longest `endDateTime`, in characters.
    pub const END_DATE_TIME_MAX: usize = 40;
}

/// Where a credential comes from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum CredentialOrigin {
    /// The operator made it.
    Made,
    /// Somebody else made it, and it was handed over.
    Adopted,
    /// Somebody else made it, and it is theirs.
    Foreign,
}

/// What a credential is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum CredentialUse {
    /// It is to become the current one.
    Next,
    /// It is the one to use.
    Current,
    /// It was the one to use and is still valid.
    Previous,
    /// It is being removed.
    Retiring,
    /// It was begun and given up before it was published.
    Abandoned,
}

/// One of the two staging Secrets of an object.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// The one whose name ends in -entra-a.
    A,
    /// The one whose name ends in -entra-b.
    B,
}

/// A change in Entra that was licensed, and what came of it.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct CredentialOp {
    /// What was to be done.
    #[schemars(length(max = 32))]
    pub kind: String,

    /// A random word by which the one who took the licence knows it again.
    #[schemars(length(max = CredentialOp::NONCE_MAX))]
    pub nonce: String,

    /// When it was licensed.
    pub at: Timestamp,

    /// What came of it: Applied or Refused. Left out, that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "OpOutcome")]
    pub outcome: Option<OpOutcome>,

    /// What stood there before, for a change that sets a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = CredentialOp::FROM_MAX))]
    pub from: Option<String>,

    /// The IDs of the entries that a change of a whole list left in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = CredentialOp::KEPT_MAX), inner(length(max = 36)))]
    pub kept: Vec<String>,
}

impl CredentialOp {
    /// The most entries that `kept` may have.
    pub const KEPT_MAX: usize = 1024;
    /// The longest `nonce`, in characters.
    pub const NONCE_MAX: usize = 16;
    /// The longest `from`, in characters.
    pub const FROM_MAX: usize = 40;
}

/// What came of a change.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum OpOutcome {
    /// Entra has done it.
    Applied,
    /// Entra has refused it, and it will not happen.
    Refused,
}

/// The rotation in progress and its troubles.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationProgress {
    /// Why a new credential is being made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// When the rotation began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,

    /// When a person's approval of the new signing certificate was first seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Timestamp>,

    /// How many attempts in a row have failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32")]
    pub failures: Option<u32>,

    /// When it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<Timestamp>,

    /// The last attempt that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<Failure>,
}

/// An attempt that failed.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Failure {
    /// When it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,

    /// Why, as one word for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// Why, and what to do about it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MESSAGE_MAX))]
    pub message: Option<String>,
}

/// The credentials on the object in Entra that were not made here.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ForeignCredentials {
    /// How many there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i32")]
    pub count: Option<u32>,

    /// When the first of them expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soonest_expiry: Option<Timestamp>,

    /// The IDs of those that carry this operator's mark although it has no record of them, such as those of a resource that is gone. One that nobody
    /// uses can be named in spec.adoptKeyIDs, and is then removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = ForeignCredentials::UNRECORDED_MAX), inner(length(max = 36)), extend("x-kubernetes-list-type" = "set"))]
    pub unrecorded: Vec<String>,
}

impl ForeignCredentials {
    /// The most items that `unrecorded` may have.
    pub const UNRECORDED_MAX: usize = 16;
}

/// The longest message, in characters, that a next action or a failure may carry.
pub const MESSAGE_MAX: usize = 1024;
