//! Taking over what somebody else made: named in `adoptKeyIDs`, it is removed like one of ours once a credential of ours is published.

use std::collections::BTreeSet;

use entra_types::{Credential, KeyId, Thumbprint};

use crate::case::{Case, Claim, Fact, Look, Wait};
use crate::check::{Check, look, note, wait};
use crate::client_certificate::target;
use crate::history::Directory;
use crate::ledger::{Detail as EntryDetail, KEY_IDS, LINK, Origin, Signing};
use crate::policy::Kind;
use crate::reason::{Cause, Reason, Refusal};
use crate::signer::Group;

/// More entries than this leave no room for rotations in `status.credentials`.
const ROOM: usize = 12;
/// So many characters of a name an entry of `status.credentials` takes.
const NAME: usize = 90;

/// Takes over what is asked for and listed. What is not listed was removed already, by us or by somebody else.
pub(crate) fn adopt(case: &Case<'_>) -> Check {
    let ours = |id: &&KeyId| case.ledger.entries.iter().any(|entry| entry.origin != Origin::Foreign && entry.key_ids.contains(id));
    let mut wanted = case.policy.adopt.iter().filter(|id| !ours(id)).peekable();
    if wanted.peek().is_none() {
        return Ok(());
    }
    if case.policy.is_edited() {
        case.live_directory(case.detail())?;
    } else if case.memory.history().tick(case.detail()) == 0 {
        // The first audit of this process will tell.
        return Ok(());
    }
    adopt_first(case, wanted)
}

fn adopt_first<'a>(case: &Case<'_>, wanted: impl Iterator<Item = &'a KeyId>) -> Check {
    let Some(directory) = case.memory.history().latest() else { return look(Look::Directory(case.detail())) };
    let listed = |id: &KeyId| case.memory.history().entries().iter().find(|view| view.key_id.as_ref() == Some(id));
    for id in wanted {
        if let Some(view) = listed(id) {
            return adopt_one(case, directory, *id, view);
        }
    }
    Ok(())
}

fn adopt_one(case: &Case<'_>, directory: &Directory, id: KeyId, view: &Credential) -> Check {
    if !case.policy.may_adopt {
        return refuse(case, Reason::AdoptionNotGranted, format!("spec.adoptKeyIDs names credential {id}, and no grant allows adoption."));
    }
    if case.application.claims(&id) {
        let message = format!("spec.adoptKeyIDs names credential {id}, which another ServicePrincipalCredential takes care of.");
        return refuse(case, Reason::TargetClaimed, message);
    }
    if case.ledger.entries.len() >= ROOM {
        return wait(case.now + case.policy.late.late() * 4, Wait::Rationed);
    }
    let Some(found) = Found::of(case, id, view) else {
        let message = format!("spec.adoptKeyIDs names credential {id}, which is of another kind than this resource takes care of.");
        return refuse(case, Reason::InvalidPolicy, message);
    };
    note(Fact::Adopted(Box::new(Claim {
        id: case.ledger.next_id(&case.policy.uid, case.memory),
        target: target(case, directory)?,
        cause: Cause::Schedule,
        detail: found.detail,
        key_ids: found.key_ids,
        issued_at: view.start,
        not_after: found.end.or(view.end),
        op: None,
    })))
}

fn refuse(case: &Case<'_>, reason: Reason, message: String) -> Check {
    wait(case.now + case.policy.late.late() * 4, Wait::Refused(Refusal::new(reason, message)))
}

/// A name as far as an entry holds it.
pub(crate) fn recorded(name: &str) -> String {
    name.chars().take(NAME).collect()
}

/// A listed credential as an entry of the ledger would name it.
pub(crate) struct Found {
    pub(crate) detail: EntryDetail,
    pub(crate) key_ids: BTreeSet<KeyId>,
    /// Of the certificate itself.
    pub(crate) end: Option<crate::time::Time>,
}

impl Found {
    pub(crate) fn of(case: &Case<'_>, id: KeyId, view: &Credential) -> Option<Self> {
        let history = case.memory.history();
        let group = history.groups().into_iter().find(|group| group.key_ids.contains(&id));
        match (&case.policy.kind, group) {
            (Kind::ClientSecret, None) if view.usage.is_none() => Some(Self {
                detail: EntryDetail::ClientSecret { display_name: view.display_name.as_deref().map(recorded), slot: None },
                key_ids: BTreeSet::from([id]),
                end: None,
            }),
            (Kind::ClientCertificate { .. }, None) if view.is_verify() => {
                let facts = history.certificate(&id)?;
                // The one that is named first, or it would be taken for another one for ever.
                let holders = std::iter::once(id).chain(history.holders(facts.thumbprint).into_iter().filter(|holder| *holder != id));
                Some(Self::certificate(facts.thumbprint, holders.take(KEY_IDS).collect(), facts.not_after))
            }
            (Kind::TokenSigning(_), Some(group)) if group.custom_key_identifier.len() <= LINK && group.key_ids.len() <= KEY_IDS => {
                Self::signing(group)
            }
            _ => None,
        }
    }

    fn certificate(thumbprint: Thumbprint, key_ids: BTreeSet<KeyId>, end: crate::time::Time) -> Self {
        Self { detail: EntryDetail::ClientCertificate { thumbprint, slot: None }, key_ids, end: Some(end) }
    }

    fn signing(group: Group) -> Option<Self> {
        let thumbprint = group.thumbprint?;
        let signing = Signing {
            display_name: group.display_name.as_deref().map(recorded),
            custom_key_identifier: Some(group.custom_key_identifier),
            thumbprint: Some(thumbprint),
            ..Signing::default()
        };
        Some(Self { detail: EntryDetail::TokenSigning(signing), key_ids: group.key_ids, end: group.end })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
