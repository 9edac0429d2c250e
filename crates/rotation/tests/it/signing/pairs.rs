//! Two things that fail, one after the other.

use rotation::*;
use rstest::rstest;

use super::approval::{approve_at, needing_approval};
use super::*;

/// Runs a prepared world once for every pair of faults at its effects from `first` on, and some after.
fn with_every_pair(policy: &Policy, prepare: impl Fn(&mut World), first: usize, span: TimeDelta, check: impl Fn(&mut World)) {
    let mut undisturbed = World::new(policy.clone());
    prepare(&mut undisturbed);
    undisturbed.run_for(span);
    let effects = undisturbed.effects.len();
    assert!(effects > first, "{:#?}", undisturbed.effects);
    let pairs = (first..effects).flat_map(|one| (one + 1..effects + 3).map(move |other| (one, other)));
    for (one, other) in pairs {
        for (fault, again) in FAULTS.into_iter().flat_map(|fault| FAULTS.map(|again| (fault, again))) {
            println!("{fault:?} at {one}, {again:?} at {other}");
            let mut world = World::new(policy.clone());
            prepare(&mut world);
            world.faults = vec![(one, fault), (other, again)];
            world.run_for(span + hours(8));
            check(&mut world);
        }
    }
}

#[rstest]
fn a_key_of_ones_own_is_brought_in_spite_of_any_two(#[values(false, true)] has_proof: bool) {
    let policy = asked(6, |signing| signing.key_source = KeySource::Operator { has_proof });
    with_every_pair(
        &policy,
        |_| {},
        0,
        hours(5),
        |world| {
            world.assert_settled();
            assert_signs(world, of(world, Use::Current).unwrap());
        },
    );
}

#[test]
fn the_way_back_is_found_in_spite_of_any_two() {
    let mut undisturbed = World::new(asked(6, |_| {}));
    undisturbed.run_for(hours(1));
    undisturbed.run_until_note(|fact| matches!(fact, Fact::Promoted(..)));
    undisturbed.run_for(minutes(1));
    let (start, effects) = (undisturbed.now, undisturbed.effects.len());
    let back = of(&undisturbed, Use::Previous);
    let prepare = |world: &mut World| world.at(start + minutes(30), move |world| pin(world, back));
    with_every_pair(&asked(6, |_| {}), prepare, effects, start - time("2026-01-01T00:00:00Z") + hours(2), |world| {
        assert_signs(world, back.unwrap());
        assert_eq!(count(world, "status Claimed"), 2, "{:#?}", world.effects);
    });
}

#[test]
fn a_withdrawal_is_carried_out_in_spite_of_any_two() {
    let policy = needing_approval(10, OnDeadline::Withdraw);
    let prepare = |world: &mut World| {
        let start = world.now;
        approve_at(world, start + minutes(30));
    };
    let mut undisturbed = World::new(policy.clone());
    prepare(&mut undisturbed);
    undisturbed.run_for(hours(2));
    undisturbed.run_until_note(|fact| matches!(fact, Fact::Abandoned(_)));
    let effects = undisturbed.effects.len();
    with_every_pair(&policy, prepare, effects, hours(24 * 9), |world| {
        let entries: Vec<_> = world.ledger.entries.iter().map(|entry| entry.r#use).collect();
        assert_eq!((entries, world.live()), (vec![Use::Current], 2), "{:#?}", world.effects);
    });
}
