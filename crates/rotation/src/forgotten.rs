//! A status that was restored from a backup has forgotten what was made and published since. Only Current is ever published: what the output names is Current
//! still, if it is a credential of ours and later than all that the ledger has seen published.

use std::collections::BTreeSet;

use entra_types::{Credential, KeyId};

use crate::adoption::Found;
use crate::case::{Case, Claim, Fact, Look, Wait};
use crate::check::{Check, look, note, wait};
use crate::client_certificate::target;
use crate::history::{Conclusion, Directory};
use crate::ledger::{Detail, SlotName, Use};
use crate::memory::Projection;
use crate::reason::Cause;
use crate::staging;

/// Records again what the output names, if Entra lists it: an older one must not be published over it because the ledger takes that one for the current one.
pub(crate) fn remember(case: &Case<'_>) -> Check {
    let Some(shown) = case.memory.shown() else { return Ok(()) };
    let later = wait(case.now + case.policy.late.late(), Wait::Settling);
    match case.ledger.entry(&shown.entry).map(|entry| entry.r#use) {
        // As far as the ledger knows it is not promoted yet: it goes that way again.
        Some(Use::Next) => return later,
        Some(_) => return Ok(()),
        None if !case.ledger.is_ahead(&shown.entry, &case.policy.uid) => return Ok(()),
        None if case.policy.refusal.is_some() => return later,
        None => {}
    }
    let directory = case.live_directory(case.detail())?;
    match listed(case, shown) {
        Some(_) if is_superseded(case, shown, directory) => Ok(()),
        Some((id, view)) => record(case, shown, directory, id, view),
        None => await_absence(case, shown),
    }
}

/// Who signs is what Entra prefers, whatever the output says.
fn is_superseded(case: &Case<'_>, shown: &Projection, directory: &Directory) -> bool {
    case.policy.is_signing() && directory.preferred_thumbprint() != shown.current.thumbprint()
}

/// The credential with the mark of the entry that the output names: the mark is ours alone to give, and nobody else's credential is taken for it.
fn listed<'a>(case: &Case<'a>, shown: &Projection) -> Option<(KeyId, &'a Credential)> {
    let history = case.memory.history();
    let holders = shown.current.thumbprint().map(|thumbprint| history.key_ids_of(thumbprint));
    let is_it = |view: &&Credential| {
        let of_the_certificate = |holders: &BTreeSet<KeyId>| view.key_id.is_some_and(|id| holders.contains(&id));
        history.bears(view, &case.policy.uid, &shown.entry) && holders.as_ref().is_none_or(of_the_certificate)
    };
    let mut found = history.entries().iter().filter(is_it).filter_map(|view| Some((view.key_id?, view)));
    let first = found.next()?;
    // Of two secrets with one name, the output does not tell which it holds.
    (holders.is_some() || found.next().is_none()).then_some(first)
}

fn record(case: &Case<'_>, shown: &Projection, directory: &Directory, id: KeyId, view: &Credential) -> Check {
    let Some(found) = Found::of(case, id, view) else { return Ok(()) };
    let detail = match found.detail {
        Detail::ClientSecret { .. } => Detail::ClientSecret { display_name: None, slot: slot(case, shown)? },
        Detail::ClientCertificate { thumbprint, .. } => Detail::ClientCertificate { thumbprint, slot: slot(case, shown)? },
        signing @ Detail::TokenSigning(_) => signing,
    };
    note(Fact::Remembered(Box::new(Claim {
        id: shown.entry.clone(),
        target: target(case, directory)?,
        cause: Cause::Schedule,
        detail,
        key_ids: found.key_ids,
        issued_at: view.start.map(|start| start.min(case.now)),
        not_after: found.end.or(view.end),
        op: None,
    })))
}

/// Where it is staged still, or can be again.
fn slot(case: &Case<'_>, shown: &Projection) -> Check<Option<SlotName>> {
    for name in SlotName::ALL {
        match case.memory.slot(name) {
            None => return look(Look::Slot(name)),
            Some(Some(slot)) if slot.entry.as_ref() == Some(&shown.entry) => return Ok(Some(name)),
            Some(_) => {}
        }
    }
    Ok(staging::free_slot(case))
}

/// A replica that is behind does not list it yet. What is gone is replaced by what the ledger knows.
fn await_absence(case: &Case<'_>, shown: &Projection) -> Check {
    let history = case.memory.history();
    let absent =
        history.conclude(case.policy.late.late(), |_, views| !views.iter().any(|view| history.bears(view, &case.policy.uid, &shown.entry)));
    match absent {
        Conclusion::Confirmed | Conclusion::Denied => Ok(()),
        Conclusion::LookAgain(at) if at <= case.now => look(Look::Directory(case.detail())),
        Conclusion::LookAgain(at) => wait(at, Wait::Settling),
    }
}

#[cfg(test)]
mod tests;
