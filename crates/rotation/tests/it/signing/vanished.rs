//! A successor that somebody takes away while relying parties take it up.

use chrono::TimeDelta;
use entra_types::KeyId;
use rotation::*;

use crate::world::{World, signing};

#[test]
fn what_is_not_listed_any_more_is_not_made_to_sign() {
    let mut world = World::new(signing(6));
    world.run_for(TimeDelta::hours(1));
    world.run_until(|world, _| world.ledger.upcoming().and_then(Entry::signing).is_some_and(|signing| signing.announced_at.is_some()));
    let next = world.ledger.upcoming().unwrap().clone();
    let of_next =
        |entry: &serde_json::Value| entry["keyId"].as_str().is_some_and(|id| next.key_ids.contains(&id.parse::<KeyId>().unwrap()));
    world.entra.keys.retain(|entry| !of_next(entry));
    world.entra.passwords.retain(|entry| !of_next(entry));
    let thumbprint = next.thumbprint().unwrap();
    world.run_until(|world, step| {
        assert!(!matches!(step, Step::Act(Act::Send(_, Mutation::Activate(chosen))) if *chosen == thumbprint), "{:#?}", world.effects);
        world.ledger.upcoming().is_none_or(|upcoming| upcoming.id != next.id)
    });
    world.run_for(TimeDelta::days(2));
    assert_ne!(world.entra.preferred, Some(thumbprint.to_string()));
    world.assert_settled();
}
