//! `pinnedThumbprint`: the way back, and on again.

use rotation::*;
use rstest::rstest;

use super::approval::announced;
use super::*;
use crate::world::Fault;

const DAYS: i64 = 10;

fn policy() -> Policy {
    asked(DAYS, |_| {})
}

/// A world with a first certificate, and its successor just published.
fn rolled_over() -> World {
    let mut world = announced(policy());
    world.run_until_note(|fact| matches!(fact, Fact::Published(_)));
    world.run_for(minutes(1));
    world
}

fn risk(world: &World) -> Option<String> {
    let at_risk = |condition: &Condition| condition.r#type == "RotationAtRisk" && condition.status;
    world.report(None).conditions.into_iter().find(at_risk).map(|condition| condition.reason)
}

#[test]
fn the_previous_certificate_is_made_to_sign_again_at_once_and_stays() {
    let mut world = rolled_over();
    let previous = of(&world, Use::Previous).unwrap();
    let newer = of(&world, Use::Current).unwrap();
    pin(&mut world, Some(previous));
    world.run_for(minutes(10));
    assert_signs(&world, previous);
    assert_eq!(world.ledger.current().unwrap().seq, 0);
    assert_eq!(of(&world, Use::Previous), Some(newer));
    let end = world.ledger.current().unwrap().not_after.unwrap();
    world.run_for(end - world.now - minutes(1));
    assert_signs(&world, previous);
    assert!(!world.lists(newer), "the newer one goes after its overlap: {:#?}", world.effects);
    assert_eq!(count(&world, "status Claimed"), 2, "nothing new is begun");
    assert_eq!(risk(&world).as_deref(), Some("Pinned"));
}

#[test]
fn a_pinned_previous_certificate_outlives_its_overlap() {
    let mut world = rolled_over();
    let previous = of(&world, Use::Previous).unwrap();
    world.policy.suspend = true;
    pin(&mut world, Some(previous));
    world.run_for(hours(24));
    world.policy.suspend = false;
    world.run_for(hours(1));
    assert_signs(&world, previous);
}

#[test]
fn without_the_pin_a_fresh_rotation_begins() {
    let mut world = rolled_over();
    let previous = of(&world, Use::Previous).unwrap();
    pin(&mut world, Some(previous));
    world.run_for(hours(1));
    pin(&mut world, None);
    world.run_for(hours(1));
    assert_eq!(count(&world, "status Claimed"), 3, "{:#?}", world.effects);
    world.run_for(hours(24 * 5));
    world.assert_settled();
    assert_ne!(of(&world, Use::Current), Some(previous));
}

#[test]
fn the_next_certificate_is_activated_before_its_soak_is_over() {
    let mut world = announced(policy());
    let upcoming = of(&world, Use::Next).unwrap();
    let begun = world.now;
    world.run_for(hours(1));
    pin(&mut world, Some(upcoming));
    world.run_for(minutes(10));
    assert_signs(&world, upcoming);
    assert!(world.now < begun + world.policy.durations.soak);
}

#[rstest]
fn a_pin_on_the_current_certificate_ends_the_rotation_under_way(#[values(false, true)] announced_already: bool) {
    let mut world = World::new(policy());
    world.run_for(hours(1));
    world.run_until_note(|fact| match fact {
        Fact::Announced(_) => announced_already,
        Fact::Claimed(_) => !announced_already,
        _ => false,
    });
    world.run_for(minutes(1));
    let current = of(&world, Use::Current).unwrap();
    pin(&mut world, Some(current));
    world.run_for(hours(24));
    assert_signs(&world, current);
    assert_eq!(world.ledger.entries.len(), 1, "{:#?}", world.effects);
    assert_eq!(world.live(), 2);
    assert_eq!(risk(&world).as_deref(), Some("Pinned"));
}

#[test]
fn a_pin_at_rest_costs_nothing_and_is_no_risk_before_a_rotation_is_due() {
    let mut world = World::new(policy());
    world.run_for(hours(1));
    let (effects, reads) = (world.effects.len(), world.reads());
    let current = of(&world, Use::Current);
    pin(&mut world, current);
    world.run_for(hours(2));
    assert_eq!((world.effects.len(), world.reads()), (effects, reads));
    assert_eq!(risk(&world), None);
    world.run_for(hours(24));
    assert!(world.reads() - reads <= 6, "{} reads in a day", world.reads() - reads);
}

#[rstest]
fn a_certificate_of_somebody_else_is_recorded_and_then_signs(#[values(false, true)] first_contact: bool) {
    let mut world = World::new(policy());
    if !first_contact {
        world.run_for(hours(24));
    }
    let chosen = world.somebody_adds_a_signing_certificate(world.now + hours(24 * 30));
    world.somebody_adds_a_signing_certificate(world.now + hours(24 * 30));
    pin(&mut world, Some(chosen));
    world.run_for(hours(1));
    assert_signs(&world, chosen);
    assert_eq!(world.ledger.current().map(|current| current.origin), Some(Origin::Foreign));
    world.run_for(hours(24 * 20));
    assert_signs(&world, chosen);
}

#[test]
fn a_pin_settles_who_signs_where_several_could() {
    let mut world = World::new(policy());
    let chosen = world.somebody_adds_a_signing_certificate(world.now + hours(24 * 30));
    world.somebody_adds_a_signing_certificate(world.now + hours(24 * 30));
    assert_eq!(refusal(&mut world), Some(Reason::SeveralPossibleSigners));
    pin(&mut world, Some(chosen));
    world.run_for(minutes(30));
    assert_signs(&world, chosen);
    pin(&mut world, None);
    world.run_for(hours(24 * 40));
    world.assert_settled();
    assert_eq!(world.ledger.current().map(|current| current.origin), Some(Origin::Made));
}

type Unusable = fn(&mut World) -> entra_types::Thumbprint;

#[rstest]
#[case::a_typo(|_: &mut World| "00112233445566778899AABBCCDDEEFF00112233".parse().unwrap())]
#[case::an_expired_one(|world: &mut World| world.somebody_adds_a_signing_certificate(world.now - hours(1)))]
#[case::one_that_was_revoked(|world: &mut World| {
    world.policy.revoke_issued_before = Some(world.ledger.current().unwrap().issued_at - minutes(10));
    of(world, Use::Previous).unwrap()
})]
#[case::one_of_somebody_else_that_was_revoked(|world: &mut World| {
    let old = world.somebody_adds_a_signing_certificate(world.now + hours(24));
    world.policy.revoke_issued_before = Some(world.now + minutes(1));
    world.now += minutes(2);
    old
})]
#[case::one_that_is_gone(|world: &mut World| {
    let previous = of(world, Use::Previous).unwrap();
    world.entra.keys.retain(|key| key["customKeyIdentifier"] != previous.to_string());
    world.run_for(hours(7));
    previous
})]
fn what_cannot_sign_is_named_and_nothing_is_written(#[case] make: Unusable) {
    let mut world = rolled_over();
    let pinned = make(&mut world);
    let effects = world.effects.len();
    pin(&mut world, Some(pinned));
    world.run_for(hours(1));
    let written = world.effects[effects..].iter().find(|effect| !effect.ends_with("write output"));
    assert_eq!(written, None);
    assert_eq!(refusal(&mut world), Some(Reason::PinNotUsable));
    let refused = Wait::Refused(Refusal::new(Reason::PinNotUsable, "It is not."));
    let stalled =
        world.report(Some(&refused)).conditions.into_iter().any(|c| c.r#type == "Stalled" && c.status && c.reason == "PinNotUsable");
    assert!(stalled);
}

#[test]
fn what_is_being_removed_does_not_come_back() {
    let mut world = rolled_over();
    let previous = of(&world, Use::Previous).unwrap();
    world.run_until_note(|fact| matches!(fact, Fact::Retired(..)));
    world.run_for(minutes(1));
    pin(&mut world, Some(previous));
    assert_eq!(refusal(&mut world), Some(Reason::PinNotUsable));
}

#[test]
fn an_outside_change_away_from_a_pin_is_set_back_once_and_then_contested() {
    let mut world = rolled_over();
    let current = of(&world, Use::Current).unwrap();
    let other = world.somebody_adds_a_signing_certificate(world.now + hours(24 * 30));
    pin(&mut world, Some(current));
    world.run_for(hours(7));
    let activations = count(&world, "Graph Activate");
    world.entra.preferred = Some(other.to_string());
    world.run_for(hours(8));
    assert_signs(&world, current);
    assert_eq!(count(&world, "Graph Activate"), activations + 1);
    world.entra.preferred = Some(other.to_string());
    world.run_for(hours(24));
    assert_eq!(count(&world, "Graph Activate"), activations + 1);
    assert_eq!(refusal(&mut world), Some(Reason::SignerContested));
    world.entra.preferred = Some(current.to_string());
    world.run_for(hours(1));
    assert_eq!(refusal(&mut world), None);
}

#[rstest]
#[case::null(None)]
#[case::a_typo(Some("F00D"))]
fn a_pinned_certificate_is_set_where_nothing_valid_is_preferred(#[case] preferred: Option<&str>) {
    let mut world = rolled_over();
    let current = of(&world, Use::Current).unwrap();
    pin(&mut world, Some(current));
    world.gap_excused = true;
    world.entra.preferred = preferred.map(str::to_owned);
    world.run_for(hours(8));
    assert_signs(&world, current);
}

#[test]
fn approval_and_windows_do_not_hold_a_pin_up() {
    let mut world = rolled_over();
    change(&mut world, |signing| (signing.needs_approval, signing.on_deadline) = (true, OnDeadline::Withdraw));
    world.policy.windows = Windows::new(vec![Window::parse("0 3 1 7 *", "Etc/UTC", hours(1), world.now).unwrap()]);
    let previous = of(&world, Use::Previous).unwrap();
    pin(&mut world, Some(previous));
    world.run_for(minutes(10));
    assert_signs(&world, previous);
}

#[test]
fn a_pin_is_stronger_than_a_newer_certificate_that_is_asked_for() {
    let mut world = rolled_over();
    let current = of(&world, Use::Current).unwrap();
    pin(&mut world, Some(current));
    world.policy.not_issued_before = Some(world.now);
    world.run_for(hours(24));
    assert_signs(&world, current);
    assert_eq!(count(&world, "status Claimed"), 2);
}

/// Pins the second youngest certificate that is still there, at that time.
fn go_back_at(world: &mut World, at: Time) {
    world.at(at, |world| {
        let kept = world.ledger.all(Use::Previous).chain(world.ledger.all(Use::Current)).find_map(Entry::thumbprint);
        pin(world, kept);
    });
}

fn go_on_at(world: &mut World, at: Time) {
    world.at(at, |world| pin(world, None));
}

#[rstest]
fn going_back_and_on_again_survives_every_fault_at_every_effect(#[values(0, 5)] lag: i64) {
    let mut undisturbed = rolled_over();
    let start = undisturbed.now;
    undisturbed.run_for(minutes(1));
    let prepare = |world: &mut World| {
        world.lag = minutes(lag);
        go_back_at(world, start + hours(2));
        go_on_at(world, start + hours(9));
    };
    with_every_fault(&policy(), prepare, start - crate::world::time("2026-01-01T00:00:00Z") + hours(24 * 4), |world| {
        world.assert_settled();
        assert!(count(world, "status Reinstated") >= 1, "{:#?}", world.effects);
        assert!(world.ledger.current().unwrap().seq >= 2, "{:#?}", world.effects);
    });
}

#[rstest]
fn a_pin_at_any_moment_and_on_again_makes_no_gap(#[values(Use::Current, Use::Next, Use::Previous)] which: Use, #[values(0, 7)] lag: i64) {
    for moment in moments(&asked(6, |_| {}), |_| {}, hours(24 * 9)) {
        for offset in [-1, 0, 3, 12] {
            println!("at {moment} {offset:+} min");
            let mut world = World::new(asked(6, |_| {}));
            world.lag = minutes(lag);
            world.at(moment + minutes(offset), move |world| {
                let pinned = world.ledger.first(which).and_then(Entry::thumbprint);
                pin(world, pinned);
            });
            go_on_at(&mut world, moment + hours(10));
            world.run_for(hours(24 * 13));
            world.assert_settled();
        }
    }
}

#[test]
fn a_pinned_certificate_that_an_admin_changes_at_any_moment_ends_with_the_pin_or_with_a_person() {
    for moment in moments(&policy(), |_| {}, hours(24 * 9)).into_iter().skip(6) {
        let mut world = World::new(policy());
        world.at(moment - minutes(3), |world| {
            let pinned = of(world, Use::Current);
            pin(world, pinned);
        });
        world.at(moment + minutes(4), |world| {
            let chosen = world.somebody_adds_a_signing_certificate(world.now + hours(24 * 30));
            let later = world.now + hours(7);
            world.at(later, move |world| world.entra.preferred = Some(chosen.to_string()));
        });
        world.run_for(moment - world.now + hours(24));
        let pinned = world.policy.signing().and_then(|signing| signing.pinned);
        let Some(pinned) = pinned else { continue };
        assert_eq!(world.signers(), [pinned], "{moment} {:#?}", world.effects);
    }
}

#[test]
fn what_relying_parties_cannot_know_is_not_made_to_sign() {
    let mut world = rolled_over();
    let previous = of(&world, Use::Previous);
    pin(&mut world, previous);
    // Somebody edits the output, and the watch has not told yet.
    world.edited = true;
    world.run_until(|_, step| matches!(step, Step::Act(Act::Send(_, Mutation::Activate(_)))));
    assert!(!world.edited, "{:#?}", world.effects);
}

#[test]
fn an_activation_that_is_open_is_waited_for_before_another_one() {
    let mut undisturbed = rolled_over();
    undisturbed.run_for(minutes(1));
    let activation = undisturbed.effects.iter().rposition(|effect| effect.contains("Graph Activate")).unwrap();
    let mut world = World::new(policy());
    world.faults = vec![(activation, Fault::AppliedLate)];
    world.run_until(|world, _| world.effects.len() > activation);
    let licensed = world.ledger.upcoming().unwrap().op.clone().unwrap();
    assert_eq!((licensed.kind, licensed.outcome), (OpKind::Activate, None));
    let chosen = world.somebody_adds_a_signing_certificate(world.now + hours(24 * 60));
    pin(&mut world, Some(chosen));
    world.run_until_note(|fact| matches!(fact, Fact::Licensed(_, Licence { kind: OpKind::Activate, .. })));
    assert!(world.now >= licensed.at + minutes(20), "{} {}", world.now, licensed.at);
    world.run_for(hours(24));
    assert_signs(&world, chosen);
}

#[test]
fn going_back_takes_one_write_to_entra_and_five_effects_in_all() {
    let mut world = rolled_over();
    world.effects.clear();
    let previous = of(&world, Use::Previous);
    pin(&mut world, previous);
    world.run_for(minutes(10));
    assert_eq!(names(&world), ["status Licensed", "Graph Activate", "status Reinstated", "write output", "status Published"]);
}

#[test]
fn an_activation_that_never_came_about_is_sent_again_whatever_text_it_replaces() {
    let mut world = rolled_over();
    let current = of(&world, Use::Current).unwrap();
    pin(&mut world, Some(current));
    world.gap_excused = true;
    world.entra.preferred = Some("a text that is no thumbprint and longer than forty characters".to_owned());
    world.run_until(|_, step| matches!(step, Step::Act(Act::Send(_, Mutation::Activate(_)))));
    world.faults = vec![(world.effects.len(), Fault::CrashBefore)];
    world.run_for(hours(8));
    assert_signs(&world, current);
}
