//! How far a rotation has come, what it waits for, and what happens next.

use chrono::TimeDelta;

use super::moment;
use crate::case::{Case, Wait};
use crate::check::Halt;
use crate::ledger::{Entry, OpKind, Use};
use crate::policy::{Metadata, OnDeadline};
use crate::time::Time;
use crate::{gates, proving, schedule, self_rolling, token_signing};

/// The reason and the message of `Rotating` while a successor is under way.
pub(super) fn stage_of(case: &Case<'_>, upcoming: &Entry, wait: Option<&Wait>) -> (&'static str, String) {
    let id = &upcoming.id;
    if case.ledger.rotation.failures > 0 {
        return ("Retrying", format!("The last step towards credential {id} failed and is repeated."));
    }
    if is_activating(upcoming) {
        return ("Proving", format!("Credential {id} is being activated."));
    }
    match waits_for(case, upcoming, wait) {
        None => ("Creating", format!("Credential {id} is being made and proven.")),
        Some(Wait::AwaitingApproval) => {
            ("AwaitingApproval", format!("Credential {id} waits for a person: annotate the resource with entra-rotator.io/approve: {id}."))
        }
        Some(Wait::AwaitingMetadata) => {
            ("AwaitingMetadata", format!("Credential {id} is published and must show in the federation metadata."))
        }
        Some(Wait::AwaitingWindow) => ("AwaitingWindow", format!("Credential {id} is ready and waits for a window to take over.")),
        Some(Wait::Proving) => ("Proving", format!("Credential {id} is made, and signs in to show that it works.")),
        Some(_) => ("Soaking", format!("Credential {id} is in the output as the next one until {}.", moment(soaked(case, upcoming)))),
    }
}

fn is_activating(upcoming: &Entry) -> bool {
    upcoming.op.as_ref().is_some_and(|op| op.kind == OpKind::Activate)
}

fn soaked(case: &Case<'_>, upcoming: &Entry) -> Option<Time> {
    Some(upcoming.signing()?.announced_at? + case.policy.durations.soak)
}

/// What the successor waits for once it exists: as the rest of the last pass says, or as the gates say.
pub(super) fn waits_for(case: &Case<'_>, upcoming: &Entry, wait: Option<&Wait>) -> Option<Wait> {
    let gated = |wait: &&Wait| matches!(wait, Wait::AwaitingApproval | Wait::AwaitingMetadata | Wait::AwaitingWindow | Wait::Proving);
    if let Some(wait) = wait.filter(gated) {
        return Some(wait.clone());
    }
    let Some(signing) = upcoming.signing() else { return proves_or_waits(case, upcoming) };
    match token_signing::pass_gates(case, upcoming) {
        Err(Halt::Wait(rest) | Halt::Stop(rest)) => Some(rest.why),
        Err(Halt::Step(_)) => Some(Wait::AwaitingMetadata),
        Ok(()) => signing.announced_at.map(|_| Wait::Soaking),
    }
}

fn proves_or_waits(case: &Case<'_>, upcoming: &Entry) -> Option<Wait> {
    case.memory.sign_ins(&upcoming.id)?;
    let proven = proving::prove(case, upcoming).is_ok();
    let waits = proven && gates::await_window(case, upcoming).is_err();
    Some(if waits { Wait::AwaitingWindow } else { Wait::Proving })
}

/// What happens next, and when, as far as it has a time.
pub(super) fn next_action(case: &Case<'_>, wait: Option<&Wait>) -> Option<(Time, String)> {
    if case.policy.suspend || case.policy.refusal.is_some() {
        return None;
    }
    if let Some(upcoming) = case.ledger.upcoming() {
        return advance(case, upcoming, wait);
    }
    let current = case.ledger.current()?;
    if let Some(previous) = case.ledger.first(Use::Previous) {
        let overlap = case.policy.durations.overlap;
        if self_rolling::is_nameless(case, previous) {
            return Some((previous.not_after?, format!("The previous credential {} expires.", previous.id)));
        }
        return Some((current.published_at? + overlap, format!("Remove the previous credential {}.", previous.id)));
    }
    if case.ledger.first(Use::Retiring).is_some() || token_signing::pinned(case).is_some() {
        return None;
    }
    if token_signing::is_withdrawn(case) {
        return Some((current.not_after?, "Issue another credential, which waits for approval as well.".to_owned()));
    }
    Some((schedule::due(current, case.policy)?, format!("Issue the successor of credential {}.", current.id)))
}

fn advance(case: &Case<'_>, upcoming: &Entry, wait: Option<&Wait>) -> Option<(Time, String)> {
    let id = &upcoming.id;
    let deadline = schedule::deadline(case.ledger, upcoming, case.policy.late);
    let verb = if upcoming.signing().is_some() { "Activate" } else { "Publish" };
    match waits_for(case, upcoming, wait)? {
        Wait::AwaitingApproval => await_approval(case, upcoming, deadline),
        Wait::AwaitingWindow => {
            let opens = case.policy.windows.next_opening(case.now).map_or(deadline, |opens| opens.min(deadline));
            Some((opens, format!("{verb} credential {id}, as a window opens.")))
        }
        Wait::AwaitingMetadata => {
            let extra = match case.policy.signing()?.metadata {
                Metadata::Observe => case.policy.durations.soak,
                Metadata::Ignore | Metadata::Require => TimeDelta::MAX,
            };
            let until = soaked(case, upcoming)?.checked_add_signed(extra).map_or(deadline, |until| until.min(deadline));
            Some((until, format!("Activate credential {id}, or as soon as the federation metadata show it.")))
        }
        // A client credential has no soak, and nobody knows when it will have proven itself.
        _ => {
            let until = soaked(case, upcoming)?.min(deadline);
            Some((until, format!("Activate credential {id}{}.", if is_approved(case) { "" } else { ", if it is approved by then" })))
        }
    }
}

fn is_approved(case: &Case<'_>) -> bool {
    case.ledger.rotation.approved_at.is_some() || case.policy.signing().is_none_or(|signing| !signing.needs_approval)
}

fn await_approval(case: &Case<'_>, upcoming: &Entry, deadline: Time) -> Option<(Time, String)> {
    let id = &upcoming.id;
    let withdraws = case.policy.signing()?.on_deadline == OnDeadline::Withdraw;
    let serving = case.ledger.current().is_some_and(|current| current.is_valid_at(case.now));
    match (withdraws, serving && case.now < deadline) {
        (false, _) => Some((deadline, format!("Activate credential {id}, or as soon as it is approved."))),
        (true, true) => Some((deadline, format!("Withdraw credential {id}, unless it is approved before."))),
        (true, false) => None,
    }
}
