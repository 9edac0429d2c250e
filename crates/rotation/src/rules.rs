//! The rules in their order. Each either lets the next one speak, or answers.

use chrono::TimeDelta;
use entra_types::Credential;

use crate::case::{Act, Case, Fact, Look, Rest, Step, Wait};
use crate::check::{Check, Halt, act, all, look, merge, note, stop, wait};
use crate::history::Conclusion;
use crate::ledger::{Entry, Use};
use crate::memory::Output;
use crate::op::OpState;
use crate::policy::Kind;
use crate::reason::{Cause, Reason, Refusal};
use crate::time::Time;
use crate::{
    adoption, client_certificate, client_secret, foreign, forgotten, proving, removal, revocation, schedule, self_rolling, staging,
    token_signing,
};

type Rule = fn(&Case<'_>) -> Check;

const RULES: &[Rule] = &[
    leave,
    obey_the_owners,
    keep_published,
    revocation::anchor,
    token_signing::latch_approval,
    obey_refusal,
    hold_still,
    wait_out_trouble,
    token_signing::obey_pin,
    carry_on,
    tidy,
    watch,
    token_signing::notify,
    foreign::watch_kept,
    adoption::adopt,
    begin,
    removal::retire,
    audit,
    report_recovery,
];

/// `status.credentials` holds a few more than that: room for what people make active themselves.
const ROOM: usize = 13;

/// Entries that were given up, or are neither used nor gone: with so many, nothing is added.
const CROWD: usize = 3;

/// The one thing to do next.
pub fn next(case: &Case<'_>) -> Step {
    let mut soonest: Option<Rest> = None;
    for rule in RULES {
        match rule(case) {
            Ok(()) => {}
            Err(Halt::Step(step)) => return *step,
            Err(Halt::Wait(rest)) => soonest = Some(merge(soonest, rest)),
            Err(Halt::Stop(rest)) => return Step::Rest(rest),
        }
    }
    Step::Rest(merge(soonest, at_rest(case)))
}

/// Deleted with Retain: nothing in Entra changes, and the output stays. With Revoke, what this resource made goes with it.
fn leave(case: &Case<'_>) -> Check {
    match case.policy.deleted_at {
        None => Ok(()),
        Some(_) if !case.policy.has_finalizer => stop(case.now + TimeDelta::hours(1), Wait::Deleting),
        Some(_) if !case.policy.revoke_on_delete => revocation::retain(case).map_err(Halt::alone),
        // Whatever it waits for, nothing is made or published any more.
        Some(deleted_at) => revocation::leave(case, deleted_at).map_err(Halt::alone),
    }
}

/// Without a grant, without rights in the cluster, or beside an older resource, nothing is published either.
fn obey_the_owners(case: &Case<'_>) -> Check {
    match &case.policy.refusal {
        Some(refusal) if matches!(refusal.reason, Reason::NotGranted | Reason::ClusterDenied) => {
            refuse(case, refusal.reason, refusal.message.clone())
        }
        _ => match case.application.rival() {
            Some(rival) => refuse(
                case,
                Reason::TargetClaimed,
                format!("The signing certificates of this service principal belong to {rival}, which is older."),
            ),
            None => Ok(()),
        },
    }
}

fn refuse<T>(case: &Case<'_>, reason: Reason, message: String) -> Check<T> {
    stop(case.now + case.policy.late.late(), Wait::Refused(Refusal::new(reason, message)))
}

/// Everything else that is refused stops Graph writes, not the healing of an output.
fn obey_refusal(case: &Case<'_>) -> Check {
    match &case.policy.refusal {
        Some(refusal) => refuse(case, refusal.reason, refusal.message.clone()),
        None => Ok(()),
    }
}

/// The output is a projection of the ledger: publish, heal and record are one rule.
fn keep_published(case: &Case<'_>) -> Check {
    let Some(output) = case.memory.output() else { return look(Look::Output) };
    if let Output::Foreign(why) = output {
        if !case.memory.output_is_live() && case.ledger.current().is_none() {
            return look(Look::Output);
        }
        return refuse(case, Reason::OutputNotOurs, why.clone());
    }
    forgotten::remember(case)?;
    let Some(current) = case.ledger.current() else { return self_rolling::seed(case) };
    let expected = match case.policy.kind {
        Kind::ClientSecret => client_secret::projection(case, current)?,
        Kind::ClientCertificate { .. } => client_certificate::projection(current),
        Kind::TokenSigning(_) => token_signing::projection(case, current)?,
    };
    match expected {
        Some(expected) if case.memory.shown() != Some(&expected) => publish(case, expected),
        // The certificate that signs was not read yet, by a process that began while replicas were behind.
        None if case.policy.is_signing() => {
            record_publication(case, current)?;
            wait(case.now + case.policy.late.late() / 3, Wait::Replicating)
        }
        _ => record_publication(case, current),
    }
}

fn publish(case: &Case<'_>, expected: crate::case::Projection) -> Check {
    if case.memory.is_unhealable(&expected.entry) {
        return Ok(());
    }
    match case.memory.contested_until(case.policy.late).filter(|until| case.now < *until) {
        None => act(Act::Publish(expected)),
        Some(until) => {
            let message = "Somebody else goes on changing the output as soon as it is written.";
            wait(until, Wait::Refused(Refusal::new(Reason::OutputContested, message)))
        }
    }
}

fn record_publication(case: &Case<'_>, current: &Entry) -> Check {
    let Some(shown) = case.memory.shown() else { return Ok(()) };
    if current.published_at.is_none() && shown.entry == current.id {
        return note(Fact::Published(current.id.clone()));
    }
    let Some(upcoming) = case.ledger.upcoming() else { return Ok(()) };
    let unannounced = upcoming.signing().is_some_and(|signing| signing.announced_at.is_none() && signing.thumbprint.is_some());
    if unannounced && shown.next == upcoming.thumbprint() { note(Fact::Announced(upcoming.id.clone())) } else { Ok(()) }
}

/// Nothing is written to Entra; the audit goes on, since the output shows who could sign.
fn hold_still(case: &Case<'_>) -> Check {
    if !case.policy.suspend {
        return Ok(());
    }
    if let Some(until) = backing_off(case) {
        return stop(until, Wait::Suspended);
    }
    audit(case)?;
    stop(at_rest(case).until, Wait::Suspended)
}

fn wait_out_trouble(case: &Case<'_>) -> Check {
    backing_off(case).map_or(Ok(()), |until| stop(until, Wait::BackingOff))
}

/// Backoff lives in status and is waived by an edit.
fn backing_off(case: &Case<'_>) -> Option<Time> {
    schedule::next_attempt(case.ledger, case.policy, case.now).filter(|until| case.now < *until && !case.policy.is_edited())
}

fn carry_on(case: &Case<'_>) -> Check {
    let Some(upcoming) = case.ledger.upcoming() else { return Ok(()) };
    if !upcoming.is_valid_at(case.now) {
        // Nobody ran for so long that it expired before it was used: it can neither be proven nor activated any more.
        return note(Fact::Abandoned(upcoming.id.clone()));
    }
    if case.policy.revokes(upcoming, case.now) && !token_signing::is_chosen(case, upcoming) {
        return note(Fact::Abandoned(upcoming.id.clone()));
    }
    if is_outdated(case, upcoming) {
        return note(Fact::Abandoned(upcoming.id.clone()));
    }
    match case.policy.kind {
        Kind::ClientSecret => client_secret::carry_on(case, upcoming),
        Kind::ClientCertificate { .. } => client_certificate::carry_on(case, upcoming),
        Kind::TokenSigning(_) => token_signing::carry_on(case, upcoming),
    }
}

/// Entra refused to make it, and the spec was edited since: it is claimed anew as the spec asks now. What was refused does not exist.
fn is_outdated(case: &Case<'_>, upcoming: &Entry) -> bool {
    let is_refused = case.op(upcoming) == Some(OpState::Refused);
    is_refused && case.policy.is_edited() && upcoming.op.as_ref().is_some_and(|op| op.kind.is_creation())
}

fn tidy(case: &Case<'_>) -> Check {
    all(case.ledger.entries.iter().map(|entry| {
        staging::clear_slot(case, entry)?;
        match entry.r#use {
            Use::Retiring => removal::finish(case, entry),
            Use::Abandoned => removal::clean_up(case, entry),
            Use::Current => staging::restore_slot(case, entry),
            Use::Next | Use::Previous => Ok(()),
        }
    }))
}

/// What an audit may have shown: the object is another one, the credential is gone, somebody else's certificate signs.
fn watch(case: &Case<'_>) -> Check {
    let history = case.memory.history();
    if history.latest().is_none() {
        return Ok(());
    }
    if let Some(target) = &case.ledger.target {
        let other = history.conclude(case.policy.late.late(), |directory, _| directory.object_id != target.object_id);
        if case.pursue(other, Wait::Settling)? {
            return note(Fact::Retargeted);
        }
    }
    if let Some(current) = case.ledger.current() {
        case.pursue(gone(case, current), Wait::Settling)?;
    }
    if case.policy.is_signing() { token_signing::watch_signer(case) } else { Ok(()) }
}

/// Whether Entra does not list the credential any more. A signing certificate in use is gone without its Sign entry; what goes, when nothing of it is left.
pub(crate) fn gone(case: &Case<'_>, entry: &Entry) -> Conclusion {
    let whole = entry.signing().is_none() || !matches!(entry.r#use, Use::Next | Use::Current);
    case.missing(entry, |views| {
        let listed = |view: &Credential| (whole || view.is_sign()) && view.key_id.is_some_and(|id| entry.key_ids.contains(&id));
        !entry.key_ids.is_empty() && !views.iter().any(listed)
    })
}

fn begin(case: &Case<'_>) -> Check {
    let (None, Some(cause)) = (case.ledger.upcoming(), cause(case)) else { return Ok(()) };
    token_signing::hold_back(case, cause)?;
    if let Some(until) = schedule::next_issue(case.ledger, case.policy.late).filter(|until| case.now < *until && !case.policy.is_edited()) {
        return wait(until, Wait::Rationed);
    }
    // Without a valid Current nothing can be removed (rule 4): only the ration bounds what is made then, or nothing ever would be again.
    let serving = case.ledger.current().is_some_and(|current| current.is_valid_at(case.now));
    let crowded = serving && case.ledger.all(Use::Abandoned).count() >= CROWD;
    if crowded || case.ledger.entries.len() >= ROOM {
        return wait(case.now + case.policy.late.late(), Wait::Rationed);
    }
    case.is_not_frozen(None)?;
    let directory = case.live_directory(case.detail())?;
    case.clock_agrees()?;
    if case.ledger.target.as_ref().is_some_and(|target| target.object_id != directory.object_id) {
        return Ok(());
    }
    if case.policy.own_client == Some(directory.client_id) {
        return refuse(case, Reason::OwnIdentity, format!("Client {} is the operator's own application.", directory.client_id));
    }
    within_limits(case)?;
    match case.policy.kind {
        Kind::ClientSecret => client_secret::begin(case, directory, cause),
        Kind::ClientCertificate { .. } => client_certificate::begin(case, directory, cause),
        Kind::TokenSigning(_) => token_signing::begin(case, directory, cause),
    }
}

/// What app management policies allow, read once a day where something is about to be made.
fn within_limits(case: &Case<'_>) -> Check {
    if case.policy.is_self_rolled() {
        return Ok(());
    }
    let Some(seen) = case.memory.limits().filter(|seen| case.now - seen.at < TimeDelta::hours(24)) else { return look(Look::AppPolicy) };
    match &seen.value {
        Some(limits) if limits.forbids_secrets && case.policy.kind == Kind::ClientSecret => {
            let policy = limits.policy.as_deref().unwrap_or("of the tenant");
            refuse(case, Reason::PolicyForbidsType, format!("App management policy {policy} allows no client secrets on this object."))
        }
        _ => Ok(()),
    }
}

/// Why a successor is due now, if it is.
pub(crate) fn cause(case: &Case<'_>) -> Option<Cause> {
    let Some(current) = case.ledger.current() else { return Some(Cause::FirstIssue) };
    if gone(case, current) == Conclusion::Confirmed || proving::is_refused(case, current) {
        return Some(Cause::CredentialGone);
    }
    if case.memory.is_unhealable(&current.id) || client_secret::is_lost(case, current) {
        return Some(Cause::OutputLost);
    }
    if case.policy.revokes(current, case.now) {
        return Some(Cause::RevokeIssuedBefore);
    }
    if case.policy.outdates(current, case.now) {
        return Some(Cause::NotIssuedBefore);
    }
    if client_certificate::has_another_size(case, current) {
        return Some(Cause::SpecChanged);
    }
    schedule::due(current, case.policy).filter(|due| *due <= case.now).map(|_| Cause::Schedule)
}

/// One read of the object every six hours while nothing else happens.
pub(crate) fn audit(case: &Case<'_>) -> Check {
    if case.ledger.current().is_some() && next_audit(case) <= case.now { look(Look::Directory(case.detail())) } else { Ok(()) }
}

fn next_audit(case: &Case<'_>) -> Time {
    schedule::audit(case.looked_at(), case.memory.born(), case.policy)
}

/// A pass that came so far without a failure has outlived the last one, once something was read or written again. Read in this very pass, that is so whatever
/// the clock told that the failure was recorded by.
fn report_recovery(case: &Case<'_>) -> Check {
    let Some(failed) = case.ledger.rotation.last_failure.as_ref().map(|failure| failure.time) else { return Ok(()) };
    let history = case.memory.history();
    let has_looked = case.memory.is_live(history.tick(case.detail())) || history.read_at().is_some_and(|read| read > failed);
    let refused = |entry: &Entry| case.op(entry) == Some(OpState::Refused);
    match (has_looked, case.ledger.entries.iter().any(refused)) {
        (false, _) => look(Look::Directory(case.detail())),
        (true, true) => Ok(()),
        (true, false) => note(Fact::Recovered),
    }
}

fn at_rest(case: &Case<'_>) -> Rest {
    let due = case.ledger.current().and_then(|current| schedule::due(current, case.policy));
    let end = case.ledger.current().and_then(|current| current.not_after);
    let moments = [due, case.policy.not_issued_before, case.policy.revoke_issued_before, end, Some(next_audit(case))];
    let soonest = moments.into_iter().flatten().filter(|at| *at > case.now).min();
    Rest { until: soonest.unwrap_or(case.now + TimeDelta::hours(1)), why: Wait::AtRest }
}

#[cfg(test)]
mod tests;
