//! The one-way door: each of its conditions alone keeps a credential where it is.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use rotation::*;
use rstest::rstest;

use crate::world::{World, certificate, signing};

type Violation = fn(&mut World);

fn passes_the_door(step: &Step) -> bool {
    matches!(step, Step::Note(Fact::Retired(..)))
}

/// A world whose next pass retires the previous credential.
fn at_the_door(policy: Policy) -> World {
    let mut world = World::new(policy);
    world.run_until(|_, step| passes_the_door(step));
    world
}

/// Whether a pass retires it, a quarter of an hour being given to look again.
fn retires(world: &mut World) -> bool {
    for _ in 0..8 {
        match world.pass(&|_, step| passes_the_door(step)) {
            Err(_) => return true,
            Ok(until) => world.now = until.min(world.now + TimeDelta::minutes(5)),
        }
    }
    false
}

#[rstest]
fn a_previous_credential_passes_the_door_when_everything_holds(#[values(certificate(6), signing(6))] policy: Policy) {
    assert!(retires(&mut at_the_door(policy)));
}

#[rstest]
fn a_certificate_that_was_added_twice_is_removed_whole(#[values(certificate(6), signing(6))] policy: Policy) {
    let mut world = at_the_door(policy);
    let (previous, link) = (previous(&mut world).clone(), link(&mut world));
    let facts = world.certificates.values().find(|facts| Some(facts.thumbprint) == previous.thumbprint()).unwrap().clone();
    world.somebody_uploads(&facts, "99999999-0000-4000-8000-000000000009");
    if let Some(link) = link {
        world.entra.keys.last_mut().unwrap()["customKeyIdentifier"] = link.into();
    }
    world.run_for(TimeDelta::hours(6));
    assert!(!world.lists(facts.thumbprint), "{:#?} {:#?}", world.effects, world.entra.keys);
    world.assert_settled();
}

/// What links the entries of the previous signing certificate.
fn link(world: &mut World) -> Option<String> {
    previous(world).signing().and_then(|signing| signing.custom_key_identifier.clone())
}

/// The ledger of another resource on the same application, with one entry.
fn sibling(world: &World, r#use: Use, op: Option<(OpKind, Time)>, key_id: &str) -> Ledger {
    let op = op.map(|(kind, at)| Op { kind, nonce: "x".to_owned(), at, outcome: None, kept: BTreeSet::new(), from: None });
    let mut entry = world.ledger.current().unwrap().clone();
    (entry.r#use, entry.op, entry.key_ids) = (r#use, op, BTreeSet::from([key_id.parse().unwrap()]));
    Ledger { entries: vec![entry], ..world.ledger.clone() }
}

fn beside(world: &mut World, r#use: Use, op: Option<(OpKind, Time)>, key_id: &str) {
    let sibling = sibling(world, r#use, op, key_id);
    let object = world.ledger.target.as_ref().map(|target| target.object_id);
    world.application = Application::of([&sibling], None, object, world.policy.late, world.now);
}

fn current(world: &mut World) -> &mut Entry {
    world.ledger.entries.iter_mut().find(|entry| entry.r#use == Use::Current).unwrap()
}

fn previous(world: &mut World) -> &mut Entry {
    world.ledger.entries.iter_mut().find(|entry| entry.r#use == Use::Previous).unwrap()
}

const FOREIGN: &str = "dddddddd-0000-4000-8000-000000000001";

#[rstest]
#[case::the_overlap_is_not_over(|world: &mut World| world.policy.durations.overlap += TimeDelta::hours(1))]
#[case::current_is_not_published(|world: &mut World| {
    current(world).published_at = None;
    world.memory.saw_output(Output::Foreign("It is somebody else's.".to_owned()), vec![], world.now);
})]
#[case::the_clocks_differ(|world: &mut World| world.skew = TimeDelta::seconds(121))]
#[case::the_clocks_differ_the_other_way(|world: &mut World| world.skew = TimeDelta::seconds(-121))]
#[case::another_resource_froze_the_application(|world: &mut World| {
    let at = world.now;
    beside(world, Use::Next, Some((OpKind::AddByUpdate, at + TimeDelta::hours(1))), FOREIGN);
})]
#[case::another_entry_froze_the_application(|world: &mut World| {
    let at = world.now + TimeDelta::hours(1);
    current(world).op = Some(Op { kind: OpKind::AddByUpdate, nonce: "x".to_owned(), at, outcome: None, kept: BTreeSet::new(), from: None });
})]
#[case::an_activation_is_open(|world: &mut World| {
    let at = world.now + TimeDelta::hours(1);
    current(world).op = Some(Op { kind: OpKind::Activate, nonce: "x".to_owned(), at, outcome: None, kept: BTreeSet::new(), from: None });
})]
#[case::the_ledger_knows_other_keyids(|world: &mut World| previous(world).key_ids = BTreeSet::from([FOREIGN.parse().unwrap()]))]
#[case::the_ledger_knows_no_keyids(|world: &mut World| previous(world).key_ids = BTreeSet::new())]
#[case::it_is_not_ours(|world: &mut World| previous(world).origin = Origin::Foreign)]
#[case::it_is_suspended(|world: &mut World| world.policy.suspend = true)]
#[case::it_is_refused(|world: &mut World| world.policy.refusal = Some(Refusal::new(Reason::TenantNotReady, "It does not sign in.")))]
#[case::it_is_being_deleted(|world: &mut World| world.policy.deleted_at = Some(world.now))]
#[case::it_backs_off(|world: &mut World| world.ledger.rotation.next_attempt = Some(world.now + TimeDelta::hours(2)))]
fn one_violated_condition_of_either_kind_keeps_the_door_shut(
    #[values(certificate(6), signing(6))] policy: Policy,
    #[case] violate: Violation,
) {
    let mut world = at_the_door(policy);
    violate(&mut world);
    assert!(!retires(&mut world), "{:?}", world.next());
}

#[rstest]
#[case::current_is_refused(|world: &mut World| world.sign_in = Some(SignInResult::Refused))]
#[case::current_cannot_be_proven(|world: &mut World| world.sign_in = Some(SignInResult::CannotProve))]
#[case::the_ledger_knows_another_certificate(|world: &mut World| {
    let of_current = world.ledger.current().and_then(Entry::thumbprint).unwrap();
    previous(world).detail = EntryDetail::ClientCertificate { thumbprint: of_current, slot: None };
})]
fn one_violated_condition_of_a_client_certificate_keeps_the_door_shut(#[case] violate: Violation) {
    let mut world = at_the_door(certificate(6));
    violate(&mut world);
    assert!(!retires(&mut world), "{:?}", world.next());
}

#[rstest]
#[case::nothing_is_preferred(|world: &mut World| world.entra.preferred = None)]
#[case::the_previous_one_is_preferred(|world: &mut World| {
    world.entra.preferred = world.ledger.first(Use::Previous).and_then(Entry::thumbprint).map(|t| t.to_string());
})]
#[case::a_foreign_one_is_preferred(|world: &mut World| {
    let chosen = world.somebody_adds_a_signing_certificate(world.now + TimeDelta::days(30));
    world.entra.preferred = Some(chosen.to_string());
})]
#[case::current_has_expired(|world: &mut World| {
    let link = world.ledger.current().and_then(Entry::thumbprint).unwrap().to_string();
    let ours = world.entra.keys.iter_mut().filter(|key| key["customKeyIdentifier"] == serde_json::json!(link));
    ours.for_each(|key| key["endDateTime"] = serde_json::json!("2026-01-02T00:00:00Z"));
})]
#[case::the_list_has_a_newcomer(|world: &mut World| world.somebody_adds("bmV3Y29tZXI="))]
#[case::what_another_resource_removed_is_still_listed(|world: &mut World| {
    let at = world.now;
    beside(world, Use::Retiring, Some((OpKind::RemoveKey, at)), FOREIGN);
})]
#[case::another_resource_writes(|world: &mut World| {
    let at = world.now + TimeDelta::hours(1);
    beside(world, Use::Next, Some((OpKind::AddKey, at)), FOREIGN);
})]
#[case::the_ledger_knows_another_link(|world: &mut World| {
    if let EntryDetail::TokenSigning(signing) = &mut previous(world).detail {
        signing.custom_key_identifier = Some("another".to_owned());
    }
})]
#[case::the_ledger_knows_another_certificate(|world: &mut World| {
    let of_current = world.ledger.current().and_then(Entry::thumbprint);
    if let EntryDetail::TokenSigning(signing) = &mut previous(world).detail {
        signing.thumbprint = of_current;
    }
})]
fn one_violated_condition_of_a_signing_certificate_keeps_the_door_shut(#[case] violate: Violation) {
    let mut world = at_the_door(signing(6));
    world.gap_excused = true;
    violate(&mut world);
    assert!(!retires_within_minutes(&mut world), "{:?}", world.next());
}

/// A list that changed is quiet again after LATE; until then the door must stay shut.
fn retires_within_minutes(world: &mut World) -> bool {
    let end = world.now + TimeDelta::minutes(14);
    while world.now < end {
        match world.pass(&|_, step| passes_the_door(step)) {
            Err(_) => return true,
            Ok(until) => world.now = until.min(world.now + TimeDelta::minutes(5)),
        }
    }
    false
}

#[rstest]
fn an_output_that_was_not_read_in_this_pass_is_read_first(#[values(certificate(6), signing(6))] policy: Policy) {
    let mut world = at_the_door(policy);
    world.memory.begin_pass();
    assert_eq!(world.next(), Step::Look(Look::Output));
}

#[rstest]
fn what_passed_the_door_never_comes_back(#[values(certificate(6), signing(6))] policy: Policy) {
    let mut world = at_the_door(policy);
    let id = world.ledger.first(Use::Previous).unwrap().id.clone();
    world.run_until_note(|fact| matches!(fact, Fact::Dropped(_)));
    assert_eq!(world.ledger.entry(&id).map(|entry| entry.r#use), Some(Use::Retiring));
    assert_eq!(world.ledger.all(Use::Retiring).count(), 1);
}

#[rstest]
fn a_foreign_signer_is_only_forgotten(#[values(1, 3)] days: i64) {
    let mut world = World::new(signing(6));
    let chosen = world.somebody_adds_a_signing_certificate(world.now + TimeDelta::days(days));
    world.entra.preferred = Some(chosen.to_string());
    world.run_for(TimeDelta::days(9));
    assert!(world.ledger.entries.iter().all(|entry| entry.origin == Origin::Made), "{:?}", world.effects);
    assert!(world.entra.keys.iter().any(|key| key["customKeyIdentifier"] == serde_json::json!(chosen.to_string())));
}
