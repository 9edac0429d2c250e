//! Ends that people reach by an odd way: deleted in the middle, crowded, or beside credentials that look alike.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entra_types::KeyId;
use rotation::*;
use rstest::rstest;
use serde_json::json;

use crate::world::{Fault, World, certificate, secret, self_rolled, signing};

fn hours(h: i64) -> TimeDelta {
    TimeDelta::hours(h)
}

fn names(effects: &[String]) -> Vec<&str> {
    effects.iter().map(|effect| effect.split_once(' ').unwrap().1).collect()
}

fn delete(world: &mut World) {
    world.policy.deleted_at = Some(world.now);
    world.gap_excused = true;
}

#[rstest]
fn a_resource_that_goes_makes_and_publishes_nothing_new(
    #[values(secret(6), certificate(6), signing(6))] mut policy: Policy,
    #[values(Fault::AnswerLost, Fault::AppliedLate, Fault::CrashAfter)] fault: Fault,
    #[values(2, 3, 4, 5)] effect: usize,
) {
    policy.revoke_on_delete = true;
    let mut world = World::new(policy);
    world.faults = vec![(effect, fault)];
    world.run_until(|world, _| world.effects.len() > effect);
    delete(&mut world);
    let from = world.effects.len();
    world.run_until(|world, _| !world.policy.has_finalizer);
    world.run_for(hours(1));
    let added =
        |name: &&str| ["status Claimed", "status Promoted", "write output", "POST slot"].contains(name) || name.starts_with("Graph Add");
    let after = names(&world.effects[from..]);
    assert_eq!(after.iter().find(|name| added(name)), None, "{:#?}", world.effects);
}

const OLD: &str = "77777777-0000-4000-8000-000000000001";
const ALIKE: &str = "77777777-0000-4000-8000-000000000002";

fn by_hand(id: &str) -> serde_json::Value {
    json!({"keyId": id, "displayName": null, "startDateTime": "2025-01-01T00:00:00Z", "endDateTime": "2036-01-01T00:00:00Z", "secretText": null})
}

fn adopting(mut policy: Policy) -> Policy {
    policy.adopt = BTreeSet::from([OLD.parse::<KeyId>().unwrap()]);
    policy.may_adopt = true;
    policy.generation = 2;
    policy
}

#[rstest]
fn a_stranger_that_looks_like_an_adopted_secret_neither_goes_nor_holds_anything_up(
    #[values(None, Some(Fault::AnswerLost), Some(Fault::CrashAfter))] fault: Option<Fault>,
) {
    let mut policy = adopting(secret(6));
    policy.revoke_on_delete = true;
    let mut world = World::new(policy);
    world.entra.passwords.extend([by_hand(OLD), by_hand(ALIKE)]);
    world.run_until(|world, _| {
        world.ledger.current().is_some_and(|current| current.published_at.is_some()) && world.ledger.entries.len() == 2
    });
    delete(&mut world);
    let before = world.now;
    if let Some(fault) = fault {
        world.run_until(|_, step| matches!(step, Step::Act(Act::Send(..))));
        world.faults = (0..2).map(|more| (world.effects.len() + more, fault)).collect();
    }
    world.run_until(|world, _| !world.policy.has_finalizer);
    assert!(world.now - before < hours(2), "{} {:#?}", world.now - before, world.effects);
    assert_eq!(world.entra.passwords, [by_hand(ALIKE)]);
}

#[test]
fn a_renamed_secret_is_let_go_of_and_named() {
    let mut policy = secret(6);
    policy.revoke_on_delete = true;
    let mut world = World::new(policy);
    world.run_for(hours(2));
    world.entra.passwords[0]["displayName"] = json!("renamed by hand");
    let made = world.ledger.current().unwrap().key_ids.clone();
    delete(&mut world);
    let before = world.now;
    world.run_until(|world, _| !world.policy.has_finalizer);
    assert_eq!((world.let_go.take(), world.entra.passwords.len()), (Some(Left { key_ids: made, ..Left::default() }), 1));
    assert!(world.now - before <= hours(2) + TimeDelta::minutes(10), "{}", world.now - before);
}

#[rstest]
fn a_clock_that_is_wrong_does_not_keep_a_resource_for_ever(#[values(secret(6), certificate(6), signing(6))] mut policy: Policy) {
    policy.revoke_on_delete = true;
    let mut world = World::new(policy);
    world.run_for(hours(24));
    world.skew = TimeDelta::minutes(3);
    delete(&mut world);
    let before = world.now;
    world.run_until(|world, _| !world.policy.has_finalizer);
    assert!(world.let_go.is_some() && world.now - before <= hours(3), "{}", world.now - before);
}

#[test]
fn certificates_without_a_name_do_not_keep_an_application_that_rolls_itself() {
    let mut world = seeded(6, 6);
    world.answers_are_unreadable = true;
    world.policy.revoke_on_delete = true;
    world.run_until_note(|fact| matches!(fact, Fact::Promoted(..)));
    world.run_for(hours(1));
    delete(&mut world);
    let before = world.now;
    world.run_until(|world, _| !world.policy.has_finalizer);
    assert!(world.now - before <= hours(3), "{}", world.now - before);
}

/// An application whose first certificate was added by hand, and handed over in a Secret.
fn seeded(days: i64, remaining: i64) -> World {
    let mut world = World::new(self_rolled(days));
    let end = world.now + hours(24 * remaining);
    let facts = world.make_certificate(end, vec![]);
    world.somebody_uploads(&facts, OLD);
    world.hold_in_output(&facts);
    world
}

#[test]
fn secrets_whose_answers_were_lost_for_weeks_neither_pile_up_nor_end_the_course() {
    let mut world = World::new(secret(60));
    world.answers_are_unreadable = true;
    for _ in 0..30 {
        world.run_for(hours(24));
        assert!(world.ledger.entries.len() <= 16, "{} entries at {}", world.ledger.entries.len(), world.now);
    }
    let asked = world.counts[&("Graph", OpKind::AddPassword.as_str())];
    assert!(asked <= 3 + 30 * 3, "asked for {asked} secrets in thirty days");
    world.answers_are_unreadable = false;
    world.run_for(hours(24));
    world.assert_settled();
    assert_eq!(world.entra.passwords.len(), 1);
}

#[rstest]
fn a_key_that_is_lost_with_output_and_slot_is_replaced_by_one(
    #[values(secret(6), certificate(6))] policy: Policy,
    #[values(true, false)] restarted: bool,
) {
    let mut world = World::new(policy);
    world.run_for(hours(1));
    world.slots.clear();
    world.output = None;
    world.gap_excused = true;
    world.memory.forget_output();
    SlotName::ALL.into_iter().for_each(|name| world.memory.forget_slot(name));
    if restarted {
        world.restart();
    }
    world.lose_keys();
    world.run_for(hours(3));
    assert!(world.output.is_some());
    world.gap_excused = false;
    world.run_for(hours(48));
    assert_eq!(world.ledger.next_seq, 2, "{:#?}", world.effects);
    world.assert_settled();
}

fn alarms(world: &mut World, span: TimeDelta) -> bool {
    let end = world.now + span;
    world.at(end, |_| {});
    let alarm = world.run_until(|world, step| world.now >= end || matches!(step, Step::Note(Fact::ForeignLost(..))));
    matches!(alarm, Step::Note(Fact::ForeignLost(..)))
}

#[test]
fn a_credential_that_somebody_takes_away_long_after_a_list_update_raises_no_alarm() {
    let mut world = World::new(certificate(30));
    world.run_for(hours(24 * 3));
    world.somebody_removes_the_last_foreign_one();
    assert!(!alarms(&mut world, hours(24)));
}

#[test]
fn a_credential_that_vanishes_right_after_a_list_update_raises_an_alarm() {
    let mut world = World::new(certificate(30));
    world.run_for(hours(1));
    world.somebody_removes_the_last_foreign_one();
    assert!(alarms(&mut world, hours(24)));
}

#[test]
fn what_was_removed_for_another_resource_after_a_list_update_raises_no_alarm() {
    let mut world = World::new(certificate(30));
    let facts = world.make_certificate(world.now + hours(24 * 300), vec![]);
    world.somebody_uploads(&facts, OLD);
    let other = EntryId::derive("another", 0);
    let theirs = |r#use| Entry {
        seq: 0,
        id: other.clone(),
        origin: Origin::Made,
        r#use,
        issued_at: world.now,
        not_after: None,
        published_at: None,
        adopted_at: None,
        key_ids: BTreeSet::from([OLD.parse().unwrap()]),
        detail: EntryDetail::ClientCertificate { thumbprint: facts.thumbprint, slot: None },
        op: None,
    };
    let ledger = |entries| Ledger { entries, next_seq: 1, ..Ledger::default() };
    let application = |world: &World, entries| {
        let mut ledger: Ledger = ledger(entries);
        ledger.target.clone_from(&world.ledger.target);
        Application::of([&ledger], None, world.ledger.target.as_ref().map(|target| target.object_id), world.policy.late, world.now)
    };
    let entry = theirs(Use::Current);
    world.application = application(&world, vec![entry]);
    world.memory.others_own(world.application.named());
    world.run_for(hours(1));
    world.entra.keys.retain(|key| key["keyId"] != json!(OLD));
    world.application = application(&world, vec![]);
    world.memory.others_own(world.application.named());
    assert!(!alarms(&mut world, hours(24)));
}

#[test]
fn what_this_resource_removed_itself_after_a_list_update_raises_no_alarm() {
    let mut world = World::new(certificate(6));
    let end = world.now + hours(24 * 300);
    let facts = world.make_certificate(end, vec![]);
    world.somebody_uploads(&facts, OLD);
    world.policy = adopting(world.policy.clone());
    world.policy.durations.overlap = hours(1);
    assert!(!alarms(&mut world, hours(24)), "{:#?}", world.effects);
    assert_eq!(world.live(), 1, "{:#?}", world.effects);
}

#[test]
fn an_adopted_secret_with_a_long_name_fits_into_the_status_and_is_removed_by_it() {
    let mut world = World::new(adopting(secret(6)));
    let mut long = by_hand(OLD);
    long["displayName"] = json!("n".repeat(200));
    world.entra.passwords.push(long);
    world.run_for(hours(1));
    let bounded = |name: &Option<String>| name.as_ref().is_some_and(|name| name.len() <= 90);
    assert!(
        world
            .ledger
            .entries
            .iter()
            .any(|entry| matches!(&entry.detail, EntryDetail::ClientSecret { display_name, .. } if bounded(display_name)))
    );
    world.run_for(hours(24 * 3));
    assert_eq!(world.live(), 1, "{:#?}", world.effects);
    world.assert_settled();
}

#[test]
fn an_adopted_certificate_that_was_added_often_fits_into_the_status() {
    let mut world = World::new(certificate(6));
    let end = world.now + hours(24 * 300);
    let facts = world.make_certificate(end, vec![]);
    world.somebody_uploads(&facts, OLD);
    for n in 0..12 {
        world.somebody_uploads(&facts, &format!("11111111-0000-4000-8000-{n:012}"));
    }
    world.policy = adopting(world.policy.clone());
    world.run_for(hours(1));
    let adopted: Vec<_> = world.ledger.entries.iter().filter(|entry| entry.origin == Origin::Adopted).collect();
    assert!(matches!(adopted[..], [entry] if entry.key_ids.len() <= 8 && entry.key_ids.contains(&OLD.parse().unwrap())), "{adopted:?}");
}

#[test]
fn an_activation_that_was_never_applied_is_repeated_whatever_was_preferred_before() {
    let run = |faults: Vec<(usize, Fault)>| {
        let mut world = World::new(signing(6));
        world.entra.preferred = Some("AB:".repeat(20));
        world.gap_excused = true;
        world.faults = faults;
        world.run_for(hours(24));
        world
    };
    let effects = run(vec![]).effects;
    let activation = effects.iter().position(|effect| effect.ends_with("Graph Activate")).unwrap();
    run(vec![(activation, Fault::CrashBefore)]).assert_settled();
}

#[test]
fn a_slot_that_was_emptied_by_hand_costs_one_secret() {
    let mut world = World::new(secret(6));
    world.run_until_note(|fact| matches!(fact, Fact::Promoted(..)));
    world.slots.values_mut().for_each(|slot| slot.secret = None);
    world.restart();
    world.run_for(hours(3));
    world.assert_settled();
    assert_eq!((world.ledger.next_seq, world.entra.passwords.len()), (2, 1), "{:#?}", world.effects);
}
