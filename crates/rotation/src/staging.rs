//! The two staging Secrets: which is free, what lies there, and when it goes.

use std::collections::BTreeSet;

use crate::case::{Act, Case, Fact, Look, Wait};
use crate::check::{Check, act, look, note, stop};
use crate::history::Conclusion;
use crate::ledger::{Entry, SlotName, Use};
use crate::memory::{Held, Output, Slot};
use crate::reason::{Reason, Refusal};
use crate::rules::gone;
use crate::{client_secret, proving};

/// A slot that no entry of the ledger claims, or only one that has no use for it any more.
pub(crate) fn free_slot(case: &Case<'_>) -> Option<SlotName> {
    let ledger = case.ledger.caught_up(case.policy, case.memory);
    // Of a lost credential only what is seen now counts: another process may have filled its slot since.
    let is_useless = |entry: &Entry, name| is_worthless(case, entry) || (is_lost(case, entry) && case.memory.slot_is_live(name));
    let claims = |entry: &Entry, name| entry.slot() == Some(name) && !(is_useless(entry, name) && case.memory.slot(name) == Some(None));
    SlotName::ALL.into_iter().find(|name| !ledger.entries.iter().any(|entry| claims(entry, *name)))
}

/// The same, once it is known what lies there: a slot that somebody deleted must not be waited for.
pub(crate) fn look_for_room(case: &Case<'_>) -> Check<Option<SlotName>> {
    if let Some(free) = free_slot(case) {
        return Ok(Some(free));
    }
    let must_be_live = case.ledger.current().is_some_and(|current| is_lost(case, current));
    let is_known = |name| if must_be_live { case.memory.slot_is_live(name) } else { case.memory.slot(name).is_some() };
    match SlotName::ALL.into_iter().find(|name| !is_known(*name)) {
        Some(name) => look(Look::Slot(name)),
        None => Ok(None),
    }
}

/// What is published is nowhere in the cluster any more.
fn is_lost(case: &Case<'_>, entry: &Entry) -> bool {
    entry.r#use == Use::Current && (case.memory.is_unhealable(&entry.id) || client_secret::is_lost(case, entry))
}

/// The key of a certificate in use that is gone, where an application rolls itself: the slots of those before are kept for what they can prove.
fn is_worthless(case: &Case<'_>, entry: &Entry) -> bool {
    case.policy.is_self_rolled() && entry.r#use == Use::Current && gone(case, entry) == Conclusion::Confirmed
}

/// The key lies in its slot before it is of use to anybody. `in_memory`: this process still has it, should the slot be empty.
pub(crate) fn stage(case: &Case<'_>, upcoming: &Entry, name: SlotName, in_memory: bool) -> Check {
    match case.memory.slot(name) {
        Some(Some(slot)) if slot.entry.as_ref() == Some(&upcoming.id) => Ok(()),
        Some(Some(slot)) => clear_stranger(case, name, slot),
        Some(None) | None if in_memory => act(Act::PostSlot(upcoming.id.clone(), name)),
        // Only what is seen now counts: another process may have filled it since.
        Some(None) if case.memory.slot_is_live(name) => note(Fact::Abandoned(upcoming.id.clone())),
        Some(None) | None => look(Look::Slot(name)),
    }
}

/// Whether the slot says that it belongs to this entry.
pub(crate) fn holds(case: &Case<'_>, name: SlotName, entry: &Entry) -> bool {
    case.memory.slot(name).flatten().is_some_and(|slot| slot.entry.as_ref() == Some(&entry.id))
}

/// A slot that holds something else: ours and in no ledger is deleted, anything else is not touched.
fn clear_stranger(case: &Case<'_>, name: SlotName, slot: &Slot) -> Check {
    match (&slot.owner, &slot.entry) {
        (Some(_), Some(entry)) if case.ledger.entry(entry).is_none_or(|entry| entry.r#use != Use::Current) => {
            act(Act::DeleteSlot(name, slot.uid.clone()))
        }
        _ => {
            let message = format!("The staging Secret with the suffix -entra-{} exists and was not made for this resource.", name.as_str());
            stop(case.now + case.policy.late.late(), Wait::Refused(Refusal::new(Reason::OutputNotOurs, message)))
        }
    }
}

/// The slot of a credential that is not needed any more: an abandoned one at once, a used one once its successor is published. Who rolls its own certificate
/// shows with it whether the old one is still accepted, and so keeps it to the end.
pub(crate) fn clear_slot(case: &Case<'_>, entry: &Entry) -> Check {
    let superseded = case.ledger.current().is_some_and(|current| current.published_at.is_some());
    let spent = match entry.r#use {
        Use::Abandoned => true,
        Use::Previous | Use::Retiring => superseded && !case.policy.is_self_rolled(),
        Use::Current => is_worthless(case, entry) && case.ledger.upcoming().is_none() && free_slot(case).is_none(),
        Use::Next => false,
    };
    if !spent {
        return Ok(());
    }
    match client_secret::staged(case, entry) {
        // What Entra called it was put away with it: a slot must not go before that is in the ledger.
        Some(staged) if entry.key_ids.is_empty() => note(Fact::Named(entry.id.clone(), BTreeSet::from([staged.key_id]))),
        _ => delete_slot(case, entry),
    }
}

/// A slot of Current that was deleted is made again from the output: of a secret once that has shown that it works, of a key if it belongs to the certificate.
pub(crate) fn restore_slot(case: &Case<'_>, current: &Entry) -> Check {
    let (Some(name), Some(_)) = (current.slot(), current.published_at) else { return Ok(()) };
    if is_worthless(case, current) {
        return Ok(());
    }
    if case.policy.is_self_rolled() && case.memory.slot(name).is_none() {
        return look(Look::Slot(name));
    }
    let Some(Output::Ours { shows: Some(shown), holds: Some(held) }) = case.memory.output() else { return Ok(()) };
    if case.memory.slot(name) != Some(None) || shown.entry != current.id {
        return Ok(());
    }
    match held {
        Held::Secret(_) => proving::is_accepted_now(case, current)?,
        Held::Key(key) if Some(key.thumbprint) == current.thumbprint() => {}
        Held::Key(_) => return Ok(()),
    }
    act(Act::PostSlot(current.id.clone(), name))
}

/// Deletes the slot of an entry, if that still is its slot.
pub(crate) fn delete_slot(case: &Case<'_>, entry: &Entry) -> Check {
    let Some(name) = entry.slot() else { return Ok(()) };
    match case.memory.slot(name) {
        None => look(Look::Slot(name)),
        Some(Some(slot)) if slot.entry.as_ref() == Some(&entry.id) => act(Act::DeleteSlot(name, slot.uid.clone())),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
