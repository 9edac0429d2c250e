//! A successor that somebody takes away while relying parties take it up.

use chrono::TimeDelta;
use entra_types::KeyId;
use rotation::*;

use crate::world::{World, signing};

/// Everything of this entry, as if it had never been there.
fn vanish(world: &mut World, entry: &Entry) {
    let of_it =
        |listed: &serde_json::Value| listed["keyId"].as_str().is_some_and(|id| entry.key_ids.contains(&id.parse::<KeyId>().unwrap()));
    world.entra.keys.retain(|listed| !of_it(listed));
    world.entra.passwords.retain(|listed| !of_it(listed));
}

#[test]
fn what_is_being_removed_as_the_current_one_vanishes_signs_until_its_successor_has_soaked_or_it_ends() {
    let mut world = World::new(signing(6));
    world.run_until_note(|fact| matches!(fact, Fact::Retired(..)));
    let step = world.next();
    world.take(step);
    let (going, current) = (world.ledger.first(Use::Retiring).unwrap().clone(), world.ledger.current().unwrap().clone());
    // The removal is refused, and then the current one is gone.
    world.denied = Some((world.now, world.now + TimeDelta::minutes(1)));
    world.run_for(TimeDelta::minutes(1));
    vanish(&mut world, &current);
    world.gap_excused = true;
    world.run_until_note(|fact| matches!(fact, Fact::Claimed(_)));
    assert_eq!(world.signers(), [going.thumbprint().unwrap()]);
    let soaked = (world.now + world.policy.durations.soak).min(going.not_after.unwrap());
    world.run_until_note(|fact| matches!(fact, Fact::Promoted(..)));
    assert!(world.now >= soaked, "{} {:#?}", soaked, world.effects);
    world.run_for(TimeDelta::days(2));
    world.assert_settled();
}

#[test]
fn what_is_not_listed_any_more_is_not_made_to_sign() {
    let mut world = World::new(signing(6));
    world.run_for(TimeDelta::hours(1));
    world.run_until(|world, _| world.ledger.upcoming().and_then(Entry::signing).is_some_and(|signing| signing.announced_at.is_some()));
    let next = world.ledger.upcoming().unwrap().clone();
    vanish(&mut world, &next);
    let thumbprint = next.thumbprint().unwrap();
    world.run_until(|world, step| {
        assert!(!matches!(step, Step::Act(Act::Send(_, Mutation::Activate(chosen))) if *chosen == thumbprint), "{:#?}", world.effects);
        world.ledger.upcoming().is_none_or(|upcoming| upcoming.id != next.id)
    });
    world.run_for(TimeDelta::days(2));
    assert_ne!(world.entra.preferred, Some(thumbprint.to_string()));
    world.assert_settled();
}
