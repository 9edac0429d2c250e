//! Who signs: every way in which Entra or a person may have it, met first or later, with the operator running or not.

use rotation::*;
use rstest::rstest;

use super::*;

const DAYS: i64 = 10;

fn policy() -> Policy {
    asked(DAYS, |_| {})
}

/// What somebody did to the object before we came.
type Before = fn(&mut World);

fn nothing(_: &mut World) {}

fn preferred(world: &mut World) {
    let chosen = world.somebody_adds_a_signing_certificate(world.now + hours(24 * 5));
    world.somebody_adds_a_signing_certificate(world.now + hours(24 * 5));
    world.entra.preferred = Some(chosen.to_string());
}

fn preferred_in_lower_case(world: &mut World) {
    preferred(world);
    world.entra.preferred = world.entra.preferred.take().map(|text| text.to_lowercase());
}

fn only_one(world: &mut World) {
    world.somebody_adds_a_signing_certificate(world.now + hours(24 * 5));
}

fn only_one_and_a_typo(world: &mut World) {
    only_one(world);
    world.entra.preferred = Some("CN=typo".to_owned());
}

fn an_expired_one_preferred_and_another(world: &mut World) {
    let expired = world.somebody_adds_a_signing_certificate(world.now - hours(1));
    world.entra.preferred = Some(expired.to_string());
    only_one(world);
}

fn only_expired_ones(world: &mut World) {
    let expired = world.somebody_adds_a_signing_certificate(world.now - hours(1));
    world.somebody_adds_a_signing_certificate(world.now - hours(2));
    world.entra.preferred = Some(expired.to_string());
}

#[rstest]
fn a_first_contact_leads_to_a_certificate_of_ours_without_a_gap(
    #[values(
        nothing as Before,
        preferred,
        preferred_in_lower_case,
        only_one,
        only_one_and_a_typo,
        an_expired_one_preferred_and_another,
        only_expired_ones
    )]
    before: Before,
    #[values(0, 5)] lag: i64,
) {
    let mut world = World::new(policy());
    before(&mut world);
    world.lag = minutes(lag);
    world.run_for(hours(24 * 12));
    world.assert_settled();
    let current = world.ledger.current().unwrap();
    assert_eq!(current.origin, Origin::Made);
    assert_eq!(world.entra.preferred, current.thumbprint().map(|thumbprint| thumbprint.to_string()));
}

#[test]
fn what_is_preferred_while_the_first_one_is_under_way_is_published_within_the_hour() {
    let mut world = World::new(policy());
    world.run_until(|_, step| matches!(step, Step::Act(Act::Send(_, Mutation::Activate(_)))));
    let chosen = world.somebody_adds_a_signing_certificate(world.now + hours(24 * 5));
    world.entra.preferred = Some(chosen.to_string());
    world.gap_excused = true;
    world.run_for(hours(1));
    assert_eq!(world.ledger.current().map(|current| current.origin), Some(Origin::Foreign));
    assert_eq!(world.output.as_ref().map(|output| output.current.thumbprint()), Some(Some(chosen)));
}

#[test]
fn an_activation_of_the_first_one_is_repeated_over_what_nothing_can_sign_by() {
    let mut world = World::new(policy());
    let step = world.run_until(|_, step| matches!(step, Step::Act(Act::Send(_, Mutation::Activate(_)))));
    world.take(step);
    world.entra.preferred = Some("F00D".to_owned());
    world.run_for(hours(2));
    assert_eq!(world.entra.preferred, world.ledger.current().and_then(Entry::thumbprint).map(|thumbprint| thumbprint.to_string()));
}

#[rstest]
#[case::null(None)]
#[case::a_typo(Some("F00D"))]
fn several_that_could_sign_stall_until_somebody_says_which(#[case] text: Option<&str>) {
    let mut world = World::new(policy());
    only_one(&mut world);
    only_one(&mut world);
    world.entra.preferred = text.map(str::to_owned);
    world.run_for(hours(24));
    assert_eq!(world.effects, Vec::<String>::new());
    assert_eq!(refusal(&mut world), Some(Reason::SeveralPossibleSigners));
    let chosen = world.signers()[0];
    world.entra.preferred = Some(chosen.to_string());
    world.run_for(hours(1));
    assert_signs(&world, chosen);
}

#[test]
fn of_several_that_are_all_ours_the_current_one_is_made_to_sign() {
    let mut world = World::new(policy());
    world.run_until_note(|fact| matches!(fact, Fact::Promoted(id, _) if *id == rotation::EntryId::derive(crate::world::UID, 1)));
    world.run_for(hours(1));
    let current = world.ledger.current().and_then(Entry::thumbprint).unwrap();
    assert_eq!(world.signers().len(), 1);
    world.entra.preferred = Some("F00D".to_owned());
    assert_eq!(world.signers().len(), 2);
    excuse(&mut world);
    world.policy.not_issued_before = Some(world.now);
    world.policy.generation += 1;
    world.run_until_note(|fact| matches!(fact, Fact::Claimed(_)));
    assert_eq!(world.entra.preferred, Some(current.to_string()));
}

fn nobody(world: &mut World) {
    world.entra.preferred = None;
    excuse(world);
}

fn a_typo(world: &mut World) {
    world.entra.preferred = Some("F00D".to_owned());
    excuse(world);
}

/// Nobody can know of a choice that no read shows yet.
fn excuse(world: &mut World) {
    world.gap_excused = world.lag > minutes(0);
    let seen = world.now + world.lag + minutes(1);
    world.at(seen, |world| world.gap_excused = false);
}

fn somebody_elses(world: &mut World) {
    let chosen = world.somebody_adds_a_signing_certificate(world.now + hours(24 * 4));
    world.entra.preferred = Some(chosen.to_string());
    // Relying parties cannot know it before a read does.
    world.gap_excused = true;
    let later = world.now + hours(8);
    world.at(later, |world| world.gap_excused = false);
}

fn our_previous(world: &mut World) {
    if let Some(previous) = of(world, Use::Previous) {
        world.entra.preferred = Some(previous.to_string());
    }
}

fn our_next(world: &mut World) {
    let known = |next: &entra_types::Thumbprint| world.output.as_ref().is_some_and(|shown| shown.bundle.contains(next));
    if let Some(next) = of(world, Use::Next).filter(known) {
        world.entra.preferred = Some(next.to_string());
    }
}

#[rstest]
fn whatever_an_admin_prefers_at_any_moment_is_followed_by_a_certificate_of_ours(
    #[values(nobody as Before, a_typo, somebody_elses, our_previous, our_next)] happening: Before,
    #[values(0, 6)] lag: i64,
) {
    for moment in moments(&policy(), |_| {}, hours(24 * 9)) {
        for offset in [-1, 2] {
            println!("at {moment} {offset:+}");
            let mut world = World::new(policy());
            world.lag = minutes(lag);
            world.at(moment + minutes(offset), happening);
            world.run_for(hours(24 * 18));
            world.assert_settled();
            assert_eq!(world.ledger.current().map(|current| current.origin), Some(Origin::Made), "{:#?}", world.effects);
        }
    }
}

#[test]
fn a_certificate_that_an_admin_went_back_to_is_current_again_and_succeeded_by_a_new_one() {
    let mut world = World::new(policy());
    world.run_for(hours(1));
    world.run_until_note(|fact| matches!(fact, Fact::Promoted(..)));
    world.run_for(minutes(10));
    let (previous, newer) = (of(&world, Use::Previous).unwrap(), of(&world, Use::Current).unwrap());
    world.run_for(hours(7));
    our_previous(&mut world);
    world.run_until_note(|fact| matches!(fact, Fact::Reinstated(_)));
    world.run_for(minutes(5));
    assert_signs(&world, previous);
    assert_eq!(of(&world, Use::Previous), Some(newer));
    world.run_for(hours(24 * 6));
    world.assert_settled();
    assert!(world.ledger.current().unwrap().seq >= 2);
}

#[test]
fn a_successor_that_an_admin_activates_is_followed_before_its_soak_is_over() {
    let mut world = World::new(asked(60, |_| {}));
    world.run_for(hours(1));
    world.run_until_note(|fact| matches!(fact, Fact::Announced(_)));
    let soaked = world.now + world.policy.durations.soak;
    world.run_for(hours(1));
    our_next(&mut world);
    world.run_until_note(|fact| matches!(fact, Fact::Promoted(..)));
    assert!(world.now < soaked - hours(24), "{}", world.now);
    assert_eq!(count(&world, "Graph Activate"), 1, "the first certificate's own");
}

/// Entra switches by itself when the preferred certificate ends.
#[rstest]
fn an_outage_past_the_end_ends_with_the_successor_set_explicitly(#[values(Use::Next, Use::Current)] alone: Use, #[values(0, 6)] lag: i64) {
    let mut world = World::new(policy());
    world.run_for(hours(1));
    if alone == Use::Next {
        world.run_until_note(|fact| matches!(fact, Fact::Announced(_)));
        world.run_for(minutes(1));
    }
    let end = world.ledger.current().unwrap().not_after.unwrap();
    let upcoming = of(&world, Use::Next);
    world.lag = minutes(lag);
    world.down = Some((world.now, end + hours(5)));
    world.gap_excused = alone == Use::Current;
    world.run_for(end + hours(8) - world.now);
    world.gap_excused = false;
    let current = of(&world, Use::Current).unwrap();
    assert!(upcoming.is_none_or(|upcoming| upcoming == current));
    assert_eq!(world.entra.preferred, Some(current.to_string()));
    assert_signs(&world, current);
}

#[test]
fn an_outage_past_the_end_that_left_the_previous_one_signing_goes_on_from_there() {
    let mut world = World::new(policy());
    let foreign = world.somebody_adds_a_signing_certificate(world.now + hours(24 * 30));
    world.entra.preferred = Some(foreign.to_string());
    world.policy.not_issued_before = Some(world.now + minutes(1));
    world.run_for(minutes(5));
    world.run_until_note(|fact| matches!(fact, Fact::Promoted(..)));
    world.run_for(minutes(5));
    let end = world.ledger.current().unwrap().not_after.unwrap();
    world.down = Some((world.now, end + hours(5)));
    world.policy.not_issued_before = None;
    world.run_for(end + hours(6) - world.now);
    assert_signs(&world, foreign);
    world.run_for(hours(24 * 30));
    world.assert_settled();
    assert_eq!(world.ledger.current().map(|current| current.origin), Some(Origin::Made), "{:#?}", world.effects);
}

#[test]
fn a_suspended_output_goes_on_showing_whoever_could_sign() {
    let mut world = World::new(policy());
    world.run_for(hours(1));
    world.policy.suspend = true;
    let foreign = world.somebody_adds_a_signing_certificate(world.now + hours(24 * 30));
    let end = world.ledger.current().unwrap().not_after.unwrap();
    world.run_for(end + hours(24) - world.now);
    assert_eq!(world.signers(), [foreign]);
    assert!(world.output.as_ref().unwrap().bundle.contains(&foreign), "{:#?}", world.effects);
    assert_eq!(world.effects.iter().filter(|effect| effect.contains("Graph")).count(), 2, "the first certificate's own");
}
