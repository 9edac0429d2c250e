//! What the object holds besides: counted, watched after our own list updates, and never touched.

use std::collections::BTreeSet;

use entra_types::{Credential, KeyId};

use crate::case::{Case, Fact, Wait};
use crate::check::{Check, note};
use crate::id::{CERTIFICATE_MARK, EntryId, MARK};
use crate::ledger::{Entry, Foreign, Ledger, Op};
use crate::memory::Memory;
use crate::op::OpState;
use crate::policy::Policy;
use crate::time::whole;

/// More than a status should list.
const NAMED: usize = 16;

/// Of whichever resource a mark is.
const ANYBODY: &str = "";

/// So many numbers before and after the next one are looked for among the names of strangers.
const AROUND: u32 = 32;

/// Counts what no entry of ours explains; unknown before the first read.
pub(crate) fn count(ledger: &Ledger, policy: &Policy, memory: &Memory) -> Option<Foreign> {
    memory.history().latest()?;
    let strangers: Vec<_> = strangers(ledger, memory).collect();
    let ids: BTreeSet<_> =
        strangers.iter().map(|view| view.custom_key_identifier.clone().or_else(|| view.key_id.map(|id| id.to_string()))).collect();
    Some(Foreign {
        count: u32::try_from(ids.len()).unwrap_or(u32::MAX),
        soonest_expiry: strangers.iter().filter_map(|view| view.end).min().map(whole),
        unrecorded: unrecorded(ledger, policy, memory, &strangers),
    })
}

/// What is listed, as of the latest read, that no entry of ours explains.
fn strangers<'a>(ledger: &'a Ledger, memory: &'a Memory) -> impl Iterator<Item = &'a Credential> {
    memory.history().entries().iter().filter(|view| !is_ours(ledger, memory, view))
}

fn is_ours(ledger: &Ledger, memory: &Memory, view: &Credential) -> bool {
    let known = |id: &KeyId| {
        let thumbprint = memory.history().certificate(id).map(|facts| facts.thumbprint);
        ledger.entries.iter().any(|entry| entry.key_ids.contains(id) || (thumbprint.is_some() && entry.thumbprint() == thumbprint))
    };
    view.key_id.as_ref().is_some_and(known) || view.display_name.as_deref().is_some_and(|name| is_named(ledger, name))
}

/// Before its keyId is in the ledger, a credential is ours by its name. Afterwards another one of that name is a second one, of a request that arrived twice.
fn is_named(ledger: &Ledger, name: &str) -> bool {
    let signing = |entry: &Entry| entry.signing().is_some_and(|signing| signing.display_name.as_deref() == Some(name));
    let marked = |entry: &Entry| name.strip_prefix(MARK).is_some_and(|mark| mark.ends_with(entry.id.as_str()));
    ledger.entries.iter().filter(|entry| entry.key_ids.is_empty()).any(|entry| signing(entry) || marked(entry))
}

/// Credentials that carry this operator's mark and stand in no ledger that this process knows: of a restored cluster, a clone, or a resource that is gone.
/// What was made a moment ago may only not have arrived in its ledger yet.
fn unrecorded(ledger: &Ledger, policy: &Policy, memory: &Memory, strangers: &[&Credential]) -> BTreeSet<KeyId> {
    let Some(now) = memory.history().read_at() else { return BTreeSet::new() };
    let settled = |view: &&&Credential| view.start.is_none_or(|start| start <= now - policy.late.settled());
    let marked = |view: &&&Credential| is_marked(ledger, policy, memory, view, ANYBODY);
    let ids = strangers.iter().filter(settled).filter(marked).filter_map(|view| view.key_id);
    ids.filter(|id| !memory.is_others(id)).take(NAMED).collect()
}

/// Credentials that carry a mark of this resource and stand in no ledger: of a request that arrived twice, or forgotten by a restored status.
pub(crate) fn unclaimed(case: &Case<'_>) -> BTreeSet<KeyId> {
    let (ledger, policy, memory) = (case.ledger, case.policy, case.memory);
    let ids = strangers(ledger, memory).filter(|view| is_marked(ledger, policy, memory, view, &policy.uid)).filter_map(|view| view.key_id);
    ids.filter(|id| !memory.is_others(id)).take(NAMED).collect()
}

/// Whether a credential carries our mark, of the resource with this uid.
fn is_marked(ledger: &Ledger, policy: &Policy, memory: &Memory, view: &Credential, uid: &str) -> bool {
    let name = view.display_name.as_deref().unwrap_or_default();
    let certificate = || view.key_id.and_then(|id| memory.history().certificate(&id));
    name.strip_prefix(MARK).is_some_and(|rest| rest.starts_with(uid))
        || is_forgotten(ledger, policy, name)
        || certificate().is_some_and(|facts| facts.contains(&format!("{CERTIFICATE_MARK}{uid}")))
}

/// Whether a name ends with an id of a number around the next one of this resource: the only mark of a signing certificate that Entra made. A status from a
/// backup knows fewer than were given.
fn is_forgotten(ledger: &Ledger, policy: &Policy, name: &str) -> bool {
    let Some(id) = EntryId::at_the_end_of(name).filter(|_| policy.is_signing()) else { return false };
    let mut numbers = ledger.next_seq.saturating_sub(AROUND)..ledger.next_seq.saturating_add(AROUND);
    numbers.any(|seq| EntryId::derive(&policy.uid, seq) == id)
}

/// After a whole-list update of ours, what it kept must go on being listed: until the next audit, as what goes later was taken away by somebody.
pub(crate) fn watch_kept(case: &Case<'_>) -> Check {
    let is_recent = |op: &&Op| op.kind.is_whole_list() && case.now < op.at + case.policy.late.late() * 32;
    for entry in &case.ledger.entries {
        let Some(op) = entry.op.as_ref().filter(is_recent) else { continue };
        if !matches!(case.op(entry), Some(OpState::Applied { .. } | OpState::Over)) {
            continue;
        }
        let listed = |id: &KeyId| case.memory.history().entries().iter().any(|view| view.key_id.as_ref() == Some(id));
        let managed = |id: &KeyId| case.application.claims(id) || case.memory.was_others(id);
        let ours = |id: &KeyId| case.ledger.entries.iter().any(|entry| entry.key_ids.contains(id)) || managed(id);
        let lost: BTreeSet<KeyId> = op.kept.iter().filter(|id| !ours(id) && !listed(id)).copied().collect();
        if lost.is_empty() || case.memory.history().latest().is_none() {
            continue;
        }
        let absent = case
            .memory
            .history()
            .conclude(case.policy.late.late(), |_, views| !views.iter().any(|view| view.key_id.is_some_and(|id| lost.contains(&id))));
        if case.pursue(absent, Wait::Settling)? {
            return note(Fact::ForeignLost(entry.id.clone(), lost));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
