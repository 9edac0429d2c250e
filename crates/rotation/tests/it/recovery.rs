//! What becomes of failures, refusals and contests once they are over, and of what stands in the way of a successor.

use chrono::TimeDelta;
use rotation::*;
use rstest::rstest;

use crate::world::{World, certificate, secret, signing};

fn minutes(m: i64) -> TimeDelta {
    TimeDelta::minutes(m)
}

fn resting(policy: Policy) -> World {
    let mut world = World::new(policy);
    world.run_for(TimeDelta::hours(1));
    world
}

/// A world in which something failed a moment ago, and nothing waits for the next attempt.
fn failed(policy: Policy) -> World {
    let mut world = resting(policy);
    world.memory.begin_pass();
    world.look(&Look::Output);
    world.note(&Fact::Failed(Trouble { reason: Reason::Unavailable, message: "It did not work.".to_owned(), wait: None }));
    world.ledger.rotation.next_attempt = None;
    world
}

fn asks_to_look(step: &Step) -> bool {
    matches!(step, Step::Look(Look::Directory(_)))
}

fn recovers(step: &Step) -> bool {
    *step == Step::Note(Fact::Recovered)
}

#[rstest]
fn a_failure_is_over_once_the_object_was_read_again(#[values(secret(6), certificate(6), signing(6))] policy: Policy) {
    let mut world = failed(policy);
    let reads = world.reads();
    world.run_for(minutes(5));
    assert_eq!((&world.ledger.rotation.last_failure, world.ledger.rotation.failures), (&None, 0));
    assert_eq!(world.reads(), reads + 1);
}

#[rstest]
#[case::in_the_same_pass_and_moment(0, false, recovers)]
#[case::in_a_pass_before_at_the_same_moment(0, true, asks_to_look)]
#[case::in_a_pass_before_and_later(1, true, recovers)]
#[case::in_a_pass_before_and_sooner(-1, true, asks_to_look)]
#[case::in_the_same_pass_by_a_clock_that_was_wrong(-1, false, recovers)]
fn a_read_ends_a_failure_if_it_is_of_this_pass_or_later(
    #[values(certificate(6), signing(6))] policy: Policy,
    #[case] later: i64,
    #[case] in_another_pass: bool,
    #[case] expected: fn(&Step) -> bool,
) {
    let mut world = failed(policy);
    world.now += minutes(later);
    world.look(&Look::Directory(Detail::WithKeys));
    if in_another_pass {
        world.now += minutes(2);
        world.memory.begin_pass();
        world.look(&Look::Output);
    }
    assert!(expected(&world.next()), "{:?}", world.next());
}

#[test]
fn a_refused_write_is_not_over_because_the_object_can_be_read() {
    let mut world = failed(certificate(6));
    let at = world.now;
    let current = world.ledger.entries.iter_mut().find(|entry| entry.r#use == Use::Current).unwrap();
    let refused = Some(Outcome::Refused);
    current.op = Some(Op { kind: OpKind::AddKey, nonce: "x".to_owned(), at, outcome: refused, kept: [].into(), from: None });
    world.look(&Look::Directory(Detail::WithKeys));
    assert!(matches!(world.next(), Step::Rest(_)), "{:?}", world.next());
}

#[rstest]
fn what_is_refused_is_not_even_read(#[values(secret(30), certificate(30), signing(30))] policy: Policy) {
    let mut world = resting(policy);
    let reads = world.reads();
    world.policy.refusal = Some(Refusal::new(Reason::TenantNotReady, "It does not sign in."));
    world.run_for(TimeDelta::hours(24));
    assert_eq!(world.reads(), reads);
}

/// What is claimed or licensed next after Graph denied the first write of a successor, and the spec was edited or not.
fn after_a_denial(policy: Policy, edited: bool) -> (EntryId, Step) {
    let mut world = resting(policy);
    world.run_until(|_, step| matches!(step, Step::Act(Act::Send(..))));
    let id = world.ledger.upcoming().unwrap().id.clone();
    world.denied = Some((world.now, world.now + minutes(1)));
    world.run_for(TimeDelta::seconds(30));
    if edited {
        world.policy.generation += 1;
    }
    let decides = |step: &Step| matches!(step, Step::Note(Fact::Abandoned(_) | Fact::Licensed(..) | Fact::Claimed(_)));
    (id, world.run_until(|_, step| decides(step)))
}

#[rstest]
fn what_was_refused_is_claimed_anew_after_an_edit_and_tried_again_without(#[values(secret(6), certificate(6), signing(6))] policy: Policy) {
    let (id, step) = after_a_denial(policy.clone(), true);
    assert_eq!(step, Step::Note(Fact::Abandoned(id)));
    let (id, step) = after_a_denial(policy, false);
    assert!(matches!(&step, Step::Note(Fact::Licensed(licensed, _)) if *licensed == id), "{step:?}");
}

#[rstest]
fn what_was_not_refused_outlives_an_edit(#[values(secret(6), certificate(6), signing(6))] policy: Policy) {
    let mut world = resting(policy);
    let sends = world.run_until(|_, step| matches!(step, Step::Act(Act::Send(..))));
    world.take(sends);
    let id = world.ledger.upcoming().unwrap().id.clone();
    world.policy.generation += 1;
    world.run_until_note(|fact| matches!(fact, Fact::Published(_)));
    assert_eq!(world.ledger.current().map(|current| &current.id), Some(&id));
}

/// An output that was written eight times within minutes, the last time at the seventh of them, and was edited again.
fn contested() -> (World, Time) {
    let mut world = resting(certificate(30));
    let from = world.now;
    (0..8).for_each(|minute| world.memory.publishing(from + minutes(minute)));
    world.edited = true;
    world.memory.begin_pass();
    world.look(&Look::Output);
    (world, from + minutes(7) + Lateness::default().late() / 3)
}

#[rstest]
#[case::a_moment_before(-1, false)]
#[case::as_it_ends(0, true)]
#[case::a_moment_after(1, true)]
fn an_output_that_somebody_goes_on_editing_is_left_alone_for_a_third_of_late(#[case] seconds: i64, #[case] written: bool) {
    let (mut world, until) = contested();
    world.now = until + TimeDelta::seconds(seconds);
    match world.next() {
        Step::Act(Act::Publish(_)) => assert!(written),
        Step::Rest(Rest { why: Wait::Refused(refusal), .. }) => assert!(!written && refusal.reason == Reason::OutputContested),
        other => panic!("{other:?}"),
    }
}

/// Puts entries into the ledger that were given up a moment ago, whose requests may still be applied.
fn crowd(world: &mut World, count: u32) {
    let at = world.now;
    let op = Op { kind: OpKind::AddKey, nonce: "x".to_owned(), at, outcome: None, kept: [].into(), from: None };
    let current = world.ledger.current().unwrap().clone();
    for n in 0..count {
        let (seq, id) = (900 + n, EntryId::derive("crowd", n));
        let detail = EntryDetail::ClientCertificate { thumbprint: entra_types::Thumbprint::new([90; 20]), slot: None };
        let op = Some(op.clone());
        world.ledger.entries.push(Entry {
            seq,
            id,
            r#use: Use::Abandoned,
            key_ids: [].into(),
            detail,
            op,
            published_at: None,
            ..current.clone()
        });
    }
}

#[rstest]
#[case::some(2, true)]
#[case::too_many(3, false)]
fn beside_three_that_were_given_up_nothing_new_is_begun(#[case] count: u32, #[case] begins: bool) {
    let mut world = resting(certificate(30));
    world.now = world.report(None).renewal_time.unwrap();
    crowd(&mut world, count);
    let claims = world.pass(&|_, step| matches!(step, Step::Note(Fact::Claimed(_)))).is_err();
    assert_eq!(claims, begins);
}

#[rstest]
fn a_pass_that_finds_nothing_to_do_rests_until_something_comes(#[values(certificate(6), signing(6))] policy: Policy) {
    let mut world = resting(policy);
    let due = world.report(None).renewal_time.unwrap();
    world.policy.suspend = true;
    for at in [due, world.ledger.current().unwrap().not_after.unwrap()] {
        world.now = at;
        assert!(world.rest().until > at);
    }
    let (past, coming) = (world.now, world.now + minutes(3));
    world.policy.not_issued_before = Some(past);
    world.policy.revoke_issued_before = Some(coming);
    assert_eq!(world.rest().until, coming);
}
