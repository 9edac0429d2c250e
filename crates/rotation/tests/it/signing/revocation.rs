//! `revokeIssuedBefore` and windows.

use rotation::*;
use rstest::rstest;

use super::approval::announced;
use super::*;

fn nightly(world: &mut World) {
    world.policy.windows = Windows::new(vec![Window::parse("0 3 * * *", "Europe/Berlin", hours(1), world.now).unwrap()]);
}

#[test]
fn an_activation_waits_for_its_window() {
    let mut world = announced(asked(30, |_| {}));
    nightly(&mut world);
    let soaked = world.now + world.policy.durations.soak;
    world.run_until_note(|fact| matches!(fact, Fact::Licensed(_, Licence { kind: OpKind::Activate, .. })));
    assert!(world.now >= soaked && world.now < soaked + hours(24) && world.policy.windows.are_open(world.now), "{}", world.now);
}

#[test]
fn a_window_that_opens_after_the_deadline_holds_nothing_up() {
    let mut world = announced(asked(30, |_| {}));
    let soaked = world.now + world.policy.durations.soak;
    world.policy.windows = Windows::new(vec![Window::parse("0 3 1 7 *", "Etc/UTC", hours(1), world.now).unwrap()]);
    world.run_until_note(|fact| matches!(fact, Fact::Licensed(_, Licence { kind: OpKind::Activate, .. })));
    assert_eq!(world.now, soaked);
}

#[rstest]
fn a_revocation_waives_soak_metadata_windows_approval_and_overlap(#[values(false, true)] rotating: bool) {
    let policy = asked(30, |signing| {
        (signing.needs_approval, signing.metadata, signing.on_deadline) = (true, Metadata::Require, OnDeadline::Activate);
    });
    let mut world = World::new(policy);
    nightly(&mut world);
    world.metadata = Some(std::collections::BTreeSet::new());
    world.run_for(hours(24));
    if rotating {
        world.run_until_note(|fact| matches!(fact, Fact::Announced(_)));
        world.run_for(minutes(1));
    }
    let old = of(&world, Use::Current).unwrap();
    let upcoming = of(&world, Use::Next);
    world.policy.revoke_issued_before = Some(world.now);
    world.policy.generation += 1;
    world.run_for(hours(2));
    assert_eq!(world.ledger.all(Use::Current).count(), 1);
    assert!(!world.lists(old), "no overlap: {:#?}", world.effects);
    assert!(upcoming.is_none_or(|upcoming| of(&world, Use::Current) != Some(upcoming)), "a revoked successor is never used");
    assert_signs(&world, of(&world, Use::Current).unwrap());
    world.run_for(hours(2));
    assert_eq!(world.live(), 2, "{:#?}", world.effects);
}

#[rstest]
fn a_client_credential_that_is_revoked_before_its_use_is_never_published(
    #[values(crate::world::secret(30), crate::world::certificate(30))] policy: Policy,
) {
    let mut world = World::new(policy);
    world.run_for(hours(24));
    world.sign_in_lag = minutes(20);
    world.run_until(|world, step| world.ledger.upcoming().is_some() && matches!(step, Step::Look(Look::SignIn(_))));
    let upcoming = world.ledger.upcoming().unwrap().id.clone();
    world.now += minutes(1);
    world.policy.revoke_issued_before = Some(world.now);
    world.policy.generation += 1;
    world.run_for(hours(24));
    world.assert_settled();
    assert!(world.ledger.entry(&upcoming).is_none() && world.ledger.current().unwrap().seq == 2, "{:#?}", world.effects);
    assert_eq!(world.live(), 1);
}

#[test]
fn a_revocation_survives_every_fault_at_every_effect() {
    let prepare = |world: &mut World| {
        let at = world.now + hours(24 * 5);
        world.at(at, move |world| {
            world.policy.revoke_issued_before = Some(at);
            world.policy.generation += 1;
        });
    };
    with_every_fault(&asked(6, |_| {}), prepare, hours(24 * 6 + 12), |world| {
        world.assert_settled();
        let bound = world.policy.revoke_issued_before.unwrap();
        assert!(world.ledger.entries.iter().all(|entry| entry.issued_at >= bound), "{:#?}", world.effects);
    });
}
