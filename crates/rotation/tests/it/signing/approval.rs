//! `approval: Required`: an activation waits for a person, for so long as the deadline lets it.

use rotation::*;
use rstest::rstest;

use super::*;

pub fn needing_approval(days: i64, on_deadline: OnDeadline) -> Policy {
    asked(days, |signing| (signing.needs_approval, signing.on_deadline) = (true, on_deadline))
}

fn activates(step: &Step) -> bool {
    matches!(step, Step::Note(Fact::Licensed(_, Licence { kind: OpKind::Activate, .. })))
}

/// Approves whatever is next, at that time.
pub fn approve_at(world: &mut World, at: Time) {
    world.at(at, |world| world.policy.approved = world.ledger.upcoming().map(|next| next.id.clone()));
}

/// A world whose second certificate is announced.
pub fn announced(policy: Policy) -> World {
    let mut world = World::new(policy);
    world.run_for(hours(1));
    world.run_until_note(|fact| matches!(fact, Fact::Announced(_)));
    world
}

#[rstest]
fn the_first_certificate_waits_for_nobody_unless_it_would_be_withdrawn(
    #[values((OnDeadline::Activate, true), (OnDeadline::Withdraw, false))] (on_deadline, published): (OnDeadline, bool),
) {
    let mut world = World::new(needing_approval(10, on_deadline));
    world.run_for(hours(2));
    assert_eq!(world.ledger.current().is_some(), published);
    let now = world.now;
    approve_at(&mut world, now);
    world.run_for(hours(1));
    assert!(world.ledger.current().is_some_and(|current| current.published_at.is_some()), "{:#?}", world.effects);
}

#[test]
fn what_nobody_approves_is_activated_at_the_deadline() {
    let mut world = announced(needing_approval(10, OnDeadline::Activate));
    let deadline = deadline(&world);
    world.run_until(|_, step| activates(step));
    assert_eq!(world.now, deadline);
}

#[rstest]
#[case::before_the_soak_is_over(1, 0)]
#[case::long_after(30, 30)]
fn what_is_approved_is_activated_once_its_soak_is_over(#[case] approved: i64, #[case] activated: i64) {
    let mut world = announced(needing_approval(10, OnDeadline::Activate));
    let announced = world.now;
    let soaked = announced + world.policy.durations.soak;
    approve_at(&mut world, announced + hours(approved));
    world.run_until(|_, step| activates(step));
    assert_eq!(world.now, soaked.max(announced + hours(activated)));
}

#[test]
fn an_approval_counts_for_the_entry_that_it_names_and_for_no_other() {
    let mut world = announced(needing_approval(10, OnDeadline::Activate));
    let deadline = deadline(&world);
    world.policy.approved = world.ledger.current().map(|current| current.id.clone());
    world.run_until(|_, step| activates(step));
    assert_eq!(world.now, deadline);
}

#[test]
fn an_approval_does_not_hold_for_the_successor() {
    let mut world = announced(needing_approval(10, OnDeadline::Activate));
    let now = world.now;
    approve_at(&mut world, now);
    world.run_until_note(|fact| matches!(fact, Fact::Promoted(..)));
    world.run_until_note(|fact| matches!(fact, Fact::Announced(_)));
    assert_eq!(world.ledger.rotation.approved_at, None);
    let deadline = deadline(&world);
    world.run_until(|_, step| activates(step));
    assert_eq!(world.now, deadline);
}

#[rstest]
#[case::suspended(|world: &mut World| world.policy.suspend = true)]
#[case::backing_off(|world: &mut World| world.ledger.rotation.next_attempt = Some(world.now + hours(40)))]
#[case::refused(|world: &mut World| world.policy.refusal = Some(Refusal::new(Reason::TenantNotReady, "It does not sign in.")))]
fn an_approval_is_seen_at_once_and_stays_when_the_annotation_goes(#[case] hold: fn(&mut World)) {
    let mut world = announced(needing_approval(10, OnDeadline::Activate));
    hold(&mut world);
    world.policy.approved = world.ledger.upcoming().map(|next| next.id.clone());
    world.run_for(minutes(1));
    assert!(world.ledger.rotation.approved_at.is_some());
    world.policy.approved = None;
    (world.policy.suspend, world.policy.refusal, world.ledger.rotation.next_attempt) = (false, None, None);
    let soaked = world.now + world.policy.durations.soak;
    world.run_until(|_, step| activates(step));
    assert!(world.now <= soaked, "{}", world.now);
}

#[test]
fn an_outside_change_does_not_take_the_approval_away() {
    let mut world = announced(needing_approval(10, OnDeadline::Activate));
    world.policy.approved = world.ledger.upcoming().map(|next| next.id.clone());
    world.run_for(minutes(1));
    world.policy.approved = None;
    let chosen = world.somebody_adds_a_signing_certificate(world.now + hours(24 * 3));
    world.run_for(hours(8));
    world.entra.preferred = Some(chosen.to_string());
    world.run_until_note(|fact| matches!(fact, Fact::ForeignSigner(_)));
    world.run_until_note(|fact| matches!(fact, Fact::Published(_)));
    assert!(world.ledger.rotation.approved_at.is_some(), "{:#?}", world.effects);
}

#[test]
fn an_approval_that_is_not_asked_for_costs_nothing() {
    let mut world = announced(asked(10, |_| {}));
    world.policy.approved = world.ledger.upcoming().map(|next| next.id.clone());
    world.run_for(hours(24 * 8));
    assert_eq!(count(&world, "status Approved"), 0);
}

#[test]
fn a_rotation_with_an_approval_survives_every_fault_at_every_effect() {
    let policy = needing_approval(6, OnDeadline::Activate);
    let prepare = |world: &mut World| {
        for day in 1..30 {
            let at = world.now + hours(12 * day);
            approve_at(world, at);
        }
    };
    with_every_fault(&policy, prepare, hours(24 * 8), |world| {
        world.assert_settled();
        assert!(count(world, "status Approved") >= 1, "{:#?}", world.effects);
    });
}
