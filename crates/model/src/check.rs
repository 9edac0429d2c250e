//! The promises: S1 to S7 and S10, that every credential is recorded, and that everything comes to rest.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use entra_types::KeyId;
use rotation::{Entry, EntryId, Material, Origin, Projection, Rest, Use, Wait};

use crate::entra::{Entra, Listed, Part};
use crate::world::{Change, ChangeKind, Key, Name, World, made_by};

/// A promise that is broken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broken(pub String);

impl Broken {
    /// Says which.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

type Kept = Result<(), Broken>;

/// An audit comes every six hours, give or take one, and what it shows is acted on after three reads that span LATE.
const AUDIT: TimeDelta = TimeDelta::hours(8);

/// Section 7: what somebody wrote so long before a whole-list update was sent, it may undo.
fn window(world: &World) -> TimeDelta {
    world.late() + TimeDelta::seconds(15)
}

/// What must hold in every state.
pub fn state(world: &World) -> Kept {
    (0..world.resources.len()).try_for_each(|resource| {
        one_of_each(world, resource)?;
        no_gap(world, resource)?;
        no_gap_for_those_who_still_hold_the_one_before(world, resource)?;
        few_live(world, resource)
    })?;
    all_recorded(world)
}

fn one_of_each(world: &World, resource: usize) -> Kept {
    let ledger = &world.resources[resource].record.ledger;
    if ledger.all(Use::Current).count() > 1 || ledger.all(Use::Next).count() > 1 {
        return Err(Broken::new(format!("S7: two entries of resource {resource} have one use")));
    }
    Ok(())
}

/// S1: what the output shows works, unless somebody took it away.
fn no_gap(world: &World, resource: usize) -> Kept {
    if world.chronicle.bereft.contains(&resource) {
        return Ok(());
    }
    let found = &world.resources[resource];
    let published = found.record.ledger.current().is_some_and(|current| current.published_at.is_some());
    let Some(output) = &found.output else {
        return if published { Err(Broken::new(format!("S1: the output of resource {resource} is gone"))) } else { Ok(()) };
    };
    if found.record.policy.is_signing() {
        // What a person chose is seen at the next audit at the latest. What one took away just before it was activated leaves nothing preferred: no write to Graph has
        // a precondition.
        let chosen = world.chronicle.chosen.is_some_and(|chosen| world.now < chosen + AUDIT);
        let preferred = world.entra.listed.iter().any(|listed| listed.thumbprint.is_some() && listed.thumbprint == world.entra.preferred);
        let excused = chosen || (!preferred && !world.chronicle.robbed.is_empty());
        let unknown = world.entra.signers(world.now).into_iter().find(|signer| !output.shows.bundle.contains(signer) && !excused);
        return match unknown {
            Some(signer) => {
                Err(Broken::new(format!("S1: Entra may sign with {signer}, which the output of resource {resource} does not show")))
            }
            None => Ok(()),
        };
    }
    if world.chronicle.robbed.contains(&output.shows.entry) {
        return Ok(());
    }
    let works = output.holds.as_ref().is_some_and(|key| is_accepted(&world.entra, key.name(), world.now));
    if works { Ok(()) } else { Err(Broken::new(format!("S1: Entra does not accept what the output of resource {resource} shows"))) }
}

/// S1 and S3: during the overlap, and for as long as it is valid.
fn no_gap_for_those_who_still_hold_the_one_before(world: &World, resource: usize) -> Kept {
    let policy = &world.resources[resource].record.policy;
    if policy.is_signing() || world.chronicle.bereft.contains(&resource) {
        return Ok(());
    }
    let held = world
        .chronicle
        .shown
        .iter()
        .filter(|((of, _), (until, end))| *of == resource && world.now < *until + policy.durations.overlap && world.now < *end);
    for ((_, name), _) in held {
        let robbed = world.resources[resource].record.ledger.entries.iter().any(|entry| {
            let same = match name {
                Name::Certificate(thumbprint) => entry.thumbprint() == Some(*thumbprint),
                Name::Secret(key_id) => entry.key_ids.contains(key_id),
            };
            same && world.chronicle.robbed.contains(&entry.id)
        });
        if !robbed && !is_accepted(&world.entra, *name, world.now) {
            return Err(Broken::new(format!("S3: a credential of resource {resource} went before its overlap was over")));
        }
    }
    Ok(())
}

/// S5: two in rotation, and at most three that were given up.
fn few_live(world: &World, resource: usize) -> Kept {
    let own = world.entra.listed.iter().filter_map(|listed| made_by(&listed.maker)).filter(|(of, _)| *of == resource);
    let live: BTreeSet<&EntryId> = own.map(|(_, entry)| entry).collect();
    if live.len() > 6 { Err(Broken::new(format!("S5: {} credentials of resource {resource} are live", live.len()))) } else { Ok(()) }
}

/// Nothing of ours is in Entra that its ledger does not know.
fn all_recorded(world: &World) -> Kept {
    for listed in &world.entra.listed {
        let Some((resource, id)) = made_by(&listed.maker) else { continue };
        let Some(entry) = world.resources[resource].record.ledger.entry(id) else {
            return Err(Broken::new(format!("S5: credential {} of entry {id} is in no ledger", listed.key_id)));
        };
        let same = entry.thumbprint().is_none() || entry.thumbprint() == listed.thumbprint;
        // What Entra makes twice for one signing entry is told apart by its marks later.
        if !same && entry.signing().is_none() {
            return Err(Broken::new(format!("S5: entry {id} has another certificate in Entra than in its ledger")));
        }
    }
    Ok(())
}

fn is_accepted(entra: &Entra, name: Name, now: rotation::Time) -> bool {
    match name {
        Name::Certificate(thumbprint) => entra.accepts_certificate(thumbprint, now),
        Name::Secret(key_id) => entra.accepts_secret(key_id, now),
    }
}

/// A pass that ends has healed the output, whatever else it waits for.
pub(crate) fn rests(world: &World, operator: usize, resource: usize, rest: &Rest) -> Kept {
    let desk = world.desk(operator, resource);
    let fresh = desk.known.version == world.resources[resource].record.version;
    let seen = desk.output == world.resources[resource].output.as_ref().map(|output| output.version);
    let excused = !fresh || !seen || desk.known.ledger.current().is_none() || matches!(rest.why, Wait::Refused(_));
    let intact =
        world.resources[resource].output.is_some() || is_lost(world, operator, resource) || awaits_a_read(world, operator, resource, rest);
    if intact || excused {
        Ok(())
    } else {
        Err(Broken::new(format!("a pass over resource {resource} rests and its output is not healed: {rest:?} at {}", world.now)))
    }
}

/// Whether the key of what should be published is nowhere that this process could take it from.
fn is_lost(world: &World, operator: usize, resource: usize) -> bool {
    let desk = world.desk(operator, resource);
    let Some(current) = desk.known.ledger.current() else { return true };
    let staged = world.resources[resource].slots.values().any(|staged| staged.entry == current.id);
    current.signing().is_none() && !staged && !desk.keyring.contains_key(&current.id)
}

/// A process that begins while replicas are behind has not seen the certificate yet that its ledger tells of; it asks again within LATE.
fn awaits_a_read(world: &World, operator: usize, resource: usize, rest: &Rest) -> bool {
    let desk = world.desk(operator, resource);
    let current = desk.known.ledger.current().filter(|current| current.signing().is_some());
    let unseen = |thumbprint| desk.memory.history().certificate_by(thumbprint).is_none();
    current.and_then(rotation::Entry::thumbprint).is_some_and(unseen) && rest.until <= world.now + desk.known.policy.late.late()
}

/// The output is about to be written: S2 and S10.
pub(crate) fn published(world: &mut World, resource: usize, holds: Option<&Key>, shows: &Projection) -> Kept {
    let now = world.now;
    let found = &world.resources[resource];
    let entry = found.record.ledger.entry(&shows.entry);
    if let (Some(Key::Pair(thumbprint, _)), Some(entry)) = (holds, entry)
        && entry.thumbprint() != Some(*thumbprint)
    {
        return Err(Broken::new(format!("S2: the output of resource {resource} gets a key that is not the one of its entry")));
    }
    let is_current = found.record.ledger.current().is_some_and(|current| current.id == shows.entry);
    if let Some(old) = &found.output {
        let same = old.shows.current == shows.current;
        let newer = entry_seq(world, resource, shows) >= entry_seq(world, resource, &old.shows);
        let pinned = found.record.policy.signing().is_some_and(|signing| signing.pinned.is_some()) || world.chronicle.chosen.is_some();
        // Somebody took the newer one away.
        let gone = !world.entra.listed.iter().any(|listed| made_by(&listed.maker) == Some((resource, &old.shows.entry)));
        if !same && !newer && !pinned && !gone {
            return Err(Broken::new(format!("S10: the output of resource {resource} goes back to an older credential")));
        }
        if let (Some(key), false) = (&old.holds, same) {
            let (name, end) = (key.name(), end_of(world, resource, &old.shows));
            world.chronicle.shown.insert((resource, name), (now, end));
        }
    }
    if is_current {
        world.chronicle.bereft.remove(&resource);
    }
    Ok(())
}

fn entry_seq(world: &World, resource: usize, shows: &Projection) -> Option<u32> {
    world.resources[resource].record.ledger.entry(&shows.entry).map(|entry| entry.seq)
}

fn end_of(world: &World, resource: usize, shows: &Projection) -> rotation::Time {
    world.resources[resource].record.ledger.entry(&shows.entry).and_then(|entry| entry.not_after).unwrap_or(world.now)
}

/// A write is about to be sent: rule 4 and S7.
pub(crate) fn sends(world: &World, resource: usize, entry: &Entry, kind: &ChangeKind) -> Kept {
    let found = &world.resources[resource];
    let recorded = found.record.ledger.entry(&entry.id);
    match kind {
        ChangeKind::Remove(_) => removes(world, resource, entry),
        ChangeKind::Replace(read, replaced) => {
            let added = replaced.listed.iter().any(|listed| !read.listed.contains(listed));
            if added { Ok(()) } else { removes(world, resource, entry) }
        }
        ChangeKind::AddKey(thumbprint, _) if recorded.is_some_and(|entry| entry.thumbprint() != Some(*thumbprint)) => {
            Err(Broken::new(format!("S2: another certificate is sent than entry {} has", entry.id)))
        }
        _ => Ok(()),
    }
}

fn removes(world: &World, resource: usize, entry: &Entry) -> Kept {
    let found = &world.resources[resource];
    let recorded = found.record.ledger.entry(&entry.id);
    if recorded.is_some_and(|entry| entry.r#use != Use::Retiring) || entry.origin == Origin::Foreign {
        return Err(Broken::new("S3: something is removed that did not pass the one-way door"));
    }
    let shown = found.output.as_ref().is_some_and(|output| output.shows.entry == entry.id);
    if shown && !world.chronicle.bereft.contains(&resource) {
        return Err(Broken::new("S3: what the output names is removed"));
    }
    Ok(())
}

/// A write was applied: S3 and S4.
pub(crate) fn applied(world: &mut World, change: &Change, before: &Entra) -> Kept {
    let after = std::sync::Arc::clone(&world.entra);
    let gone: Vec<&Listed> = before.listed.difference(&after.listed).collect();
    let new: Vec<&Listed> = after.listed.difference(&before.listed).collect();
    let target = match &change.kind {
        ChangeKind::Remove(_) => Some(&change.entry),
        ChangeKind::Replace(read, replaced) if read.listed.difference(&replaced.listed).next().is_some() => Some(&change.entry),
        _ => None,
    };
    for listed in gone {
        match made_by(&listed.maker) {
            None => foreign_changes(world, change, listed.key_id, "lost")?,
            Some((resource, id)) if resource == change.resource && Some(id) == target => signs_not(world, change, before, listed)?,
            Some(_) => foreign_changes(world, change, listed.key_id, "lost")?,
        }
    }
    for listed in new {
        let ours = made_by(&listed.maker) == Some((change.resource, &change.entry)) && target.is_none();
        if !ours {
            foreign_changes(world, change, listed.key_id, "brought back")?;
        }
    }
    Ok(())
}

/// S4, with section 7 as the only exception: a person touched it shortly before the update was sent, or since.
fn foreign_changes(world: &World, change: &Change, key_id: KeyId, what: &str) -> Kept {
    let excused = matches!(change.kind, ChangeKind::Replace(..))
        && world.chronicle.touched.get(&key_id).is_some_and(|touched| *touched >= change.sent - window(world));
    if excused { Ok(()) } else { Err(Broken::new(format!("S4: credential {key_id}, which is not what the write is about, is {what}"))) }
}

/// S3: the certificate that signs is not removed, unless an admin chose it while that was under way.
fn signs_not(world: &World, change: &Change, before: &Entra, listed: &Listed) -> Kept {
    let signs = listed.part == Part::Sign && listed.thumbprint.is_some_and(|t| before.signers(world.now).contains(&t));
    let excused = world.chronicle.chosen.is_some_and(|chosen| chosen >= change.sent - window(world));
    if signs && !excused { Err(Broken::new("S3: the certificate that signs is removed")) } else { Ok(()) }
}

/// At the end of a run nothing is left over, and what is published works.
pub fn end(world: &World) -> Kept {
    let mut live: BTreeMap<usize, BTreeSet<&EntryId>> = BTreeMap::new();
    for (resource, id) in world.entra.listed.iter().filter_map(|listed| made_by(&listed.maker)) {
        live.entry(resource).or_default().insert(id);
    }
    for (resource, found) in world.resources.iter().enumerate() {
        if !world.is_settled(resource) {
            continue;
        }
        let current = found.record.ledger.current();
        let shown = found.output.as_ref().map(|output| &output.shows);
        let agrees = current.is_some_and(|current| shown.is_some_and(|shown| shown.entry == current.id));
        if !agrees {
            return Err(Broken::new(format!("at the end the output of resource {resource} does not show its credential")));
        }
        let accepted = match shown.map(|shown| shown.current) {
            Some(Material::Certificate(thumbprint)) => {
                world.entra.accepts_certificate(thumbprint, world.now) || found.record.policy.is_signing()
            }
            _ => found
                .output
                .as_ref()
                .and_then(|output| output.holds.as_ref())
                .is_some_and(|key| is_accepted(&world.entra, key.name(), world.now)),
        };
        if !accepted {
            return Err(Broken::new(format!("at the end Entra does not accept the credential of resource {resource}")));
        }
        let recorded = found.record.ledger.entries.iter().filter(|entry| entry.origin == Origin::Made).count();
        let left = live.get(&resource).map_or(0, BTreeSet::len);
        if left > recorded {
            return Err(Broken::new(format!(
                "at the end {left} credentials of resource {resource} are in Entra and {recorded} in its ledger"
            )));
        }
    }
    Ok(())
}
