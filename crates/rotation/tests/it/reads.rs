//! One read that contradicts all others is nothing.

use chrono::TimeDelta;
use rotation::*;
use rstest::rstest;

use crate::world::{World, certificate, secret, signing};

/// A world at rest whose next pass has seen the object once as `change` makes it.
fn having_seen(policy: Policy, change: fn(&mut World)) -> World {
    let mut world = World::new(policy);
    world.run_for(TimeDelta::hours(3));
    let truth = world.entra.clone();
    change(&mut world);
    world.look(&Look::Directory(Detail::WithKeys));
    world.entra = truth;
    world
}

#[rstest]
#[case::another_object(|world: &mut World| world.entra.remade += 1)]
#[case::no_credential_at_all(|world: &mut World| {
    world.entra.keys.clear();
    world.entra.passwords.clear();
})]
#[case::another_signer(|world: &mut World| world.entra.preferred = Some("AB".repeat(20)))]
fn one_read_of_it_changes_nothing(#[values(secret(6), certificate(6), signing(6))] policy: Policy, #[case] change: fn(&mut World)) {
    let mut world = having_seen(policy, change);
    let (ledger, output, effects) = (world.ledger.clone(), world.output.clone(), world.effects.len());
    world.run_for(TimeDelta::hours(2));
    assert_eq!((&world.ledger.entries, &world.output), (&ledger.entries, &output), "{:#?}", &world.effects[effects..]);
}
