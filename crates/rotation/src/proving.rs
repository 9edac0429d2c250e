//! Sign-ins with a credential: the proof before it is promoted, and the question whether it is accepted now.

use std::collections::BTreeSet;

use entra_types::{Credential, KeyId};

use crate::case::{Case, Fact, Look, Wait};
use crate::check::{Check, look, note, wait};
use crate::history::Conclusion;
use crate::ledger::{Detail as EntryDetail, Entry};
use crate::memory::{PROOFS, SignIns};
use crate::policy::Kind;
use crate::schedule;

/// Whether the token endpoint refused the credential three times over LATE, for reasons about the credential.
pub(crate) fn is_refused(case: &Case<'_>, entry: &Entry) -> bool {
    case.memory.sign_ins(&entry.id).is_some_and(|ins| match (ins.refused.first(), ins.refused.last()) {
        (Some(first), Some(last)) => ins.refused.len() >= 3 && *last - *first >= case.policy.late.late(),
        _ => false,
    })
}

/// Five sign-ins in a row spread over LATE/15. Past the deadline a credential that cannot be proven counts when Graph lists it.
pub(crate) fn prove(case: &Case<'_>, upcoming: &Entry) -> Check {
    let late = case.policy.late;
    let none = SignIns::default();
    let ins = case.memory.sign_ins(&upcoming.id).unwrap_or(&none);
    let spread = ins.accepted.last().zip(ins.accepted.first()).map(|(last, first)| *last - *first);
    if ins.accepted.len() >= PROOFS && spread >= Some(late.proof_spread()) {
        return Ok(());
    }
    if ins.refused.first().is_some_and(|first| *first + late.late() / 3 <= case.now) {
        doubt(case, upcoming)?;
    }
    let overdue = case.now >= schedule::deadline(case.ledger, upcoming, late);
    if overdue && ins.unprovable >= 3 && ins.refused.is_empty() {
        return sighted(case, upcoming);
    }
    let pause = if ins.refused.is_empty() && ins.unprovable == 0 {
        late.proof_spread() / 4 + chrono::TimeDelta::milliseconds(1)
    } else {
        (late.step() * (1 << (ins.refused.len() as i32 + ins.unprovable.min(5) as i32).min(5))).min(late.late() / 3)
    };
    match ins.last {
        Some((_, last)) if case.now < last + pause => wait(last + pause, Wait::Proving),
        _ => look(Look::SignIn(upcoming.id.clone())),
    }
}

/// What goes on being refused may be gone again: a person removed it, or another update of the list took it away. A certificate is then added anew, which who
/// calls this sees by its thumbprint; a secret cannot be.
fn doubt(case: &Case<'_>, upcoming: &Entry) -> Check {
    if case.looked_at().is_none_or(|read| read + case.policy.late.late() / 3 <= case.now) {
        return look(Look::Directory(case.detail()));
    }
    if case.policy.kind != Kind::ClientSecret {
        return Ok(());
    }
    let key_ids = names(case, upcoming);
    match case.missing(upcoming, |views| !list_any(views, &key_ids)) {
        Conclusion::Confirmed => note(Fact::Abandoned(upcoming.id.clone())),
        Conclusion::Denied | Conclusion::LookAgain(_) => Ok(()),
    }
}

/// Three sightings in a row over LATE/15 stand in for the proof.
fn sighted(case: &Case<'_>, upcoming: &Entry) -> Check {
    let key_ids = names(case, upcoming);
    let listed = case.memory.history().conclude(case.policy.late.proof_spread(), |_, views| list_any(views, &key_ids));
    if case.pursue(listed, Wait::Proving)? { Ok(()) } else { case.look_again(Wait::Proving) }
}

fn list_any(views: &[Credential], key_ids: &BTreeSet<KeyId>) -> bool {
    views.iter().any(|view| view.key_id.is_some_and(|id| key_ids.contains(&id)))
}

/// By which keyIds a credential on trial would be listed.
fn names(case: &Case<'_>, entry: &Entry) -> BTreeSet<KeyId> {
    let staged = |name| Some(case.memory.slot(name)??.secret?.key_id);
    match &entry.detail {
        EntryDetail::ClientSecret { slot, .. } => slot.and_then(staged).into_iter().collect(),
        EntryDetail::ClientCertificate { thumbprint, .. } => case.memory.history().key_ids_of(*thumbprint),
        EntryDetail::TokenSigning(_) => BTreeSet::new(),
    }
}

/// Whether the credential is accepted in this very pass.
pub(crate) fn is_accepted_now(case: &Case<'_>, entry: &Entry) -> Check {
    let Some(ins) = case.memory.sign_ins(&entry.id) else { return look(Look::SignIn(entry.id.clone())) };
    let recent = ins.last.filter(|(tick, _)| case.memory.is_live(*tick));
    match recent {
        None => look(Look::SignIn(entry.id.clone())),
        Some(_) if ins.refused.is_empty() && ins.unprovable == 0 => Ok(()),
        Some((_, at)) => wait(at + case.policy.late.late() / 3, Wait::Proving),
    }
}

/// Whether the published credential is of use no more, by its dates, by Entra's lists, or by the token endpoint.
pub(crate) fn is_useless(case: &Case<'_>, current: &Entry) -> bool {
    !current.is_valid_at(case.now) || crate::rules::gone(case, current) == Conclusion::Confirmed || is_refused(case, current)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
