//! `signInAs: Self`: the application rolls its own certificate with its own certificate, without any Graph permission. It cannot read itself, so what the
//! caller shows as its credentials are those that the token endpoint accepts.

use std::collections::BTreeSet;

use crate::case::{Case, Claim, Fact, Wait};
use crate::check::{Check, note, stop};
use crate::client_certificate::target;
use crate::history::Detail;
use crate::ledger::{Detail as EntryDetail, Entry, SlotName};
use crate::memory::Output;
use crate::reason::{Cause, Reason, Refusal};

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
