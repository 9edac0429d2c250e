//! What Entra, people and clusters do to a rotation, over two rotations of each kind.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use rotation::{Detail, Fact, Look, Origin, Output, Policy, SignInResult, Step, Time, Use};
use rstest::rstest;

use crate::world::{Fault, World, certificate, secret, signing, time};

const DAYS: i64 = 6;

fn hours(h: i64) -> TimeDelta {
    TimeDelta::hours(h)
}

fn minutes(m: i64) -> TimeDelta {
    TimeDelta::minutes(m)
}

/// The effects of two undisturbed rotations, as moments at which something else may happen.
fn moments(policy: &Policy) -> Vec<rotation::Time> {
    let mut world = World::new(policy.clone());
    world.run_for(hours(24 * 11));
    let mut moments: Vec<_> = world.effects.iter().map(|effect| time(effect.split(' ').next().unwrap())).collect();
    moments.dedup();
    moments
}

/// Runs two rotations with `happening` at every moment at which something is done, a minute before and five after.
fn at_any_moment(policy: Policy, happening: impl Fn(&mut World) + Copy + 'static) {
    for moment in moments(&policy) {
        for offset in [-1, 0, 5] {
            println!("at {moment} {offset:+} min");
            let mut world = World::new(policy.clone());
            world.at(moment + minutes(offset), happening);
            world.run_for(hours(24 * 11 + 12));
            world.assert_settled();
        }
    }
}

fn rotated(world: &World) {
    world.assert_settled();
    assert!(world.ledger.next_seq >= 2, "{:?}", world.effects);
}

#[rstest]
fn reads_from_replicas_that_are_behind_lose_nothing(
    #[values(secret(DAYS), certificate(DAYS), signing(DAYS))] policy: Policy,
    #[values(1, 5, 14)] lag: i64,
) {
    let mut world = World::new(policy);
    world.lag = minutes(lag);
    world.run_for(hours(24 * 11));
    rotated(&world);
}

#[rstest]
fn faults_are_survived_where_replicas_are_behind(#[values(secret(3), certificate(3), signing(3))] policy: Policy) {
    let mut undisturbed = World::new(policy.clone());
    undisturbed.run_for(hours(72));
    for effect in 0..undisturbed.effects.len() {
        for fault in [Fault::CrashAfter, Fault::AnswerLost, Fault::AppliedLate] {
            println!("{fault:?} at {effect}");
            let mut world = World::new(policy.clone());
            (world.lag, world.faults) = (minutes(5), vec![(effect, fault)]);
            world.run_for(hours(80));
            world.assert_settled();
        }
    }
}

#[rstest]
fn a_credential_that_takes_minutes_to_be_accepted_is_published_when_it_is(
    #[values(secret(DAYS), certificate(DAYS))] policy: Policy,
    #[values(1, 7, 30, 90)] lag: i64,
) {
    let mut world = World::new(policy);
    world.sign_in_lag = minutes(lag);
    world.run_for(hours(24 * 11));
    rotated(&world);
}

#[rstest]
fn a_credential_that_cannot_be_proven_is_published_only_at_the_deadline(#[values(secret(DAYS), certificate(DAYS))] policy: Policy) {
    let mut world = World::new(policy);
    world.run_for(hours(24));
    world.sign_in = Some(SignInResult::CannotProve);
    world.run_until_note(|fact| matches!(fact, Fact::Promoted(..)));
    let current = world.ledger.current().unwrap();
    let deadline = current.not_after.unwrap() - hours(24 * DAYS) / 10;
    assert!(world.now >= deadline - minutes(1) && world.now < current.not_after.unwrap(), "{}", world.now);
}

#[rstest]
fn foreign_credentials_come_at_any_moment(#[values(secret(DAYS), certificate(DAYS), signing(DAYS))] policy: Policy) {
    at_any_moment(policy, |world| world.somebody_adds("bmV3Y29tZXI="));
}

#[rstest]
fn foreign_credentials_go_at_any_moment(#[values(secret(DAYS), certificate(DAYS), signing(DAYS))] policy: Policy) {
    at_any_moment(policy, World::somebody_removes_the_last_foreign_one);
}

#[rstest]
fn a_deleted_output_is_written_again_at_any_moment(#[values(secret(DAYS), certificate(DAYS), signing(DAYS))] policy: Policy) {
    at_any_moment(policy, |world| {
        world.output = None;
        world.memory.forget_output();
    });
}

#[rstest]
fn an_edited_output_is_healed_at_any_moment(#[values(secret(DAYS), certificate(DAYS), signing(DAYS))] policy: Policy) {
    at_any_moment(policy, |world| {
        world.edited = world.output.is_some();
        world.memory.forget_output();
    });
}

#[rstest]
fn a_lost_slot_costs_no_more_than_a_new_credential(
    #[values(secret(DAYS), certificate(DAYS))] policy: Policy,
    #[values(false, true)] and_the_output: bool,
) {
    at_any_moment(policy, move |world| {
        world.slots.clear();
        if and_the_output {
            world.output = None;
            world.gap_excused = true;
        }
        world.restart();
    });
}

#[rstest]
fn a_new_credential_asked_for_at_any_moment_is_issued(#[values(secret(DAYS), certificate(DAYS), signing(DAYS))] policy: Policy) {
    at_any_moment(policy, |world| {
        world.policy.not_issued_before = Some(world.now);
        world.policy.generation += 1;
    });
}

#[rstest]
fn a_day_of_refusals_at_any_moment_makes_no_gap(#[values(secret(10), certificate(10), signing(10))] policy: Policy) {
    for moment in moments(&policy) {
        let mut world = World::new(policy.clone());
        world.denied = Some((moment, moment + hours(24)));
        world.run_for(hours(24 * 19));
        world.assert_settled();
    }
}

#[rstest]
fn an_operator_that_is_down_for_a_day_makes_no_gap(#[values(secret(10), certificate(10), signing(10))] policy: Policy) {
    for moment in moments(&policy) {
        let mut world = World::new(policy.clone());
        world.down = Some((moment, moment + hours(24)));
        world.run_for(hours(24 * 19));
        world.assert_settled();
    }
}

#[rstest]
fn an_operator_that_was_down_past_the_expiry_issues_at_once(#[values(secret(DAYS), certificate(DAYS), signing(DAYS))] policy: Policy) {
    for moment in moments(&policy) {
        let mut world = World::new(policy.clone());
        world.down = Some((moment, moment + hours(24 * 13)));
        world.gap_excused = true;
        world.run_for(hours(24 * 13) + (moment - world.now) + hours(2));
        world.gap_excused = false;
        world.run_for(hours(48));
        world.assert_settled();
    }
}

#[test]
fn entra_may_choose_the_successor_by_itself_at_any_moment_of_the_rollover() {
    at_any_moment(signing(DAYS), |world| {
        if let Some(upcoming) = world.ledger.upcoming().and_then(rotation::Entry::thumbprint)
            && world.output.as_ref().is_none_or(|shown| shown.bundle.contains(&upcoming))
        {
            world.entra.preferred = Some(upcoming.to_string());
        }
    });
}

#[test]
fn the_signing_certificate_that_an_admin_chooses_at_any_moment_is_recorded_and_succeeded() {
    let policy = signing(DAYS);
    for moment in moments(&policy) {
        println!("at {moment}");
        let mut world = World::new(policy.clone());
        let chosen = world.somebody_adds_a_signing_certificate(world.now + hours(24 * 30));
        // Ours is the one to begin with.
        world.entra.preferred = None;
        let first = world
            .make_signing(&rotation::Signing { end_date_time: Some("2026-01-04T00:00:00Z".to_owned()), ..rotation::Signing::default() });
        world.entra.preferred = Some(first.thumbprint.to_string());
        world.at(moment + minutes(2), move |world| world.entra.preferred = Some(chosen.to_string()));
        world.run_for(hours(24 * 45));
        let current = world.ledger.current().unwrap();
        assert_eq!(current.origin, Origin::Made, "{:#?}", world.ledger);
        assert!(world.ledger.all(Use::Next).count() == 0 || current.is_valid_at(world.now));
        assert!(world.effects.iter().any(|effect| effect.contains("ForeignSigner")));
    }
}

#[rstest]
fn an_admin_who_chooses_another_certificate_while_an_activation_is_open_leaves_no_dead_end(
    #[values(Fault::CrashBefore, Fault::AppliedLate)] fault: Fault,
    #[values(4, 30)] days: i64,
) {
    let mut undisturbed = World::new(signing(DAYS));
    undisturbed.run_for(hours(24 * 5));
    let activation = undisturbed.effects.iter().rposition(|effect| effect.contains("Graph Activate")).unwrap();
    let moment = time(undisturbed.effects[activation].split(' ').next().unwrap());
    let mut world = World::new(signing(DAYS));
    world.faults = vec![(activation, fault)];
    world.at(moment - hours(12), move |world| {
        let chosen = world.somebody_adds_a_signing_certificate(world.now + hours(24 * days));
        world.at(moment + minutes(2), move |world| world.entra.preferred = Some(chosen.to_string()));
    });
    world.run_for(hours(24 * 45));
    assert_eq!(world.ledger.current().map(|current| current.origin), Some(Origin::Made), "{:#?}", world.effects);
    world.assert_settled();
}

#[rstest]
fn where_the_only_valid_certificate_is_not_preferred_it_is_before_a_successor_is_made(
    #[values(None, Some("F00D"))] preferred: Option<&str>,
) {
    let mut world = World::new(signing(DAYS));
    world.run_for(hours(24));
    world.entra.preferred = preferred.map(str::to_owned);
    world.run_until_note(|fact| matches!(fact, Fact::Claimed(_)));
    assert_eq!(world.entra.preferred, world.ledger.current().and_then(rotation::Entry::thumbprint).map(|t| t.to_string()));
    world.run_for(hours(24 * 9));
    rotated(&world);
}

#[test]
fn the_only_certificate_of_somebody_else_is_recorded_preferred_and_succeeded() {
    let mut world = World::new(signing(DAYS));
    world.gap_excused = true;
    world.somebody_adds_a_signing_certificate(world.now + hours(24 * 3));
    world.run_for(minutes(1));
    world.gap_excused = false;
    assert_eq!(world.ledger.current().map(|current| current.origin), Some(Origin::Foreign));
    world.run_for(hours(24 * 9));
    rotated(&world);
}

#[rstest]
fn an_object_that_was_made_anew_gets_a_new_credential(#[values(secret(DAYS), certificate(DAYS), signing(DAYS))] policy: Policy) {
    let mut world = World::new(policy);
    world.run_for(hours(24));
    world.gap_excused = true;
    world.remake_the_object();
    world.run_for(hours(24));
    world.gap_excused = false;
    world.run_for(hours(24 * 9));
    rotated(&world);
    assert!(world.effects.iter().any(|effect| effect.contains("Retargeted")));
}

#[rstest]
fn a_secret_of_somebody_else_is_never_written(
    #[values(secret(DAYS), certificate(DAYS), signing(DAYS))] policy: Policy,
    #[values(0, 24)] takes_the_place_after: i64,
) {
    let mut world = World::new(policy);
    world.run_for(hours(takes_the_place_after));
    let theirs = |world: &mut World| world.memory.saw_output(Output::Foreign("It belongs to somebody else.".to_owned()), vec![], world.now);
    let end = world.now + hours(24 * DAYS);
    while world.now < end {
        world.memory.begin_pass();
        theirs(&mut world);
        world.now = loop {
            match world.next() {
                Step::Look(Look::Output) => theirs(&mut world),
                Step::Look(other) => world.look(&other),
                Step::Rest(rest) => break rest.until,
                step => panic!("{step:?}"),
            }
        };
    }
}

#[test]
fn a_signing_certificate_that_somebody_removed_in_part_is_replaced_and_its_rest_removed() {
    let mut world = World::new(signing(DAYS));
    world.run_for(hours(24));
    world.gap_excused = true;
    world.entra.keys.truncate(1);
    world.run_for(hours(24));
    world.gap_excused = false;
    world.run_for(hours(24 * 4));
    rotated(&world);
    let made = world.ledger.entries.len();
    assert_eq!(world.entra.passwords.len(), made, "{:#?}", world.effects);
}

#[test]
fn one_read_without_a_certificate_does_not_take_it_out_of_the_bundle() {
    let mut world = World::new(signing(DAYS));
    world.run_for(hours(24));
    let foreign = world.somebody_adds_a_signing_certificate(world.now + hours(24 * 30));
    world.run_for(hours(8));
    assert!(world.output.as_ref().unwrap().bundle.contains(&foreign));
    world.restart();
    let all = world.entra.clone();
    world.entra.keys.retain(|key| key["customKeyIdentifier"] != foreign.to_string());
    world.look(&Look::Directory(Detail::WithKeys));
    world.entra = all;
    for _ in 0..4 {
        world.now += minutes(6);
        world.look(&Look::Directory(Detail::Plain));
    }
    world.run_for(minutes(5));
    assert!(world.output.as_ref().unwrap().bundle.contains(&foreign));
}

#[test]
fn one_read_of_a_running_process_without_a_certificate_does_not_take_it_out_of_the_bundle() {
    let mut world = World::new(signing(DAYS));
    world.run_for(hours(24));
    let foreign = world.somebody_adds_a_signing_certificate(world.now + hours(24 * 30));
    world.run_for(hours(8));
    for _ in ["Sign", "Verify"] {
        world.somebody_removes_the_last_foreign_one();
    }
    world.entra.passwords.retain(|password| password["displayName"] != "CN=by hand");
    world.look(&Look::Directory(Detail::WithKeys));
    let shows = |world: &World| world.output.as_ref().unwrap().bundle.contains(&foreign);
    world.pass(&|_, _| false).unwrap();
    assert!(shows(&world));
    world.run_for(hours(24));
    assert!(!shows(&world));
}

/// Runs until something is promoted, and answers when it looked at what is wanted.
fn looks_before_promotion(world: &mut World, wanted: impl Fn(&Look) -> bool) -> BTreeSet<Time> {
    let looks = std::cell::RefCell::new(BTreeSet::new());
    world.run_until(|world, step| {
        if matches!(step, Step::Look(look) if wanted(look)) {
            looks.borrow_mut().insert(world.now);
        }
        matches!(step, Step::Note(Fact::Promoted(..)))
    });
    looks.into_inner()
}

#[test]
fn a_credential_is_promoted_after_five_sign_ins_over_a_minute() {
    let mut world = World::new(certificate(DAYS));
    let sign_ins = looks_before_promotion(&mut world, |look| matches!(look, Look::SignIn(_)));
    assert_eq!(sign_ins.len(), 5);
    assert!(*sign_ins.last().unwrap() - *sign_ins.first().unwrap() >= minutes(1), "{sign_ins:?}");
}

#[test]
fn what_cannot_be_proven_is_published_only_after_three_sightings_in_entra() {
    let mut world = World::new(certificate(DAYS));
    world.run_for(hours(24));
    world.sign_in = Some(SignInResult::CannotProve);
    world.run_until(|world, step| world.ledger.upcoming().is_some() && matches!(step, Step::Look(Look::SignIn(_))));
    world.run_for(hours(1));
    // A new leader past the deadline has seen nothing yet.
    let end = world.ledger.current().unwrap().not_after.unwrap();
    world.now = end - hours(2);
    world.restart();
    let reads = looks_before_promotion(&mut world, |look| matches!(look, Look::Directory(_)));
    assert!(reads.len() >= 3 && *reads.last().unwrap() - *reads.first().unwrap() >= minutes(1), "{reads:?}");
    assert!(world.now < end);
}

#[rstest]
fn people_and_lag_together_lose_nothing(#[values(secret(DAYS), certificate(DAYS), signing(DAYS))] policy: Policy, #[values(7)] lag: i64) {
    for moment in moments(&policy) {
        // What comes within the lag before a whole-list update can be lost; nobody can promise otherwise.
        for offset in [-16 - lag, 2 + lag] {
            println!("at {moment} {offset:+}");
            let mut world = World::new(policy.clone());
            world.lag = minutes(lag);
            world.at(moment + minutes(offset), |world| {
                let sent = |op: &rotation::Op| op.kind.is_whole_list() && world.now < op.at + world.lag;
                let sending = world.ledger.entries.iter().filter_map(|entry| entry.op.as_ref()).any(sent);
                if !sending {
                    world.somebody_adds("bmV3Y29tZXI=");
                }
            });
            world.run_for(hours(24 * 11));
            world.assert_settled();
        }
    }
}
