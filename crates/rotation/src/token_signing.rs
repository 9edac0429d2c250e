//! SAML token signing certificates that Entra makes: created inactive, published as next, soaked, activated, published as current.

use std::collections::BTreeSet;

use chrono::{SecondsFormat, TimeDelta};
use entra_types::{Credential, Thumbprint};

use crate::case::{Case, Check, Claim, Fact, Identity, Licence, Look, Mutation, Projection, Wait, look, note, stop, wait};
use crate::client_certificate::target;
use crate::history::{Conclusion, Detail, Directory};
use crate::ledger::{Detail as EntryDetail, Entry, OpKind, Origin, Signing, Use};
use crate::memory::{Attempt, Made, Material, Output};
use crate::op::OpState;
use crate::policy::{Kind, Metadata, SigningPolicy};
use crate::reason::{Cause, Reason, Refusal};
use crate::schedule;
use crate::signer::{Group, Signer};
use crate::time::{TOLERATED_SKEW, Time, whole};

/// The output of a signing certificate. A certificate leaves the bundle only by expiry or by rule 5: a stale read must not take the coming signer out.
pub(crate) fn projection(case: &Case<'_>, current: &Entry) -> Check<Option<Projection>> {
    let Some(thumbprint) = current.thumbprint() else { return Ok(None) };
    let of = |r#use| case.ledger.all(r#use).filter_map(Entry::thumbprint);
    let mut bundle: BTreeSet<Thumbprint> =
        [thumbprint].into_iter().chain(of(Use::Next)).chain(of(Use::Previous)).chain(of(Use::Retiring)).collect();
    bundle.extend(valid_signing_certificates(case));
    bundle.extend(still_shown(case));
    let projection = Projection {
        entry: current.id.clone(),
        current: Material::Certificate(thumbprint),
        next: of(Use::Next).next(),
        previous: case
            .ledger
            .all(Use::Previous)
            .chain(case.ledger.all(Use::Retiring))
            .max_by_key(|entry| entry.seq)
            .and_then(Entry::thumbprint),
        bundle,
    };
    let known = |thumbprint: &Thumbprint| case.memory.history().certificate_by(*thumbprint).is_some();
    if case.memory.shown() != Some(&projection) && !projection.bundle.iter().all(known) {
        case.live_directory(Detail::WithKeys)?;
        return Ok(
            Some(Projection { bundle: projection.bundle.into_iter().filter(known).collect(), ..projection }).filter(|_| known(&thumbprint))
        );
    }
    Ok(Some(projection))
}

/// Foreign ones included: Entra may choose any of them. What was made for an entry a moment ago waits until the ledger knows it.
fn valid_signing_certificates(case: &Case<'_>) -> impl Iterator<Item = Thumbprint> {
    let upcoming = case.ledger.upcoming().and_then(|entry| unidentified(case, entry)).and_then(|group| group.thumbprint);
    let able = case.memory.history().groups().into_iter().filter(|group| group.can_sign_at(case.now)).filter_map(|group| group.thumbprint);
    able.filter(move |thumbprint| Some(*thumbprint) != upcoming)
}

/// What the output's bundle shows besides, unless it has expired or is gone by rule 5.
fn still_shown(case: &Case<'_>) -> impl Iterator<Item = Thumbprint> {
    let shown: Vec<_> = case.memory.shown().map(|shown| shown.bundle.iter().copied().collect()).unwrap_or_default();
    shown.into_iter().filter(|thumbprint| {
        let history = case.memory.history();
        let holders = history.key_ids_of(*thumbprint);
        let expired = history.certificate_by(*thumbprint).is_some_and(|facts| facts.not_after <= case.now);
        // A Sign entry may be this one while no certificate behind its link was read; its own `key` may always be null.
        let read = |link: &Option<String>, views: &[Credential]| {
            let known = |view: &Credential| view.key_id.is_some_and(|id| history.certificate(&id).is_some());
            views.iter().any(|view| view.custom_key_identifier == *link && known(view))
        };
        let absent = history.conclude(case.policy.late.late(), |_, views| {
            let held = |view: &Credential| view.key_id.is_some_and(|id| holders.contains(&id));
            !views.iter().any(|view| held(view) || (view.is_sign() && !read(&view.custom_key_identifier, views)))
        });
        !expired && (history.audited_at().is_none() || absent != Conclusion::Confirmed)
    })
}

pub(crate) fn begin(case: &Case<'_>, directory: &Directory, cause: Cause) -> Check {
    let current = case.ledger.current();
    match (case.memory.history().signer(case.now), current) {
        (Signer::Preferred(group), None) => return foreign(case, directory, &group),
        (Signer::Preferred(group), Some(current)) if group.thumbprint != current.thumbprint() => return Ok(()),
        (Signer::Preferred(_), Some(_)) | (Signer::Nobody, _) => {}
        (Signer::Only(group), _) => return only(case, directory, &group),
        (Signer::Several(thumbprints), _) => return ambiguous(case, &thumbprints),
    }
    let id = case.ledger.next_id(&case.policy.uid);
    let Kind::TokenSigning(SigningPolicy { display_name, .. }) = &case.policy.kind else { return Ok(()) };
    let end = end_date_time(case);
    note(Fact::Claimed(Claim {
        detail: EntryDetail::TokenSigning(Signing::named(format!("{display_name}-{id}"), end.to_rfc3339_opts(SecondsFormat::Secs, true))),
        id,
        target: target(case, directory)?,
        cause,
        key_ids: BTreeSet::new(),
        issued_at: None,
        not_after: Some(end),
        op: Some(OpKind::AddTokenSigningCertificate),
    }))
}

/// The end as it is sent: a mark of its own, as seconds that depend on the id are taken off. The first 300 keep three years below Graph's limit.
fn end_date_time(case: &Case<'_>) -> Time {
    let validity = case.policy.durations.validity;
    let id = case.ledger.next_id(&case.policy.uid);
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

/// Entra can sign with one certificate only, but not because it is preferred: a successor would make that ambiguous, so it is made the preferred one first.
fn only(case: &Case<'_>, directory: &Directory, group: &Group) -> Check {
    let Some(current) = case.ledger.current() else { return foreign(case, directory, group) };
    let same = |directory: &Directory, _: &[Credential]| {
        Some(&directory.preferred) == case.memory.history().latest().map(|latest| &latest.preferred)
    };
    if !case.pursue(case.memory.history().conclude(case.policy.late.late(), same), Wait::Settling)? {
        return Ok(());
    }
    match group.thumbprint {
        Some(thumbprint) if current.thumbprint() == Some(thumbprint) => prefer(case, directory, current, thumbprint),
        other if case.ledger.entries.iter().any(|entry| entry.thumbprint() == other) => ambiguous(case, other.as_slice()),
        _ if current.is_valid_at(case.now) && crate::rules::gone(case, current) != Conclusion::Confirmed => Ok(()),
        _ => foreign(case, directory, group),
    }
}

/// Makes Current the preferred certificate, where nothing valid is. Sent again only once the last try can have no effect any more.
fn prefer(case: &Case<'_>, directory: &Directory, current: &Entry, thumbprint: Thumbprint) -> Check {
    let tried = current.op.as_ref().filter(|op| op.kind == OpKind::Activate).map(|op| op.at + case.policy.late.open());
    match (case.op(current), tried) {
        (Some(OpState::Open { until }), _) => wait(until, Wait::Settling),
        (Some(OpState::Applied { .. }), Some(over)) if case.now < over => wait(over, Wait::Replicating),
        _ => {
            let from = Some(directory.preferred.clone().unwrap_or_default().chars().take(40).collect());
            case.send(current, Licence { from, ..Licence::of(OpKind::Activate) }, Mutation::Activate(thumbprint))
        }
    }
}

/// First contact, or an outside change: somebody else's certificate signs, and is recorded as it is.
fn foreign(case: &Case<'_>, directory: &Directory, group: &Group) -> Check {
    note(Fact::ForeignSigner(Box::new(Claim {
        id: case.ledger.next_id(&case.policy.uid),
        target: target(case, directory)?,
        cause: Cause::FirstIssue,
        detail: EntryDetail::TokenSigning(Signing {
            display_name: group.display_name.as_ref().map(|name| name.chars().take(90).collect()),
            custom_key_identifier: Some(group.custom_key_identifier.clone()),
            thumbprint: group.thumbprint,
            ..Signing::default()
        }),
        key_ids: group.key_ids.clone(),
        issued_at: group.start,
        not_after: group.end,
        op: None,
    })))
}

/// Never fight: a confirmed outside change is recorded, not undone.
pub(crate) fn watch_signer(case: &Case<'_>, current: &Entry) -> Check {
    let history = case.memory.history();
    let Signer::Preferred(group) = history.signer(case.now) else { return Ok(()) };
    if group.thumbprint == current.thumbprint() || case.ledger.upcoming().is_some_and(|next| next.thumbprint() == group.thumbprint) {
        return Ok(());
    }
    let preferred = group.thumbprint;
    let changed = history.conclude(case.policy.late.late(), |directory, _| directory.preferred_thumbprint() == preferred);
    if !case.pursue(changed, Wait::Settling)? {
        return Ok(());
    }
    if case.ledger.entries.iter().any(|entry| entry.thumbprint() == preferred && entry.origin == Origin::Made) {
        let message =
            format!("Somebody made {} sign again, which this resource has replaced.", preferred.map(|t| t.to_string()).unwrap_or_default());
        return stop(case.now + case.policy.late.late(), Wait::Refused(Refusal::new(Reason::SignerContested, message)));
    }
    let directory = case.live_directory(Detail::WithKeys)?;
    foreign(case, directory, &group)
}

/// Rule 4 for signing certificates: Current signs, is valid, and the entry to remove could not sign in its place.
pub(crate) fn is_confirmed_signer(case: &Case<'_>, current: &Entry, leaving: &Entry) -> Check {
    match case.memory.history().signer(case.now) {
        Signer::Preferred(group) if group.thumbprint == current.thumbprint() && group.thumbprint != leaving.thumbprint() => Ok(()),
        _ => wait(case.now + case.policy.late.late() / 3, Wait::Settling),
    }
}

pub(crate) fn carry_on(case: &Case<'_>, upcoming: &Entry) -> Check {
    let Some(signing) = upcoming.signing() else { return Ok(()) };
    match signing.thumbprint {
        None => create(case, upcoming),
        Some(thumbprint) => activate(case, upcoming, signing, thumbprint),
    }
}

fn create(case: &Case<'_>, upcoming: &Entry) -> Check {
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
    let over = upcoming.op.as_ref().is_none_or(|op| case.now >= op.at + case.policy.late.open());
    let absent = case.memory.history().conclude(case.policy.late.late(), |_, views| !views.iter().any(|view| carries_mark(view, upcoming)));
    if over && absent == Conclusion::Confirmed { note(Fact::Abandoned(upcoming.id.clone())) } else { case.look_again(Wait::Replicating) }
}

/// What Entra made for an entry that does not know its thumbprint yet: the group that the answer named, or that carries two of its marks.
pub(crate) fn unidentified(case: &Case<'_>, entry: &Entry) -> Option<Group> {
    let op = entry.op.as_ref().filter(|_| entry.signing().is_some_and(|signing| signing.thumbprint.is_none()))?;
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
    let thumbprint = group.thumbprint.unwrap_or_else(|| Thumbprint::new([0; 20]));
    let end = case.memory.history().certificate_by(thumbprint).map(|facts| facts.not_after);
    let identity = Identity {
        key_ids: group.key_ids.clone(),
        custom_key_identifier: group.custom_key_identifier.clone(),
        thumbprint,
        not_after: [end, group.end].into_iter().flatten().min(),
    };
    Fact::Identified(entry.id.clone(), identity)
}

/// Whether a listed credential bears the entry's name or exact end.
pub(crate) fn carries_mark(view: &Credential, entry: &Entry) -> bool {
    let Some(signing) = entry.signing() else { return false };
    let end = signing.end_date_time.as_deref().and_then(|text| text.parse::<Time>().ok());
    (signing.display_name.is_some() && view.display_name == signing.display_name) || (end.is_some() && view.end == end)
}

fn activate(case: &Case<'_>, upcoming: &Entry, signing: &Signing, thumbprint: Thumbprint) -> Check {
    if is_overtaken(case, upcoming) {
        return note(Fact::Abandoned(upcoming.id.clone()));
    }
    if upcoming.op.as_ref().is_some_and(|op| op.kind == OpKind::Activate) {
        return see_through(case, upcoming, thumbprint);
    }
    if case.ledger.current().is_some_and(|current| current.is_valid_at(case.now)) {
        pass_gates(case, upcoming, signing)?;
    }
    license_activation(case, upcoming, thumbprint)
}

/// Somebody made another certificate sign while this one was under way, and that one needs no successor yet: to activate it would be to fight.
fn is_overtaken(case: &Case<'_>, upcoming: &Entry) -> bool {
    let overtook = |current: &Entry| current.origin == Origin::Foreign && current.seq > upcoming.seq;
    case.ledger.current().is_some_and(overtook) && case.open(upcoming).is_none() && crate::rules::cause(case).is_none()
}

/// Soak and metadata, until the deadline.
fn pass_gates(case: &Case<'_>, upcoming: &Entry, signing: &Signing) -> Check {
    let deadline = schedule::deadline(case.ledger, upcoming, case.policy.late);
    if case.now >= deadline {
        return Ok(());
    }
    let Some(announced) = signing.announced_at else { return wait(case.now + case.policy.late.step(), Wait::Soaking) };
    let soaked = announced + case.policy.durations.soak;
    if case.now < soaked {
        return wait(soaked.min(deadline), Wait::Soaking);
    }
    metadata_gate(case, signing, soaked, deadline)
}

fn metadata_gate(case: &Case<'_>, signing: &Signing, soaked: Time, deadline: Time) -> Check {
    let Kind::TokenSigning(SigningPolicy { metadata, .. }) = case.policy.kind else { return Ok(()) };
    let until = match metadata {
        Metadata::Ignore => return Ok(()),
        Metadata::Observe => (soaked + case.policy.durations.soak).min(deadline),
        Metadata::Require => deadline,
    };
    let seen = case.memory.metadata();
    if seen.is_some_and(|seen| signing.thumbprint.is_some_and(|thumbprint| seen.value.contains(&thumbprint))) || case.now >= until {
        return if seen.is_none() && case.now < until { look(Look::Metadata) } else { Ok(()) };
    }
    let again = seen.map_or(case.now, |seen| seen.at + case.policy.late.late() / 3);
    if again <= case.now { look(Look::Metadata) } else { wait(again.min(until), Wait::AwaitingMetadata) }
}

fn license_activation(case: &Case<'_>, upcoming: &Entry, thumbprint: Thumbprint) -> Check {
    case.is_not_frozen(Some(&upcoming.id))?;
    if case.ledger.current().is_some() && !case.memory.output_is_live() {
        return look(Look::Output);
    }
    let shown = case.memory.shown().and_then(|shown| shown.next) == Some(thumbprint);
    let published = matches!(case.memory.output(), Some(Output::Ours { .. })) && case.ledger.current().is_some();
    if published && !shown && case.ledger.current().is_some_and(|current| current.is_valid_at(case.now)) {
        return wait(case.now + case.policy.late.step(), Wait::Soaking);
    }
    let directory = case.live_directory(Detail::WithKeys)?;
    case.clock_agrees()?;
    // Graph accepts any thumbprint, a typo too: only what the object lists is ever preferred.
    if case.memory.history().group(thumbprint).is_none_or(|group| !group.can_sign_at(case.now)) {
        return missing(case, upcoming);
    }
    match case.memory.history().signer(case.now) {
        Signer::Preferred(group) if group.thumbprint == Some(thumbprint) => promote(case, upcoming),
        Signer::Preferred(group) if group.thumbprint != case.ledger.current().and_then(Entry::thumbprint) => watch_or_wait(case),
        _ => {
            let from = Some(directory.preferred.clone().unwrap_or_default().chars().take(40).collect());
            case.send(upcoming, Licence { from, ..Licence::of(OpKind::Activate) }, Mutation::Activate(thumbprint))
        }
    }
}

/// Another certificate is preferred than the ledger knows; the rule that watches the signer decides.
fn watch_or_wait(case: &Case<'_>) -> Check {
    wait(case.now + case.policy.late.late() / 3, Wait::Settling)
}

fn missing(case: &Case<'_>, upcoming: &Entry) -> Check {
    if case.pursue(crate::rules::gone(case, upcoming), Wait::Settling)? {
        note(Fact::Abandoned(upcoming.id.clone()))
    } else {
        case.look_again(Wait::Replicating)
    }
}

/// An activation is repeated only while the preferred value is still the one it was licensed against, or the one that the ledger calls Current by now.
fn see_through(case: &Case<'_>, upcoming: &Entry, thumbprint: Thumbprint) -> Check {
    let prefers = |directory: &Directory| directory.preferred_thumbprint() == Some(thumbprint);
    match case.op(upcoming) {
        Some(OpState::Applied { tick }) if tick > 0 => {
            let directory = case.directory_after(tick, Detail::Plain)?;
            if prefers(directory) { promote(case, upcoming) } else { repeat_when_over(case, upcoming, thumbprint, directory) }
        }
        Some(OpState::Applied { .. } | OpState::Open { .. } | OpState::Over) => {
            let directory = case.directory_after(0, Detail::Plain)?;
            if prefers(directory) {
                let confirmed = case.memory.history().conclude(case.policy.late.late(), |directory, _| prefers(directory));
                return if case.pursue(confirmed, Wait::Settling)? { promote(case, upcoming) } else { Ok(()) };
            }
            repeat_when_over(case, upcoming, thumbprint, directory)
        }
        Some(OpState::Unsent { .. } | OpState::Refused) | None => license_activation(case, upcoming, thumbprint),
    }
}

fn repeat_when_over(case: &Case<'_>, upcoming: &Entry, thumbprint: Thumbprint, directory: &Directory) -> Check {
    let Some(op) = &upcoming.op else { return Ok(()) };
    let recorded = case.ledger.current().and_then(Entry::thumbprint).is_some_and(|t| directory.preferred_thumbprint() == Some(t));
    let unchanged = recorded || op.from.as_deref() == Some(directory.preferred.as_deref().unwrap_or_default());
    let over = case.now >= op.at + case.policy.late.open();
    if over && unchanged {
        return license_activation(case, upcoming, thumbprint);
    }
    let next = case.memory.history().read_at().map_or(case.now, |read| read + case.policy.late.proof_spread());
    if next <= case.now { look(Look::Directory(Detail::Plain)) } else { wait(next, Wait::Replicating) }
}

fn promote(case: &Case<'_>, upcoming: &Entry) -> Check {
    case.clock_agrees()?;
    note(Fact::Promoted(upcoming.id.clone(), BTreeSet::new()))
}
