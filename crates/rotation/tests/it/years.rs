//! A year of each kind, undisturbed and with every single fault at every effect; two rotations with every pair of faults.

use chrono::TimeDelta;
use rotation::Policy;

use crate::world::{Fault, World, certificate, secret, signing};

const FAULTS: [Fault; 4] = [Fault::CrashBefore, Fault::CrashAfter, Fault::AnswerLost, Fault::AppliedLate];

#[test]
fn a_year_of_a_client_certificate_has_no_gap_and_leaves_nothing_behind() {
    let mut world = World::new(certificate(60));
    world.run_for(TimeDelta::days(365));
    world.assert_settled();
}

#[test]
fn a_year_of_a_client_secret_has_no_gap_and_leaves_nothing_behind() {
    let mut world = World::new(secret(60));
    world.run_for(TimeDelta::days(365));
    world.assert_settled();
}

#[test]
fn a_year_of_a_signing_certificate_has_no_gap_and_leaves_nothing_behind() {
    let mut world = World::new(signing(120));
    world.run_for(TimeDelta::days(365));
    world.assert_settled();
}

#[test]
fn a_first_issue_and_two_rotations_survive_every_fault_at_every_effect() {
    for (policy, days) in [(secret(6), 11), (certificate(6), 11), (signing(6), 11)] {
        for effect in 0..effects(&policy, days) {
            for fault in FAULTS {
                survives(&policy, days, vec![(effect, fault)]);
            }
        }
    }
}

#[test]
fn a_first_issue_and_a_rotation_survive_every_pair_of_faults() {
    for (policy, days) in [(secret(3), 3), (certificate(3), 3), (signing(3), 3)] {
        let effects = effects(&policy, days);
        for first in 0..effects {
            for second in first + 1..effects + 4 {
                for (one, other) in FAULTS.into_iter().flat_map(|one| FAULTS.map(|other| (one, other))) {
                    survives(&policy, days, vec![(first, one), (second, other)]);
                }
            }
        }
    }
}

fn effects(policy: &Policy, days: i64) -> usize {
    let mut undisturbed = World::new(policy.clone());
    undisturbed.run_for(TimeDelta::days(days));
    undisturbed.effects.len()
}

fn survives(policy: &Policy, days: i64, faults: Vec<(usize, Fault)>) {
    println!("{faults:?}");
    let mut world = World::new(policy.clone());
    world.faults = faults;
    world.run_for(TimeDelta::days(days) + TimeDelta::hours(6));
    world.assert_settled();
}
