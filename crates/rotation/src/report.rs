//! What `status` says of a case: conditions that kstatus reads, columns, and the next action. Pure, and a function of the ledger as far as possible, so that it does
//! not change by itself: no relative times, whole seconds.

mod risk;
mod stage;

use crate::case::{Case, Wait};
use crate::history::Conclusion;
use crate::ledger::{Entry, Foreign, Use};
use crate::memory::Output;
use crate::policy::Durations;
use crate::reason::{Reason, Refusal};
use crate::rules::{cause, gone};
use crate::time::Time;
use crate::{schedule, self_rolling, token_signing};

/// Failures in a row from which a rotation that is not due yet counts as at risk.
const WORRYING: u32 = 5;

/// One condition; its transition time is the writer's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition {
    /// `Ready`, `Reconciling`, `Stalled`, `Rotating` or `RotationAtRisk`.
    pub r#type: &'static str,
    /// Whether it holds.
    pub status: bool,
    /// CamelCase.
    pub reason: String,
    /// A sentence or two.
    pub message: String,
}

/// Everything in `status` that is not the ledger.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// All five, in a fixed order.
    pub conditions: Vec<Condition>,
    /// When the published credential was issued.
    pub not_before: Option<Time>,
    /// When Entra stops accepting it.
    pub not_after: Option<Time>,
    /// When its successor is due.
    pub renewal_time: Option<Time>,
    /// What happens next, and when.
    pub next_action: Option<(Time, String)>,
    /// The durations in force.
    pub durations: Durations,
    /// Whether an app management policy makes credentials live shorter than asked.
    pub clamp: Clamp,
    /// What the object holds besides.
    pub foreign: Option<Foreign>,
}

/// What app management policies make of the validity that is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Clamp {
    /// This process has not asked.
    Unknown,
    /// Nothing.
    Unneeded,
    /// It is cut, as this says.
    Cut(String),
}

/// Describes the case. `wait` is the reason of the rest it ended in, if it did.
pub fn report(case: &Case<'_>, wait: Option<&Wait>) -> Report {
    let view = View { case, refusal: refusal(case, wait), published: published(case) };
    let ready = view.ready();
    Report {
        conditions: vec![view.reconciling(&ready), view.stalled(&ready), view.rotating(wait), view.at_risk(&ready, wait), ready]
            .into_iter()
            .rev()
            .collect(),
        not_before: view.published.map(|entry| entry.issued_at),
        not_after: view.published.and_then(|entry| entry.not_after),
        renewal_time: case.ledger.current().and_then(|current| schedule::due(current, case.policy)),
        next_action: stage::next_action(case, wait),
        durations: Durations { validity: case.validity(), ..case.policy.durations },
        clamp: clamp(case),
        foreign: case.ledger.foreign.clone(),
    }
}

fn clamp(case: &Case<'_>) -> Clamp {
    let Some(seen) = case.memory.limits() else { return Clamp::Unknown };
    if case.validity() == case.policy.durations.validity {
        return Clamp::Unneeded;
    }
    let policy = seen.value.as_ref().and_then(|limits| limits.policy.as_deref()).unwrap_or("of the tenant");
    let asked = schedule::duration(case.policy.durations.validity);
    Clamp::Cut(format!(
        "spec.rotation.validity asks for {asked}; app management policy {policy} allows less, so new credentials live shorter."
    ))
}

/// What a person must know, if something is refused: by the rules, or by the last answer of Entra.
fn refusal(case: &Case<'_>, wait: Option<&Wait>) -> Option<Refusal> {
    if let Some(Wait::Refused(refusal)) = wait {
        return Some(refusal.clone());
    }
    case.policy.refusal.clone().or_else(|| {
        let failure = case.ledger.rotation.last_failure.as_ref()?;
        (case.ledger.rotation.failures > 0).then(|| Refusal::new(failure.reason, failure.message.clone()))
    })
}

/// The credential that the output holds: Current once published, until then the one before.
fn published<'a>(case: &Case<'a>) -> Option<&'a Entry> {
    let current = case.ledger.current().filter(|current| current.published_at.is_some());
    let before = || case.ledger.all(Use::Previous).filter(|entry| entry.published_at.is_some()).max_by_key(|entry| entry.seq);
    current.or_else(before)
}

struct View<'a> {
    case: &'a Case<'a>,
    refusal: Option<Refusal>,
    published: Option<&'a Entry>,
}

impl View<'_> {
    fn ready(&self) -> Condition {
        let (status, reason, message) = self.readiness();
        Condition { r#type: "Ready", status, reason, message }
    }

    fn readiness(&self) -> (bool, String, String) {
        let no = |reason: &str, message: String| (false, reason.to_owned(), message);
        if self.case.policy.deleted_at.is_some() {
            return self.revoking();
        }
        let Some(entry) = self.published else { return self.not_issued() };
        if !entry.is_valid_at(self.case.now) {
            return no("Expired", format!("The published credential {} expired at {}.", entry.id, moment(entry.not_after)));
        }
        if gone(self.case, entry) == Conclusion::Confirmed {
            return no("CredentialGone", format!("The published credential {} is not listed in Entra any more.", entry.id));
        }
        match self.case.memory.output() {
            Some(Output::Absent) => no("OutputMissing", "The output was deleted and is written again.".to_owned()),
            Some(Output::Ours { shows: None, .. }) if self.is_contested() => {
                no(Reason::OutputContested.as_str(), self.refusal.as_ref().map(explain).unwrap_or_default())
            }
            Some(Output::Foreign(why)) => no(Reason::OutputNotOurs.as_str(), format!("{why} {}", Reason::OutputNotOurs.remedy())),
            _ => (
                true,
                "Published".to_owned(),
                format!("The output holds credential {}, accepted until {}.", entry.id, moment(entry.not_after)),
            ),
        }
    }

    fn is_contested(&self) -> bool {
        self.refusal.as_ref().is_some_and(|refusal| refusal.reason == Reason::OutputContested)
    }

    /// While the finalizer stands, what was made is being removed.
    fn revoking(&self) -> (bool, String, String) {
        match &self.refusal {
            Some(refusal) => (false, "RevocationBlocked".to_owned(), format!("The credentials cannot be removed. {}", explain(refusal))),
            None => (false, "Revoking".to_owned(), "The credentials are being removed from Entra.".to_owned()),
        }
    }

    fn not_issued(&self) -> (bool, String, String) {
        match &self.refusal {
            Some(refusal) if refusal.reason.is_refusal() => (false, refusal.reason.to_string(), explain(refusal)),
            Some(refusal) => (false, "Issuing".to_owned(), format!("No credential is published yet. {}", explain(refusal))),
            None => (false, "Issuing".to_owned(), self.first_step()),
        }
    }

    fn first_step(&self) -> String {
        let waits_for = |upcoming| stage::waits_for(self.case, upcoming, None);
        match self.case.ledger.upcoming().filter(|upcoming| waits_for(upcoming) == Some(Wait::AwaitingApproval)) {
            Some(upcoming) => stage::stage_of(self.case, upcoming, None).1,
            None => "The first credential is being issued.".to_owned(),
        }
    }

    /// Whether a person must act before this generation can be realised.
    fn is_stalled(&self, ready: &Condition) -> bool {
        if self.case.policy.deleted_at.is_some() {
            return false;
        }
        self.refusal.as_ref().is_some_and(|refusal| {
            refusal.reason.is_refusal() && (!ready.status || self.asks_for_another() || self.contradicts(refusal.reason))
        })
    }

    /// Whether what is refused is the spec itself, or what it pins.
    fn contradicts(&self, reason: Reason) -> bool {
        match reason {
            Reason::InvalidPolicy | Reason::InvalidSchedule | Reason::ValidityTooShort | Reason::PinNotUsable => true,
            Reason::AdoptionNotGranted | Reason::UnknownVariant => true,
            Reason::SignerContested => token_signing::pinned(self.case).is_some(),
            _ => false,
        }
    }

    /// Whether `spec` asks for another credential than the published one.
    fn asks_for_another(&self) -> bool {
        use crate::reason::Cause::{NotIssuedBefore, RevokeIssuedBefore, SpecChanged};
        let asked = |cause| matches!(cause, NotIssuedBefore | RevokeIssuedBefore | SpecChanged);
        let Some(current) = self.case.ledger.current() else { return false };
        if let Some(pinned) = token_signing::pinned(self.case) {
            return current.thumbprint() != Some(pinned) || current.published_at.is_none();
        }
        match current.published_at {
            Some(_) => cause(self.case).is_some_and(asked),
            None => self.case.ledger.rotation.reason.is_some_and(asked),
        }
    }

    fn reconciling(&self, ready: &Condition) -> Condition {
        let of = |status, reason: &str, message: &str| Condition {
            r#type: "Reconciling",
            status,
            reason: reason.to_owned(),
            message: message.to_owned(),
        };
        if self.is_stalled(ready) {
            return of(false, "Stalled", "See the condition Stalled.");
        }
        let retrying = self.case.ledger.rotation.failures > 0;
        match ready.reason.as_str() {
            _ if ready.status && self.asks_for_another() => {
                of(true, "SpecChanged", "The spec asks for another credential, which is being issued.")
            }
            _ if ready.status => of(false, "Realised", "The spec is realised."),
            "Issuing" if retrying => of(true, "Retrying", "The last attempt failed and is repeated."),
            "Issuing" => of(true, "Issuing", "The first credential is being issued."),
            "Revoking" | "RevocationBlocked" => of(true, "Revoking", "The credentials are being removed from Entra."),
            "OutputMissing" => of(true, "Republishing", "The output is written again."),
            _ => of(true, "Reissuing", "A new credential is being issued."),
        }
    }

    fn stalled(&self, ready: &Condition) -> Condition {
        let of = |status, reason: String, message: String| Condition { r#type: "Stalled", status, reason, message };
        match self.refusal.as_ref().filter(|_| self.is_stalled(ready)) {
            Some(refusal) => of(true, refusal.reason.to_string(), explain(refusal)),
            None => of(false, "NotStalled".to_owned(), "Nobody needs to act.".to_owned()),
        }
    }

    fn rotating(&self, wait: Option<&Wait>) -> Condition {
        let of = |status, reason: &str, message: String| Condition { r#type: "Rotating", status, reason: reason.to_owned(), message };
        if self.case.policy.deleted_at.is_some() {
            return of(false, "Revoking", "The resource is being deleted: nothing is rotated any more.".to_owned());
        }
        if self.case.policy.suspend {
            return of(false, "Suspended", "spec.suspend is set: nothing new is begun.".to_owned());
        }
        if self.case.ledger.current().is_none() {
            return of(false, "NotIssued", "There is nothing to rotate yet.".to_owned());
        }
        match self.stage(wait) {
            Some((reason, message)) => of(true, reason, message),
            None => of(false, "AtRest", "No rotation is under way.".to_owned()),
        }
    }

    fn stage(&self, wait: Option<&Wait>) -> Option<(&'static str, String)> {
        if let Some(upcoming) = self.case.ledger.upcoming() {
            return Some(stage::stage_of(self.case, upcoming, wait));
        }
        let leaving: Vec<_> = self.case.ledger.all(Use::Previous).chain(self.case.ledger.all(Use::Retiring)).collect();
        if leaving.is_empty() {
            return None;
        }
        let ids: Vec<_> = leaving.iter().map(|entry| entry.id.to_string()).collect();
        let nameless = leaving.iter().any(|entry| self_rolling::is_nameless(self.case, entry));
        let end = if nameless { "left to expire, as Entra never told its keyId" } else { "removed" };
        Some(("Overlapping", format!("The previous credential {} is kept for its overlap and then {end}.", ids.join(", "))))
    }

    fn at_risk(&self, ready: &Condition, wait: Option<&Wait>) -> Condition {
        let of = |status, reason: &str, message: String| Condition { r#type: "RotationAtRisk", status, reason: reason.to_owned(), message };
        let met = self.refusal.as_ref().filter(|refusal| ready.status && !self.is_stalled(ready) && self.is_worrying(refusal));
        if let Some(refusal) = met {
            return of(true, refusal.reason.as_str(), explain(refusal));
        }
        match risk::risk(self.case, wait).filter(|_| !self.is_stalled(ready)) {
            Some((reason, message)) => of(true, reason, message),
            None => of(false, "OnSchedule", "Nothing stands in the way of the next rotation.".to_owned()),
        }
    }

    fn is_worrying(&self, refusal: &Refusal) -> bool {
        refusal.reason.is_refusal() || self.case.ledger.rotation.failures >= WORRYING
    }
}

/// What was met and what to do about it.
pub fn explain(refusal: &Refusal) -> String {
    format!("{} {}", refusal.message, refusal.reason.remedy())
}

fn moment(at: Option<Time>) -> String {
    at.map_or_else(|| "an unknown time".to_owned(), |at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}
