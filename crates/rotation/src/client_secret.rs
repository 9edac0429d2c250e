//! Client secrets: Entra makes them and tells them once. A lost answer costs one orphan, which is removed; it is never asked for twice.

use std::collections::BTreeSet;

use entra_types::{Credential, KeyId};

use crate::case::{Case, Claim, Fact, Licence, Look, Mutation, Projection, Wait};
use crate::check::{Check, look, note, wait};
use crate::history::{Detail, Directory};
use crate::ledger::{Detail as EntryDetail, Entry, OpKind, Origin, SlotName};
use crate::memory::{Attempt, Made, Material, StagedSecret};
use crate::op::OpState;
use crate::reason::Cause;
use crate::time::whole;
use crate::{adoption, client_certificate, gates, proving, staging};

/// What the output shall show; nothing while only the output itself can tell.
pub(crate) fn projection(case: &Case<'_>, current: &Entry) -> Check<Option<Projection>> {
    let Some(name) = current.slot() else { return Ok(None) };
    // Only what is seen now counts: another process may have filled it since.
    if case.memory.slot(name).is_none() || (is_lost(case, current) && !case.memory.slot_is_live(name)) {
        return look(Look::Slot(name));
    }
    let of = |staged: StagedSecret| Projection {
        entry: current.id.clone(),
        current: Material::Secret(staged.fingerprint),
        next: None,
        previous: None,
        bundle: BTreeSet::new(),
    };
    Ok(staged(case, current).map(of))
}

/// What the slot of this entry holds.
pub(crate) fn staged(case: &Case<'_>, entry: &Entry) -> Option<StagedSecret> {
    let slot = case.memory.slot(entry.slot()?)??;
    slot.secret.filter(|_| slot.entry.as_ref() == Some(&entry.id))
}

/// Whether the secret is nowhere in the cluster any more: the slot is gone, and the output does not show it.
pub(crate) fn is_lost(case: &Case<'_>, current: &Entry) -> bool {
    let EntryDetail::ClientSecret { slot, .. } = current.detail else { return false };
    let slot_is_gone = slot.is_none_or(|name| case.memory.slot(name).is_some()) && staged(case, current).is_none();
    slot_is_gone && case.memory.output().is_some() && case.memory.shown().is_none_or(|shown| shown.entry != current.id)
}

pub(crate) fn begin(case: &Case<'_>, directory: &Directory, cause: Cause) -> Check {
    let Some(slot) = staging::look_for_room(case)? else { return wait(case.now + case.policy.late.late(), Wait::Busy) };
    note(Fact::Claimed(Claim {
        id: case.ledger.next_id(&case.policy.uid, case.memory),
        target: client_certificate::target(case, directory)?,
        cause,
        detail: EntryDetail::ClientSecret { display_name: None, slot: Some(slot) },
        key_ids: BTreeSet::new(),
        issued_at: None,
        not_after: Some(whole(case.now + case.validity())),
        op: Some(OpKind::AddPassword),
    }))
}

pub(crate) fn carry_on(case: &Case<'_>, upcoming: &Entry) -> Check {
    let EntryDetail::ClientSecret { slot: Some(name), .. } = upcoming.detail else { return note(Fact::Abandoned(upcoming.id.clone())) };
    let Some(staged) = staged(case, upcoming) else { return obtain(case, upcoming, name) };
    proving::prove(case, upcoming)?;
    gates::await_window(case, upcoming)?;
    case.live_directory(Detail::Plain)?;
    case.clock_agrees()?;
    note(Fact::Promoted(upcoming.id.clone(), BTreeSet::from([staged.key_id])))
}

/// Asks for the secret, once. Whoever does not hold the answer gives the entry up, unless its slot has it.
fn obtain(case: &Case<'_>, upcoming: &Entry, name: SlotName) -> Check {
    match case.op(upcoming) {
        Some(OpState::Unsent { .. } | OpState::Refused) => {
            case.is_not_frozen(Some(&upcoming.id))?;
            case.live_directory(Detail::Plain)?;
            case.clock_agrees()?;
            case.send(upcoming, Licence::of(OpKind::AddPassword), Mutation::AddPassword)
        }
        // Somebody put an empty one in its place.
        _ if staging::holds(case, name, upcoming) => note(Fact::Abandoned(upcoming.id.clone())),
        _ => staging::stage(case, upcoming, name, is_in_memory(case, upcoming)),
    }
}

fn is_in_memory(case: &Case<'_>, upcoming: &Entry) -> bool {
    let attempt = upcoming.op.as_ref().and_then(|op| case.memory.attempt(&op.nonce));
    matches!(attempt, Some(Attempt::Applied { made: Some(Made::Password(_)), .. }))
}

/// The keyIds in Entra that carry this entry's mark.
pub(crate) fn marked(case: &Case<'_>, entry: &Entry) -> BTreeSet<KeyId> {
    let views = case.memory.history().entries().iter();
    views.filter(|view| carries_mark(case, entry, view)).filter_map(|view| view.key_id).collect()
}

/// Whether a listed secret bears the entry's name, and an adopted one its end as well.
pub(crate) fn carries_mark(case: &Case<'_>, entry: &Entry, view: &Credential) -> bool {
    let EntryDetail::ClientSecret { display_name, .. } = &entry.detail else { return false };
    view.usage.is_none()
        && match entry.origin {
            Origin::Made => view.display_name.as_deref() == Some(&entry.id.password_name(&case.policy.uid)),
            Origin::Adopted => {
                view.display_name.as_deref().map(adoption::recorded) == *display_name && view.end.map(whole) == entry.not_after
            }
            Origin::Foreign => false,
        }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
