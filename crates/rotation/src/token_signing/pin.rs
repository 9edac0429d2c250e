//! `pinnedThumbprint`: the certificate that shall sign, whatever else is asked. A person chose it, so nothing gates it; Graph accepts any text, so it is checked.

use entra_types::{Credential, Thumbprint};

use super::begin::{activation, foreign, found};
use super::{identified, unidentified};
use crate::case::{Case, Fact, Look, Mutation, Wait};
use crate::check::{Check, look, note, stop, wait};
use crate::history::{Detail, Directory};
use crate::ledger::{Entry, Op, OpKind, Use};
use crate::op::OpState;
use crate::reason::{Reason, Refusal};

/// What is pinned.
pub(crate) fn pinned(case: &Case<'_>) -> Option<Thumbprint> {
    case.policy.signing()?.pinned
}

pub(crate) fn obey_pin(case: &Case<'_>) -> Check {
    let Some(thumbprint) = pinned(case) else { return Ok(()) };
    for entry in &case.ledger.entries {
        if let Some(group) = unidentified(case, entry).filter(|group| group.thumbprint == Some(thumbprint)) {
            return note(identified(case, entry, &group));
        }
    }
    let Some(entry) = recorded(case, thumbprint) else { return record(case, thumbprint) };
    if case.policy.revokes(entry, case.now) {
        return unusable(case, thumbprint, "it was issued before spec.rotation.revokeIssuedBefore");
    }
    match entry.r#use {
        Use::Current => hold(case, entry, thumbprint),
        Use::Next | Use::Previous | Use::Abandoned => reinstate(case, entry, thumbprint),
        Use::Retiring => unusable(case, thumbprint, "it is being removed"),
    }
}

/// The entry of this certificate; the one in use, if several name it.
fn recorded<'a>(case: &Case<'a>, thumbprint: Thumbprint) -> Option<&'a Entry> {
    let rank = |entry: &&Entry| match entry.r#use {
        Use::Current => 0,
        Use::Next => 1,
        Use::Previous => 2,
        Use::Abandoned => 3,
        Use::Retiring => 4,
    };
    case.ledger.entries.iter().filter(|entry| entry.thumbprint() == Some(thumbprint)).min_by_key(rank)
}

/// Nothing is written for a pin that cannot be; the output stays as fresh as ever.
fn unusable<T>(case: &Case<'_>, thumbprint: Thumbprint, why: &str) -> Check<T> {
    crate::rules::audit(case)?;
    let message = format!("The certificate {thumbprint} is pinned, and cannot sign: {why}.");
    stop(case.now + case.policy.late.late(), Wait::Refused(Refusal::new(Reason::PinNotUsable, message)))
}

/// A certificate of the object that is in no ledger is recorded before it is preferred, so that the output keeps it.
fn record(case: &Case<'_>, thumbprint: Thumbprint) -> Check {
    let directory = case.live_directory(Detail::WithKeys)?;
    let Some(group) = case.memory.history().group(thumbprint) else {
        return unusable(case, thumbprint, "the service principal lists no signing certificate with this thumbprint");
    };
    if !group.can_sign_at(case.now) {
        return unusable(case, thumbprint, "it is not valid now");
    }
    let claim = found(case, directory, &group)?;
    let bound = case.policy.revoke_issued_before.filter(|bound| *bound <= case.now);
    if bound.is_some_and(|bound| group.start.is_some_and(|start| start < bound)) {
        return unusable(case, thumbprint, "it began before spec.rotation.revokeIssuedBefore");
    }
    match case.ledger.current() {
        None if prefers(directory, thumbprint) => foreign(case, directory, &group),
        _ => note(Fact::ForeignFound(Box::new(claim))),
    }
}

fn prefers(directory: &Directory, thumbprint: Thumbprint) -> bool {
    directory.preferred_thumbprint() == Some(thumbprint)
}

/// Current stays: a rotation under way ends, and an outside change is set back once.
fn hold(case: &Case<'_>, current: &Entry, thumbprint: Thumbprint) -> Check {
    if case.ledger.upcoming().is_some() {
        return note(Fact::Reinstated(current.id.clone()));
    }
    is_usable(case, current, thumbprint)?;
    let history = case.memory.history();
    if history.latest().is_none_or(|directory| prefers(directory, thumbprint)) {
        return Ok(());
    }
    let changed = history.conclude(case.policy.late.late(), |directory, _| !prefers(directory, thumbprint));
    if case.pursue(changed, Wait::Settling)? { prefer(case, current, thumbprint) } else { Ok(()) }
}

/// Another entry, ours or somebody else's, is made to sign, and then is Current.
fn reinstate(case: &Case<'_>, entry: &Entry, thumbprint: Thumbprint) -> Check {
    let directory = case.live_directory(Detail::WithKeys)?;
    is_usable(case, entry, thumbprint)?;
    if !prefers(directory, thumbprint) {
        return prefer(case, entry, thumbprint);
    }
    let told = matches!(case.op(entry), Some(OpState::Applied { tick }) if tick > 0) && of_activation(entry).is_some();
    if !told {
        let confirmed = case.memory.history().conclude(case.policy.late.late(), |directory, _| prefers(directory, thumbprint));
        case.pursue(confirmed, Wait::Settling)?;
    }
    case.clock_agrees()?;
    note(Fact::Reinstated(entry.id.clone()))
}

/// Whether Entra could sign with it, as far as the latest reads tell: what the ledger holds is missing only by rule 5.
fn is_usable(case: &Case<'_>, entry: &Entry, thumbprint: Thumbprint) -> Check {
    let history = case.memory.history();
    let group = history.group(thumbprint);
    if !entry.is_valid_at(case.now) || group.as_ref().is_some_and(|group| !group.can_sign_at(case.now)) {
        return unusable(case, thumbprint, "it is not valid now");
    }
    if group.is_some() || history.latest().is_none() {
        return Ok(());
    }
    let signs = |view: &Credential| view.is_sign() && view.key_id.is_some_and(|id| entry.key_ids.contains(&id));
    let absent = history.conclude(case.policy.late.late(), |_, views| !views.iter().any(signs));
    if case.pursue(absent, Wait::Replicating)? {
        return unusable(case, thumbprint, "the service principal does not list it any more");
    }
    Ok(())
}

fn of_activation(entry: &Entry) -> Option<&Op> {
    entry.op.as_ref().filter(|op| op.kind == OpKind::Activate)
}

/// Makes the pinned certificate the preferred one; again only while nothing else was chosen since.
fn prefer(case: &Case<'_>, entry: &Entry, thumbprint: Thumbprint) -> Check {
    let recent = of_activation(entry).is_some_and(|op| case.now < op.at + case.policy.late.open());
    match case.op(entry) {
        Some(OpState::Open { .. } | OpState::Applied { .. }) if recent => return case.look_again(Wait::Replicating),
        Some(OpState::Open { until }) => return wait(until, Wait::Settling),
        _ => {}
    }
    let open = case.others(Some(&entry.id)).filter(|other| of_activation(other).is_some()).filter_map(|other| case.open(other)).max();
    if let Some(until) = open {
        return wait(until, Wait::Busy);
    }
    case.is_not_frozen(Some(&entry.id))?;
    is_trusted(case, thumbprint)?;
    let directory = case.live_directory(Detail::WithKeys)?;
    if case.memory.history().group(thumbprint).is_none() {
        return case.look_again(Wait::Replicating);
    }
    is_uncontested(case, entry, directory, thumbprint)?;
    case.clock_agrees()?;
    case.send(entry, activation(directory), Mutation::Activate(thumbprint))
}

/// Relying parties must know it before it signs: the output, read live, has it in its bundle.
fn is_trusted(case: &Case<'_>, thumbprint: Thumbprint) -> Check {
    if case.ledger.current().is_none() {
        return Ok(());
    }
    if !case.memory.output_is_live() {
        return look(Look::Output);
    }
    let shown = case.memory.shown().is_some_and(|shown| shown.bundle.contains(&thumbprint));
    if case.memory.output_is_ours() && !shown { wait(case.now + case.policy.late.step(), Wait::Busy) } else { Ok(()) }
}

/// Once it was set for this pin, whoever changes it means it: a person must settle that.
fn is_uncontested(case: &Case<'_>, entry: &Entry, directory: &Directory, thumbprint: Thumbprint) -> Check {
    let Some(op) = of_activation(entry).filter(|op| !is_spent(case, op)) else { return Ok(()) };
    let unchanged = op.from == activation(directory).from;
    match case.op(entry) {
        Some(OpState::Applied { .. }) => {}
        Some(OpState::Over) if !unchanged => {}
        _ => return Ok(()),
    }
    let other = directory.preferred.as_deref().unwrap_or("nothing");
    let message = format!("The certificate {thumbprint} is pinned, was set as the preferred one, and somebody set {other} instead.");
    stop(case.now + case.policy.late.late(), Wait::Refused(Refusal::new(Reason::SignerContested, message)))
}

/// Whether an activation was for an earlier time: Current was published since.
fn is_spent(case: &Case<'_>, op: &Op) -> bool {
    case.ledger.current().is_some_and(|current| current.published_at.is_none_or(|published| op.at <= published))
}
