//! The end of a resource with `deletionPolicy: Revoke`: what it made goes with it. Rule 4 is waived, as nothing is published any more; two identifiers are not.

use std::collections::BTreeSet;

use entra_types::KeyId;

use crate::case::{Act, Case, Fact, Left, Licence, Look, Mutation, Wait};
use crate::check::{Check, act, all, look, note, stop, wait};
use crate::ledger::{Detail as EntryDetail, Entry, OpKind, Origin, Use};
use crate::memory::Attempt;
use crate::op::{OpState, Removal};
use crate::removal::{is_absent, listed_names, names_to_learn, quiet_list, removable};
use crate::time::{Time, whole};
use crate::{client_certificate, client_secret, foreign, schedule};

/// Keeps the finalizer as `spec` asks for it, from before the first write on.
pub(crate) fn anchor(case: &Case<'_>) -> Check {
    let wanted = case.policy.revoke_on_delete;
    let needed = !case.ledger.entries.is_empty() || case.policy.refusal.is_none();
    match (wanted, case.policy.has_finalizer) {
        (true, false) if needed => act(Act::SetFinalizer(true)),
        (false, true) => act(Act::SetFinalizer(false)),
        _ => Ok(()),
    }
}

/// Somebody who deleted the resource thinks better of it: what is left stays.
pub(crate) fn retain(case: &Case<'_>) -> Check {
    nothing_is_open(case)?;
    act(Act::SetFinalizer(false))
}

/// Removes everything that this resource made, then lets it go. After 2·LATE of trouble, or 8·LATE without a step forward, it is let go all the same, and what
/// remains is named. A process that comes late has that time too: while nobody ran, nobody had trouble.
pub(crate) fn leave(case: &Case<'_>, deleted_at: Time) -> Check {
    let begun = deleted_at.max(case.memory.born());
    let patience = begun + case.policy.late.late() * 2;
    let own: Vec<&Entry> = case.ledger.entries.iter().filter(|entry| entry.origin != Origin::Foreign).collect();
    if own.is_empty() {
        return let_go(case);
    }
    if let Some(refusal) = &case.policy.refusal {
        return if case.now >= patience { let_go(case) } else { stop(patience, Wait::Refused(refusal.clone())) };
    }
    if case.ledger.rotation.failures > 0 {
        if case.now >= patience && has_failed_since(case, patience) {
            return let_go(case);
        }
        if let Some(until) = schedule::next_attempt(case.ledger, case.policy, case.now).filter(|until| case.now < *until.min(&patience)) {
            return stop(until.min(patience), Wait::Revoking);
        }
    }
    if case.now < last_step(&own, begun) + case.policy.late.late() * 8 {
        all(own.into_iter().filter(|entry| !stays(case, entry)).map(|entry| revoke(case, entry)))?;
    }
    // A clock that jumps spends all patience at once: what was made a moment ago is named by what is listed now.
    case.live_directory(case.detail())?;
    let_go(case)
}

/// The last attempt is made when patience ends: what was read before may be from before the last write.
fn has_failed_since(case: &Case<'_>, patience: Time) -> bool {
    case.ledger.rotation.last_failure.as_ref().is_none_or(|failure| failure.time >= whole(patience))
}

/// Somebody renamed a secret, a clock is wrong, a list never comes to rest: a namespace must not wait for that.
fn last_step(own: &[&Entry], begun: Time) -> Time {
    own.iter().filter_map(|entry| Some(entry.op.as_ref()?.at)).fold(begun, Time::max)
}

/// What may not go: the certificate that signs, the last key of an application that rolls itself, and what nobody could tell there to be gone.
fn stays(case: &Case<'_>, entry: &Entry) -> bool {
    let is_signer = || case.memory.history().possible_signers(case.now).iter().any(|signer| Some(*signer) == entry.thumbprint());
    match entry.detail {
        EntryDetail::TokenSigning(_) => is_signer(),
        EntryDetail::ClientCertificate { .. } => case.policy.is_self_rolled() && (entry.r#use == Use::Current || !is_at_hand(case, entry)),
        EntryDetail::ClientSecret { .. } => false,
    }
}

/// Whether the key may be had with which an application that rolls itself shows that a certificate is accepted still.
fn is_at_hand(case: &Case<'_>, entry: &Entry) -> bool {
    entry.slot().is_some_and(|name| case.memory.slot(name).is_none_or(|slot| slot.is_some()))
}

/// The resource goes; whatever Entra still lists of it is named.
fn let_go(case: &Case<'_>) -> Check {
    nothing_is_open(case)?;
    let mut left = Left { key_ids: foreign::unclaimed(case), marks: BTreeSet::new() };
    for entry in case.ledger.entries.iter().filter(|entry| entry.origin != Origin::Foreign) {
        let key_ids = names(case, entry)?;
        if key_ids.is_empty() && may_have_been_made(case, entry) {
            left.marks.insert(mark(case, entry));
        }
        left.key_ids.extend(key_ids);
    }
    act(if left == Left::default() { Act::SetFinalizer(false) } else { Act::LetGo(left) })
}

fn names(case: &Case<'_>, entry: &Entry) -> Check<BTreeSet<KeyId>> {
    if !entry.key_ids.is_empty() {
        return Ok(entry.key_ids.clone());
    }
    Ok(listed_names(case, entry).into_iter().chain(told(case, entry)?).collect())
}

/// Whether a request to make it went out that Entra did not refuse.
fn may_have_been_made(case: &Case<'_>, entry: &Entry) -> bool {
    matches!(case.op(entry), Some(OpState::Applied { .. } | OpState::Open { .. } | OpState::Over))
}

/// By what a person finds it in Entra: a certificate by its thumbprint as soon as that is known, anything else by the name that it was given.
fn mark(case: &Case<'_>, entry: &Entry) -> String {
    let given = || entry.signing().and_then(|signing| signing.display_name.clone());
    let thumbprint = entry.thumbprint().map(|thumbprint| thumbprint.to_string());
    thumbprint.or_else(given).unwrap_or_else(|| entry.id.password_name(&case.policy.uid))
}

/// A list that is replaced late takes with it what others have added since, and only a ledger makes them wait.
fn nothing_is_open(case: &Case<'_>) -> Check {
    case.ledger.entries.iter().filter_map(|entry| case.open(entry)).max().map_or(Ok(()), |until| stop(until, Wait::Revoking))
}

/// What Entra answered to the creation of a credential that was never promoted: this process remembers it, or the slot of a secret holds it.
fn told(case: &Case<'_>, entry: &Entry) -> Check<Option<KeyId>> {
    let attempt = entry.op.as_ref().and_then(|op| case.memory.attempt(&op.nonce));
    if let Some(Attempt::Applied { made: Some(made), .. }) = attempt {
        return Ok(Some(made.key_id()));
    }
    let Some(name) = entry.slot() else { return Ok(None) };
    if case.memory.slot(name).is_none() {
        return look(Look::Slot(name));
    }
    Ok(client_secret::staged(case, entry).map(|staged| staged.key_id))
}

fn revoke(case: &Case<'_>, entry: &Entry) -> Check {
    match case.op(entry) {
        Some(OpState::Open { until }) => return learn(case, entry, until),
        Some(OpState::Applied { tick }) if entry.r#use == Use::Retiring => drop(case.directory_after(tick, case.detail())?),
        _ => drop(case.live_directory(case.detail())?),
    }
    if let Some(fact) = names_to_learn(case, entry) {
        return note(fact);
    }
    let key_ids = removable(case, entry);
    if key_ids.is_empty() { forget(case, entry) } else { remove(case, entry, key_ids) }
}

/// What a write made whose answer was lost can still appear.
fn learn(case: &Case<'_>, entry: &Entry, until: Time) -> Check {
    if let Some(fact) = names_to_learn(case, entry) {
        return note(fact);
    }
    let next = case.memory.history().read_at().map_or(case.now, |read| read + case.policy.late.late() / 3);
    if next <= case.now { look(Look::Directory(case.detail())) } else { wait(next.min(until), Wait::Revoking) }
}

/// Nothing of it is listed. Our own answer and a read are enough where nothing depends on it any more; without the answer, rule 5.
fn forget(case: &Case<'_>, entry: &Entry) -> Check {
    let is_settled = match case.op(entry) {
        Some(OpState::Applied { .. }) => entry.r#use == Use::Retiring,
        Some(OpState::Unsent { .. } | OpState::Refused) | None => entry.key_ids.is_empty(),
        Some(OpState::Open { .. } | OpState::Over) => false,
    };
    if is_settled {
        return note(Fact::Dropped(entry.id.clone()));
    }
    let appears = entry.op.as_ref().map(|op| op.at + case.policy.late.open()).filter(|until| case.now < *until && entry.key_ids.is_empty());
    if let Some(until) = appears {
        return learn(case, entry, until);
    }
    if case.pursue(is_absent(case, entry), Wait::Revoking)? {
        note(Fact::Dropped(entry.id.clone()))
    } else {
        case.look_again(Wait::Revoking)
    }
}

fn remove(case: &Case<'_>, entry: &Entry, mut key_ids: BTreeSet<KeyId>) -> Check {
    case.clock_agrees()?;
    case.is_not_frozen(Some(&entry.id))?;
    let kind = means(case, entry);
    let kept = if kind.is_whole_list() { quiet_list(case, entry, false)? } else { BTreeSet::new() };
    let licence = Licence { kept, ..Licence::of(kind) };
    if entry.r#use != Use::Retiring {
        return note(Fact::Retired(entry.id.clone(), Some(licence)));
    }
    if let Some((OpState::Applied { .. }, over)) = case.op(entry).zip(entry.op.as_ref().map(|op| op.at + case.policy.late.open()))
        && case.now < over
    {
        // A replica may be behind.
        return case.look_again(Wait::Revoking);
    }
    if !kind.is_whole_list() {
        key_ids = key_ids.into_iter().take(1).collect();
    }
    let proof = if kind == OpKind::RemoveKey { client_certificate::proof_but(case, entry) } else { None };
    if kind == OpKind::RemoveKey && proof.is_none() {
        return case.look_again(Wait::Revoking);
    }
    case.send(entry, licence, Mutation::Remove(Removal::new(entry, kind, key_ids), proof))
}

/// A certificate proves the removal of others; the last one goes by an update, unless the list that it would be built from cannot be read.
fn means(case: &Case<'_>, entry: &Entry) -> OpKind {
    match entry.detail {
        EntryDetail::ClientSecret { .. } => OpKind::RemovePassword,
        EntryDetail::ClientCertificate { .. } if case.policy.is_self_rolled() || client_certificate::proof_but(case, entry).is_some() => {
            OpKind::RemoveKey
        }
        EntryDetail::ClientCertificate { .. } | EntryDetail::TokenSigning(_) => OpKind::RemoveByUpdate,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
