//! Client secrets: asked for once, staged at once, and never lost without a trace.

use chrono::TimeDelta;
use rotation::*;
use rstest::rstest;
use serde_json::json;

use crate::world::{Fault, UID, World, certificate, secret};

fn hours(h: i64) -> TimeDelta {
    TimeDelta::hours(h)
}

fn names(world: &World) -> Vec<&str> {
    world.effects.iter().map(|effect| effect.split_once(' ').unwrap().1).collect()
}

#[test]
fn a_first_issue_takes_one_write_to_entra_and_six_effects_in_their_order() {
    let mut world = World::new(secret(6));
    world.run_for(hours(1));
    let expected = ["status Claimed", "Graph AddPassword", "POST slot", "status Promoted", "write output", "status Published"];
    assert_eq!(names(&world), expected);
}

#[test]
fn a_rotation_adds_one_and_removes_one() {
    let mut world = World::new(secret(6));
    world.run_for(hours(1));
    world.effects.clear();
    world.run_for(hours(24 * 6));
    let graph: Vec<_> = names(&world).into_iter().filter(|name| name.starts_with("Graph")).collect();
    assert_eq!(graph, ["Graph AddPassword", "Graph RemovePassword"]);
    assert_eq!(world.entra.passwords.len(), 1);
}

#[rstest]
#[case(Fault::CrashAfter)]
#[case(Fault::AnswerLost)]
#[case(Fault::AppliedLate)]
fn a_lost_answer_costs_one_orphan_which_is_removed(#[case] fault: Fault) {
    let mut world = World::new(secret(6));
    world.faults = vec![(1, fault)];
    world.run_for(hours(3));
    world.assert_settled();
    let added = names(&world).iter().filter(|name| name.starts_with("Graph AddPassword")).count();
    assert_eq!((added, world.entra.passwords.len()), (2, 1), "{:#?}", world.effects);
}

#[test]
fn an_answer_that_cannot_be_read_is_a_lost_answer() {
    let mut world = World::new(secret(6));
    world.answers_are_unreadable = true;
    world.run_until_note(|fact| matches!(fact, Fact::Abandoned(_)));
    world.answers_are_unreadable = false;
    world.run_for(hours(3));
    world.assert_settled();
    assert_eq!(world.entra.passwords.len(), 1);
}

#[test]
fn what_was_given_up_goes_although_the_published_one_was_removed_by_hand() {
    let mut world = World::new(secret(6));
    world.run_for(hours(24));
    world.somebody_removes_all_but(&[]);
    world.gap_excused = true;
    world.answers_are_unreadable = true;
    world.run_for(hours(12));
    world.answers_are_unreadable = false;
    world.run_for(hours(12));
    world.assert_settled();
    assert_eq!(world.entra.passwords.len(), 1);
}

#[rstest]
fn a_secret_that_somebody_named_like_ours_but_no_ledger_knows_is_never_removed(
    #[values("00000000-0000-4000-8000-000000000000", "ffffffff-0000-4000-8000-000000000001")] key_id: &str,
) {
    let mut world = World::new(secret(6));
    let stranger = json!({"keyId": key_id, "displayName": EntryId::derive(UID, 900).password_name(UID),
        "startDateTime": "2025-01-01T00:00:00Z", "endDateTime": "2036-01-01T00:00:00Z", "secretText": null});
    world.entra.passwords.push(stranger.clone());
    world.run_for(hours(24 * 12));
    assert!(world.entra.passwords.contains(&stranger));
}

#[test]
fn a_secret_that_was_renamed_is_not_removed_by_its_key_id_alone() {
    let mut world = World::new(secret(6));
    world.run_until_note(|fact| matches!(fact, Fact::Published(id) if *id == EntryId::derive(UID, 1)));
    world.entra.passwords[0]["displayName"] = json!("renamed by hand");
    let renamed = world.entra.passwords[0].clone();
    world.run_for(hours(24 * 2));
    assert!(world.entra.passwords.contains(&renamed), "{:#?}", world.effects);
}

#[test]
fn a_deleted_slot_is_made_again_from_the_output_once_that_has_proven_itself() {
    let mut world = World::new(secret(6));
    world.run_for(hours(1));
    world.slots.clear();
    world.restart();
    world.run_for(hours(1));
    assert_eq!(world.slots.len(), 1);
    assert_eq!(world.ledger.next_seq, 1, "{:#?}", world.effects);
}

#[rstest]
fn what_is_nowhere_in_the_cluster_any_more_is_replaced_once(#[values(secret(6), certificate(6))] policy: Policy) {
    let mut world = World::new(policy);
    world.run_for(hours(1));
    world.slots.clear();
    world.output = None;
    world.restart();
    world.gap_excused = true;
    world.run_for(hours(2));
    world.assert_settled();
    assert_eq!((world.ledger.rotation.reason, world.ledger.next_seq), (Some(Cause::OutputLost), 2));
}

#[test]
fn an_edited_output_is_healed_from_the_slot_without_a_call_to_graph() {
    let mut world = World::new(secret(6));
    world.run_for(hours(1));
    world.edited = true;
    world.memory.forget_output();
    let reads = world.reads();
    world.run_for(TimeDelta::minutes(1));
    assert!(!world.edited);
    assert_eq!(world.reads(), reads);
}

#[test]
fn a_revoked_secret_is_replaced_at_once_and_removed_without_overlap() {
    let mut world = World::new(secret(30));
    world.run_for(hours(24));
    world.policy.revoke_issued_before = Some(world.now);
    world.policy.generation += 1;
    let before = world.now;
    world.run_until(|world, _| world.ledger.next_seq == 2 && world.entra.passwords.len() == 1);
    assert!(world.now - before < hours(1), "{}", world.now);
    assert_eq!(world.ledger.rotation.reason, Some(Cause::RevokeIssuedBefore));
}

#[test]
fn a_secret_that_is_due_waits_for_its_window_but_is_made_before() {
    let mut world = World::new(secret(30));
    world.run_for(hours(1));
    world.policy.windows = Windows::new(vec![Window::parse("0 3 * * 1", "Etc/UTC", hours(1), world.now).unwrap()]);
    world.run_until_note(|fact| matches!(fact, Fact::Claimed(_)));
    let claimed = world.now;
    world.run_until_note(|fact| matches!(fact, Fact::Promoted(..)));
    assert!(world.policy.windows.are_open(world.now), "{claimed} {}", world.now);
}

#[test]
fn a_policy_that_forbids_secrets_is_met_before_anything_is_sent() {
    let mut world = World::new(secret(30));
    world.limits = Some(Limits { forbids_secrets: true, policy: Some("p1".to_owned()), ..Limits::default() });
    let rest = world.rest();
    let Wait::Refused(refusal) = rest.why else { panic!("{rest:?}") };
    assert_eq!(refusal.reason, Reason::PolicyForbidsType);
    assert!(refusal.message.contains("p1") && world.effects.is_empty(), "{refusal:?}");
}

#[test]
fn a_life_longer_than_a_policy_allows_is_cut_to_it() {
    let mut world = World::new(secret(30));
    world.limits = Some(Limits { secret_life: Some(hours(24 * 7)), ..Limits::default() });
    world.run_for(hours(1));
    let current = world.ledger.current().unwrap();
    assert_eq!(current.not_after.unwrap() - current.issued_at, hours(24 * 7) - TimeDelta::minutes(10));
    world.run_for(hours(24 * 60));
    world.assert_settled();
}
