//! How a successor begins: who signs must be known first, and is recorded where somebody else made it.

use std::collections::BTreeSet;

use chrono::{SecondsFormat, TimeDelta};
use entra_types::{Credential, Thumbprint};

use super::own_key;
use crate::case::{Case, Claim, Fact, Licence, Mutation, Wait};
use crate::check::{Check, note, stop, wait};
use crate::client_certificate::target;
use crate::history::{Conclusion, Directory};
use crate::ledger::{Detail as EntryDetail, Entry, LINK, OpKind, Origin, Signing, Use};
use crate::op::OpState;
use crate::policy::KeySource;
use crate::reason::{Cause, Reason, Refusal};
use crate::signer::{Group, Signer};
use crate::time::{Time, whole};
use crate::{adoption, schedule};

pub(crate) fn begin(case: &Case<'_>, directory: &Directory, cause: Cause) -> Check {
    let current = case.ledger.current();
    let signer = case.memory.history().signer_among(case.now, |group| !own_key::is_stray(case, group));
    match (signer, current) {
        (Signer::Preferred(group), None) => return foreign(case, directory, &group),
        (Signer::Preferred(group), Some(_)) if is_anothers_choice(case, &group) => return Ok(()),
        (Signer::Preferred(_), Some(_)) | (Signer::Nobody, _) => {}
        (Signer::Only(group), _) => return only(case, directory, &group),
        (Signer::Several(thumbprints), _) => return several(case, directory, &thumbprints),
    }
    match case.policy.signing().map(|signing| signing.key_source) {
        Some(KeySource::Operator { has_proof }) => own_key::claim(case, directory, cause, has_proof),
        _ => claim(case, directory, cause),
    }
}

fn claim(case: &Case<'_>, directory: &Directory, cause: Cause) -> Check {
    let id = case.ledger.next_id(&case.policy.uid, case.memory);
    let end = end_date_time(case);
    note(Fact::Claimed(Claim {
        detail: EntryDetail::TokenSigning(Signing::named(display_name(case), end.to_rfc3339_opts(SecondsFormat::Secs, true))),
        id,
        target: target(case, directory)?,
        cause,
        key_ids: BTreeSet::new(),
        issued_at: None,
        not_after: Some(end),
        op: Some(OpKind::AddTokenSigningCertificate),
    }))
}

/// What the next claim is called in Entra.
pub(super) fn display_name(case: &Case<'_>) -> String {
    let name = case.policy.signing().map_or("", |signing| signing.display_name.as_str());
    format!("{name}-{}", case.ledger.next_id(&case.policy.uid, case.memory))
}

/// The end as it is sent: a mark of its own, as seconds that depend on the id are taken off. The first 300 keep three years below Graph's limit.
fn end_date_time(case: &Case<'_>) -> Time {
    let validity = case.validity();
    let id = case.ledger.next_id(&case.policy.uid, case.memory);
    let off = if validity < TimeDelta::hours(48) {
        schedule::part((validity / 20).max(TimeDelta::seconds(1)), "end", id.as_str())
    } else {
        TimeDelta::seconds(300) + schedule::part(TimeDelta::seconds(86_100), "end", id.as_str())
    };
    whole(case.now + validity - off)
}

fn ambiguous(case: &Case<'_>, thumbprints: &[Thumbprint]) -> Check {
    let list: Vec<_> = thumbprints.iter().map(ToString::to_string).collect();
    let message = format!("No valid certificate is preferred, and Entra may sign with any of {}.", list.join(", "));
    stop(case.now + case.policy.late.late(), Wait::Refused(Refusal::new(Reason::SeveralPossibleSigners, message)))
}

/// The only certificate that can sign is one that no read shows: it cannot be published.
fn hidden(case: &Case<'_>, group: &Group) -> Check {
    let message = format!("Entra signs with a certificate that it does not show (customKeyIdentifier {}).", group.custom_key_identifier);
    stop(case.now + case.policy.late.late(), Wait::Refused(Refusal::new(Reason::SeveralPossibleSigners, message)))
}

/// Entra can sign with one certificate only, but not because it is preferred: a successor would make that ambiguous, so it is made the preferred one first.
fn only(case: &Case<'_>, directory: &Directory, group: &Group) -> Check {
    let Some(thumbprint) = group.thumbprint else { return hidden(case, group) };
    let Some(current) = case.ledger.current() else { return foreign(case, directory, group) };
    if !stays_preferred(case)? {
        return Ok(());
    }
    if current.thumbprint() == Some(thumbprint) {
        return prefer(case, directory, current, thumbprint);
    }
    match case.ledger.entries.iter().find(|entry| entry.thumbprint() == Some(thumbprint)) {
        Some(entry) if may_return(case, entry) => prefer(case, directory, entry, thumbprint),
        Some(_) => ambiguous(case, &[thumbprint]),
        None if current.is_valid_at(case.now) && crate::rules::gone(case, current) != Conclusion::Confirmed => Ok(()),
        None => foreign(case, directory, group),
    }
}

/// Rule 5: what is preferred was the same in three reads that span LATE.
fn stays_preferred(case: &Case<'_>) -> Check<bool> {
    let history = case.memory.history();
    let same = |directory: &Directory, _: &[Credential]| Some(&directory.preferred) == history.latest().map(|latest| &latest.preferred);
    case.pursue(history.conclude(case.policy.late.late(), same), Wait::Settling)
}

/// Where all that Entra may sign with is ours, the one that is published is meant, or if that is gone the one that was published last. Which of others is, a person says.
fn several(case: &Case<'_>, directory: &Directory, thumbprints: &[Thumbprint]) -> Check {
    let made = |thumbprint: &Thumbprint| {
        case.ledger.entries.iter().find(|entry| entry.origin == Origin::Made && entry.thumbprint() == Some(*thumbprint))
    };
    let ours: Option<Vec<(&Entry, Thumbprint)>> = thumbprints.iter().map(|thumbprint| Some((made(thumbprint)?, *thumbprint))).collect();
    let used = |(entry, _): &(&Entry, Thumbprint)| matches!(entry.r#use, Use::Current | Use::Previous);
    let meant = ours.into_iter().flatten().filter(used).max_by_key(|(entry, _)| (entry.r#use == Use::Current, entry.published_at));
    match meant {
        Some((entry, thumbprint)) if stays_preferred(case)? => prefer(case, directory, entry, thumbprint),
        Some(_) => Ok(()),
        None => ambiguous(case, thumbprints),
    }
}

/// Whether an entry that is not Current any more, or never was, may be made to sign because Entra has nothing else: not what nobody approved in time.
fn may_return(case: &Case<'_>, entry: &Entry) -> bool {
    match entry.r#use {
        Use::Previous => true,
        Use::Abandoned => !super::gates::withdraws(case),
        Use::Retiring => is_all_there_is(case, entry.thumbprint()),
        Use::Next | Use::Current => false,
    }
}

/// Somebody removed Current while this one was going: it signs until there is another one, and goes then.
pub(super) fn is_all_there_is(case: &Case<'_>, thumbprint: Option<Thumbprint>) -> bool {
    let going = case.ledger.all(Use::Retiring).any(|entry| thumbprint.is_some() && entry.thumbprint() == thumbprint);
    going && case.ledger.current().is_some_and(|current| crate::rules::gone(case, current) == Conclusion::Confirmed)
}

/// Whether what signs is neither Current nor all that is left of it.
pub(super) fn is_anothers_choice(case: &Case<'_>, group: &Group) -> bool {
    group.thumbprint != case.ledger.current().and_then(Entry::thumbprint) && !is_all_there_is(case, group.thumbprint)
}

/// Makes an entry of ours the preferred certificate, where nothing valid is. Sent again only once the last try can have no effect any more.
fn prefer(case: &Case<'_>, directory: &Directory, entry: &Entry, thumbprint: Thumbprint) -> Check {
    let tried = entry.op.as_ref().filter(|op| op.kind == OpKind::Activate).map(|op| op.at + case.policy.late.open());
    match (case.op(entry), tried) {
        (Some(OpState::Open { until }), _) => wait(until, Wait::Settling),
        (Some(OpState::Applied { .. }), Some(over)) if case.now < over => wait(over, Wait::Replicating),
        _ => case.send(entry, activation(directory), Mutation::Activate(thumbprint)),
    }
}

/// The licence of an activation that replaces what is preferred now.
pub(super) fn activation(directory: &Directory) -> Licence {
    Licence { from: Some(preferred(directory)), ..Licence::of(OpKind::Activate) }
}

/// The preferred value as the ledger holds it: Graph takes any text.
pub(super) fn preferred(directory: &Directory) -> String {
    directory.preferred.as_deref().unwrap_or_default().chars().take(40).collect()
}

/// First contact, or an outside change: somebody else's certificate signs, and is recorded as it is.
pub(super) fn foreign(case: &Case<'_>, directory: &Directory, group: &Group) -> Check {
    note(Fact::ForeignSigner(Box::new(found(case, directory, group)?)))
}

/// A certificate that somebody else made.
pub(super) fn found(case: &Case<'_>, directory: &Directory, group: &Group) -> Check<Claim> {
    Ok(Claim {
        id: case.ledger.next_id(&case.policy.uid, case.memory),
        target: target(case, directory)?,
        cause: Cause::FirstIssue,
        detail: EntryDetail::TokenSigning(Signing {
            display_name: group.display_name.as_deref().map(adoption::recorded),
            custom_key_identifier: Some(group.custom_key_identifier.clone()).filter(|link| link.len() <= LINK),
            thumbprint: group.thumbprint,
            ..Signing::default()
        }),
        key_ids: group.key_ids.clone(),
        issued_at: group.start,
        not_after: group.end,
        op: None,
    })
}
