//! What the output of a signing certificate shows.

use std::collections::BTreeSet;

use entra_types::{Credential, Thumbprint};

use super::{own_key, unidentified};
use crate::case::{Case, Projection};
use crate::check::Check;
use crate::history::{Conclusion, Detail};
use crate::ledger::{Entry, Use};
use crate::memory::Material;

/// The output of a signing certificate. A certificate leaves the bundle only by expiry or by rule 5: a stale read must not take the coming signer out.
pub(crate) fn projection(case: &Case<'_>, current: &Entry) -> Check<Option<Projection>> {
    let Some(thumbprint) = current.thumbprint() else { return Ok(None) };
    let of = |r#use| case.ledger.all(r#use).filter_map(Entry::thumbprint);
    let next = case.ledger.upcoming().filter(|next| !own_key::is_on_its_way(case, next)).and_then(Entry::thumbprint);
    let mut bundle: BTreeSet<Thumbprint> = [thumbprint].into_iter().chain(next).chain(of(Use::Previous)).chain(of(Use::Retiring)).collect();
    bundle.extend(valid_signing_certificates(case));
    bundle.extend(still_shown(case));
    let previous = case.ledger.all(Use::Previous).chain(case.ledger.all(Use::Retiring)).max_by_key(|entry| entry.seq);
    let projection = Projection {
        entry: current.id.clone(),
        current: Material::Certificate(thumbprint),
        next,
        previous: previous.and_then(Entry::thumbprint),
        bundle,
    };
    if case.memory.shown() == Some(&projection) { Ok(Some(projection)) } else { publishable(case, projection, thumbprint) }
}

/// Only what was read can be written: of a certificate that is known by name alone the object is asked, once a pass.
fn publishable(case: &Case<'_>, projection: Projection, current: Thumbprint) -> Check<Option<Projection>> {
    let known = |thumbprint: &Thumbprint| case.memory.history().certificate_by(*thumbprint).is_some();
    if projection.bundle.iter().all(known) {
        return Ok(Some(projection));
    }
    case.live_directory(Detail::WithKeys)?;
    let bundle = projection.bundle.iter().copied().filter(known).collect();
    let (next, previous) = (projection.next.filter(known), projection.previous.filter(known));
    Ok(Some(Projection { bundle, next, previous, ..projection }).filter(|_| known(&current)))
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
