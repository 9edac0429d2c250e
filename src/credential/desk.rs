//! What one process keeps for one resource between passes.

use std::collections::BTreeMap;
use std::sync::Arc;

use entra_types::{KeyId, Thumbprint};
use keys::Sensitive;
use rotation::{Ledger, Memory, Policy, Time};
use tokio::time::Instant;

use super::keyring::Keyring;
use super::layout::{Layout, Superfluous};
use crate::api::v1alpha1::ServicePrincipalCredential;
use crate::last_word::LastWord;

/// The desk of one resource.
pub(crate) struct Desk {
    /// What was seen and done.
    pub(crate) memory: Memory,
    /// Private keys in memory.
    pub(crate) keyring: Keyring,
    /// The resource as we wrote it last: newer than a lagging watch.
    pub(crate) written: Option<Arc<ServicePrincipalCredential>>,
    /// The status as we wrote it last.
    pub(crate) last_word: LastWord,
    /// The output's identity as of the last read or write.
    pub(crate) output: Option<OutputVersion>,
    /// The nonce of the last licence, and when its compare-and-swap was sent.
    pub(crate) licence: Option<(String, Instant)>,
    /// What addKey called certificates of an application that rolls itself.
    pub(crate) told: BTreeMap<Thumbprint, KeyId>,
    /// The password of the keystore in the output: once somebody has read it, it stays.
    pub(crate) keystore_password: Option<Sensitive<String>>,
    /// Passes in a row that the API server cut short.
    pub(crate) setbacks: u32,
    /// When the next attempt after the last failure is due.
    pub(crate) fails_until: Option<Instant>,
    /// Failures in a row before that.
    pub(crate) early_failures: u32,
    /// What the last pass waits for although the record does not say so.
    pub(crate) pause: Option<Pause>,
}

/// Until when to do nothing, unless something is new.
#[derive(Debug)]
pub(crate) struct Pause {
    pub(crate) until: Instant,
    /// How things were as it began.
    pub(crate) seen: Seen,
}

/// What a pass goes by, as far as it is known without asking anybody.
#[derive(Debug, PartialEq)]
pub(crate) struct Seen {
    pub(crate) policy: Policy,
    pub(crate) ledger: Ledger,
    /// The uid and resourceVersion of the output.
    pub(crate) output: Option<(String, String)>,
}

/// Preconditions for the next write of the output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OutputVersion {
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    /// What does not belong there.
    pub(crate) superfluous: Superfluous,
    /// How it should have looked by then.
    pub(crate) layout: Layout,
    /// When it was read or written: a watch may lag behind that for a moment.
    pub(crate) at: Instant,
}

impl Desk {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            memory: Memory::new(now),
            keyring: Keyring::default(),
            written: None,
            last_word: LastWord::default(),
            output: None,
            licence: None,
            told: BTreeMap::new(),
            keystore_password: None,
            setbacks: 0,
            fails_until: None,
            early_failures: 0,
            pause: None,
        }
    }

    /// The newer of what the watch shows and what we wrote ourselves.
    pub(crate) fn newer(&self, watched: Arc<ServicePrincipalCredential>) -> Arc<ServicePrincipalCredential> {
        match &self.written {
            Some(written) if version(written) > version(&watched) => Arc::clone(written),
            _ => watched,
        }
    }
}

/// Resource versions of one resource type can be compared as numbers (KEP-5504). One that is none counts as newest.
fn version(object: &ServicePrincipalCredential) -> u64 {
    object.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(u64::MAX)
}
