//! `keySource: Operator`: the key is made here, sent once, and never needed again.

use std::collections::BTreeSet;

use rotation::*;
use rstest::rstest;

use super::*;

fn own(days: i64, has_proof: bool) -> Policy {
    asked(days, |signing| signing.key_source = KeySource::Operator { has_proof })
}

fn graph(world: &World) -> Vec<&str> {
    names(world).into_iter().filter(|name| name.starts_with("Graph")).collect()
}

#[test]
fn without_a_proof_one_update_brings_key_certificate_and_password() {
    let mut world = World::new(own(10, false));
    world.run_for(hours(1));
    assert_eq!(graph(&world), ["Graph AddSigningByUpdate", "Graph Activate"]);
    assert_signs(&world, of(&world, Use::Current).unwrap());
    assert_eq!((world.live(), world.entra.passwords.len()), (2, 1));
}

#[rstest]
#[case::which_leaves_the_public_half_out(false, &["Graph AddSigningKey", "Graph AddVerifyByUpdate", "Graph Activate"])]
#[case::which_adds_both_halves(true, &["Graph AddSigningKey", "Graph Activate"])]
fn with_a_proof_the_key_comes_by_add_key(#[case] whole: bool, #[case] expected: &[&str]) {
    let mut world = World::new(own(10, true));
    world.add_key_is_whole = whole;
    world.run_for(hours(1));
    assert_eq!(graph(&world), expected);
    assert_signs(&world, of(&world, Use::Current).unwrap());
    let ids: BTreeSet<_> = world.ledger.current().unwrap().key_ids.iter().map(ToString::to_string).collect();
    let listed: BTreeSet<_> = world.entra.keys.iter().skip(1).filter_map(|key| key["keyId"].as_str()).map(str::to_owned).collect();
    assert_eq!(ids, listed);
}

#[test]
fn the_first_certificate_is_not_long_in_coming() {
    let mut world = World::new(own(10, false));
    let start = world.now;
    world.run_until_note(|fact| matches!(fact, Fact::Published(_)));
    assert!(world.now - start < minutes(5), "{}", world.now);
}

#[rstest]
fn rotations_go_on_and_leave_nothing_behind(
    #[values(false, true)] has_proof: bool,
    #[values(false, true)] whole: bool,
    #[values(0, 6)] lag: i64,
) {
    let mut world = World::new(own(10, has_proof));
    (world.add_key_is_whole, world.lag) = (whole, minutes(lag));
    world.run_for(hours(24 * 40));
    world.assert_settled();
    assert!(world.ledger.next_seq >= 5, "{:#?}", world.effects);
    assert_eq!(world.entra.passwords.len(), world.ledger.entries.len(), "{:#?}", world.effects);
}

#[rstest]
fn a_key_of_ones_own_survives_every_fault_at_every_effect(#[values(false, true)] has_proof: bool, #[values(false, true)] whole: bool) {
    let prepare = |world: &mut World| world.add_key_is_whole = whole;
    with_every_fault(&own(3, has_proof), prepare, hours(72), |world| {
        world.assert_settled();
        let recorded = world.ledger.entries.iter().filter(|entry| !entry.key_ids.is_empty()).count();
        assert!(world.entra.passwords.len() <= recorded, "{:#?} {:#?}", world.effects, world.entra);
    });
}

#[rstest]
fn foreign_entries_come_and_go_at_any_moment_and_are_never_lost(#[values(false, true)] has_proof: bool) {
    for moment in moments(&own(6, has_proof), |_| {}, hours(24 * 7)) {
        for offset in [-31, 3, 25] {
            println!("at {moment} {offset:+}");
            let mut world = World::new(own(6, has_proof));
            world.at(moment + minutes(offset), |world| world.somebody_adds("bmV3Y29tZXI="));
            world.run_for(hours(24 * 9));
            world.assert_settled();
        }
    }
}

#[test]
fn a_proof_that_is_refused_gives_way_to_an_update() {
    let mut world = World::new(own(10, true));
    world.run_for(hours(24));
    world.proofs_refused = Some((world.now, world.now + hours(24 * 90)));
    world.run_until_note(|fact| matches!(fact, Fact::Promoted(..)));
    let names = names(&world);
    assert!(names.iter().filter(|name| **name == "Graph refuses the proof").count() >= 3, "{names:?}");
    assert!(names.contains(&"Graph AddSigningByUpdate"), "{names:?}");
}

#[rstest]
fn a_process_that_lost_the_key_before_it_was_sent_makes_another_one(#[values(false, true)] has_proof: bool) {
    let mut world = World::new(own(10, has_proof));
    world.run_until(|_, step| matches!(step, Step::Act(Act::Send(..))));
    world.restart();
    world.run_for(hours(3));
    world.assert_settled();
    assert_eq!(world.ledger.entries.len(), 1, "{:#?}", world.effects);
    assert!(world.ledger.current().unwrap().seq >= 1);
}

#[test]
fn the_bundle_shows_the_coming_certificate_before_it_signs_and_not_before_it_is_listed() {
    let mut world = World::new(own(10, true));
    world.run_for(hours(1));
    world.run_until_note(|fact| matches!(fact, Fact::Claimed(_)));
    let shown = world.output.clone();
    world.run_until(|_, step| matches!(step, Step::Act(Act::Send(_, Mutation::AddVerifyByUpdate))));
    assert_eq!(world.output, shown);
    world.run_until_note(|fact| matches!(fact, Fact::Announced(_)));
    let upcoming = of(&world, Use::Next).unwrap();
    let shown = world.output.as_ref().unwrap();
    assert!(shown.next == Some(upcoming) && shown.bundle.contains(&upcoming));
}

#[test]
fn the_source_may_be_changed_between_two_certificates() {
    let mut world = World::new(own(10, true));
    world.run_for(hours(24 * 3));
    change(&mut world, |signing| signing.key_source = KeySource::Entra);
    world.run_for(hours(24 * 12));
    change(&mut world, |signing| signing.key_source = KeySource::Operator { has_proof: false });
    world.run_for(hours(24 * 12));
    world.assert_settled();
    let names = names(&world);
    let by = |name: &str| names.iter().filter(|other| **other == name).count();
    assert!(by("Graph AddTokenSigningCertificate") >= 1 && by("Graph AddSigningByUpdate") >= 1, "{names:?}");
}

#[rstest]
fn people_and_lag_together_lose_nothing(#[values(false, true)] has_proof: bool) {
    let lag = 7;
    for moment in moments(&own(6, has_proof), |_| {}, hours(24 * 7)) {
        // What comes within the lag before a whole-list update can be lost; nobody can promise otherwise.
        for offset in [-16 - lag, 2 + lag] {
            println!("at {moment} {offset:+}");
            let mut world = World::new(own(6, has_proof));
            world.lag = minutes(lag);
            world.at(moment + minutes(offset), |world| {
                let sent = |op: &Op| op.kind.is_whole_list() && world.now < op.at + world.lag;
                // The first certificate does not wait for others: there is nothing valid to lose.
                let sending =
                    world.ledger.current().is_none() || world.ledger.entries.iter().filter_map(|entry| entry.op.as_ref()).any(sent);
                if !sending {
                    world.somebody_adds("bmV3Y29tZXI=");
                }
            });
            world.run_for(hours(24 * 9));
            world.assert_settled();
        }
    }
}

#[test]
fn a_list_is_updated_only_after_late_of_quiet_where_something_signs() {
    let mut world = World::new(own(10, false));
    world.run_for(hours(24));
    world.run_until_note(|fact| matches!(fact, Fact::Claimed(_)));
    let claimed = world.now;
    world.somebody_adds("bmV3Y29tZXI=");
    world.run_until(|_, step| matches!(step, Step::Act(Act::Send(_, Mutation::AddSigningByUpdate))));
    assert!(world.now >= claimed + minutes(15), "{claimed} {}", world.now);
}

#[rstest]
#[case::by_update(false, &["status Claimed", "status Licensed", "Graph AddSigningByUpdate"])]
#[case::by_add_key(true, &["status Claimed", "Graph AddSigningKey", "status Identified", "status Licensed", "Graph AddVerifyByUpdate"])]
fn a_rollover_takes_these_effects_in_their_order(#[case] has_proof: bool, #[case] bringing: &[&str]) {
    let mut world = World::new(own(10, has_proof));
    world.run_for(hours(24));
    world.effects.clear();
    world.run_for(hours(24 * 9));
    let rest = [
        "write output",
        "status Announced",
        "status Licensed",
        "Graph Activate",
        "status Promoted",
        "write output",
        "status Published",
        "status Retired",
        "Graph RemoveByUpdate",
        "status Dropped",
        "write output",
    ];
    assert_eq!(names(&world), [bringing, &rest].concat());
}
