//! What holds an activation back: soak, metadata, a person's approval, windows; and what becomes of a successor that nobody approved in time.

use entra_types::Thumbprint;

use super::begin::is_all_there_is;
use super::pinned;
use crate::case::{Case, Fact, Look, Wait};
use crate::check::{Check, look, note, wait};
use crate::history::{Conclusion, Detail};
use crate::ledger::{Entry, Signing};
use crate::policy::{Metadata, OnDeadline};
use crate::reason::Cause;
use crate::signer::{Group, Signer};
use crate::time::Time;
use crate::{gates, rules, schedule};

/// An approval counts from the moment it is first seen, for the entry that it names, whatever else holds things up.
pub(crate) fn latch_approval(case: &Case<'_>) -> Check {
    let Some(upcoming) = case.ledger.upcoming().filter(|next| case.policy.approved.as_ref() == Some(&next.id)) else { return Ok(()) };
    let unseen = needs_approval(case) && case.ledger.rotation.approved_at.is_none();
    if unseen { note(Fact::Approved(upcoming.id.clone())) } else { Ok(()) }
}

fn needs_approval(case: &Case<'_>) -> bool {
    case.policy.signing().is_some_and(|signing| signing.needs_approval)
}

/// Whether what nobody approves is withdrawn at the deadline.
pub(super) fn withdraws(case: &Case<'_>) -> bool {
    needs_approval(case) && case.policy.signing().is_some_and(|signing| signing.on_deadline == OnDeadline::Withdraw)
}

/// Everything that must have passed before an activation, in the order in which it is waited for.
pub(super) fn pass(case: &Case<'_>, upcoming: &Entry, signing: &Signing) -> Check {
    let deadline = schedule::deadline(case.ledger, upcoming, case.policy.late);
    if case.now < deadline && (!gates::is_urgent(case) || is_bridged(case)) {
        soak(case, signing, deadline)?;
        await_metadata(case, signing, deadline)?;
    }
    await_approval(case, deadline)?;
    gates::await_window(case, upcoming)
}

/// Whether one that is going signs until then, now that Current is gone: relying parties have the time to learn of the next one.
fn is_bridged(case: &Case<'_>) -> bool {
    let revoked = case.ledger.current().is_some_and(|current| case.policy.revokes(current, case.now));
    !revoked && matches!(case.memory.history().signer(case.now), Signer::Preferred(group) if is_all_there_is(case, group.thumbprint))
}

fn soak(case: &Case<'_>, signing: &Signing, deadline: Time) -> Check {
    let Some(announced) = signing.announced_at else { return wait(case.now + case.policy.late.step(), Wait::Soaking) };
    let soaked = announced + case.policy.durations.soak;
    if case.now < soaked { wait(soaked.min(deadline), Wait::Soaking) } else { Ok(()) }
}

fn await_metadata(case: &Case<'_>, signing: &Signing, deadline: Time) -> Check {
    let (Some(policy), Some(announced)) = (case.policy.signing(), signing.announced_at) else { return Ok(()) };
    let until = match policy.metadata {
        Metadata::Ignore => return Ok(()),
        Metadata::Observe => (announced + case.policy.durations.soak * 2).min(deadline),
        Metadata::Require => deadline,
    };
    let seen = case.memory.metadata();
    let listed = seen.is_some_and(|seen| signing.thumbprint.is_some_and(|thumbprint| seen.value.contains(&thumbprint)));
    if listed || case.now >= until {
        return Ok(());
    }
    let again = seen.map_or(case.now, |seen| seen.at + case.policy.late.late() / 3);
    if again <= case.now { look(Look::Metadata) } else { wait(again.min(until), Wait::AwaitingMetadata) }
}

/// Whoever revokes the present certificate has decided already. Withdraw always gates.
fn await_approval(case: &Case<'_>, deadline: Time) -> Check {
    let revoked = case.ledger.current().is_some_and(|current| case.policy.revokes(current, case.now));
    if !needs_approval(case) || case.ledger.rotation.approved_at.is_some() || revoked {
        return Ok(());
    }
    if case.now < deadline && (withdraws(case) || !gates::is_urgent(case)) {
        return wait(deadline, Wait::AwaitingApproval);
    }
    if withdraws(case) { wait(case.now + case.policy.late.late(), Wait::AwaitingApproval) } else { Ok(()) }
}

/// From D until the present certificate ends, a successor that was claimed before D and that nobody approved is given up. Not where Entra would then sign with
/// something that nobody approved either.
pub(super) fn withdraw(case: &Case<'_>, upcoming: &Entry) -> Check {
    let Some(current) = case.ledger.current().filter(|current| is_serving(case, current)) else { return Ok(()) };
    let deadline = schedule::deadline(case.ledger, upcoming, case.policy.late);
    let unapproved = withdraws(case) && case.ledger.rotation.approved_at.is_none();
    if !unapproved || case.now < deadline || upcoming.issued_at >= deadline {
        return Ok(());
    }
    if case.memory.history().latest().is_some() && !is_only_successor(case, current, upcoming) {
        return Ok(());
    }
    case.live_directory(Detail::WithKeys)?;
    if is_only_successor(case, current, upcoming) { note(Fact::Abandoned(upcoming.id.clone())) } else { Ok(()) }
}

fn is_serving(case: &Case<'_>, current: &Entry) -> bool {
    current.is_valid_at(case.now) && !case.policy.revokes(current, case.now) && rules::gone(case, current) != Conclusion::Confirmed
}

fn is_only_successor(case: &Case<'_>, current: &Entry, upcoming: &Entry) -> bool {
    let signs = matches!(case.memory.history().signer(case.now), Signer::Preferred(group) if group.thumbprint == current.thumbprint());
    signs && rivals(case, current, Some(upcoming)).is_empty()
}

/// What Entra could switch to when Current ends, but for the successor.
fn rivals(case: &Case<'_>, current: &Entry, upcoming: Option<&Entry>) -> Vec<Thumbprint> {
    let end = current.not_after.unwrap_or(Time::MAX_UTC);
    let ours = [Some(current), upcoming].map(|entry| entry.and_then(Entry::thumbprint));
    let able = |group: &Group| group.can_sign_at(case.now) && group.can_sign_at(end) && !ours.contains(&group.thumbprint);
    case.memory.history().groups().into_iter().filter(able).filter_map(|group| group.thumbprint).collect()
}

/// Whether a rotation that began after Current was published was withdrawn: it is not begun again before Current ends, unless a person asks anew.
pub(crate) fn is_withdrawn(case: &Case<'_>) -> bool {
    let (Some(current), Some(started)) = (case.ledger.current(), case.ledger.rotation.started_at) else { return false };
    let deadline = schedule::deadline(case.ledger, current, case.policy.late);
    let began = current.published_at.is_some_and(|published| published < started) && started < deadline;
    let asked_since = case.policy.not_issued_before.is_some_and(|bound| started < bound && bound <= case.now);
    let unapproved = withdraws(case) && case.ledger.rotation.approved_at.is_none() && case.ledger.upcoming().is_none();
    unapproved && began && !asked_since && case.now >= deadline && is_serving(case, current)
}

/// Whether a successor that is due may not be begun: a pin, or one that was withdrawn.
pub(crate) fn hold_back(case: &Case<'_>, cause: Cause) -> Check {
    if pinned(case).is_some() {
        return wait(case.now + case.policy.late.late() * 4, Wait::Pinned);
    }
    let end = case.ledger.current().and_then(|current| current.not_after);
    match end.filter(|_| matches!(cause, Cause::Schedule | Cause::NotIssuedBefore) && is_withdrawn(case)) {
        Some(end) => wait(end, Wait::AwaitingApproval),
        None => Ok(()),
    }
}

/// What a person should know of an activation that is late.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Overdue {
    /// Nobody approved it.
    Approval {
        /// Until when that is possible without a gap or a decision of its own.
        deadline: Time,
        /// What Entra would sign with if the successor were withdrawn; it therefore is not.
        rivals: Vec<Thumbprint>,
    },
    /// The federation metadata do not show it.
    Metadata(Time),
}

/// Whether only approval or metadata are missing and half of the time up to the deadline is gone.
pub(crate) fn overdue(case: &Case<'_>, waits_for: &Wait) -> Option<Overdue> {
    let upcoming = case.ledger.upcoming()?;
    let deadline = schedule::deadline(case.ledger, upcoming, case.policy.late);
    let ready = upcoming.signing()?.announced_at.map_or(upcoming.issued_at, |announced| announced + case.policy.durations.soak);
    if case.now < deadline.min(ready + (deadline - ready) / 2) {
        return None;
    }
    match waits_for {
        Wait::AwaitingApproval => {
            let current = case.ledger.current().filter(|_| withdraws(case) && case.now >= deadline);
            let rivals = current.map(|current| rivals(case, current, Some(upcoming))).unwrap_or_default();
            Some(Overdue::Approval { deadline, rivals })
        }
        Wait::AwaitingMetadata if case.policy.signing()?.metadata == Metadata::Require => Some(Overdue::Metadata(deadline)),
        _ => None,
    }
}
