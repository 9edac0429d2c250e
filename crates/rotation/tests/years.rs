//! A year of each kind, undisturbed and with every single fault at every effect.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

mod world;

use chrono::TimeDelta;
use rotation::Use;
use world::{Fault, World, certificate, signing};

fn year() -> TimeDelta {
    TimeDelta::days(365)
}

#[test]
fn a_year_of_a_client_certificate_has_no_gap_and_leaves_nothing_behind() {
    let mut world = World::new(certificate());
    world.run_for(year());
    print_effects(&world);
    assert_settled(&world);
}

#[test]
fn a_year_of_a_signing_certificate_has_no_gap_and_leaves_nothing_behind() {
    let mut world = World::new(signing());
    world.run_for(year());
    print_effects(&world);
    assert_settled(&world);
}

#[test]
fn a_first_issue_and_two_rotations_survive_every_fault_at_every_effect() {
    for (policy, days) in [(certificate(), 100), (signing(), 190)] {
        let mut undisturbed = World::new(policy.clone());
        undisturbed.run_for(TimeDelta::days(days));
        for effect in 0..undisturbed.effects.len() {
            println!("{}", undisturbed.effects[effect]);
            for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::AnswerLost] {
                println!("{fault:?} at effect {effect}");
                let mut world = World::new(policy.clone());
                world.fault = Some((effect, fault));
                world.run_for(TimeDelta::days(days + 2));
                assert_settled(&world);
            }
        }
    }
}

fn print_effects(world: &World) {
    world.effects.iter().for_each(|effect| println!("{effect}"));
}

/// One published credential, at most one more in its overlap, and no more in Entra than the ledger says.
fn assert_settled(world: &World) {
    let current = world.ledger.current().expect("a current credential");
    assert!(current.published_at.is_some(), "{current:?}");
    assert_eq!(world.output.as_ref().map(|shown| &shown.entry), Some(&current.id));
    let unsettled = world.ledger.entries.iter().filter(|entry| matches!(entry.r#use, Use::Abandoned)).count();
    assert_eq!(unsettled, 0, "{:#?}", world.ledger.entries);
    let parts = if world.policy.is_signing() { 2 } else { 1 };
    let recorded: usize = world.ledger.entries.iter().filter(|entry| !entry.key_ids.is_empty()).count();
    assert!(world.live() <= recorded * parts, "{} entries in Entra, {recorded} in the ledger", world.live());
}
