//! What somebody else made and hands over.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entra_types::KeyId;
use rotation::*;
use rstest::rstest;
use serde_json::json;

use crate::world::{World, certificate, secret};

const OLD: &str = "77777777-0000-4000-8000-000000000001";
const AGAIN: &str = "77777777-0000-4000-8000-000000000002";

fn old() -> BTreeSet<KeyId> {
    BTreeSet::from([OLD.parse().unwrap()])
}

/// A world with a secret that was made by hand and is handed over.
fn world() -> World {
    let mut world = World::new(Policy { adopt: old(), may_adopt: true, generation: 2, ..secret(6) });
    world.entra.passwords.push(json!({"keyId": OLD, "displayName": "by hand", "startDateTime": "2025-01-01T00:00:00Z",
        "endDateTime": "2036-01-01T00:00:00Z", "secretText": null}));
    world
}

fn adopts(world: &World) -> bool {
    world.ledger.entries.iter().any(|entry| entry.key_ids == old())
}

/// Another resource on the same object whose ledger names that secret.
fn sibling(used_as: Use) -> Ledger {
    let mut sibling = World::new(secret(6));
    sibling.run_for(TimeDelta::hours(1));
    let mut entry = sibling.ledger.entries[0].clone();
    (entry.r#use, entry.key_ids) = (used_as, old());
    Ledger { entries: vec![entry], ..sibling.ledger }
}

#[test]
fn what_is_handed_over_is_adopted_and_removed_after_the_overlap() {
    let mut world = world();
    world.run_for(TimeDelta::hours(1));
    assert!(adopts(&world), "{:#?}", world.ledger);
    world.run_for(TimeDelta::days(4));
    assert!(!adopts(&world) && world.entra.passwords.iter().all(|entry| entry["keyId"] != json!(OLD)), "{:#?}", world.effects);
}

#[rstest]
fn what_another_resource_counts_on_is_not_adopted(#[values(Use::Next, Use::Current, Use::Previous)] used_as: Use) {
    let mut world = world();
    world.application = Application::of([&sibling(used_as)], None, Some(world.entra.id_now(world.object_id)), world.policy.late, world.now);
    world.run_for(TimeDelta::days(2));
    assert!(!adopts(&world) && world.ledger.current().is_some(), "{:#?}", world.ledger);
}

#[test]
fn nothing_is_adopted_without_a_grant() {
    let mut world = world();
    world.policy.may_adopt = false;
    world.run_for(TimeDelta::days(2));
    assert!(!adopts(&world) && world.ledger.current().is_some(), "{:#?}", world.ledger);
}

#[test]
fn a_certificate_that_was_added_twice_goes_by_two_removals() {
    let mut world = World::new(Policy { adopt: old(), may_adopt: true, generation: 2, ..certificate(6) });
    let facts = world.make_certificate(world.now + TimeDelta::days(900), vec![]);
    world.somebody_uploads(&facts, OLD);
    world.somebody_uploads(&facts, AGAIN);
    world.run_until(|world, _| world.entra.keys.iter().all(|key| key["keyId"] != json!(OLD) && key["keyId"] != json!(AGAIN)));
    let removals = world.effects.iter().filter(|effect| effect.contains("Graph RemoveKey")).count();
    assert_eq!(removals, 2, "{:#?}", world.effects);
}
