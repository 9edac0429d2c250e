//! Client certificates: the key is made here, staged in a slot, then added in Entra and proven by signing in.

use std::collections::BTreeSet;

use entra_types::Thumbprint;

use crate::case::{Case, Claim, Fact, Licence, Look, Mutation, Projection, Proof, Wait};
use crate::check::{Check, look, note};
use crate::history::{Conclusion, Detail, Directory};
use crate::ledger::{Detail as EntryDetail, Entry, OpKind, Target, Use};
use crate::memory::{Material, Output};
use crate::op::OpState;
use crate::policy::Kind;
use crate::reason::Cause;
use crate::{gates, proving, removal, self_rolling, staging};

pub(crate) fn projection(current: &Entry) -> Option<Projection> {
    let thumbprint = current.thumbprint()?;
    Some(Projection {
        entry: current.id.clone(),
        current: Material::Certificate(thumbprint),
        next: None,
        previous: None,
        bundle: BTreeSet::from([thumbprint]),
    })
}

/// Whether `spec` asks for another size of key than the output holds.
pub(crate) fn has_another_size(case: &Case<'_>, current: &Entry) -> bool {
    match (&case.policy.kind, case.memory.output().and_then(Output::held_key)) {
        (Kind::ClientCertificate { key_bits, .. }, Some(held)) => Some(held.thumbprint) == current.thumbprint() && held.bits != *key_bits,
        _ => false,
    }
}

pub(crate) fn begin(case: &Case<'_>, directory: &Directory, cause: Cause) -> Check {
    let id = case.ledger.next_id(&case.policy.uid, case.memory);
    if case.policy.is_self_rolled() && proof(case).is_none() {
        return self_rolling::locked_out(case, "No certificate of this resource is accepted any more.");
    }
    let Some(slot) = staging::look_for_room(case)? else { return self_rolling::make_room(case) };
    let Some(fresh) = case.memory.fresh_key().filter(|fresh| fresh.entry == id) else { return look(Look::FreshKey(id)) };
    let kind = if proof(case).is_some() { OpKind::AddKey } else { OpKind::AddByUpdate };
    note(Fact::Claimed(Claim {
        id,
        target: target(case, directory)?,
        cause,
        detail: EntryDetail::ClientCertificate { thumbprint: fresh.thumbprint, slot: Some(slot) },
        key_ids: BTreeSet::new(),
        issued_at: None,
        not_after: Some(fresh.not_after),
        op: Some(kind),
    }))
}

/// Tenant and kind of object are the caller's: they stand in the policy's target.
pub(crate) fn target(case: &Case<'_>, directory: &Directory) -> Check<Target> {
    let display_name = directory.display_name.chars().take(256).collect();
    Ok(Target {
        tenant_id: case.policy.tenant_id,
        object: case.policy.object,
        object_id: directory.object_id,
        client_id: directory.client_id,
        display_name,
    })
}

/// A key of ours whose certificate the object lists and that has not expired.
pub(crate) fn proof(case: &Case<'_>) -> Option<Proof> {
    proof_of(case, |_| true)
}

/// The same, by any certificate but this one.
pub(crate) fn proof_but(case: &Case<'_>, but: &Entry) -> Option<Proof> {
    proof_of(case, |thumbprint| Some(thumbprint) != but.thumbprint())
}

fn proof_of(case: &Case<'_>, may: impl Fn(Thumbprint) -> bool) -> Option<Proof> {
    if case.memory.proof_is_hopeless(case.policy.late.late()) {
        return None;
    }
    let listed = |thumbprint| !case.memory.history().holders(thumbprint).is_empty();
    let staged = [Use::Current, Use::Previous].into_iter().flat_map(|r#use| case.ledger.all(r#use)).find_map(|entry| {
        // The slot may be the next one's by now.
        let name = entry.slot().filter(|name| case.memory.slot(*name).is_none() || staging::holds(case, *name, entry))?;
        entry.thumbprint().filter(|thumbprint| may(*thumbprint) && listed(*thumbprint))?;
        entry.is_valid_at(case.now).then(|| Proof::Slot(entry.id.clone(), name))
    });
    staged.or_else(|| {
        let held = case.memory.output()?.held_key()?;
        (may(held.thumbprint) && listed(held.thumbprint) && case.now < held.not_after).then_some(Proof::Output)
    })
}

pub(crate) fn carry_on(case: &Case<'_>, upcoming: &Entry) -> Check {
    let EntryDetail::ClientCertificate { thumbprint, slot } = upcoming.detail else { return Ok(()) };
    if let Some(name) = slot {
        // The key lies in its slot before Entra hears of it.
        staging::stage(case, upcoming, name, case.memory.holds_key_of(upcoming))?;
    }
    if case.memory.history().holders(thumbprint).is_empty() {
        return add(case, upcoming);
    }
    proving::prove(case, upcoming)?;
    gates::await_window(case, upcoming)?;
    case.live_directory(Detail::Plain)?;
    case.clock_agrees()?;
    note(Fact::Promoted(upcoming.id.clone(), case.memory.history().holders(thumbprint)))
}

fn add(case: &Case<'_>, upcoming: &Entry) -> Check {
    let late = case.policy.late;
    let Some(at) = upcoming.op.as_ref().map(|op| op.at) else { return send_add(case, upcoming) };
    let thumbprint = upcoming.thumbprint();
    let absent = || {
        case.missing(upcoming, |views| {
            !views
                .iter()
                .filter_map(|view| view.key_id)
                .any(|id| case.memory.history().certificate(&id).map(|facts| facts.thumbprint) == thumbprint)
        })
    };
    match case.op(upcoming) {
        Some(OpState::Applied { tick }) => {
            case.directory_after(tick, Detail::WithKeys)?;
            if case.now < at + late.open() { case.look_again(Wait::Replicating) } else { resend_when(case, upcoming, absent()) }
        }
        Some(OpState::Open { .. }) => {
            case.directory_after(0, Detail::WithKeys)?;
            case.look_again(Wait::Settling)
        }
        Some(OpState::Over) => {
            case.directory_after(0, Detail::WithKeys)?;
            resend_when(case, upcoming, absent())
        }
        Some(OpState::Refused) => {
            case.live_directory(Detail::WithKeys)?;
            send_add(case, upcoming)
        }
        Some(OpState::Unsent { .. }) | None => send_add(case, upcoming),
    }
}

fn resend_when(case: &Case<'_>, upcoming: &Entry, absent: Conclusion) -> Check {
    if case.pursue(absent, Wait::Settling)? { send_add(case, upcoming) } else { case.look_again(Wait::Replicating) }
}

fn send_add(case: &Case<'_>, upcoming: &Entry) -> Check {
    case.is_not_frozen(Some(&upcoming.id))?;
    match proof(case) {
        Some(proof) => {
            case.live_directory(Detail::WithKeys)?;
            case.clock_agrees()?;
            case.send(upcoming, Licence::of(OpKind::AddKey), Mutation::AddKey(proof))
        }
        None if case.policy.is_self_rolled() => self_rolling::locked_out(case, "No certificate of this resource is accepted any more."),
        None => {
            let emergency = case
                .ledger
                .current()
                .is_none_or(|current| !current.is_valid_at(case.now) || crate::rules::gone(case, current) == Conclusion::Confirmed);
            let kept = removal::quiet_list(case, upcoming, emergency)?;
            case.clock_agrees()?;
            case.send(upcoming, Licence { kept, ..Licence::of(OpKind::AddByUpdate) }, Mutation::AddByUpdate)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
