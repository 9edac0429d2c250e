//! What holds a step back, and until when.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use rotation::*;
use rstest::rstest;

use crate::world::{World, certificate, signing, signing_with};

fn hours(h: i64) -> TimeDelta {
    TimeDelta::hours(h)
}

fn activates(step: &Step) -> bool {
    matches!(step, Step::Note(Fact::Licensed(_, Licence { kind: OpKind::Activate, .. })))
}

/// A signing certificate in its first rotation, just published as the next one.
fn announced(metadata: Metadata) -> World {
    let mut world = World::new(signing_with(10, metadata));
    world.run_for(hours(1));
    world.run_until_note(|fact| matches!(fact, Fact::Announced(_)));
    world
}

fn deadline(world: &World) -> Time {
    let current = world.ledger.current().unwrap();
    let life = current.not_after.unwrap() - current.issued_at;
    current.not_after.unwrap() - (life / 10).min(hours(24))
}

#[rstest]
#[case::ignored(Metadata::Ignore, false, 1)]
#[case::observed_and_listed(Metadata::Observe, true, 1)]
#[case::observed_and_not_listed(Metadata::Observe, false, 2)]
#[case::required_and_listed(Metadata::Require, true, 1)]
fn metadata_hold_an_activation_back_for_so_many_soaks(#[case] metadata: Metadata, #[case] listed: bool, #[case] soaks: i32) {
    let mut world = announced(metadata);
    let from = world.now;
    world.metadata = (!listed).then(BTreeSet::new);
    world.run_until(|_, step| activates(step));
    assert_eq!(world.now, from + world.policy.durations.soak * soaks);
}

#[test]
fn required_metadata_hold_an_activation_back_until_the_deadline() {
    let mut world = announced(Metadata::Require);
    world.metadata = Some(BTreeSet::new());
    world.run_until(|_, step| activates(step));
    assert_eq!(world.now, deadline(&world));
}

#[test]
fn ignored_metadata_are_not_fetched() {
    let mut world = announced(Metadata::Ignore);
    world.run_until(|_, step| {
        assert_ne!(*step, Step::Look(Look::Metadata));
        activates(step)
    });
}

#[test]
fn the_deadline_overrides_a_soak_that_is_too_long() {
    let mut world = announced(Metadata::Require);
    world.policy.durations.soak = hours(24 * 300);
    world.run_until(|_, step| activates(step));
    assert_eq!(world.now, deadline(&world));
}

/// What may never happen while something stands in the way.
fn advances(step: &Step) -> bool {
    matches!(
        step,
        Step::Act(Act::Send(..))
            | Step::Note(Fact::Claimed(_) | Fact::Licensed(..) | Fact::Promoted(..) | Fact::Retired(..) | Fact::ForeignSigner(_))
    )
}

type Obstacle = fn(&mut World);

fn suspend(world: &mut World) {
    world.policy.suspend = true;
}

fn refuse(world: &mut World) {
    world.policy.refusal = Some(Refusal::new(Reason::TenantNotReady, "The tenant does not sign in."));
}

fn skew(world: &mut World) {
    world.skew = TimeDelta::minutes(-3);
}

fn freeze(world: &mut World) {
    let at = world.now + hours(24 * 20);
    let op = Op { kind: OpKind::RemoveByUpdate, nonce: "x".to_owned(), at, outcome: None, kept: BTreeSet::new(), from: None };
    let ledger = Ledger { entries: vec![Entry { op: Some(op), ..sample_entry() }], ..Ledger::default() };
    world.application = Application::of([&ledger], None, None, world.policy.late, world.now);
}

fn sample_entry() -> Entry {
    let mut world = World::new(certificate(6));
    world.run_until(|world, _| !world.ledger.entries.is_empty());
    world.ledger.entries[0].clone()
}

/// Puts an obstacle up before every step that advances, and runs for two hours.
fn stops_every_advance(policy: &Policy, obstacle: Obstacle, stopped: fn(&Step) -> bool) {
    let mut count = 0;
    loop {
        let mut world = World::new(policy.clone());
        let seen = std::cell::Cell::new(0);
        let bound = world.now + hours(24 * 3);
        let step = world.run_until(|world, step| {
            seen.set(seen.get() + usize::from(stopped(step)));
            seen.get() > count || world.now > bound
        });
        if world.now > bound {
            break;
        }
        obstacle(&mut world);
        world.gap_excused = true;
        let until = world.now + hours(2);
        while world.now < until {
            match world.pass(&|_, step| stopped(step)) {
                Ok(rest) => world.now = rest,
                Err(other) => panic!("{other:?} in the way of {step:?}"),
            }
        }
        count += 1;
    }
    assert!(count > 8, "only {count} advances");
}

#[rstest]
fn nothing_advances_past_an_obstacle(
    #[values(certificate(2), signing(2))] policy: Policy,
    #[values(suspend as Obstacle, refuse, skew)] obstacle: Obstacle,
) {
    stops_every_advance(&policy, obstacle, advances);
}

#[rstest]
fn nothing_is_sent_in_a_frozen_application(#[values(certificate(2), signing(2))] policy: Policy) {
    let sent = |step: &Step| {
        matches!(step, Step::Act(Act::Send(..)) | Step::Note(Fact::Claimed(_) | Fact::Licensed(..) | Fact::Retired(_, Some(_))))
    };
    stops_every_advance(&policy, freeze, sent);
}

#[rstest]
fn an_output_is_healed_whatever_stops_everything_else(
    #[values(certificate(4), signing(4))] policy: Policy,
    #[values(suspend as Obstacle, refuse, freeze)] obstacle: Obstacle,
) {
    let mut world = World::new(policy);
    world.run_for(hours(1));
    obstacle(&mut world);
    world.ledger.rotation.next_attempt = Some(world.now + hours(24));
    world.output = None;
    world.memory.forget_output();
    world.run_for(TimeDelta::minutes(1));
    assert!(world.output.is_some(), "{:?}", world.next());
}

#[test]
fn without_a_grant_nothing_is_healed_either() {
    let mut world = World::new(certificate(4));
    world.run_for(hours(1));
    world.policy.refusal = Some(Refusal::new(Reason::NotGranted, "No grant covers it."));
    world.output = None;
    world.memory.forget_output();
    world.run_for(hours(1));
    assert_eq!(world.output, None);
}

#[test]
fn a_backoff_is_waited_out_and_waived_by_an_edit() {
    let mut world = World::new(certificate(4));
    world.run_until_note(|fact| matches!(fact, Fact::Claimed(_)));
    let until = world.now + hours(1);
    world.ledger.rotation.next_attempt = Some(until);
    assert_eq!(world.next(), Step::Rest(Rest { until, why: Wait::BackingOff }));
    world.policy.generation = 2;
    assert!(matches!(world.next(), Step::Note(Fact::Claimed(_))), "{:?}", world.next());
}

#[rstest]
fn from_the_deadline_on_a_backoff_is_short(#[values(certificate(10), signing(10))] policy: Policy) {
    let mut world = World::new(policy);
    world.run_for(hours(24));
    let end = world.ledger.current().unwrap().not_after.unwrap();
    let deadline = deadline(&world);
    world.denied = Some((world.now, end - hours(2)));
    world.run_until(|world, step| world.now > deadline + hours(4) && matches!(step, Step::Rest(Rest { why: Wait::BackingOff, .. })));
    let denials = world.effects.iter().filter(|effect| effect.contains("denies")).count();
    let Step::Rest(rest) = world.next() else { panic!("no rest") };
    assert!(rest.until <= world.now + world.policy.late.late() / 3 + TimeDelta::seconds(2), "{rest:?} after {denials} denials");
    world.run_for(end - world.now + hours(1));
    assert!(world.ledger.current().unwrap().is_valid_at(world.now));
}

#[test]
fn a_backoff_that_entra_asked_for_is_obeyed_past_the_deadline_too() {
    let mut world = World::new(certificate(10));
    world.run_for(hours(24));
    world.now = deadline(&world) + TimeDelta::minutes(1);
    world.memory.begin_pass();
    world.look(&Look::Output);
    let asked = Trouble { reason: Reason::Throttled, message: String::new(), wait: Some(TimeDelta::minutes(40)) };
    world.note(&Fact::Failed(asked));
    let Step::Rest(rest) = world.next() else { panic!("{:?}", world.next()) };
    assert!(rest.until >= world.now + TimeDelta::minutes(40), "{rest:?}");
}

#[test]
fn somebody_elses_secret_is_met_before_anything_is_claimed() {
    let mut world = World::new(certificate(4));
    world.memory.begin_pass();
    assert_eq!(world.next(), Step::Look(Look::Output));
    world.memory.saw_output(Output::Foreign("It belongs to payroll.".to_owned()), vec![], world.now);
    let Step::Rest(rest) = world.next() else { panic!("{:?}", world.next()) };
    assert!(matches!(rest.why, Wait::Refused(Refusal { reason: Reason::OutputNotOurs, .. })), "{rest:?}");
}

#[rstest]
#[case(&[SlotName::A], true)]
#[case(&[SlotName::B], true)]
#[case(&[SlotName::A, SlotName::B], false)]
fn nothing_is_claimed_while_no_slot_is_free(#[case] taken: &[SlotName], #[case] claims: bool) {
    let mut world = World::new(certificate(4));
    world.run_until_note(|fact| matches!(fact, Fact::Claimed(_)));
    for (seq, slot) in (50..).zip(taken) {
        let detail = EntryDetail::ClientCertificate { thumbprint: entra_types::Thumbprint::new([9; 20]), slot: Some(*slot) };
        let id = EntryId::derive("another", seq);
        world.slots.insert(*slot, Slot { uid: format!("uid-{seq}"), entry: Some(id.clone()), owner: None, secret: None });
        world.look(&Look::Slot(*slot));
        world.ledger.entries.push(Entry { seq, id, r#use: Use::Previous, detail, op: None, ..sample_entry() });
    }
    assert_eq!(matches!(world.next(), Step::Note(Fact::Claimed(_))), claims, "{:?}", world.next());
}

#[test]
fn beside_an_older_resource_nothing_is_done_at_all() {
    let mut world = World::new(signing(4));
    world.run_for(hours(1));
    world.application = Application::of([], Some("payroll/older".to_owned()), None, world.policy.late, world.now);
    world.memory.begin_pass();
    let Step::Rest(rest) = world.next() else { panic!("{:?}", world.next()) };
    assert!(matches!(rest.why, Wait::Refused(Refusal { reason: Reason::TargetClaimed, .. })), "{rest:?}");
}

#[test]
fn the_operators_own_application_is_never_a_target() {
    let mut world = World::new(certificate(4));
    world.policy.own_client = Some("bbbbbbbb-0000-4000-8000-000000000001".parse().unwrap());
    world.run_for(hours(24));
    assert_eq!(world.ledger.entries, []);
}

#[test]
fn a_bound_in_the_future_does_nothing_until_it_has_come() {
    let mut world = World::new(certificate(10));
    world.run_for(hours(1));
    let bound = world.now + hours(30);
    world.policy.not_issued_before = Some(bound);
    world.run_until_note(|fact| matches!(fact, Fact::Claimed(_)));
    assert_eq!(world.now, bound);
}

#[test]
fn a_credential_that_is_refused_is_never_published_while_the_current_one_works() {
    let mut world = World::new(certificate(4));
    world.run_for(hours(24));
    world.sign_in = Some(SignInResult::Refused);
    let end = world.ledger.current().unwrap().not_after.unwrap();
    world.run_until(|world, step| {
        assert!(!matches!(step, Step::Note(Fact::Promoted(..))) || world.now >= end);
        world.now > end - TimeDelta::minutes(30)
    });
}
