//! Deletion with Revoke, and what was handed over.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entra_types::KeyId;
use rotation::*;
use rstest::rstest;
use serde_json::json;

use crate::world::{Fault, World, certificate, secret, signing};

fn hours(h: i64) -> TimeDelta {
    TimeDelta::hours(h)
}

fn revoking(mut policy: Policy) -> Policy {
    policy.revoke_on_delete = true;
    policy
}

fn delete(world: &mut World) {
    world.policy.deleted_at = Some(world.now);
    world.gap_excused = true;
}

fn graph(world: &World) -> Vec<String> {
    world.effects.iter().filter_map(|effect| Some(effect.split_once("Graph ")?.1.to_owned())).collect()
}

#[rstest]
fn the_finalizer_comes_before_the_first_write(#[values(secret(6), certificate(6), signing(6))] policy: Policy) {
    let mut world = World::new(revoking(policy));
    world.run_until(|_, step| matches!(step, Step::Act(Act::Send(..))));
    assert!(world.effects[0].ends_with("set finalizer"), "{:?}", world.effects);
}

#[rstest]
fn without_revoke_there_is_no_finalizer_and_nothing_is_removed(#[values(secret(6), certificate(6), signing(6))] policy: Policy) {
    let mut world = World::new(policy);
    world.run_for(hours(4));
    let before = world.entra.clone();
    delete(&mut world);
    world.run_for(hours(24));
    assert!(world.entra == before && !world.policy.has_finalizer);
}

#[rstest]
fn what_was_made_goes_with_the_resource(#[values(secret(6), certificate(6))] policy: Policy, #[values(1, 100, 118, 122)] age: i64) {
    let mut world = World::new(revoking(policy));
    world.somebody_adds("Zm9yZWlnbg==");
    world.run_for(hours(age));
    delete(&mut world);
    let before = world.now;
    world.run_until(|world, _| !world.policy.has_finalizer);
    assert_eq!((world.live(), world.let_go.take()), (0, None), "{:#?}", world.effects);
    assert!(world.now - before < hours(2), "{} {:#?}", world.now - before, world.effects);
}

#[rstest]
fn a_process_that_comes_long_after_the_deletion_still_removes_what_was_made(#[values(secret(6), certificate(6))] policy: Policy) {
    let mut world = World::new(revoking(policy));
    world.run_for(hours(2));
    delete(&mut world);
    world.now += hours(24);
    world.restart();
    world.run_until(|world, _| !world.policy.has_finalizer);
    assert_eq!((world.live(), world.let_go.take()), (0, None), "{:#?}", world.effects);
}

#[test]
fn a_revoked_secret_is_gone_within_a_minute() {
    let mut world = World::new(revoking(secret(6)));
    world.run_for(hours(2));
    delete(&mut world);
    let before = world.now;
    world.run_until(|world, _| !world.policy.has_finalizer);
    assert!(world.now - before < TimeDelta::minutes(1), "{}", world.now - before);
}

#[test]
fn the_active_signer_stays_and_is_reported() {
    let mut world = World::new(revoking(signing(6)));
    world.run_for(hours(24 * 6));
    let current = world.ledger.current().unwrap().clone();
    delete(&mut world);
    world.run_until(|world, _| !world.policy.has_finalizer);
    assert_eq!(world.let_go, Some(Left { key_ids: current.key_ids.clone(), ..Left::default() }));
    assert_eq!(world.signers(), [current.thumbprint().unwrap()]);
}

#[rstest]
fn an_open_creation_is_awaited(#[values(Fault::AnswerLost, Fault::AppliedLate, Fault::CrashAfter)] fault: Fault) {
    let mut world = World::new(revoking(secret(6)));
    world.faults = vec![(2, fault)];
    world.run_until_note(|fact| matches!(fact, Fact::Abandoned(_)));
    delete(&mut world);
    world.run_until(|world, _| !world.policy.has_finalizer);
    world.run_for(hours(1));
    assert_eq!(world.entra.passwords.len(), 0, "{:#?}", world.effects);
}

#[rstest]
fn every_fault_at_every_effect_of_a_revocation_leaves_nothing(#[values(secret(6), certificate(6))] policy: Policy) {
    let run = |faults: Vec<(usize, Fault)>| {
        let mut world = World::new(revoking(policy.clone()));
        world.run_for(hours(2));
        let from = world.effects.len();
        world.faults = faults.into_iter().map(|(effect, fault)| (from + effect, fault)).collect();
        delete(&mut world);
        world.run_until(|world, _| !world.policy.has_finalizer);
        world.run_for(hours(1));
        assert_eq!(world.live(), 0, "{:#?}", world.effects);
        world.effects.len() - from
    };
    for effect in 0..run(vec![]) {
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::AnswerLost, Fault::AppliedLate] {
            println!("{fault:?} at {effect}");
            run(vec![(effect, fault)]);
        }
    }
}

#[rstest]
fn a_tenant_that_denies_is_let_go_of_after_half_an_hour_and_what_stays_is_named(#[values(secret(6), certificate(6))] policy: Policy) {
    let mut world = World::new(revoking(policy));
    world.run_for(hours(2));
    let made = world.ledger.current().unwrap().key_ids.clone();
    world.denied = Some((world.now, world.now + hours(100)));
    delete(&mut world);
    let before = world.now;
    world.run_until(|world, _| !world.policy.has_finalizer);
    assert_eq!(world.let_go, Some(Left { key_ids: made, ..Left::default() }));
    assert!(world.now - before < hours(3), "{}", world.now - before);
}

#[test]
fn a_vanished_tenant_is_let_go_of_after_half_an_hour() {
    let mut world = World::new(revoking(secret(6)));
    world.run_for(hours(2));
    world.policy.refusal = Some(Refusal::new(Reason::TenantNotFound, "EntraTenant default does not exist."));
    delete(&mut world);
    let before = world.now;
    world.run_until(|world, _| !world.policy.has_finalizer);
    assert!(world.let_go.is_some());
    assert_eq!(world.now - before, TimeDelta::minutes(30));
}

#[test]
fn switching_to_retain_while_deleting_lets_go_at_once() {
    let mut world = World::new(revoking(certificate(6)));
    world.run_for(hours(2));
    delete(&mut world);
    world.policy.revoke_on_delete = false;
    world.run_until(|world, _| !world.policy.has_finalizer);
    assert_eq!(world.live(), 1);
}

fn adopting(mut policy: Policy, id: &str) -> Policy {
    policy.adopt = BTreeSet::from([id.parse::<KeyId>().unwrap()]);
    policy.may_adopt = true;
    policy.generation = 2;
    policy
}

const OLD: &str = "77777777-0000-4000-8000-000000000001";

fn old_secret() -> serde_json::Value {
    json!({"keyId": OLD, "displayName": "made in the portal", "startDateTime": "2025-01-01T00:00:00Z",
        "endDateTime": "2036-01-01T00:00:00Z", "secretText": null})
}

#[test]
fn an_adopted_secret_is_removed_once_its_successor_is_published_and_the_overlap_is_over() {
    let mut world = World::new(adopting(secret(6), OLD));
    world.entra.passwords.push(old_secret());
    world.run_until_note(|fact| matches!(fact, Fact::Published(_)));
    let published = world.now;
    assert!(world.entra.passwords.contains(&old_secret()));
    world.run_until(|world, _| !world.entra.passwords.contains(&old_secret()));
    assert!(world.now >= published + world.policy.durations.overlap - TimeDelta::seconds(1), "{published} {:#?}", world.effects);
    world.run_for(hours(2));
    world.assert_settled();
}

#[test]
fn an_adopted_certificate_is_removed_by_its_thumbprint() {
    let mut world = World::new(certificate(6));
    let end = world.now + hours(24 * 300);
    let facts = world.make_certificate(end, vec![]);
    world.somebody_uploads(&facts, OLD);
    world.policy = adopting(world.policy.clone(), OLD);
    world.run_for(hours(24 * 3));
    assert_eq!(world.live(), 1, "{:#?}", world.effects);
    world.assert_settled();
}

#[test]
fn without_a_grant_nothing_is_adopted_and_rotation_goes_on() {
    let mut world = World::new(adopting(secret(6), OLD));
    world.policy.may_adopt = false;
    world.entra.passwords.push(old_secret());
    world.run_for(hours(24 * 12));
    assert!(world.entra.passwords.contains(&old_secret()) && world.ledger.next_seq >= 2);
    assert!(world.ledger.entries.iter().all(|entry| entry.origin == Origin::Made));
}

#[test]
fn what_is_of_another_kind_is_not_adopted() {
    let mut world = World::new(adopting(certificate(6), OLD));
    world.entra.passwords.push(old_secret());
    world.run_for(hours(24 * 12));
    assert!(world.entra.passwords.contains(&old_secret()));
}

#[test]
fn a_foreign_signer_that_is_handed_over_is_removed_after_its_successor_signs() {
    let mut world = World::new(signing(6));
    let end = world.now + hours(24 * 4);
    let thumbprint = world.somebody_adds_a_signing_certificate(end);
    world.entra.preferred = Some(thumbprint.to_string());
    world.run_for(hours(1));
    let foreign = world.ledger.current().unwrap().key_ids.first().copied().unwrap();
    world.policy = adopting(world.policy.clone(), &foreign.to_string());
    world.hand_over(thumbprint);
    world.run_for(hours(24 * 8));
    world.assert_settled();
    assert!(!world.certificates_listed().contains(&thumbprint), "{:#?}", world.effects);
}

#[test]
fn spec_may_go_on_naming_what_was_adopted_and_removed() {
    let mut world = World::new(adopting(secret(6), OLD));
    world.entra.passwords.push(old_secret());
    world.run_for(hours(24 * 4));
    world.effects.clear();
    world.restart();
    world.run_for(hours(1));
    assert_eq!(graph(&world), Vec::<String>::new());
}
