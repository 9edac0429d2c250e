//! `signInAs: Self`: the application rolls its own certificate, and sees nothing but whether one is accepted.

use chrono::TimeDelta;
use rotation::*;
use rstest::rstest;

use crate::world::{Fault, UID, World, self_rolled};

fn hours(h: i64) -> TimeDelta {
    TimeDelta::hours(h)
}

/// An application whose first certificate was added by hand, and handed over in a Secret.
fn seeded(days: i64, remaining: i64) -> World {
    let mut world = World::new(self_rolled(days));
    let end = world.now + hours(24 * remaining);
    let facts = world.make_certificate(end, vec![]);
    world.somebody_uploads(&facts, "77777777-0000-4000-8000-000000000001");
    world.hold_in_output(&facts);
    world
}

fn graph(world: &World) -> Vec<String> {
    world.effects.iter().filter_map(|effect| Some(effect.split_once("Graph ")?.1.to_owned())).collect()
}

#[test]
fn it_begins_with_the_certificate_in_the_output() {
    let mut world = seeded(6, 6);
    world.run_for(hours(1));
    let current = world.ledger.current().unwrap();
    assert_eq!((current.origin, current.published_at.is_some()), (Origin::Adopted, true));
    assert_eq!(graph(&world), Vec::<String>::new());
}

#[test]
fn a_seed_that_is_late_is_rolled_at_once() {
    let mut world = seeded(60, 5);
    world.run_for(hours(3));
    assert_eq!(graph(&world), ["AddKey"], "{:#?}", world.effects);
    assert_eq!(world.ledger.current().unwrap().origin, Origin::Made);
}

#[rstest]
fn it_goes_on_for_a_year_without_ever_updating_a_list(#[values(true, false)] told: bool) {
    let mut world = seeded(30, 30);
    world.answers_are_unreadable = !told;
    world.run_for(hours(24 * 365));
    assert!(world.ledger.current().is_some_and(|current| current.is_valid_at(world.now)));
    let graph = graph(&world);
    assert!(graph.iter().filter(|name| *name == "AddKey").count() >= 12, "{graph:?}");
    assert!(graph.iter().all(|name| name == "AddKey" || name == "RemoveKey"), "{graph:?}");
    assert_eq!(graph.iter().any(|name| name == "RemoveKey"), told, "what has no name is left to expire");
    assert!(world.slots.len() <= 2 && world.ledger.entries.len() <= 3, "{:#?}", world.ledger);
}

#[rstest]
#[case::the_one_to_begin_with(30, 700, true)]
#[case::one_whose_answer_did_not_name_it(30, 30, false)]
fn what_cannot_be_removed_is_left_to_expire_and_in_nobodys_way(#[case] validity: i64, #[case] remaining: i64, #[case] told: bool) {
    let mut world = seeded(validity, remaining);
    world.answers_are_unreadable = !told;
    world.run_for(hours(1));
    let removed = |world: &World| graph(world).iter().filter(|name| *name == "RemoveKey").count();
    for seq in 1..=4 {
        world.policy.not_issued_before = Some(world.now);
        world.run_for(hours(24 * 7));
        let current = world.ledger.current().unwrap();
        assert_eq!((current.seq, current.published_at.is_some()), (seq, true), "{:#?}", world.ledger);
        assert!(world.ledger.entries.len() <= 2 && world.slots.len() <= 2, "{:#?}", world.ledger);
    }
    assert_eq!(removed(&world), if told { 3 } else { 0 });
    world.run_for(hours(24 * 90));
    assert!(world.ledger.current().is_some_and(|current| current.is_valid_at(world.now)));
}

#[test]
fn every_fault_at_every_effect_is_survived() {
    let run = |faults: Vec<(usize, Fault)>| {
        let mut world = seeded(6, 3);
        world.faults = faults;
        world.run_for(hours(24 * 11));
        assert!(world.ledger.current().is_some_and(|current| current.is_valid_at(world.now)), "{:#?}", world.effects);
        world.effects.len()
    };
    for effect in 0..run(vec![]) {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::AnswerLost, Fault::AppliedLate] {
            println!("{fault:?} at {effect}");
            run(vec![(effect, fault)]);
        }
    }
}

#[test]
fn without_a_certificate_to_begin_with_a_person_is_asked() {
    let mut world = World::new(self_rolled(6));
    let rest = world.rest();
    assert!(matches!(&rest.why, Wait::Refused(refusal) if refusal.reason == Reason::SelfCredentialExpired), "{rest:?}");
}

#[test]
fn a_lock_out_is_said_and_nothing_is_written() {
    let mut world = seeded(6, 6);
    world.run_for(hours(1));
    world.down = Some((world.now, world.now + hours(24 * 7)));
    world.gap_excused = true;
    world.run_for(hours(24 * 8));
    let rest = world.rest();
    assert!(matches!(&rest.why, Wait::Refused(refusal) if refusal.reason == Reason::SelfCredentialExpired), "{rest:?}");
    assert_eq!(graph(&world), Vec::<String>::new());
}

#[test]
fn a_key_that_a_person_removes_in_its_overlap_is_replaced_with_the_help_of_the_one_before() {
    let mut world = seeded(6, 3);
    let is_second = |fact: &Fact| matches!(fact, Fact::Published(id) if *id == EntryId::derive(UID, 2));
    world.run_until_note(is_second);
    world.run_for(TimeDelta::minutes(30));
    let (current, previous) = (world.ledger.current().unwrap().clone(), world.ledger.all(Use::Previous).next().unwrap().clone());
    world.gap_excused = true;
    world.somebody_removes_all_but(std::slice::from_ref(&previous.id));
    world.run_for(hours(12));
    let next = world.ledger.current().unwrap();
    assert!(next.id != current.id && next.published_at.is_some(), "{:#?}", world.effects);
    assert!(world.certificates_listed().contains(&next.thumbprint().unwrap()));
}

#[test]
fn revoke_keeps_the_last_key() {
    let mut world = seeded(6, 6);
    world.policy.revoke_on_delete = true;
    world.run_for(hours(24 * 4 + 12));
    let current = world.ledger.current().unwrap().clone();
    assert_ne!(current.id, EntryId::derive(UID, 0));
    world.policy.deleted_at = Some(world.now);
    world.gap_excused = true;
    world.run_until(|world, _| !world.policy.has_finalizer);
    assert!(world.let_go.as_ref().is_some_and(|left| left.key_ids.is_superset(&current.key_ids)), "{:?}", world.let_go);
    assert!(world.certificates_listed().contains(&current.thumbprint().unwrap()));
}

#[test]
fn an_application_that_shows_no_lists_never_has_one_replaced_even_where_nothing_proves_a_removal() {
    let mut world = seeded(6, 6);
    world.policy.revoke_on_delete = true;
    world.run_until_note(|fact| matches!(fact, Fact::Published(id) if *id == EntryId::derive(UID, 2)));
    world.run_for(hours(1));
    let current = world.ledger.current().unwrap().thumbprint().unwrap().to_string();
    world.entra.keys.retain(|key| key["customKeyIdentifier"] != current);
    world.policy.deleted_at = Some(world.now);
    world.gap_excused = true;
    world.run_until(|world, _| !world.policy.has_finalizer);
    let graph = graph(&world);
    assert!(graph.iter().all(|name| name == "AddKey" || name == "RemoveKey"), "{graph:?}");
}
