//! `signInAs: Self`: the application rolls its own certificate with its own certificate, without any Graph permission. It cannot read itself, so what the
//! caller shows as its credentials are those that the token endpoint accepts.

use std::collections::BTreeSet;

use crate::case::{Case, Claim, Fact, Wait};
use crate::check::{Check, note, stop, wait};
use crate::client_certificate::{self, target};
use crate::history::Detail;
use crate::ledger::{Detail as EntryDetail, Entry, SlotName, Use};
use crate::memory::Output;
use crate::reason::{Cause, Reason, Refusal};
use crate::removal;

/// First contact: the output holds the certificate to begin with.
pub(crate) fn seed(case: &Case<'_>) -> Check {
    if !case.policy.is_self_rolled() || case.policy.suspend || case.policy.refusal.is_some() {
        return Ok(());
    }
    let Some(held) = case.memory.output().and_then(Output::held_key) else {
        return locked_out(case, "The output holds no certificate to begin with.");
    };
    let directory = case.live_directory(Detail::WithKeys)?;
    if case.memory.history().holders(held.thumbprint).is_empty() || held.not_after <= case.now {
        return locked_out(case, "Entra does not accept the certificate that the output holds.");
    }
    note(Fact::Seeded(Box::new(Claim {
        id: case.ledger.next_id(&case.policy.uid, case.memory),
        target: target(case, directory)?,
        cause: Cause::FirstIssue,
        detail: EntryDetail::ClientCertificate { thumbprint: held.thumbprint, slot: Some(SlotName::A) },
        key_ids: case.memory.history().holders(held.thumbprint),
        // As if it had been made by this resource: its renewal is not put off because it was handed over late.
        issued_at: Some(case.now.min(held.not_after - case.policy.durations.validity)),
        not_after: Some(held.not_after),
        op: None,
    })))
}

/// Nothing can be rolled any more without a person.
pub(crate) fn locked_out<T>(case: &Case<'_>, why: &str) -> Check<T> {
    let refusal =
        Refusal::new(Reason::SelfCredentialExpired, format!("{why} The application can roll its key only with a certificate that works."));
    stop(case.now + case.policy.late.late(), Wait::Refused(refusal))
}

/// Whether Entra's name for the certificate is not known, so that it can only be left to expire: addKey need not tell it, and a seed comes without.
pub(crate) fn is_nameless(case: &Case<'_>, entry: &Entry) -> bool {
    case.policy.is_self_rolled() && entry.key_ids == BTreeSet::from([entry.id.key_id(&case.policy.uid)])
}

/// Both slots are taken. One whose overlap is over and that can only be left to expire must not stand in the way of the next one, unless nothing else works.
pub(crate) fn make_room(case: &Case<'_>) -> Check {
    let published = case.ledger.current().and_then(|current| current.published_at);
    let is_over = |entry: &&Entry| published.is_some_and(|published| removal::overlap_end(case, published, entry) <= case.now);
    let superfluous = |entry: &&Entry| is_nameless(case, entry) && client_certificate::proof_but(case, entry).is_some();
    match case.ledger.all(Use::Previous).filter(is_over).find(superfluous) {
        // Its slot is in no ledger then, and goes when the next one needs it.
        Some(entry) => note(Fact::LeftToExpire(entry.id.clone(), entry.thumbprint())),
        None => wait(case.now + case.policy.late.late(), Wait::Busy),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
