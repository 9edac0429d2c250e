//! `onDeadline: Withdraw`: what nobody approves in time is removed, and never activated.

use rotation::*;
use rstest::rstest;

use super::approval::{announced, approve_at, needing_approval};
use super::*;

fn withdrawing() -> Policy {
    needing_approval(10, OnDeadline::Withdraw)
}

/// The first certificate is approved, the second announced.
fn waiting() -> World {
    let mut world = World::new(withdrawing());
    let start = world.now;
    approve_at(&mut world, start + minutes(30));
    world.run_for(hours(2));
    world.policy.approved = None;
    world.run_until_note(|fact| matches!(fact, Fact::Announced(_)));
    world
}

/// From the end of Current on nobody can help a gap.
fn excuse_from(world: &mut World, at: Time) {
    world.at(at, |world| world.gap_excused = true);
}

#[test]
fn what_nobody_approves_is_withdrawn_at_the_deadline_and_removed() {
    let mut world = waiting();
    let (deadline, upcoming) = (deadline(&world), of(&world, Use::Next).unwrap());
    world.run_until_note(|fact| matches!(fact, Fact::Abandoned(_)));
    assert_eq!(world.now, deadline);
    world.run_for(hours(6));
    assert!(!world.lists(upcoming), "{:#?}", world.effects);
    assert_eq!(world.ledger.entries.len(), 1, "{:#?}", world.ledger);
    assert_eq!(count(&world, "Graph Activate"), 1);
}

#[test]
fn what_was_withdrawn_is_not_made_again_before_the_end_and_then_held_for_approval() {
    let mut world = waiting();
    let end = world.ledger.current().unwrap().not_after.unwrap();
    let made = world.ledger.next_seq;
    world.run_until(|world, _| world.now >= end - minutes(1));
    assert_eq!(world.ledger.next_seq, made);
    excuse_from(&mut world, end - minutes(1));
    world.run_for(hours(12));
    assert_eq!(world.ledger.next_seq, made + 1);
    assert_eq!(count(&world, "Graph Activate"), 1, "held");
    let now = world.now;
    approve_at(&mut world, now);
    world.run_for(hours(2));
    world.gap_excused = false;
    world.run_for(hours(12));
    world.assert_settled();
    assert!(world.ledger.current().unwrap().is_valid_at(world.now + hours(24)));
}

#[test]
fn what_is_approved_in_time_is_activated() {
    let mut world = waiting();
    let deadline = deadline(&world);
    approve_at(&mut world, deadline - minutes(10));
    world.run_until_note(|fact| matches!(fact, Fact::Published(_)));
    assert!(world.now < deadline);
    world.run_for(hours(24 * 3));
    world.assert_settled();
}

#[test]
fn a_successor_is_not_withdrawn_where_entra_would_sign_with_another_instead() {
    let mut world = waiting();
    let (deadline, upcoming) = (deadline(&world), of(&world, Use::Next).unwrap());
    world.somebody_adds_a_signing_certificate(deadline + hours(24 * 30));
    let end = world.ledger.current().unwrap().not_after.unwrap();
    world.run_for(end - minutes(10) - world.now);
    assert_eq!(of(&world, Use::Next), Some(upcoming), "{:#?}", world.effects);
    assert_eq!(count(&world, "Graph Activate"), 1);
    let reads = world.reads();
    world.run_for(minutes(5));
    assert!(world.reads() <= reads + 1);
    let risk = world.report(None).conditions.into_iter().find(|condition| condition.r#type == "RotationAtRisk").unwrap();
    assert!(risk.status && risk.reason == "ApprovalOverdue" && risk.message.contains("not withdrawn"), "{risk:?}");
}

#[test]
fn what_was_claimed_after_the_deadline_is_held_and_not_withdrawn() {
    let mut world = World::new(withdrawing());
    let start = world.now;
    approve_at(&mut world, start + minutes(30));
    world.run_for(hours(2));
    let deadline = deadline(&world);
    world.down = Some((world.now, deadline + hours(2)));
    world.run_until_note(|fact| matches!(fact, Fact::Announced(_)));
    let end = world.ledger.current().unwrap().not_after.unwrap();
    world.run_for(end - minutes(10) - world.now);
    assert!(world.ledger.upcoming().is_some() && count(&world, "Graph Activate") == 1, "{:#?}", world.effects);
    let now = world.now;
    approve_at(&mut world, now);
    world.run_for(minutes(5));
    assert_eq!(count(&world, "Graph Activate"), 2);
}

#[test]
fn a_person_may_ask_for_another_one_after_a_withdrawal() {
    let mut world = waiting();
    world.run_until_note(|fact| matches!(fact, Fact::Abandoned(_)));
    world.run_for(hours(3));
    let made = world.ledger.next_seq;
    world.policy.not_issued_before = Some(world.now);
    world.policy.generation += 1;
    world.run_for(hours(3));
    assert_eq!(world.ledger.next_seq, made + 1);
    assert!(world.ledger.upcoming().is_some(), "made after the deadline, so it is held: {:#?}", world.effects);
}

#[test]
fn without_an_approval_to_wait_for_withdraw_is_activate() {
    let run = |on_deadline| {
        let mut world = World::new(asked(10, |signing| signing.on_deadline = on_deadline));
        world.run_for(hours(24 * 30));
        world.effects
    };
    assert_eq!(run(OnDeadline::Withdraw), run(OnDeadline::Activate));
}

#[rstest]
fn a_withdrawal_survives_every_fault_at_every_effect(#[values(0, 6)] lag: i64) {
    let prepare = |world: &mut World| {
        let start = world.now;
        world.lag = minutes(lag);
        approve_at(world, start + minutes(30));
        approve_at(world, start + hours(1));
        approve_at(world, start + hours(2));
    };
    with_every_fault(&withdrawing(), prepare, hours(24 * 9 + 2), |world| {
        let entries: Vec<_> = world.ledger.entries.iter().map(|entry| entry.r#use).collect();
        assert_eq!(entries, [Use::Current], "{:#?}", world.effects);
        assert_eq!(world.signers(), [of(world, Use::Current).unwrap()]);
        assert_eq!(world.live(), 2, "{:#?}", world.effects);
    });
}

#[test]
fn an_operator_that_was_down_at_the_deadline_withdraws_as_it_comes_back() {
    let mut world = waiting();
    let (deadline, upcoming) = (deadline(&world), of(&world, Use::Next).unwrap());
    world.down = Some((deadline - hours(1), deadline + hours(3)));
    world.run_for(deadline + hours(8) - world.now);
    assert!(!world.lists(upcoming), "{:#?}", world.effects);
}

#[test]
fn what_signs_because_the_operator_was_down_past_the_end_is_not_withdrawn_but_held_and_then_activated() {
    let mut world = waiting();
    let (end, upcoming) = (world.ledger.current().unwrap().not_after.unwrap(), of(&world, Use::Next).unwrap());
    world.down = Some((deadline(&world) - hours(1), end + hours(3)));
    world.run_for(end + hours(8) - world.now);
    assert_eq!(world.signers(), [upcoming]);
    assert_eq!(of(&world, Use::Next), Some(upcoming), "{:#?}", world.effects);
    let now = world.now;
    approve_at(&mut world, now);
    world.run_for(hours(1));
    assert_signs(&world, upcoming);
}

#[test]
fn a_revoked_certificate_is_replaced_without_approval() {
    let mut world = announced(needing_approval(10, OnDeadline::Activate));
    change(&mut world, |signing| signing.on_deadline = OnDeadline::Withdraw);
    world.policy.revoke_issued_before = Some(world.ledger.current().unwrap().issued_at + minutes(1));
    world.run_for(hours(1));
    assert!(world.ledger.current().is_some_and(|current| current.seq == 1 && current.published_at.is_some()), "{:#?}", world.effects);
}

#[test]
fn what_was_withdrawn_can_be_pinned_as_long_as_it_is_there() {
    let mut world = waiting();
    let upcoming = of(&world, Use::Next);
    world.run_until(|world, _| world.ledger.first(Use::Abandoned).is_some());
    assert_eq!(of(&world, Use::Abandoned), upcoming);
    pin(&mut world, upcoming);
    world.run_for(hours(24));
    assert_signs(&world, upcoming.unwrap());
}
