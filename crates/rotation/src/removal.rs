//! The one-way door: what may be removed, when, and how it is known to be gone.

use std::collections::BTreeSet;

use entra_types::{Credential, KeyId, Thumbprint};

use crate::case::{Case, Fact, Licence, Look, Mutation, Projection, Wait};
use crate::check::{Check, Halt, all, look, note, wait};
use crate::history::{Conclusion, Detail};
use crate::ledger::{Detail as EntryDetail, Entry, KEY_IDS, OpKind, Origin, Signing, Use};
use crate::op::{OpState, Removal};
use crate::rules::gone;
use crate::signer::Group;
use crate::time::Time;
use crate::{client_certificate, client_secret, proving, self_rolling, staging, token_signing};

/// Previous credentials go once the overlap since the publication of Current is over.
pub(crate) fn retire(case: &Case<'_>) -> Check {
    let Some((current, published)) = case.ledger.current().and_then(|current| Some((current, current.published_at?))) else {
        return Ok(());
    };
    all(case.ledger.all(Use::Previous).filter(|entry| !is_pinned(case, entry)).map(|entry| {
        let until = overlap_end(case, published, entry);
        if case.now < until { wait(until, Wait::Overlapping) } else { pass_the_door(case, current, entry) }
    }))
}

/// A revoked credential has no overlap. That of an adopted one counts from its adoption, if that came later.
pub(crate) fn overlap_end(case: &Case<'_>, published: Time, entry: &Entry) -> Time {
    if case.policy.revokes(entry, case.now) {
        return published;
    }
    entry.adopted_at.map_or(published, |adopted| adopted.max(published)) + case.policy.durations.overlap
}

fn is_pinned(case: &Case<'_>, entry: &Entry) -> bool {
    let pinned = case.policy.signing().and_then(|signing| signing.pinned);
    pinned.is_some() && entry.thumbprint() == pinned
}

/// Rule 4. Everything that must be true is read in this very pass.
fn pass_the_door(case: &Case<'_>, current: &Entry, entry: &Entry) -> Check {
    if entry.origin == Origin::Foreign {
        return note(Fact::Dropped(entry.id.clone()));
    }
    if let Some(end) = entry.not_after.filter(|end| case.now < *end && self_rolling::is_nameless(case, entry)) {
        return if gone(case, entry) == Conclusion::Confirmed {
            note(Fact::Retired(entry.id.clone(), None))
        } else {
            wait(end, Wait::Settling)
        };
    }
    let (kind, kept) = may_remove(case, Some(current), entry)?;
    if removable(case, entry).is_empty() {
        return if case.pursue(gone(case, entry), Wait::Settling)? { note(Fact::Retired(entry.id.clone(), None)) } else { misplaced(case) };
    }
    if let Some(fact) = further_names(case, entry) {
        return note(fact);
    }
    note(Fact::Retired(entry.id.clone(), Some(Licence { kept, ..Licence::of(kind) })))
}

/// The keyIds stand in the list, but not with the certificate that the ledger knows: one corrupt field removes nothing.
fn misplaced(case: &Case<'_>) -> Check {
    wait(case.now + case.policy.late.late(), Wait::Settling)
}

/// The conditions of any removal, and by which write it would be done.
fn may_remove(case: &Case<'_>, current: Option<&Entry>, entry: &Entry) -> Check<(OpKind, BTreeSet<KeyId>)> {
    case.is_not_frozen(Some(&entry.id))?;
    if let Some(until) = activating(case) {
        return wait(until, Wait::Busy);
    }
    // Last what is read of the cluster: only the pass that finds the list quiet can go on.
    let kind = means(case, entry);
    let kept = if kind.is_whole_list() { quiet_list(case, entry, false)? } else { BTreeSet::new() };
    if !case.memory.output_is_live() {
        return look(Look::Output);
    }
    let current = current.filter(|_| !is_superfluous(case, entry));
    let shown = case.memory.shown();
    let as_expected = match current {
        Some(current) => shown.is_some_and(|shown| shown.entry == current.id),
        None => shown.is_none_or(|shown| !names(shown, entry)),
    };
    if !as_expected {
        return wait(case.now + case.policy.late.step(), Wait::Busy);
    }
    case.live_directory(case.detail())?;
    case.clock_agrees()?;
    match current {
        Some(current) if case.policy.is_signing() => token_signing::is_confirmed_signer(case, current, entry)?,
        Some(current) => proving::is_accepted_now(case, current)?,
        None => {}
    }
    Ok((kind, kept))
}

fn names(shown: &Projection, entry: &Entry) -> bool {
    shown.entry == entry.id || (entry.thumbprint().is_some() && shown.current.thumbprint() == entry.thumbprint())
}

/// Nobody was ever given it, and nothing that works is published: nobody depends on it, and it must not be in the way of the next one.
fn is_superfluous(case: &Case<'_>, entry: &Entry) -> bool {
    let serving =
        case.ledger.current().is_some_and(|current| current.is_valid_at(case.now) && gone(case, current) != Conclusion::Confirmed);
    let shown = case.memory.shown().is_some_and(|shown| names(shown, entry));
    !serving && !shown && entry.origin == Origin::Made && entry.published_at.is_none() && entry.signing().is_none()
}

/// By which write an entry leaves Entra.
fn means(case: &Case<'_>, entry: &Entry) -> OpKind {
    match entry.detail {
        EntryDetail::ClientSecret { .. } => OpKind::RemovePassword,
        EntryDetail::ClientCertificate { .. } if case.policy.is_self_rolled() || client_certificate::proof(case).is_some() => {
            OpKind::RemoveKey
        }
        EntryDetail::ClientCertificate { .. } | EntryDetail::TokenSigning(_) => OpKind::RemoveByUpdate,
    }
}

fn activating(case: &Case<'_>) -> Option<Time> {
    let activates = |entry: &&Entry| entry.op.as_ref().is_some_and(|op| op.kind == OpKind::Activate);
    case.ledger.entries.iter().filter(activates).filter_map(|entry| case.open(entry)).max()
}

/// What of this entry Entra lists, by two identifiers: the keyId that the ledger holds, and the certificate behind it.
pub(crate) fn removable(case: &Case<'_>, entry: &Entry) -> BTreeSet<KeyId> {
    if self_rolling::is_nameless(case, entry) {
        return BTreeSet::new();
    }
    let listed = match (&entry.detail, entry.thumbprint()) {
        (EntryDetail::ClientSecret { .. }, _) => client_secret::marked(case, entry),
        (EntryDetail::ClientCertificate { thumbprint, .. }, _) => case.memory.history().holders(*thumbprint),
        (EntryDetail::TokenSigning(signing), Some(thumbprint)) => linked(case, thumbprint, signing),
        (EntryDetail::TokenSigning(_), None) => BTreeSet::new(),
    };
    let spared = |id: &&KeyId| !case.others(Some(&entry.id)).any(|other| is_spared(other) && other.key_ids.contains(id));
    listed.intersection(&entry.key_ids).filter(spared).copied().collect()
}

/// What is in use, or not ours, stays, even where another entry claims the same names.
fn is_spared(other: &Entry) -> bool {
    matches!(other.r#use, Use::Next | Use::Current) || other.origin == Origin::Foreign
}

/// What shares the link of a signing certificate, unless the certificate behind that link is another one.
fn linked(case: &Case<'_>, thumbprint: Thumbprint, signing: &Signing) -> BTreeSet<KeyId> {
    let Some(link) = &signing.custom_key_identifier else { return BTreeSet::new() };
    let history = case.memory.history();
    let own = token_signing::is_own_link(link, thumbprint);
    let another = |group: &Group| group.thumbprint != Some(thumbprint) && !(own && group.thumbprint.is_none());
    if history.groups().iter().any(|group| group.custom_key_identifier == *link && another(group)) {
        return BTreeSet::new();
    }
    let shares = |view: &&Credential| view.custom_key_identifier.as_ref() == Some(link);
    history.entries().iter().filter(shares).filter_map(|view| view.key_id).collect()
}

/// A certificate that was added a second time, by a write that was applied late or that completed itself, owns that name too.
fn further_names(case: &Case<'_>, entry: &Entry) -> Option<Fact> {
    let listed = case.memory.history().holders(entry.thumbprint().filter(|_| !case.policy.is_self_rolled())?);
    let is_news = entry.origin == Origin::Made && entry.key_ids.len() < KEY_IDS && !listed.is_subset(&entry.key_ids);
    is_news.then(|| Fact::Named(entry.id.clone(), entry.key_ids.union(&listed).copied().collect()))
}

/// Names of a credential that the ledger does not hold, if the last read shows them.
pub(crate) fn names_to_learn(case: &Case<'_>, entry: &Entry) -> Option<Fact> {
    let made = token_signing::unidentified(case, entry).map(|group| token_signing::identified(case, entry, &group));
    made.or_else(|| if entry.key_ids.is_empty() { unnamed(case, entry) } else { further_names(case, entry) })
}

fn unnamed(case: &Case<'_>, entry: &Entry) -> Option<Fact> {
    let key_ids = listed_names(case, entry);
    (!key_ids.is_empty()).then(|| Fact::Named(entry.id.clone(), key_ids))
}

/// The names that the last read shows of a credential whose names the ledger need not hold: by our mark, and a certificate by its thumbprint as well.
pub(crate) fn listed_names(case: &Case<'_>, entry: &Entry) -> BTreeSet<KeyId> {
    match &entry.detail {
        EntryDetail::ClientSecret { .. } => client_secret::marked(case, entry),
        EntryDetail::ClientCertificate { thumbprint, .. } => certified(case, entry, *thumbprint),
        EntryDetail::TokenSigning(_) => token_signing::unidentified(case, entry).map(|group| group.key_ids).unwrap_or_default(),
    }
}

fn certified(case: &Case<'_>, entry: &Entry, thumbprint: Thumbprint) -> BTreeSet<KeyId> {
    let history = case.memory.history();
    let mark = entry.id.san_uri(&case.policy.uid);
    let marked = |id: &KeyId| history.certificate(id).is_some_and(|facts| facts.contains(&mark));
    history.holders(thumbprint).into_iter().filter(marked).collect()
}

/// Carries a removal through: sent, absent by rule 5, and past the time in which anything could reappear.
pub(crate) fn finish(case: &Case<'_>, entry: &Entry) -> Check {
    let late = case.policy.late;
    match case.op(entry) {
        Some(OpState::Unsent { .. } | OpState::Refused) => return remove(case, entry),
        Some(OpState::Open { until }) => return wait(until, Wait::Settling),
        Some(OpState::Applied { tick }) => drop(case.directory_after(tick, Detail::Plain)?),
        Some(OpState::Over) | None => drop(case.directory_after(0, Detail::Plain)?),
    }
    match gone(case, entry) {
        Conclusion::Denied => {
            let again = entry.op.as_ref().map_or(case.now, |op| op.at + late.open());
            if case.now >= again { remove(case, entry) } else { reread(case) }
        }
        conclusion => {
            case.pursue(conclusion, Wait::Settling)?;
            let settled = entry.op.as_ref().map_or(case.now, |op| op.at + late.settled());
            if case.now < settled {
                return wait(settled, Wait::Settling);
            }
            staging::delete_slot(case, entry)?;
            note(Fact::Dropped(entry.id.clone()))
        }
    }
}

fn late_third(case: &Case<'_>) -> chrono::TimeDelta {
    case.policy.late.late() / 3
}

fn reread(case: &Case<'_>) -> Check {
    let next = case.memory.history().read_at().map_or(case.now, |read| read + case.policy.late.proof_spread());
    if next <= case.now { look(Look::Directory(Detail::Plain)) } else { wait(next, Wait::Replicating) }
}

fn remove(case: &Case<'_>, entry: &Entry) -> Check {
    let current = case.ledger.current();
    if current.is_none() && !is_superfluous(case, entry) {
        return Ok(());
    }
    let (kind, kept) = may_remove(case, current, entry)?;
    let mut key_ids = removable(case, entry);
    if !kind.is_whole_list() {
        // One write, one licence: a certificate that was added twice goes in two steps.
        key_ids = key_ids.into_iter().take(1).collect();
    }
    if key_ids.is_empty() {
        return if case.pursue(gone(case, entry), Wait::Settling)? { note(Fact::Dropped(entry.id.clone())) } else { misplaced(case) };
    }
    let proof = if kind == OpKind::RemoveKey { client_certificate::proof_but(case, entry) } else { None };
    if kind == OpKind::RemoveKey && proof.is_none() {
        return wait(case.now + late_third(case), Wait::Busy);
    }
    case.send(entry, Licence { kept, ..Licence::of(kind) }, Mutation::Remove(Removal::new(entry, kind, key_ids), proof))
}

/// A credential that was given up: removed if it appears, forgotten once it cannot appear any more.
pub(crate) fn clean_up(case: &Case<'_>, entry: &Entry) -> Check {
    if is_pinned(case, entry) {
        return Ok(());
    }
    let late = case.policy.late;
    if let Some(op) = &entry.op
        && case.op(entry) == Some(OpState::Refused)
        && op.kind.is_creation()
    {
        return note(Fact::Dropped(entry.id.clone()));
    }
    case.directory_after(0, case.detail())?;
    if let Some(fact) = names_to_learn(case, entry) {
        return note(fact);
    }
    if !removable(case, entry).is_empty() {
        let current = case.ledger.current();
        if current.is_none() && !is_superfluous(case, entry) {
            return reread_with_keys(case);
        }
        let (kind, kept) = may_remove(case, current, entry)?;
        return note(Fact::Retired(entry.id.clone(), Some(Licence { kept, ..Licence::of(kind) })));
    }
    let settled = entry.op.as_ref().map_or(case.now, |op| op.at + late.settled());
    if case.now < settled {
        return reread_with_keys(case).map_err(|halt| no_later_than(halt, settled));
    }
    if case.looked_at().is_none_or(|read| read < settled) {
        return look(Look::Directory(case.detail()));
    }
    if case.pursue(is_absent(case, entry), Wait::Settling)? { note(Fact::Dropped(entry.id.clone())) } else { reread_with_keys(case) }
}

/// Whether nothing is listed that has a name of this entry.
pub(crate) fn is_absent(case: &Case<'_>, entry: &Entry) -> Conclusion {
    case.missing(entry, |views| {
        !views.iter().any(|view| view.key_id.is_some_and(|id| entry.key_ids.contains(&id)) || carries_mark(case, view, entry))
    })
}

/// Whether a listed credential bears a name of this entry. What was adopted is known by its keyIDs: others may look like it.
fn carries_mark(case: &Case<'_>, view: &Credential, entry: &Entry) -> bool {
    let marked = || token_signing::carries_mark(view, entry) || client_secret::carries_mark(case, entry, view);
    entry.origin == Origin::Made && marked()
}

fn reread_with_keys(case: &Case<'_>) -> Check {
    let next = case.looked_at().map_or(case.now, |read| read + case.policy.late.late() / 3);
    if next <= case.now { look(Look::Directory(case.detail())) } else { wait(next, Wait::Settling) }
}

fn no_later_than(halt: Halt, bound: Time) -> Halt {
    match halt {
        Halt::Wait(mut rest) => {
            rest.until = rest.until.min(bound);
            Halt::Wait(rest)
        }
        other => other,
    }
}

/// Rule 7. The list that a whole-list update may be built from: quiet, complete, free of newcomers and of what was removed lately. Answers what it keeps.
pub(crate) fn quiet_list(case: &Case<'_>, entry: &Entry, emergency: bool) -> Check<BTreeSet<KeyId>> {
    let late = case.policy.late;
    wait_for_others(case, entry)?;
    let quiet = case.memory.history().quiet(late.quiet(emergency), case.now);
    if !case.pursue(quiet, Wait::Quieting)? {
        return look(Look::Directory(Detail::Plain));
    }
    let listed: BTreeSet<KeyId> = case.memory.history().entries().iter().filter_map(|view| view.key_id).collect();
    let incomplete = expected(case, entry).any(|id| !listed.contains(&id));
    let stale = leaving(case, entry).any(|id| listed.contains(&id));
    let unsettled = !emergency && case.memory.history().newcomers(case.now - late.late());
    if incomplete || stale || unsettled {
        return wait(case.now + late.late() / 3, Wait::Quieting);
    }
    Ok(listed.difference(&entry.key_ids).copied().collect())
}

/// No other write on the application is open, and everything made lately has its keyIds in a ledger.
fn wait_for_others(case: &Case<'_>, entry: &Entry) -> Check {
    let unidentified = |other: &Entry| {
        let made = other.op.as_ref().filter(|op| !op.kind.is_removal() && other.key_ids.is_empty())?;
        Some(made.at + case.policy.late.late() * 2).filter(|until| case.now < *until)
    };
    let own = case.others(Some(&entry.id)).filter_map(|other| case.open(other).max(unidentified(other)));
    match own.chain(case.application.restless(case.now)).max() {
        Some(until) => wait(until, Wait::Busy),
        None => Ok(()),
    }
}

/// Every keyId that some ledger counts on, unless rule 5 says that it is gone: by reads since it was made.
fn expected<'a>(case: &'a Case<'_>, entry: &'a Entry) -> impl Iterator<Item = KeyId> + 'a {
    let late = case.policy.late;
    let counted = |other: &&Entry| matches!(other.r#use, Use::Next | Use::Current | Use::Previous);
    let named = move |other: &'a Entry| other.key_ids.iter().map(move |id| (*id, other.made_by(late)));
    let own = case.others(Some(&entry.id)).filter(counted).flat_map(named);
    let others = case.application.known().iter().map(|(id, made_by)| (*id, *made_by));
    let is_absent = move |id: KeyId, made_by: Time| {
        let without = |views: &[Credential]| !views.iter().any(|view| view.key_id == Some(id));
        case.memory.history().conclude_since(made_by, late.late(), |_, views| without(views)) == Conclusion::Confirmed
    };
    own.chain(others).filter(move |(id, made_by)| !is_absent(*id, *made_by)).map(|(id, _)| id)
}

fn leaving<'a>(case: &'a Case<'_>, entry: &'a Entry) -> impl Iterator<Item = KeyId> + 'a {
    let recent = |other: &&Entry| other.op.as_ref().is_some_and(|op| op.kind.is_removal() && case.now < op.at + case.policy.late.settled());
    let own = case.others(Some(&entry.id)).filter(recent).flat_map(|other| other.key_ids.iter());
    own.chain(case.application.leaving()).copied()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
