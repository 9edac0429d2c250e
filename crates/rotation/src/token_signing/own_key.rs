//! Signing certificates whose key is made here (`keySource: Operator`): sent to Entra once, and never needed again. Neither key nor PFX password is in the cluster.

use std::collections::BTreeSet;

use data_encoding::BASE64;
use entra_types::{Credential, Thumbprint};

use super::begin::display_name;
use super::create::give_up_when_over;
use crate::case::{Case, Claim, Fact, Licence, Look, Mutation, Proof, Wait};
use crate::check::{Check, look, note};
use crate::client_certificate::target;
use crate::history::{Detail, Directory};
use crate::ledger::{Detail as EntryDetail, Entry, Op, OpKind, Signing, Use};
use crate::op::OpState;
use crate::policy::KeySource;
use crate::reason::Cause;
use crate::removal;
use crate::signer::Group;

/// The key comes first. Entra chooses the keyIds of addKey; those of an update are ours, and known before it is sent.
pub(super) fn claim(case: &Case<'_>, directory: &Directory, cause: Cause, has_proof: bool) -> Check {
    let id = case.ledger.next_id(&case.policy.uid, case.memory);
    let Some(fresh) = case.memory.fresh_key().filter(|fresh| fresh.entry == id) else { return look(Look::FreshKey(id)) };
    let by_proof = has_proof && !case.memory.proof_is_hopeless(case.policy.late.late());
    note(Fact::Claimed(Claim {
        target: target(case, directory)?,
        cause,
        detail: EntryDetail::TokenSigning(Signing {
            display_name: Some(display_name(case)),
            custom_key_identifier: Some(link_of(fresh.thumbprint)),
            thumbprint: Some(fresh.thumbprint),
            ..Signing::default()
        }),
        key_ids: if by_proof { BTreeSet::new() } else { id.signing_key_ids(&case.policy.uid) },
        id,
        issued_at: None,
        not_after: Some(fresh.not_after),
        op: Some(if by_proof { OpKind::AddSigningKey } else { OpKind::AddSigningByUpdate }),
    }))
}

/// What addTokenSigningCertificate would give the certificate: base64 of its SHA-1 thumbprint.
fn link_of(thumbprint: Thumbprint) -> String {
    BASE64.encode(thumbprint.as_bytes())
}

/// Whether a link in Entra can only belong to this certificate.
pub(crate) fn is_own_link(link: &str, thumbprint: Thumbprint) -> bool {
    link == link_of(thumbprint)
}

/// The op of an entry whose key was made here and that has not come to its activation yet.
fn bringing(entry: &Entry) -> Option<&Op> {
    let kinds = [OpKind::AddSigningKey, OpKind::AddSigningByUpdate, OpKind::AddVerifyByUpdate];
    entry.op.as_ref().filter(|op| kinds.contains(&op.kind) && entry.signing().is_some_and(|signing| signing.thumbprint.is_some()))
}

/// Whether nothing that was read holds the certificate yet: it cannot be published.
pub(super) fn is_on_its_way(case: &Case<'_>, entry: &Entry) -> bool {
    bringing(entry).is_some() && entry.thumbprint().is_some_and(|thumbprint| case.memory.history().certificate_by(thumbprint).is_none())
}

/// What Entra lists of an entry under names that the ledger does not hold.
pub(super) fn renamed(case: &Case<'_>, entry: &Entry) -> Option<Group> {
    bringing(entry)?;
    listed(case, entry).filter(|group| !group.key_ids.is_subset(&entry.key_ids))
}

/// By the certificate's bytes, or by the link that only this certificate has: the private part never shows its key.
fn listed(case: &Case<'_>, entry: &Entry) -> Option<Group> {
    let thumbprint = entry.thumbprint()?;
    let same = |group: &Group| group.thumbprint == Some(thumbprint) || is_own_link(&group.custom_key_identifier, thumbprint);
    case.memory.history().groups().into_iter().find(same)
}

/// A private half of ours that was given up before anybody saw its certificate: it goes as soon as something else signs.
pub(super) fn is_stray(case: &Case<'_>, group: &Group) -> bool {
    let ours = |entry: &Entry| entry.thumbprint().is_some_and(|thumbprint| is_own_link(&group.custom_key_identifier, thumbprint));
    group.thumbprint.is_none() && case.ledger.all(Use::Abandoned).any(ours)
}

/// Brings the key to Entra, and its public half where addKey left that out. Nothing to do for what Entra makes.
pub(super) fn bring(case: &Case<'_>, upcoming: &Entry, thumbprint: Thumbprint) -> Check {
    let Some(op) = bringing(upcoming) else { return Ok(()) };
    case.directory_after(0, Detail::WithKeys)?;
    if let Some(group) = renamed(case, upcoming) {
        return note(super::identified(case, upcoming, &group));
    }
    match listed(case, upcoming) {
        None => add(case, upcoming),
        Some(group) if has_public_half(case, &group) => Ok(()),
        Some(_) => complete(case, upcoming, op, thumbprint),
    }
}

fn has_public_half(case: &Case<'_>, group: &Group) -> bool {
    let public = |view: &Credential| view.is_verify() && view.custom_key_identifier.as_deref() == Some(&group.custom_key_identifier);
    case.memory.history().entries().iter().any(public)
}

fn add(case: &Case<'_>, upcoming: &Entry) -> Check {
    match case.op(upcoming) {
        Some(OpState::Unsent { .. } | OpState::Refused) if case.memory.holds_key_of(upcoming) => send(case, upcoming),
        Some(OpState::Unsent { .. } | OpState::Refused) | None => note(Fact::Abandoned(upcoming.id.clone())),
        Some(OpState::Applied { tick }) => {
            case.directory_after(tick, Detail::WithKeys)?;
            give_up_when_over(case, upcoming)
        }
        Some(OpState::Open { .. } | OpState::Over) => give_up_when_over(case, upcoming),
    }
}

fn send(case: &Case<'_>, upcoming: &Entry) -> Check {
    case.is_not_frozen(Some(&upcoming.id))?;
    let has_proof = matches!(case.policy.signing().map(|signing| signing.key_source), Some(KeySource::Operator { has_proof: true }));
    if has_proof && !case.memory.proof_is_hopeless(case.policy.late.late()) {
        case.live_directory(Detail::WithKeys)?;
        case.clock_agrees()?;
        return case.send(upcoming, Licence::of(OpKind::AddSigningKey), Mutation::AddSigningKey(Proof::Sibling));
    }
    update(case, upcoming, OpKind::AddSigningByUpdate, Mutation::AddSigningByUpdate)
}

/// The private part is there and the public one is not: added by an update, as long as somebody still has the certificate.
fn complete(case: &Case<'_>, upcoming: &Entry, op: &Op, thumbprint: Thumbprint) -> Check {
    let known = case.memory.holds_key_of(upcoming) || case.memory.history().certificate_by(thumbprint).is_some();
    match case.op(upcoming) {
        Some(OpState::Open { .. }) => return case.look_again(Wait::Settling),
        Some(OpState::Applied { tick }) if op.kind == OpKind::AddVerifyByUpdate => {
            case.directory_after(tick, Detail::WithKeys)?;
            if case.now < op.at + case.policy.late.open() {
                return case.look_again(Wait::Replicating);
            }
        }
        _ => {}
    }
    if !known {
        // Another process may have it, and be about to add it.
        let theirs = case.now < op.at + case.policy.late.open();
        return if theirs { case.look_again(Wait::Replicating) } else { note(Fact::Abandoned(upcoming.id.clone())) };
    }
    update(case, upcoming, OpKind::AddVerifyByUpdate, Mutation::AddVerifyByUpdate)
}

/// Rule 7. Where nothing else can sign, there is nothing to wait for.
fn update(case: &Case<'_>, upcoming: &Entry, kind: OpKind, mutation: Mutation) -> Check {
    let able =
        |group: &Group| group.can_sign_at(case.now) && !upcoming.thumbprint().is_some_and(|t| is_own_link(&group.custom_key_identifier, t));
    let emergency = !case.memory.history().groups().iter().any(able);
    case.is_not_frozen(Some(&upcoming.id))?;
    let kept = removal::quiet_list(case, upcoming, emergency)?;
    case.clock_agrees()?;
    case.send(upcoming, Licence { kept, ..Licence::of(kind) }, mutation)
}
