//! From a certificate that exists to one that signs: past the gates, licensed against what is preferred, seen through, promoted.

use std::collections::BTreeSet;

use entra_types::Thumbprint;

use super::begin::{activation, is_anothers_choice, preferred};
use super::gates;
use crate::case::{Case, Fact, Look, Mutation, Wait};
use crate::check::{Check, look, note, wait};
use crate::history::{Detail, Directory};
use crate::ledger::{Entry, OpKind, Origin, Signing};
use crate::op::OpState;
use crate::signer::Signer;

pub(super) fn activate(case: &Case<'_>, upcoming: &Entry, signing: &Signing, thumbprint: Thumbprint) -> Check {
    if is_overtaken(case, upcoming) {
        return note(Fact::Abandoned(upcoming.id.clone()));
    }
    if upcoming.op.as_ref().is_some_and(|op| op.kind == OpKind::Activate) {
        return see_through(case, upcoming, thumbprint);
    }
    if is_preferred(case, thumbprint) {
        return follow(case, upcoming, thumbprint);
    }
    // Nothing soaks that was taken away: without the certificate it would never be announced either.
    give_up_what_is_gone(case, upcoming)?;
    gates::withdraw(case, upcoming)?;
    gates::pass(case, upcoming, signing)?;
    license_activation(case, upcoming, thumbprint)
}

/// What holds the activation of the successor back, for the report.
pub(crate) fn pass_gates(case: &Case<'_>, upcoming: &Entry) -> Check {
    let ready = |signing: &&Signing| signing.thumbprint.is_some() && (signing.announced_at.is_some() || crate::gates::is_urgent(case));
    upcoming.signing().filter(ready).map_or(Ok(()), |signing| gates::pass(case, upcoming, signing))
}

/// Whether an activation of this entry may have had its effect, or Entra signs with it for another reason.
pub(crate) fn is_chosen(case: &Case<'_>, upcoming: &Entry) -> bool {
    let sent = |op: OpState| !matches!(op, OpState::Unsent { .. } | OpState::Refused);
    let activated = upcoming.op.as_ref().is_some_and(|op| op.kind == OpKind::Activate) && case.op(upcoming).is_some_and(sent);
    activated || upcoming.thumbprint().is_some_and(|thumbprint| is_preferred(case, thumbprint))
}

fn is_preferred(case: &Case<'_>, thumbprint: Thumbprint) -> bool {
    matches!(case.memory.history().signer(case.now), Signer::Preferred(group) if group.thumbprint == Some(thumbprint))
}

/// Somebody activated the successor, or Entra did: that is recorded once it is sure, whatever the gates say.
fn follow(case: &Case<'_>, upcoming: &Entry, thumbprint: Thumbprint) -> Check {
    let chosen = |directory: &Directory| directory.preferred_thumbprint() == Some(thumbprint);
    let confirmed = case.memory.history().conclude(case.policy.late.late(), |directory, _| chosen(directory));
    if case.pursue(confirmed, Wait::Settling)? { promote(case, upcoming) } else { Ok(()) }
}

/// Somebody made another certificate sign while this one was under way, and that one needs no successor yet: to activate it would be to fight.
fn is_overtaken(case: &Case<'_>, upcoming: &Entry) -> bool {
    let overtook = |current: &Entry| current.origin == Origin::Foreign && current.seq > upcoming.seq;
    case.ledger.current().is_some_and(overtook) && case.open(upcoming).is_none() && crate::rules::cause(case).is_none()
}

fn license_activation(case: &Case<'_>, upcoming: &Entry, thumbprint: Thumbprint) -> Check {
    case.is_not_frozen(Some(&upcoming.id))?;
    if case.ledger.current().is_some() && !case.memory.output_is_live() {
        return look(Look::Output);
    }
    let shown = case.memory.shown().and_then(|shown| shown.next) == Some(thumbprint);
    let publishes = case.memory.output_is_ours() && case.ledger.current().is_some_and(|current| current.is_valid_at(case.now));
    if publishes && !shown {
        return wait(case.now + case.policy.late.step(), Wait::Soaking);
    }
    let directory = case.live_directory(Detail::WithKeys)?;
    case.clock_agrees()?;
    // Graph accepts any thumbprint, a typo too: only what the object lists is ever preferred.
    if case.memory.history().group(thumbprint).is_none_or(|group| !group.can_sign_at(case.now)) {
        return missing(case, upcoming);
    }
    match case.memory.history().signer(case.now) {
        Signer::Preferred(group) if group.thumbprint == Some(thumbprint) => promote(case, upcoming),
        Signer::Preferred(group) if is_anothers_choice(case, &group) => watch_or_wait(case),
        _ => case.send(upcoming, activation(directory), Mutation::Activate(thumbprint)),
    }
}

/// Another certificate is preferred than the ledger knows; the rule that watches the signer decides.
fn watch_or_wait(case: &Case<'_>) -> Check {
    wait(case.now + case.policy.late.late() / 3, Wait::Settling)
}

fn missing(case: &Case<'_>, upcoming: &Entry) -> Check {
    give_up_what_is_gone(case, upcoming)?;
    case.look_again(Wait::Replicating)
}

fn give_up_what_is_gone(case: &Case<'_>, upcoming: &Entry) -> Check {
    let is_gone = case.pursue(crate::rules::gone(case, upcoming), Wait::Settling)?;
    if is_gone { note(Fact::Abandoned(upcoming.id.clone())) } else { Ok(()) }
}

/// An activation is repeated only while the preferred value is still the one it was licensed against, the one that the ledger calls Current by now, or one that
/// nothing can sign by: that is nobody's choice.
fn see_through(case: &Case<'_>, upcoming: &Entry, thumbprint: Thumbprint) -> Check {
    let prefers = |directory: &Directory| directory.preferred_thumbprint() == Some(thumbprint);
    match case.op(upcoming) {
        Some(OpState::Applied { tick }) if tick > 0 => {
            let directory = case.directory_after(tick, Detail::Plain)?;
            if prefers(directory) { promote(case, upcoming) } else { repeat_when_over(case, upcoming, thumbprint, directory) }
        }
        Some(OpState::Applied { .. } | OpState::Open { .. } | OpState::Over) => {
            let directory = case.directory_after(0, Detail::Plain)?;
            if prefers(directory) {
                let confirmed = case.memory.history().conclude(case.policy.late.late(), |directory, _| prefers(directory));
                return if case.pursue(confirmed, Wait::Settling)? { promote(case, upcoming) } else { Ok(()) };
            }
            repeat_when_over(case, upcoming, thumbprint, directory)
        }
        Some(OpState::Unsent { .. } | OpState::Refused) | None => license_activation(case, upcoming, thumbprint),
    }
}

fn repeat_when_over(case: &Case<'_>, upcoming: &Entry, thumbprint: Thumbprint, directory: &Directory) -> Check {
    let Some(op) = &upcoming.op else { return Ok(()) };
    let recorded = case.ledger.current().and_then(Entry::thumbprint).is_some_and(|t| directory.preferred_thumbprint() == Some(t));
    let unchanged = recorded || op.from == Some(preferred(directory));
    let is_void = !matches!(case.memory.history().signer(case.now), Signer::Preferred(_));
    let over = case.now >= op.at + case.policy.late.open();
    if over && (unchanged || is_void) {
        return license_activation(case, upcoming, thumbprint);
    }
    let next = case.memory.history().read_at().map_or(case.now, |read| read + case.policy.late.proof_spread());
    if next <= case.now { look(Look::Directory(Detail::Plain)) } else { wait(next, Wait::Replicating) }
}

fn promote(case: &Case<'_>, upcoming: &Entry) -> Check {
    case.clock_agrees()?;
    note(Fact::Promoted(upcoming.id.clone(), BTreeSet::new()))
}
