//! A certificate that Entra makes: asked for once, then told from others by the answer or by its marks.

use std::collections::BTreeSet;

use entra_types::{Credential, Thumbprint};

use super::own_key;
use crate::case::{Case, Fact, Identity, Licence, Mutation, Wait};
use crate::check::{Check, note};
use crate::history::{Conclusion, Detail};
use crate::ledger::{Entry, OpKind};
use crate::memory::{Attempt, Made};
use crate::op::OpState;
use crate::signer::Group;
use crate::time::{TOLERATED_SKEW, Time};

pub(super) fn create(case: &Case<'_>, upcoming: &Entry) -> Check {
    match case.op(upcoming) {
        Some(OpState::Unsent { .. } | OpState::Refused) => {
            case.is_not_frozen(Some(&upcoming.id))?;
            case.live_directory(Detail::WithKeys)?;
            case.clock_agrees()?;
            case.send(upcoming, Licence::of(OpKind::AddTokenSigningCertificate), Mutation::AddTokenSigningCertificate)
        }
        Some(OpState::Applied { tick }) => {
            case.directory_after(tick, Detail::WithKeys)?;
            identify(case, upcoming)
        }
        Some(OpState::Open { .. } | OpState::Over) => {
            case.directory_after(0, Detail::WithKeys)?;
            identify(case, upcoming)
        }
        None => note(Fact::Abandoned(upcoming.id.clone())),
    }
}

fn identify(case: &Case<'_>, upcoming: &Entry) -> Check {
    if let Some(group) = unidentified(case, upcoming) {
        return note(identified(case, upcoming, &group));
    }
    give_up_when_over(case, upcoming)
}

/// What has not appeared by LATE, whoever makes its key, is given up: another one is made.
pub(super) fn give_up_when_over(case: &Case<'_>, upcoming: &Entry) -> Check {
    let over = upcoming.op.as_ref().is_none_or(|op| case.now >= op.at + case.policy.late.open());
    let absent = case.missing(upcoming, |views| !views.iter().any(|view| carries_mark(view, upcoming)));
    if over && absent == Conclusion::Confirmed { note(Fact::Abandoned(upcoming.id.clone())) } else { case.look_again(Wait::Replicating) }
}

/// What is in Entra for an entry that does not know its names yet: the group that the answer named, that carries two of its marks, or that holds its key.
pub(crate) fn unidentified(case: &Case<'_>, entry: &Entry) -> Option<Group> {
    let op = entry.op.as_ref()?;
    if entry.signing()?.thumbprint.is_some() {
        return own_key::renamed(case, entry);
    }
    let groups = case.memory.history().groups();
    if let Some(Attempt::Applied { made: Some(Made::SigningCertificate(answer)), .. }) = case.memory.attempt(&op.nonce) {
        return groups
            .into_iter()
            .find(|group| group.custom_key_identifier == answer.custom_key_identifier && group.thumbprint == Some(answer.thumbprint));
    }
    let appeared = (op.at - TOLERATED_SKEW, op.at + case.policy.late.late());
    let owned: BTreeSet<_> = case.others(Some(&entry.id)).filter_map(Entry::thumbprint).collect();
    groups.into_iter().find(|group| group.thumbprint.is_some_and(|t| !owned.contains(&t)) && group.is_made_for(entry, appeared))
}

pub(crate) fn identified(case: &Case<'_>, entry: &Entry, group: &Group) -> Fact {
    let thumbprint = group.thumbprint.or_else(|| entry.thumbprint()).unwrap_or_else(|| Thumbprint::new([0; 20]));
    let end = case.memory.history().certificate_by(thumbprint).map(|facts| facts.not_after);
    let identity = Identity {
        key_ids: group.key_ids.clone(),
        custom_key_identifier: group.custom_key_identifier.clone(),
        thumbprint,
        not_after: [end, group.end].into_iter().flatten().min(),
    };
    Fact::Identified(entry.id.clone(), identity)
}

/// Whether a listed credential bears the entry's name, its exact end, or the link of its own key.
pub(crate) fn carries_mark(view: &Credential, entry: &Entry) -> bool {
    let Some(signing) = entry.signing() else { return false };
    let end = signing.end_date_time.as_deref().and_then(|text| text.parse::<Time>().ok());
    let linked = signing.custom_key_identifier.is_some() && view.custom_key_identifier == signing.custom_key_identifier;
    linked || (signing.display_name.is_some() && view.display_name == signing.display_name) || (end.is_some() && view.end == end)
}
