//! Who really signs, and what an outside change means for the ledger.

use super::begin::{foreign, is_all_there_is};
use super::pinned;
use crate::case::{Case, Fact, Wait};
use crate::check::{Check, note, stop, wait};
use crate::history::Detail;
use crate::ledger::{Entry, Use};
use crate::reason::{Reason, Refusal};
use crate::signer::{Group, Signer};

/// Never fight: a confirmed outside change is recorded, not undone. What a pin says is the pin's to keep. Who signs before there is a Current is found out as one
/// is begun; from then on that may change as well.
pub(crate) fn watch_signer(case: &Case<'_>) -> Check {
    let history = case.memory.history();
    let (current, upcoming) = (case.ledger.current(), case.ledger.upcoming());
    if current.is_none() && upcoming.is_none() {
        return Ok(());
    }
    let Signer::Preferred(group) = history.signer(case.now) else { return Ok(()) };
    let is_known = [current, upcoming].into_iter().flatten().any(|entry| entry.thumbprint() == group.thumbprint);
    if is_known || pinned(case).is_some_and(|pinned| Some(pinned) == current.and_then(Entry::thumbprint)) {
        return Ok(());
    }
    let preferred = group.thumbprint;
    let changed = history.conclude(case.policy.late.late(), |directory, _| directory.preferred_thumbprint() == preferred);
    if !case.pursue(changed, Wait::Settling)? {
        return Ok(());
    }
    record(case, &group)
}

/// What the ledger knows signs again; anything else is somebody else's. Nothing comes back from Retiring.
fn record(case: &Case<'_>, group: &Group) -> Check {
    match case.ledger.entries.iter().find(|entry| entry.thumbprint() == group.thumbprint) {
        None => foreign(case, case.live_directory(Detail::WithKeys)?, group),
        Some(_) if is_all_there_is(case, group.thumbprint) => Ok(()),
        Some(entry) if entry.r#use == Use::Retiring => {
            let thumbprint = group.thumbprint.map(|thumbprint| thumbprint.to_string()).unwrap_or_default();
            let message = format!("Somebody made {thumbprint} sign again, which is being removed.");
            stop(case.now + case.policy.late.late(), Wait::Refused(Refusal::new(Reason::SignerContested, message)))
        }
        Some(entry) => {
            case.clock_agrees()?;
            note(Fact::Reinstated(entry.id.clone()))
        }
    }
}

/// Rule 4 for signing certificates: Current signs, is valid, and the entry to remove could not sign in its place. Where nothing valid is preferred, that holds
/// as long as Entra has nothing but Current to sign with.
pub(crate) fn is_confirmed_signer(case: &Case<'_>, current: &Entry, leaving: &Entry) -> Check {
    match case.memory.history().signer(case.now) {
        Signer::Preferred(group) | Signer::Only(group)
            if group.thumbprint == current.thumbprint() && group.thumbprint != leaving.thumbprint() =>
        {
            Ok(())
        }
        _ => wait(case.now + case.policy.late.late() / 3, Wait::Settling),
    }
}
