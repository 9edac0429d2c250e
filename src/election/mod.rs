//! One replica works, the others stand by: a Lease of `coordination.k8s.io`.
//!
//! ```text
//!   acquire ── nobody, or silent for the duration ──► held ── confirm before each Graph write, fence before each write to the cluster
//!      ▲                                               │
//!      └── the next replica ◄── release, or silence ◄──┴── hold renews, until lost: then the process ends
//! ```
//!
//! Every write carries the resourceVersion that was judged, so an expired Lease cannot be won by two. What others wrote as their time
//! is never compared with ours: who waits times the silence that it saw itself, by its monotonic clock, as client-go does.
//!
//! No clock is relied on for safety. A holder whose clock runs slow, or stood still while its machine was suspended, may believe in a
//! term that is over; so each Graph write is preceded by a live read of the Lease, which tells who holds it whatever any clock says. A
//! Lease is no fence all the same: a process that is paused between that read and its write can be overtaken, which is why every
//! Graph write is licensed by a compare-and-swap of the resource as well, and every write to the cluster carries the version or uid
//! that was seen.

mod error;
mod evaluate;
mod fence;
mod pace;
mod term;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entra::Clock;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, info, warn};

pub use self::error::{CallError, Lost, NotLeader};
pub use self::evaluate::{LONGEST, Seen, Verdict, evaluate};
pub(crate) use self::fence::is_fenced;
use self::pace::Pace;
use self::term::{Sent, Term};
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
    pace: Pace,
    term: Mutex<Option<Term>>,
    doubt: Notify,
}

impl Election {
    /// A replica that does not hold the Lease yet. The clock dates the Lease for those who read it, and tells of time that the monotonic
    /// clock missed.
    pub fn new(client: Client, settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let shared = Shared {
            api: Api::namespaced(client, &settings.namespace),
            clock,
            namespace: settings.namespace.clone(),
            name: settings.lease_name.clone(),
            me: settings.identity.clone(),
            pace: Pace::new(settings.lease_duration),
            term: Mutex::default(),
            doubt: Notify::new(),
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
                Ok(Attempt::Wait(left)) => left.min(self.shared.pace.look()),
                Err(error) => {
                    warn!(lease = self.shared.lease(), %error, "cannot compete for the Lease; trying again");
                    self.shared.pace.look()
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Renews the Lease five times in its duration. Returns when it is lost: this process must then end, since another goes on with its work.
    pub async fn hold(&self) -> Lost {
        let shared = &self.shared;
        let lost = loop {
            self.turned();
            let Some(term) = shared.term() else {
                return Lost::Released { lease: shared.lease() };
            };
            let unrenewed = || Lost::Unrenewed { lease: shared.lease(), trust: shared.pace.trust() };
            let end = term.renewed.at + shared.pace.trust();
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(term.renewed.at + shared.pace.renewal()) => {}
                () = shared.doubt.notified() => {}
            }
            // A process that was stopped for so long does not begin again by renewing what others may have taken.
            if Instant::now() >= end {
                break unrenewed();
            }
            match tokio::time::timeout_at(end, shared.renew()).await {
                Ok(Ok(())) => {}
                Ok(Err(lost)) => break lost,
                Err(_) => break unrenewed(),
            }
        };
        shared.end_term();
        lost
    }

    /// Whether this replica can rely on its term, as far as it can tell without asking anybody.
    ///
    /// # Errors
    /// Unless it has the Lease and renewed it lately, by the monotonic and by the wall clock. Then nothing may be written.
    pub fn holds(&self) -> Result<(), NotLeader> {
        let shared = &self.shared;
        let term = shared.term().ok_or_else(|| NotLeader::Unheld { lease: shared.lease() })?;
        match term.renewed.age(shared.clock.now()) {
            age if age < shared.pace.trust() => Ok(()),
            age => {
                // If only the clock was set, a renewal settles it.
                shared.doubt.notify_one();
                Err(NotLeader::Stale { lease: shared.lease(), age })
            }
        }
    }

    /// Reads the Lease live: call it right before each write to Entra.
    ///
    /// # Errors
    /// Unless it is ours and [relied on](Self::holds). Then nothing may be sent.
    pub async fn confirm(&self) -> Result<(), NotLeader> {
        let shared = &self.shared;
        let read = shared.read().await.map_err(|source| NotLeader::Read { lease: shared.lease(), source })?;
        // Looked up after the answer: a renewal may have come in between.
        let term = shared.term().ok_or_else(|| NotLeader::Unheld { lease: shared.lease() })?;
        if !read.as_ref().is_some_and(|lease| term.is_current(lease)) {
            let holder = read.as_ref().map(term::holder).unwrap_or_default().to_owned();
            // The next renewal fails, and with it ends this process: now rather than in a while.
            shared.doubt.notify_one();
            return Err(NotLeader::Taken { lease: shared.lease(), holder });
        }
        self.holds()
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
        match evaluate(seen.as_ref(), unchanged_for, &shared.me, shared.pace.duration()) {
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
        let sent = Sent::now(self.clock.as_ref());
        let duration = self.pace.duration();
        let written = match lease {
            None => self.create(&term::created(&self.name, &self.me, duration, sent.dated)).await,
            Some(lease) => self.replace(&term::taken(lease, &self.me, duration, sent.dated)).await,
        };
        match written {
            Ok(lease) => {
                info!(lease = self.lease(), identity = self.me, "holding the Lease");
                *self.lock() = Some(Term { lease, renewed: sent });
                Ok(Attempt::Won)
            }
            Err(error) if error.is_conflict() => {
                debug!(lease = self.lease(), "another replica was faster");
                Ok(Attempt::Wait(self.pace.look()))
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
            let sent = Sent::now(self.clock.as_ref());
            match self.replace(&term::renewed(&term.lease, sent.dated)).await {
                Ok(lease) => {
                    self.update_term(lease, Some(sent));
                    return Ok(());
                }
                Err(error) => {
                    warn!(lease = self.lease(), %error, "cannot renew the Lease; trying again");
                    self.look_whether_lost(&term).await?;
                }
            }
            tokio::time::sleep(self.pace.again()).await;
        }
    }

    /// A renewal fails also because an earlier one was applied although its answer was lost, or because somebody put a label on the Lease.
    async fn look_whether_lost(&self, term: &Term) -> Result<(), Lost> {
        match self.read().await {
            Ok(None) => Err(Lost::Deleted { lease: self.lease() }),
            // What this process remembers and what its watches have seen is newer than the cluster: every write would be a conflict.
            Ok(Some(lease)) if term.is_current(&lease) && term.is_older(&lease) => Err(Lost::Forgotten { lease: self.lease() }),
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
        let limit = self.pace.call();
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
    fn update_term(&self, lease: Lease, renewed: Option<Sent>) {
        if let Some(term) = self.lock().as_mut() {
            term.lease = lease;
            term.renewed = renewed.unwrap_or(term.renewed);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Term>> {
        self.term.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lease(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}
