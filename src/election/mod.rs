//! One replica works, the others stand by: a Lease of `coordination.k8s.io`.
//!
//! ```text
//!   acquire ── nobody, or silent for the duration ──► held ── confirm before each Graph write
//!      ▲                                               │
//!      └── the next replica ◄── release, or silence ◄──┴── hold renews, until lost: then the process ends
//! ```
//!
//! Every write carries the resourceVersion that was judged, so an expired Lease cannot be won by two. Silence is timed by our own
//! monotonic clock from what we saw ourselves, as client-go does. A Lease is no fence: a process that is paused between `confirm` and
//! its next write can still be overtaken, which is why every Graph write is licensed by a compare-and-swap of the resource as well.

mod evaluate;
mod term;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entra::Clock;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::Instant;
use tracing::{debug, info, warn};

pub use self::evaluate::{LONGEST, Seen, Verdict, evaluate};
use self::term::Term;
use crate::serve::Health;
use crate::settings::Settings;

/// This replica's part in the election. Clones share one hold on the Lease.
#[derive(Clone)]
pub struct Election {
    shared: Arc<Shared>,
    health: Option<Health>,
}

struct Shared {
    api: Api<Lease>,
    clock: Arc<dyn Clock>,
    namespace: String,
    name: String,
    me: String,
    duration: Duration,
    term: Mutex<Option<Term>>,
}

/// Why this process must not write to Entra.
#[derive(Debug, thiserror::Error)]
pub enum NotLeader {
    /// It never had the Lease, or lost it or gave it up.
    #[error("this replica does not hold the Lease {lease}")]
    Unheld {
        /// `namespace/name`.
        lease: String,
    },
    /// Another process holds it, or nobody.
    #[error("the Lease {lease} was taken by {holder:?}: that replica goes on with the work")]
    Taken {
        /// `namespace/name`.
        lease: String,
        /// Who holds it; empty for nobody.
        holder: String,
    },
    /// It could not be renewed for so long that another may have taken it a moment ago.
    #[error("the Lease {lease} was last renewed {age:?} ago: see the log for why it cannot be renewed")]
    Stale {
        /// `namespace/name`.
        lease: String,
        /// Since the last renewal was sent.
        age: Duration,
    },
    /// It could not be read.
    #[error("cannot read the Lease {lease}: {source}")]
    Read {
        /// `namespace/name`.
        lease: String,
        /// Why.
        source: CallError,
    },
}

/// Why a Lease that was held is held no more.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// By [`Election::release`]; or it was never acquired.
    #[error("the Lease {lease} was given up")]
    Released {
        /// `namespace/name`.
        lease: String,
    },
    /// Another process took it, or a person cleared it.
    #[error("the Lease {lease} was taken by {holder:?}: that replica goes on with the work")]
    Taken {
        /// `namespace/name`.
        lease: String,
        /// Who holds it; empty for nobody.
        holder: String,
    },
    /// Somebody deleted it.
    #[error("the Lease {lease} was deleted")]
    Deleted {
        /// `namespace/name`.
        lease: String,
    },
    /// It could not be renewed within its duration.
    #[error(
        "cannot renew the Lease {lease} within {duration:?}: check the connection to the Kubernetes API server and the right to update this Lease"
    )]
    Unrenewed {
        /// `namespace/name`.
        lease: String,
        /// The Lease's duration.
        duration: Duration,
    },
}

/// Why a request about the Lease failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server took too long.
    #[error("no answer from the Kubernetes API server within {0:?}")]
    Await(Duration),
    /// The API server refused, or could not be reached.
    #[error(transparent)]
    Send(#[from] Box<kube::Error>),
}

impl Election {
    /// A replica that does not hold the Lease yet. The clock only dates the Lease for those who read it.
    pub fn new(client: Client, settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let shared = Shared {
            api: Api::namespaced(client, &settings.namespace),
            clock,
            namespace: settings.namespace.clone(),
            name: settings.lease_name.clone(),
            me: settings.identity.clone(),
            duration: settings.lease_duration.max(Duration::from_secs(1)),
            term: Mutex::default(),
        };
        Self { shared: Arc::new(shared), health: None }
    }

    /// The same, telling at each turn that it is not stuck.
    #[must_use]
    pub fn watched_by(self, health: Health) -> Self {
        Self { health: Some(health), ..self }
    }

    /// Waits until this replica holds the Lease. Failures are logged and tried again.
    pub async fn acquire(&self) {
        let mut silence = Silence::default();
        loop {
            self.turned();
            let pause = match self.attempt(&mut silence).await {
                Ok(Attempt::Won) => return,
                Ok(Attempt::Wait(left)) => left.min(self.shared.rhythm()),
                Err(error) => {
                    warn!(lease = self.shared.lease(), %error, "cannot compete for the Lease; trying again");
                    self.shared.rhythm()
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Renews the Lease every third of its duration. Returns when it is lost: this process must then end, since another goes on with its work.
    pub async fn hold(&self) -> Lost {
        let shared = &self.shared;
        let lost = loop {
            self.turned();
            let Some(term) = shared.term() else {
                return Lost::Released { lease: shared.lease() };
            };
            tokio::time::sleep_until(term.renewed + shared.duration / 3).await;
            let renewal = tokio::time::timeout_at(term.renewed + shared.duration, shared.renew()).await;
            match renewal {
                Ok(Ok(())) => {}
                Ok(Err(lost)) => break lost,
                Err(_) => break Lost::Unrenewed { lease: shared.lease(), duration: shared.duration },
            }
        };
        shared.end_term();
        lost
    }

    /// Reads the Lease live: call it right before each write to Entra.
    ///
    /// # Errors
    /// Unless it is ours and was renewed by us within its duration. Then nothing may be sent.
    pub async fn confirm(&self) -> Result<(), NotLeader> {
        let shared = &self.shared;
        let unheld = || NotLeader::Unheld { lease: shared.lease() };
        let read = shared.read().await.map_err(|source| NotLeader::Read { lease: shared.lease(), source })?;
        // Looked up after the answer: a renewal may have come in between.
        let term = shared.term().ok_or_else(unheld)?;
        if !read.as_ref().is_some_and(|lease| term.is_current(lease)) {
            let holder = read.as_ref().map(term::holder).unwrap_or_default().to_owned();
            return Err(NotLeader::Taken { lease: shared.lease(), holder });
        }
        match term.renewed.elapsed() {
            age if age < shared.duration => Ok(()),
            age => Err(NotLeader::Stale { lease: shared.lease(), age }),
        }
    }

    /// Gives the Lease up, so that another replica need not wait for its end. Does nothing where it is not held; a failure is only logged.
    pub async fn release(&self) {
        let Some(term) = self.shared.end_term() else {
            return;
        };
        match self.shared.give_up(term).await {
            Ok(()) => info!(lease = self.shared.lease(), "gave up the Lease"),
            Err(error) => warn!(lease = self.shared.lease(), %error, "cannot give up the Lease; others wait for its end"),
        }
    }

    async fn attempt(&self, silence: &mut Silence) -> Result<Attempt, CallError> {
        let shared = &self.shared;
        let lease = shared.read().await?;
        let unchanged_for = silence.observe(lease.as_ref());
        let seen = lease.as_ref().map(term::seen);
        match evaluate(seen.as_ref(), unchanged_for, &shared.me, shared.duration) {
            Verdict::Wait(left) => {
                silence.tell_of_holder(seen.map(|seen| seen.holder), &shared.lease());
                Ok(Attempt::Wait(left))
            }
            Verdict::Create | Verdict::Take | Verdict::Renew => shared.begin_term(lease.as_ref()).await,
        }
    }

    fn turned(&self) {
        if let Some(health) = &self.health {
            health.election_turned();
        }
    }
}

enum Attempt {
    Won,
    Wait(Duration),
}

/// For how long we have seen one version of the Lease, and whom we wait for.
#[derive(Default)]
struct Silence {
    since: Option<(String, Instant)>,
    holder: Option<String>,
}

impl Silence {
    fn observe(&mut self, lease: Option<&Lease>) -> Duration {
        let version = lease.and_then(|lease| lease.metadata.resource_version.clone()).unwrap_or_default();
        match &self.since {
            Some((known, since)) if *known == version => since.elapsed(),
            _ => {
                self.since = Some((version, Instant::now()));
                Duration::ZERO
            }
        }
    }

    /// Logs once for each holder, not at every renewal.
    fn tell_of_holder(&mut self, holder: Option<String>, lease: &str) {
        if self.holder != holder {
            info!(lease, holder, "standing by");
            self.holder = holder;
        }
    }
}

impl Shared {
    async fn begin_term(&self, lease: Option<&Lease>) -> Result<Attempt, CallError> {
        let now = self.clock.now();
        let sent = Instant::now();
        let written = match lease {
            None => self.create(&term::created(&self.name, &self.me, self.duration, now)).await,
            Some(lease) => self.replace(&term::taken(lease, &self.me, self.duration, now)).await,
        };
        match written {
            Ok(lease) => {
                info!(lease = self.lease(), identity = self.me, "holding the Lease");
                *self.lock() = Some(Term { lease, renewed: sent });
                Ok(Attempt::Won)
            }
            Err(error) if error.is_conflict() => {
                debug!(lease = self.lease(), "another replica was faster");
                Ok(Attempt::Wait(self.rhythm()))
            }
            Err(error) => Err(error),
        }
    }

    /// Renews until it succeeds, or until the Lease is seen to be lost.
    async fn renew(&self) -> Result<(), Lost> {
        loop {
            let Some(term) = self.term() else {
                return Err(Lost::Released { lease: self.lease() });
            };
            let sent = Instant::now();
            match self.replace(&term::renewed(&term.lease, self.clock.now())).await {
                Ok(lease) => {
                    self.update_term(lease, Some(sent));
                    return Ok(());
                }
                Err(error) => {
                    warn!(lease = self.lease(), %error, "cannot renew the Lease; trying again");
                    self.look_whether_lost(&term).await?;
                }
            }
            tokio::time::sleep(self.rhythm()).await;
        }
    }

    /// A renewal fails also because an earlier one was applied although its answer was lost, or because somebody put a label on the Lease.
    async fn look_whether_lost(&self, term: &Term) -> Result<(), Lost> {
        match self.read().await {
            Ok(None) => Err(Lost::Deleted { lease: self.lease() }),
            Ok(Some(lease)) if term.is_current(&lease) => {
                self.update_term(lease, None);
                Ok(())
            }
            Ok(Some(lease)) => Err(Lost::Taken { lease: self.lease(), holder: term::holder(&lease).to_owned() }),
            Err(_) => Ok(()),
        }
    }

    async fn give_up(&self, term: Term) -> Result<(), CallError> {
        if self.replace(&term::released(&term.lease, self.clock.now())).await.is_ok() {
            return Ok(());
        }
        match self.read().await? {
            Some(lease) if term.is_current(&lease) => self.replace(&term::released(&lease, self.clock.now())).await.map(|_| ()),
            _ => Ok(()),
        }
    }

    async fn read(&self) -> Result<Option<Lease>, CallError> {
        self.call(self.api.get_opt(&self.name)).await
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, CallError> {
        self.call(self.api.create(&PostParams::default(), lease)).await
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, CallError> {
        self.call(self.api.replace(&self.name, &PostParams::default(), lease)).await
    }

    async fn call<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
        let limit = CALL.min(self.duration / 3);
        let answer = tokio::time::timeout(limit, request).await.map_err(|_| CallError::Await(limit))?;
        answer.map_err(|error| CallError::Send(Box::new(error)))
    }

    fn term(&self) -> Option<Term> {
        self.lock().clone()
    }

    fn end_term(&self) -> Option<Term> {
        self.lock().take()
    }

    /// Never begins a term: a late answer must not undo a release.
    fn update_term(&self, lease: Lease, renewed: Option<Instant>) {
        if let Some(term) = self.lock().as_mut() {
            term.lease = lease;
            term.renewed = renewed.unwrap_or(term.renewed);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Term>> {
        self.term.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Between two looks at a Lease that somebody else holds, and between two tries of anything.
    fn rhythm(&self) -> Duration {
        self.duration / 5
    }

    fn lease(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl CallError {
    /// Whether somebody else wrote first: the object exists already, or has another version.
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Send(error) if matches!(error.as_ref(), kube::Error::Api(status) if status.code == 409))
    }
}

/// The longest that a request about the Lease may take; less where the Lease is short.
const CALL: Duration = Duration::from_secs(20);
