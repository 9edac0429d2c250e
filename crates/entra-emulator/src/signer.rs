//! Which certificate signs SAML responses, and which ones the federation metadata shows.

use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ids::Thumbprint;
use keys::Certificate;

use crate::behaviour::AutomaticSigner;
use crate::clock;
use crate::credentials::{Entry as _, KeyEntry};
use crate::directory::Object;
use crate::world::World;

/// Certificates of the object that can sign now: valid Verify entries that have a valid Sign entry beside them.
pub(crate) fn candidates(object: &Object, now: DateTime<Utc>) -> Vec<&KeyEntry> {
    let has_private_key = |entry: &KeyEntry| {
        let linked = |sign: &&KeyEntry| sign.is_sign() && sign.identifier().is_some() && sign.identifier() == entry.identifier();
        object.keys.iter().filter(linked).any(|sign| sign.is_valid(now))
    };
    object
        .keys
        .iter()
        .filter(|entry| entry.is_verify() && entry.certificate.is_some() && entry.is_valid(now) && has_private_key(entry))
        .collect()
}

/// The certificate that signs: the preferred one if it can, else one that the service picks.
pub(crate) fn signer(world: &World, object: &Object, now: DateTime<Utc>) -> Option<Certificate> {
    let possible = possible_entries(world, object, now);
    let made = |entry: &&&KeyEntry| entry.text("startDateTime").and_then(clock::parse);
    let chosen = match world.behaviour.automatic_signer {
        AutomaticSigner::Newest => possible.iter().max_by_key(made),
        AutomaticSigner::Oldest => possible.iter().min_by_key(made),
    };
    chosen?.certificate.clone()
}

/// Every certificate that a client has to reckon with as signer: the preferred one if it can sign, else all that can.
pub(crate) fn possible(world: &World, object: &Object, now: DateTime<Utc>) -> Vec<Certificate> {
    possible_entries(world, object, now).into_iter().filter_map(|entry| entry.certificate.clone()).collect()
}

fn possible_entries<'a>(world: &World, object: &'a Object, now: DateTime<Utc>) -> Vec<&'a KeyEntry> {
    let candidates = candidates(object, now);
    let preferred = preferred(world, object, now);
    let is_preferred = |entry: &&&KeyEntry| preferred.is_some() && thumbprint(entry) == preferred;
    candidates.iter().find(is_preferred).map(|entry| vec![*entry]).unwrap_or(candidates)
}

fn thumbprint(entry: &KeyEntry) -> Option<Thumbprint> {
    entry.certificate.as_ref().map(Certificate::thumbprint)
}

/// The preferred thumbprint, as it takes effect: a change may need its time.
fn preferred(world: &World, object: &Object, now: DateTime<Utc>) -> Option<Thumbprint> {
    let delay = TimeDelta::from_std(world.behaviour.activation_delay).unwrap_or_default();
    let past = world.directory.seen(object.id, now, delay).filter(|_| !delay.is_zero());
    past.map_or(object, |past| past.as_ref()).property("preferredTokenSigningKeyThumbprint")?.parse().ok()
}
