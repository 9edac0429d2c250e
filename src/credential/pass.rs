//! One pass over one resource: decide, do the one thing, decide again, until it rests.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ClientId;
use kube::ResourceExt as _;
use rotation::{Application, Case, Fact, Ledger, Policy, Rest, Step, Wait, next};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::context::Context;
use super::desk::{Desk, Pause, Seen};
use super::grants::Granted;
use super::layout::Names;
use super::registry::{AppKey, Recorded};
use super::trouble::{ClusterError, Upset, throttled, trouble};
use crate::api::v1alpha1::ServicePrincipalCredential;

/// A pass ends after this long.
pub(crate) const PASS: Duration = Duration::from_secs(120);
/// No act starts with less of the pass left: it is the longest that one takes.
const ACT: Duration = Duration::from_secs(75);
/// Clocks that part by this much within a pass have not just drifted.
const JUMP: TimeDelta = TimeDelta::seconds(10);
/// More steps than any undisturbed course takes; a pass that reaches it has gone astray and says so.
const STEPS: usize = 96;
/// A pass that cannot go on because of somebody else tries again after this.
const SOON: Duration = Duration::from_secs(1);

/// Everything that a pass works with.
pub(crate) struct Pass<'a> {
    pub(super) context: &'a Context,
    pub(super) desk: &'a mut Desk,
    pub(super) resource: Arc<ServicePrincipalCredential>,
    pub(super) policy: Policy,
    pub(super) ledger: Ledger,
    pub(super) granted: Option<Granted>,
    pub(super) names: Option<Names>,
    pub(super) app: AppKey,
    pub(super) started: Instant,
    /// Both clocks at one moment of the pass: they go on together unless one of them was set or stood still.
    pub(super) clocks: (Instant, DateTime<Utc>),
    /// Whether the resource was written, or read live, since the output or a slot was looked at.
    pub(super) is_confirmed: bool,
    /// Whether a licence was written and nothing sent.
    pub(super) is_in_vain: bool,
}

/// Failures in a row before the next attempt is due: a few passes find out what became of the resource.
const EARLY: u32 = 5;

/// How a pass ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// Come back after this long.
    After(Duration),
    /// Come back after this long, and no sooner unless something is new: the record does not say so, and the event of our own write to it wakes us at once.
    Pause(Duration),
}

/// Why a pass is cut short.
pub(super) enum Cut {
    /// Somebody else wrote the resource meanwhile.
    Conflict,
    /// The status could not be written.
    Cluster(ClusterError),
}

impl Pass<'_> {
    /// Runs the pass to its end, and says when the next one is due.
    pub(crate) async fn run(mut self) -> Duration {
        self.desk.memory.begin_pass();
        self.desk.keyring.drop_strangers(&self.ledger);
        let doubtful = self.notice_foreign_hands();
        let end = match self.steps().await {
            Ok(end) => {
                self.desk.setbacks = 0;
                end
            }
            Err(cut) => self.set_back(&cut),
        };
        let wanted = self.ledger.upcoming().or_else(|| self.ledger.current().filter(|current| current.published_at.is_none()));
        let wanted = wanted.map(|entry| entry.id.clone()).or_else(|| Some(self.ledger.next_id(&self.policy.uid, &self.desk.memory)));
        self.desk.keyring.keep_only(wanted.as_ref());
        let (End::After(wait) | End::Pause(wait)) = end;
        if self.is_in_vain || matches!(end, End::Pause(_)) {
            self.desk.pause = Some(Pause { until: Instant::now() + wait, seen: self.seen() });
        }
        doubtful.map_or(wait, |lag| wait.min(lag))
    }

    /// How long a pause still lasts that an earlier pass ended with, if nothing is new since.
    pub(crate) fn paused(&mut self) -> Option<Duration> {
        let pause = self.desk.pause.take().filter(|pause| pause.until > Instant::now() && pause.seen == self.seen())?;
        let left = pause.until - Instant::now();
        self.desk.pause = Some(pause);
        Some(left)
    }

    /// Without the licences: with those of another process that pauses for the same reason, the two would wake each other.
    fn seen(&self) -> Seen {
        let output = self.context.outputs.version(&self.namespace(), self.resource.spec.output());
        let mut ledger = self.ledger.clone();
        ledger.entries.iter_mut().for_each(|entry| entry.op = None);
        Seen { policy: self.policy.clone(), ledger, output }
    }

    async fn steps(&mut self) -> Result<End, Cut> {
        for _ in 0..STEPS {
            self.notice_a_jump();
            let application = self.context.application(&self.policy.uid);
            self.desk.memory.others_own(application.named());
            let step = next(&self.case(&application));
            debug!(step = step_name(&step), "next");
            // A write that is licensed is sent, and what Entra answered is put away; the rest is for whoever leads next.
            if self.context.is_stopping() && !matches!(step, Step::Act(_)) {
                return Ok(End::After(SOON));
            }
            let done = match step {
                Step::Rest(rest) => return self.rest(&rest, &application).await,
                Step::Note(fact) => {
                    self.note(&fact).await?;
                    Ok(())
                }
                Step::Look(look) => self.look(&look).await,
                Step::Act(act) => self.act(&act).await,
            };
            if let Err(upset) = done {
                return self.upset(&upset).await;
            }
            if self.must_change_locks() || !self.is_still_granted() {
                return Ok(End::After(Duration::ZERO));
            }
        }
        warn!(steps = STEPS, "a pass did not come to rest");
        Ok(End::Pause(Duration::from_secs(60)))
    }

    /// A clock that jumps makes everything old that it was compared with: what a step needs live is read again, and with it the time that Entra tells.
    fn notice_a_jump(&mut self) {
        let (instant, time) = self.clocks;
        let now = self.context.now();
        let apart = (now - time) - TimeDelta::from_std(instant.elapsed()).unwrap_or(TimeDelta::MAX);
        if apart.abs() > JUMP {
            info!(seconds = apart.num_seconds(), "the clock has jumped");
            self.desk.memory.begin_pass();
            self.clocks = (Instant::now(), now);
        }
    }

    pub(super) fn case<'b>(&'b self, application: &'b Application) -> Case<'b> {
        Case { policy: &self.policy, ledger: &self.ledger, memory: &self.desk.memory, application, now: self.context.now() }
    }

    async fn rest(&mut self, rest: &Rest, application: &Application) -> Result<End, Cut> {
        let wait = until(rest.until - self.context.now());
        let left = if rest.why == Wait::Deleting { None } else { self.refresh_status(&rest.why, application).await? };
        Ok(left.map_or(End::After(wait), |left| End::Pause(left.min(wait))))
    }

    /// A failure is scheduled in status; a throttle is only waited out.
    async fn upset(&mut self, upset: &Upset) -> Result<End, Cut> {
        if let Some(wait) = throttled(upset) {
            return Ok(End::Pause(wait.max(SOON)));
        }
        if let Upset::Entra(failure) = upset {
            self.context.tenants.suspect(&self.resource.spec.tenant_ref.name, failure);
        }
        let Some(trouble) = trouble(upset, self.policy.late) else {
            return Ok(match upset {
                // Another pass has time again.
                Upset::OutOfTime => End::After(Duration::ZERO),
                // Another one decides on what is there now. Of a resource that is gone the watch tells in a moment.
                Upset::Overtaken => End::After(SOON),
                // Without the Lease there is only the end of the process to wait for.
                _ => End::Pause(SOON * 5),
            });
        };
        warn!(reason = %trouble.reason, message = trouble.message, "failed");
        self.context.metrics.failed(trouble.reason);
        self.note(&Fact::Failed(trouble)).await?;
        Ok(self.back_off())
    }

    /// The record of a failure begins the next pass, which describes what became of the resource, and rests. Where a rule that comes before the one that waits
    /// fails again and again, the next attempt is waited for all the same.
    fn back_off(&mut self) -> End {
        self.is_in_vain = false;
        let again = self.ledger.rotation.next_attempt.map_or(SOON, |at| until(at - self.context.now()));
        let is_early = self.desk.fails_until.replace(Instant::now() + again).is_some_and(|until| Instant::now() < until);
        self.desk.early_failures = if is_early { self.desk.early_failures.saturating_add(1) } else { 0 };
        if self.desk.early_failures < EARLY { End::After(again) } else { End::Pause(again) }
    }

    fn set_back(&mut self, cut: &Cut) -> End {
        self.desk.setbacks = self.desk.setbacks.saturating_add(1);
        match cut {
            Cut::Conflict => debug!("somebody else wrote the resource; looking again"),
            Cut::Cluster(error) => warn!(error = %error, "cannot write the status"),
        }
        End::After(SOON * (1 << (self.desk.setbacks - 1).min(6)))
    }

    /// What the watch shows of the output is compared with what we saw last: anything else is looked at again, and so is an output that should look
    /// different by now. Right after a read or write the watch may only be late; then the answer is how soon to compare again.
    fn notice_foreign_hands(&mut self) -> Option<Duration> {
        const WATCH_LAG: Duration = Duration::from_secs(10);
        let seen = self.desk.output.as_ref()?;
        if seen.layout != self.layout() {
            self.desk.memory.forget_output();
            return None;
        }
        let watched = self.context.outputs.version(&self.namespace(), self.resource.spec.output());
        if watched.is_some_and(|(uid, version)| uid == seen.uid && version == seen.resource_version) {
            return None;
        }
        let lag = WATCH_LAG.saturating_sub(seen.at.elapsed());
        if lag.is_zero() {
            self.desk.memory.forget_output();
            self.desk.output = None;
        }
        Some(lag).filter(|lag| !lag.is_zero())
    }

    /// Without a clientID in the spec the application is known after the first read only; then its lock is taken in another pass.
    fn must_change_locks(&self) -> bool {
        matches!(self.app, AppKey::Object(..)) && self.client().is_some()
    }

    /// A grant that was withdrawn since the pass began is decided on in another pass: nothing more is done by it.
    fn is_still_granted(&self) -> bool {
        let tenant = self.context.tenants.get(&self.resource.spec.tenant_ref.name);
        self.granted.as_ref().is_none_or(|granted| tenant.is_some_and(|tenant| granted.still_holds(&self.resource, &tenant)))
    }

    /// The application's id, from the record or from the last read.
    pub(super) fn client(&self) -> Option<ClientId> {
        let read = || self.desk.memory.history().latest().map(|directory| directory.client_id);
        self.ledger.target.as_ref().map(|target| target.client_id).or_else(read)
    }

    /// Tells the other resources what this one's ledger says.
    pub(super) fn share(&self) {
        self.context.registry.record(&self.policy.uid, recorded(&self.resource, self.app, self.policy.is_signing(), self.ledger.clone()));
    }

    pub(super) fn has_time_for_an_act(&self) -> bool {
        self.started.elapsed() + ACT <= PASS
    }

    pub(super) fn namespace(&self) -> String {
        self.resource.namespace().unwrap_or_default()
    }
}

/// One resource as the others see it.
pub(super) fn recorded(resource: &ServicePrincipalCredential, app: AppKey, signing: bool, ledger: Ledger) -> Recorded {
    let uid = resource.uid().unwrap_or_default();
    Recorded {
        name: (resource.namespace().unwrap_or_default(), resource.name_any()),
        age: (super::status::created(resource), uid),
        app,
        signing,
        ledger,
    }
}

/// A wait as a requeue: never longer than an hour, as timers do not see a suspended node.
fn until(wait: TimeDelta) -> Duration {
    wait.to_std().unwrap_or(Duration::ZERO).clamp(Duration::from_millis(5), Duration::from_secs(3_600))
}

fn step_name(step: &Step) -> &'static str {
    match step {
        Step::Act(_) => "Act",
        Step::Look(_) => "Look",
        Step::Note(_) => "Note",
        Step::Rest(_) => "Rest",
    }
}
