//! Switches for everything about Entra that is unknown or contested. The defaults are the strictest reading of public text.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::seconds;

/// How the emulator behaves where Entra's own behaviour is unknown, contested or a matter of tenant policy.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Behaviour {
    /// `type` of the Sign entry that addTokenSigningCertificate makes. Recorded output shows `AsymmetricX509Cert` (default); several
    /// scripts on the web assume `X509CertAndPassword`.
    pub sign_entry_type: SignEntryType,
    /// What addKey answers: the whole entry without `key` (default), or only the context as in the documented sample.
    pub add_key_body: AddKeyBody,
    /// What is accepted as a proof of possession.
    pub proof: ProofRules,
    /// Refuse removeKey of an object's last certificate. Default false: nothing public forbids it.
    pub refuse_last_key: bool,
    /// Refuse removeKey of the certificate that signed the proof. Default false: nothing public forbids it.
    pub refuse_proof_key: bool,
    /// addKey of a PFX adds a Verify entry beside the Sign entry. Default false: the page speaks of one key and one password.
    pub add_key_makes_verify_entry: bool,
    /// Refuse addKey of a certificate that is already there. Default false: it is added again.
    pub refuse_duplicate_certificate: bool,
    /// Status of removeKey and removePassword for an unknown keyId: 400 (default) or 404.
    pub unknown_key_status: u16,
    /// PATCH must echo kept entries with an explicit `"key": null` and `"secretText": null`. Default false: leaving them out is the same.
    pub require_null_key: bool,
    /// PATCH refuses a kept entry of which anything differs, the precision of a time included. Default true; when false, times are
    /// compared as instants.
    pub strict_echo: bool,
    /// PATCH of `keyCredentials` fails with `KeyCredentialsInvalidEndDate` while the list keeps an expired entry. Default false: reported once.
    pub expired_entries_block_patch: bool,
    /// removeKey and removePassword fail with 500 on entries of a token-signing certificate. Default true; when false they succeed.
    pub saml_removal_fails: bool,
    /// A removal that reaches a replica which has not seen the entry yet is told that there is no such entry. Default true.
    pub removal_reads_replica: bool,
    /// Removals that come soon after another write to the same pair fail with 500 now and then. Default never.
    pub removal_failures: RemovalFailures,
    /// The first token-signing certificate of a service principal becomes the preferred one by itself. Default false: claimed once, never shown.
    pub first_certificate_preferred: bool,
    /// A write within this time after another one to the same application or its service principal gets 409. Default 0, which is never.
    #[serde(with = "seconds")]
    pub conflict_window: Duration,
    /// Reads of one object with `$select=keyCredentials`, per tenant and minute, before 429. Default 150; 0 is no limit.
    pub key_reads_per_minute: usize,
    /// Writes per application, tenant and 150 seconds before 429. Default 3000; 0 is no limit.
    pub writes_per_window: usize,
    /// Size of the tenant, from which its resource units follow. Default S, the smallest.
    pub tenant_size: TenantSize,
    /// Resource units of an application in all tenants per 20 seconds. Default 150 000; 0 is no limit.
    pub app_units_per_window: usize,
    /// Writes of an application in all tenants per 300 seconds. Default 70 000; 0 is no limit.
    pub app_writes_per_window: usize,
    /// Writes of everybody in a tenant per 300 seconds. Default 18 000; 0 is no limit.
    pub tenant_writes_per_window: usize,
    /// Writes per minute to one application that is for personal accounts. Default 60; 0 is no limit.
    pub personal_writes_per_minute: usize,
    /// Requests that are answered 429 count against the limits too. Default true: Microsoft warns of immediate retries for that reason.
    pub throttled_requests_count: bool,
    /// Entries in both credential lists of one object before 403 `Directory_ResourceSizeExceeded`. Default 1000.
    pub max_credentials: usize,
    /// The federation metadata of an application lists only the active certificate. Default false: all valid ones, the active one first.
    pub metadata_active_only: bool,
    /// How long after a change of `preferredTokenSigningKeyThumbprint` the old certificate goes on signing. Default 0.
    #[serde(with = "seconds")]
    pub activation_delay: Duration,
    /// Which certificate signs where the preferred one is not valid and several are.
    pub automatic_signer: AutomaticSigner,
    /// The tenant's application management policy.
    pub policy: Policy,
    /// Lists of credentials come in an order of their own at every read. Default false.
    pub shuffled_lists: bool,
    /// `customKeyIdentifier` of an uploaded certificate when none is given: the thumbprint as hex text (default) or its 20 bytes.
    pub default_identifier: DefaultIdentifier,
    /// Audiences besides the Graph root that was called (and Graph's own appId) which Graph accepts in a token. Default none.
    pub audiences: Vec<String>,
    /// Life of an access token. Default 3599 s.
    #[serde(with = "seconds")]
    pub token_lifetime: Duration,
    /// How far a client assertion's `nbf` and `exp` may be off. Default 5 min.
    #[serde(with = "seconds")]
    pub assertion_skew: Duration,
    /// Seconds that every `Date` header is ahead of the emulator's clock; negative is behind. Default 0.
    pub date_skew: i64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            sign_entry_type: SignEntryType::AsymmetricX509Cert,
            add_key_body: AddKeyBody::Full,
            proof: ProofRules::default(),
            refuse_last_key: false,
            refuse_proof_key: false,
            add_key_makes_verify_entry: false,
            refuse_duplicate_certificate: false,
            unknown_key_status: 400,
            require_null_key: false,
            strict_echo: true,
            expired_entries_block_patch: false,
            saml_removal_fails: true,
            removal_reads_replica: true,
            removal_failures: RemovalFailures::default(),
            first_certificate_preferred: false,
            conflict_window: Duration::ZERO,
            key_reads_per_minute: 150,
            writes_per_window: 3000,
            tenant_size: TenantSize::S,
            app_units_per_window: 150_000,
            app_writes_per_window: 70_000,
            tenant_writes_per_window: 18_000,
            personal_writes_per_minute: 60,
            throttled_requests_count: true,
            max_credentials: 1000,
            metadata_active_only: false,
            activation_delay: Duration::ZERO,
            automatic_signer: AutomaticSigner::Newest,
            policy: Policy::default(),
            shuffled_lists: false,
            default_identifier: DefaultIdentifier::HexText,
            audiences: Vec::new(),
            token_lifetime: Duration::from_secs(3599),
            assertion_skew: Duration::from_secs(300),
            date_skew: 0,
        }
    }
}

/// See [`Behaviour::tenant_size`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TenantSize {
    /// Fewer than 50 users: 3,500 resource units per application and 10 seconds.
    #[serde(rename = "S")]
    S,
    /// 50 to 500 users: 5,000.
    #[serde(rename = "M")]
    M,
    /// More than 500 users: 8,000.
    #[serde(rename = "L")]
    L,
    /// No limit.
    Unlimited,
}

impl TenantSize {
    pub(crate) const fn resource_units(self) -> usize {
        match self {
            Self::S => 3_500,
            Self::M => 5_000,
            Self::L => 8_000,
            Self::Unlimited => 0,
        }
    }
}

/// See [`Behaviour::sign_entry_type`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum SignEntryType {
    /// As recorded output shows it.
    AsymmetricX509Cert,
    /// As several scripts assume.
    X509CertAndPassword,
}

impl SignEntryType {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AsymmetricX509Cert => "AsymmetricX509Cert",
            Self::X509CertAndPassword => "X509CertAndPassword",
        }
    }
}

/// See [`Behaviour::add_key_body`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum AddKeyBody {
    /// The entry, without its `key`.
    Full,
    /// Only `@odata.context`.
    ContextOnly,
}

/// See [`Behaviour::automatic_signer`]. Which one Entra takes is not documented.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum AutomaticSigner {
    /// The one that was made last.
    Newest,
    /// The one that was made first.
    Oldest,
}

/// See [`Behaviour::default_identifier`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DefaultIdentifier {
    /// The thumbprint's 40 hex digits, in upper case.
    HexText,
    /// Base64 of the thumbprint's 20 bytes.
    Sha1,
}

/// What is accepted as a proof of possession. Microsoft documents audience, issuer and a life of ten minutes; the rest is not public.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ProofRules {
    /// PS256 beside RS256. Default true.
    pub ps256: bool,
    /// How far `nbf` and `exp` may be off. Default 5 min.
    #[serde(with = "seconds")]
    pub skew: Duration,
    /// The longest `exp - nbf`. Default 10 min.
    #[serde(with = "seconds")]
    pub max_lifetime: Duration,
    /// `nbf` must be there. Default true.
    pub not_before_required: bool,
    /// Accept Graph's own appId (00000003-…) as audience. Default false: callers who used it were refused.
    pub graph_audience: bool,
}

impl Default for ProofRules {
    fn default() -> Self {
        Self {
            ps256: true,
            skew: Duration::from_secs(300),
            max_lifetime: Duration::from_secs(600),
            not_before_required: true,
            graph_audience: false,
        }
    }
}

/// See [`Behaviour::removal_failures`].
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RemovalFailures {
    /// How long after a write. Default 0, which is never.
    #[serde(with = "seconds")]
    pub within: Duration,
    /// How many of 100. Default 50.
    pub percent: u8,
}

impl Default for RemovalFailures {
    fn default() -> Self {
        Self { within: Duration::ZERO, percent: 50 }
    }
}

/// Restrictions of the tenant's application management policy, for applications and service principals alike.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Policy {
    /// New client secrets are refused. Default false.
    pub secrets_blocked: bool,
    /// The longest life of a client secret. Default none.
    #[serde(with = "seconds::option")]
    pub max_secret_lifetime: Option<Duration>,
    /// The longest life of a certificate. Default none.
    #[serde(with = "seconds::option")]
    pub max_certificate_lifetime: Option<Duration>,
}
