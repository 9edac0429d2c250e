//! Client certificates: the key is made here, staged in a slot, then added in Entra and proven by signing in.

use std::collections::BTreeSet;

use crate::case::{Act, Case, Check, Claim, Fact, Licence, Look, Mutation, Projection, Proof, Wait, act, look, note, stop, wait};
use crate::history::{Conclusion, Detail, Directory};
use crate::ledger::{Detail as EntryDetail, Entry, OpKind, SlotName, Target, Use};
use crate::memory::{FreshKey, Output, PROOFS, SignIns};
use crate::op::OpState;
use crate::policy::Kind;
use crate::reason::{Cause, Reason, Refusal};
use crate::{removal, schedule};

pub(crate) fn projection(current: &Entry) -> Option<Projection> {
    let thumbprint = current.thumbprint()?;
    Some(Projection { entry: current.id.clone(), current: thumbprint, next: None, previous: None, bundle: BTreeSet::from([thumbprint]) })
}

/// Whether `spec` asks for another size of key than the output holds.
pub(crate) fn has_another_size(case: &Case<'_>, current: &Entry) -> bool {
    match (&case.policy.kind, case.memory.output()) {
        (Kind::ClientCertificate { key_bits }, Some(Output::Ours { holds: Some(held), .. })) => {
            Some(held.thumbprint) == current.thumbprint() && held.bits != *key_bits
        }
        _ => false,
    }
}

/// Whether the token endpoint refused the credential three times over LATE, for reasons about the credential.
pub(crate) fn is_refused(case: &Case<'_>, entry: &Entry) -> bool {
    case.memory.sign_ins(&entry.id).is_some_and(|ins| match (ins.refused.first(), ins.refused.last()) {
        (Some(first), Some(last)) => ins.refused.len() >= 3 && *last - *first >= case.policy.late.late(),
        _ => false,
    })
}

pub(crate) fn begin(case: &Case<'_>, directory: &Directory, cause: Cause) -> Check {
    let id = case.ledger.next_id(&case.policy.uid);
    let Some(slot) = free_slot(case) else { return wait(case.now + case.policy.late.late(), Wait::Busy) };
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

fn free_slot(case: &Case<'_>) -> Option<SlotName> {
    let ledger = case.ledger.caught_up(case.memory);
    SlotName::ALL.into_iter().find(|name| ledger.entries.iter().all(|entry| entry.slot() != Some(*name)))
}

/// A key of ours whose certificate the object lists and that has not expired.
pub(crate) fn proof(case: &Case<'_>) -> Option<Proof> {
    if case.memory.proof_is_hopeless(case.policy.late.late()) {
        return None;
    }
    let listed = |thumbprint| !case.memory.history().holders(thumbprint).is_empty();
    let staged = [Use::Current, Use::Previous].into_iter().flat_map(|r#use| case.ledger.all(r#use)).find_map(|entry| {
        let name = entry.slot().filter(|name| case.memory.slot(*name) != Some(None))?;
        (listed(entry.thumbprint()?) && entry.is_valid_at(case.now)).then(|| Proof::Slot(entry.id.clone(), name))
    });
    staged.or_else(|| match case.memory.output()? {
        Output::Ours { holds: Some(held), .. } if listed(held.thumbprint) && case.now < held.not_after => Some(Proof::Output),
        _ => None,
    })
}

pub(crate) fn carry_on(case: &Case<'_>, upcoming: &Entry) -> Check {
    let EntryDetail::ClientCertificate { thumbprint, slot } = upcoming.detail else { return Ok(()) };
    if let Some(name) = slot {
        stage(case, upcoming, name)?;
    }
    let holders = case.memory.history().holders(thumbprint);
    if holders.is_empty() {
        return add(case, upcoming);
    }
    prove(case, upcoming, !holders.is_empty())?;
    case.live_directory(Detail::Plain)?;
    case.clock_agrees()?;
    note(Fact::Promoted(upcoming.id.clone(), case.memory.history().holders(thumbprint)))
}

/// The key lies in its slot before Entra hears of it.
fn stage(case: &Case<'_>, upcoming: &Entry, name: SlotName) -> Check {
    let in_memory = case.memory.fresh_key().is_some_and(|fresh: &FreshKey| fresh.entry == upcoming.id);
    match case.memory.slot(name) {
        Some(Some(slot)) if slot.entry.as_ref() == Some(&upcoming.id) => Ok(()),
        Some(Some(slot)) => clear_stranger(case, name, slot),
        Some(None) | None if in_memory => act(Act::PostSlot(upcoming.id.clone(), name)),
        Some(None) => note(Fact::Abandoned(upcoming.id.clone())),
        None => look(Look::Slot(name)),
    }
}

/// A slot that holds something else: ours and in no ledger is deleted, anything else is not touched.
fn clear_stranger(case: &Case<'_>, name: SlotName, slot: &crate::memory::Slot) -> Check {
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

fn add(case: &Case<'_>, upcoming: &Entry) -> Check {
    let late = case.policy.late;
    let Some(at) = upcoming.op.as_ref().map(|op| op.at) else { return send_add(case, upcoming) };
    let thumbprint = upcoming.thumbprint();
    let absent = || {
        case.memory.history().conclude(late.late(), |_, views| {
            !views
                .iter()
                .filter_map(|view| view.key_id)
                .any(|id| case.memory.history().certificate(&id).map(|facts| facts.thumbprint) == thumbprint)
        })
    };
    match case.op(upcoming) {
        Some(OpState::Applied { tick }) => {
            case.directory_after(tick, Detail::WithKeys)?;
            if case.now < at + late.open() { look_again(case, Wait::Replicating) } else { resend_when(case, upcoming, absent()) }
        }
        Some(OpState::Open { until }) => {
            case.directory_after(0, Detail::WithKeys)?;
            look_again(case, Wait::Settling).or_else(|halt| if case.now < until { Err(halt) } else { Ok(()) })
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
    if case.pursue(absent, Wait::Settling)? { send_add(case, upcoming) } else { look_again(case, Wait::Replicating) }
}

/// Reads with certificates at intervals of LATE/15 until it shows.
pub(crate) fn look_again(case: &Case<'_>, why: Wait) -> Check {
    let next = case.memory.history().audited_at().map_or(case.now, |read| read + case.policy.late.proof_spread());
    if next <= case.now { look(Look::Directory(Detail::WithKeys)) } else { wait(next, why) }
}

fn send_add(case: &Case<'_>, upcoming: &Entry) -> Check {
    case.is_not_frozen(Some(&upcoming.id))?;
    match proof(case) {
        Some(proof) => {
            case.live_directory(Detail::WithKeys)?;
            case.clock_agrees()?;
            case.send(upcoming, Licence::of(OpKind::AddKey), Mutation::AddKey(proof))
        }
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

/// Five sign-ins in a row spread over LATE/15. Past the deadline a credential that cannot be proven counts when Graph lists it.
fn prove(case: &Case<'_>, upcoming: &Entry, listed: bool) -> Check {
    let late = case.policy.late;
    let none = SignIns::default();
    let ins = case.memory.sign_ins(&upcoming.id).unwrap_or(&none);
    let spread = ins.accepted.last().zip(ins.accepted.first()).map(|(last, first)| *last - *first);
    if ins.accepted.len() >= PROOFS && spread >= Some(late.proof_spread()) {
        return Ok(());
    }
    let overdue = case.now >= schedule::deadline(case.ledger, upcoming, late);
    if overdue && listed && ins.unprovable >= 3 && ins.refused.is_empty() {
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

/// Three sightings in a row over LATE/15 stand in for the proof.
fn sighted(case: &Case<'_>, upcoming: &Entry) -> Check {
    let history = case.memory.history();
    let key_ids = upcoming.thumbprint().map(|thumbprint| history.key_ids_of(thumbprint)).unwrap_or_default();
    let listed = history
        .conclude(case.policy.late.proof_spread(), |_, views| views.iter().any(|view| view.key_id.is_some_and(|id| key_ids.contains(&id))));
    if case.pursue(listed, Wait::Proving)? { Ok(()) } else { look_again(case, Wait::Proving) }
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

/// The slot of a credential that is not needed any more: an abandoned one at once, a used one once its successor is published.
pub(crate) fn clear_slot(case: &Case<'_>, entry: &Entry) -> Check {
    let superseded = case.ledger.current().is_some_and(|current| current.published_at.is_some());
    let spent = match entry.r#use {
        Use::Abandoned => true,
        Use::Previous | Use::Retiring => superseded,
        Use::Next | Use::Current => false,
    };
    let Some(name) = entry.slot().filter(|_| spent) else { return Ok(()) };
    match case.memory.slot(name) {
        None => look(Look::Slot(name)),
        Some(Some(slot)) if slot.entry.as_ref() == Some(&entry.id) => act(Act::DeleteSlot(name, slot.uid.clone())),
        Some(_) => Ok(()),
    }
}
