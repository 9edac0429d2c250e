//! How a tenant stands between two passes, and when it is to be signed in to again. Pure: it is told the time.

use std::sync::Arc;
use std::time::Duration;

use entra::Retry;
use tokio::time::Instant;

use super::attempt::{Attempt, Opened};
use super::reason::{Reason, Trouble};
use super::registry::Access;
use crate::api::v1alpha1::{EntraTenant, EntraTenantSpec};
use crate::last_word::LastWord;

/// A sign-in that worked is tried again after this time.
const RECHECK: Duration = Duration::from_secs(6 * 3600);
/// The wait after the first failure, which doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(15);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Suspicions do not lead to more attempts than this.
const SUSPICION_PAUSE: Duration = Duration::from_secs(60);
/// What stays is looked at again now and then for its count of credentials: nothing is sent for that.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// What this process knows of a tenant.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) uid: String,
    /// What the last attempt was made for; `None` before the first.
    made_for: Option<MadeFor>,
    /// What the last attempt came to.
    pub(super) found: Access,
    /// What somebody else met since.
    suspicion: Option<Trouble>,
    pub(super) opened: Option<Opened>,
    /// Attempts in a row that failed.
    failures: u32,
    /// The next attempt, if nothing changes before.
    next: Instant,
    /// Entra asked not to come before.
    closed_until: Option<Instant>,
    /// The status as this process wrote it last.
    pub(super) last_word: LastWord,
}

/// Whether something changed shows by comparison with this.
#[derive(Clone, Debug)]
struct MadeFor {
    at: Instant,
    generation: i64,
    spec: Arc<EntraTenantSpec>,
    /// The version of the Secret as it was read.
    read: Option<String>,
    /// The version of the Secret that the watch had shown by then: it may lag.
    shown: Option<String>,
}

impl Standing {
    pub(super) fn unseen(tenant: &EntraTenant, now: Instant) -> Self {
        let uid = tenant.metadata.uid.clone().unwrap_or_default();
        Self {
            uid,
            made_for: None,
            found: Access::Unknown,
            suspicion: None,
            opened: None,
            failures: 0,
            next: now,
            closed_until: None,
            last_word: LastWord::default(),
        }
    }

    /// Whether it is of this object, not of an earlier one with its name.
    pub(super) fn is_of(&self, tenant: &EntraTenant) -> bool {
        tenant.metadata.uid.as_ref() == Some(&self.uid)
    }

    /// Whether the tenant can be worked in.
    pub(super) fn access(&self) -> Access {
        self.suspicion.clone().map_or_else(|| self.found.clone(), Access::from)
    }

    /// The generation of the last attempt.
    pub(super) fn generation(&self) -> Option<i64> {
        self.made_for.as_ref().map(|made| made.generation)
    }

    /// The spec of an object, shared where it is the one that the last attempt was made for.
    pub(super) fn spec_of(&self, tenant: &EntraTenant) -> Arc<EntraTenantSpec> {
        let same = self.made_for.as_ref().filter(|made| Some(made.generation) == tenant.metadata.generation);
        same.map_or_else(|| Arc::new(tenant.spec.clone()), |made| Arc::clone(&made.spec))
    }

    /// Whether to sign in now. `shown` is the version of the Secret that the watch shows.
    pub(super) fn is_due(&self, tenant: &EntraTenant, shown: Option<&String>, now: Instant) -> bool {
        let is_open = self.closed_until.is_none_or(|until| until <= now);
        is_open && (self.next <= now || self.is_outdated(tenant, shown))
    }

    fn is_outdated(&self, tenant: &EntraTenant, shown: Option<&String>) -> bool {
        self.made_for.as_ref().is_none_or(|made| {
            let secret_changed = shown != made.shown.as_ref() && shown != made.read.as_ref();
            secret_changed || Some(made.generation) != tenant.metadata.generation
        })
    }

    /// How it stands after an attempt.
    pub(super) fn after(self, attempt: Attempt, tenant: &EntraTenant, shown: Option<String>, now: Instant) -> Self {
        let is_repeated = !self.is_outdated(tenant, shown.as_ref());
        let spec = self.spec_of(tenant);
        let generation = tenant.metadata.generation.unwrap_or_default();
        let made_for = Some(MadeFor { at: now, generation, spec, read: attempt.version, shown });
        let next = Self { made_for, opened: attempt.opened, ..self };
        match attempt.outcome {
            Ok(signed_in) => {
                let found = Access::Ready(signed_in);
                Self { found, suspicion: None, failures: 0, next: now + RECHECK, closed_until: None, ..next }
            }
            Err(trouble) => next.failed(trouble, is_repeated, now),
        }
    }

    fn failed(self, trouble: Trouble, is_repeated: bool, now: Instant) -> Self {
        let failures = if is_repeated { self.failures + 1 } else { 1 };
        let asked = match trouble.retry {
            Retry::After(pause) => Some(now + pause),
            Retry::Backoff | Retry::OnChange => None,
        };
        let next = (now + wait(failures)).max(asked.unwrap_or(now));
        let found = if is_repeated && self.outlasts(&trouble) { self.found } else { trouble.into() };
        Self { found, suspicion: None, failures, next, closed_until: asked, ..self }
    }

    /// A sign-in that worked, and that nobody but a routine attempt doubts, outlasts one failure of Entra's that passes by itself, and
    /// every one of the Kubernetes API server's.
    fn outlasts(&self, trouble: &Trouble) -> bool {
        let passes = trouble.reason == Reason::ClusterUnavailable || (self.failures == 0 && !trouble.reason.is_refusal());
        passes && self.suspicion.is_none() && matches!(self.found, Access::Ready(_))
    }

    /// The sign-in was refused elsewhere. False if that says nothing new.
    pub(super) fn suspect(&mut self, trouble: Trouble, now: Instant) -> bool {
        let is_news = self.suspicion.is_none() && matches!(self.found, Access::Ready(_));
        if is_news {
            let at = self.made_for.as_ref().map_or(now, |made| made.at + SUSPICION_PAUSE);
            self.next = self.next.min(at.max(now));
            self.suspicion = Some(trouble);
        }
        is_news
    }

    /// When to look at it again.
    pub(super) fn rest(&self, now: Instant) -> Duration {
        let next = self.next.max(self.closed_until.unwrap_or(self.next));
        next.saturating_duration_since(now).clamp(Duration::from_secs(1), LONGEST_REST)
    }
}

fn wait(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(8);
    (FIRST_WAIT * 2_u32.pow(doublings)).min(LONGEST_WAIT)
}
