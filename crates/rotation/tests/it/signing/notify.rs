//! `notificationEmailAddresses`: compared when the object is read anyway, and set once for each difference.

use std::collections::BTreeSet;

use rotation::*;
use rstest::rstest;

use super::*;
use crate::world::Fault;

fn addresses(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn mailing(texts: &[&str]) -> Policy {
    asked(60, |signing| signing.notification_addresses = Some(addresses(texts)))
}

fn sent(world: &World) -> usize {
    count(world, "Graph SetNotificationAddresses")
}

#[test]
fn absent_addresses_are_left_alone() {
    let mut world = World::new(asked(60, |_| {}));
    world.entra.notification_addresses = addresses(&["admin@example.org"]);
    world.run_for(hours(24 * 60));
    assert_eq!((sent(&world), &world.entra.notification_addresses), (0, &addresses(&["admin@example.org"])));
}

#[rstest]
#[case::nobody_yet(&[])]
#[case::others(&["admin@example.org"])]
fn the_addresses_are_set_once(#[case] before: &[&str]) {
    let mut world = World::new(mailing(&["a@example.org", "b@example.org"]));
    world.entra.notification_addresses = addresses(before);
    world.run_for(hours(24 * 30));
    assert_eq!((sent(&world), &world.entra.notification_addresses), (1, &addresses(&["a@example.org", "b@example.org"])));
}

#[test]
fn nobody_may_be_asked_for_as_well() {
    let mut world = World::new(mailing(&[]));
    world.entra.notification_addresses = addresses(&["admin@example.org"]);
    world.run_for(hours(24));
    assert_eq!((sent(&world), world.entra.notification_addresses.len()), (1, 0));
}

#[test]
fn equal_addresses_cost_no_write_and_no_read() {
    let run = |policy: Policy| {
        let mut world = World::new(policy);
        world.entra.notification_addresses = addresses(&["a@example.org"]);
        world.run_for(hours(24 * 20));
        (world.effects.len(), world.reads())
    };
    assert_eq!(run(mailing(&["a@example.org"])), run(asked(60, |_| {})));
}

#[test]
fn what_somebody_changes_is_set_again_at_the_next_audit() {
    let mut world = World::new(mailing(&["a@example.org"]));
    world.run_for(hours(24));
    world.entra.notification_addresses = addresses(&["x@example.org"]);
    world.run_for(hours(8));
    assert_eq!((sent(&world), &world.entra.notification_addresses), (2, &addresses(&["a@example.org"])));
}

#[rstest]
fn a_lagging_read_is_no_reason_to_repeat(#[values(1, 14)] lag: i64) {
    let mut world = World::new(mailing(&["a@example.org"]));
    world.lag = minutes(lag);
    world.run_for(hours(24 * 3));
    assert_eq!(sent(&world), 1, "{:#?}", world.effects);
}

#[test]
fn a_lost_answer_is_followed_by_a_read_before_it_is_sent_again() {
    let prepare = |_: &mut World| {};
    with_every_fault(
        &asked(3, |signing| signing.notification_addresses = Some(addresses(&["a@example.org"]))),
        prepare,
        hours(80),
        |world| {
            world.assert_settled();
            assert_eq!(world.entra.notification_addresses, addresses(&["a@example.org"]));
            assert!(sent(world) <= 2, "{:#?}", world.effects);
        },
    );
}

#[test]
fn an_update_that_is_open_is_waited_for() {
    let mut world = World::new(mailing(&["a@example.org"]));
    let mut undisturbed = World::new(mailing(&["a@example.org"]));
    undisturbed.run_for(hours(1));
    let effect = undisturbed.effects.iter().position(|effect| effect.contains("Graph SetNotificationAddresses")).unwrap();
    world.faults = vec![(effect, Fault::AppliedLate)];
    world.run_for(hours(24));
    assert_eq!(sent(&world), 0, "the late one is named otherwise: {:#?}", world.effects);
    assert_eq!(world.entra.notification_addresses, addresses(&["a@example.org"]));
}

#[test]
fn the_record_of_an_activation_is_kept_until_its_effect_shows() {
    let mut world = World::new(mailing(&["a@example.org"]));
    world.run_until_note(|fact| matches!(fact, Fact::Published(_)));
    let activated = world.ledger.current().and_then(|current| current.op.clone()).unwrap();
    assert_eq!(activated.kind, OpKind::Activate);
    world.run_until_note(|fact| matches!(fact, Fact::Licensed(_, Licence { kind: OpKind::SetNotificationAddresses, .. })));
    assert_eq!(world.now, activated.at + minutes(20));
}

#[test]
fn nobody_is_written_while_a_pin_is_contested() {
    let mut world = World::new(mailing(&["a@example.org"]));
    world.run_for(hours(24));
    let other = world.somebody_adds_a_signing_certificate(world.now + hours(24 * 60));
    let current = of(&world, Use::Current);
    pin(&mut world, current);
    world.run_for(hours(8));
    for _ in 0..2 {
        world.entra.preferred = Some(other.to_string());
        world.run_for(hours(8));
    }
    assert_eq!(refusal(&mut world), Some(Reason::SignerContested));
    change(&mut world, |signing| signing.notification_addresses = Some(addresses(&["b@example.org"])));
    world.run_for(hours(24));
    assert_eq!((sent(&world), count(&world, "Graph Activate")), (1, 2));
}
