//! What holds an activation back, and what becomes of a successor that nobody approved.

use rstest::rstest;

use super::*;
use crate::policy::Metadata;
use crate::reason::Cause;
use crate::token_signing::gates::{Overdue, pass, withdraw};
use crate::token_signing::{hold_back, is_withdrawn, overdue};

fn rotating(minute: i64) -> Scene {
    scene(minute, [certificate(1, Use::Current), certificate(2, Use::Next)])
}

fn gate(scene: &Scene) -> String {
    let next = scene.entry(2);
    scene.told(pass(&scene.case(), next, next.signing().unwrap()))
}

#[test]
fn a_soak_begins_with_the_announcement_and_ends_at_the_deadline_at_the_latest() {
    let unannounced = Signing { announced_at: None, ..certificate(2, Use::Next).signing().unwrap().clone() };
    let unannounced_scene = scene(60, [certificate(1, Use::Current), signing_entry(2, Use::Next, unannounced)]);
    assert_eq!(gate(&unannounced_scene), "Soaking for 15 s");
    assert_eq!(gate(&rotating(SOAKED - 1)), "Soaking for 60 s");
    assert_eq!(gate(&rotating(SOAKED)), "nothing");
    let late = Signing { announced_at: Some(at(DEADLINE - 10)), ..certificate(2, Use::Next).signing().unwrap().clone() };
    let announced_late = |minute| scene(minute, [certificate(1, Use::Current), signing_entry(2, Use::Next, late.clone())]);
    assert_eq!(gate(&announced_late(DEADLINE - 5)), "Soaking for 300 s");
    assert_eq!(gate(&announced_late(DEADLINE)), "nothing");
}

#[rstest]
#[case::ignored(Metadata::Ignore, SOAKED, None, "nothing")]
#[case::never_read(Metadata::Observe, SOAKED, None, "look at Metadata")]
#[case::read_now(Metadata::Observe, SOAKED, Some(SOAKED), "AwaitingMetadata for 300 s")]
#[case::read_a_while_ago(Metadata::Require, SOAKED, Some(SOAKED - 4), "AwaitingMetadata for 60 s")]
#[case::read_five_minutes_ago(Metadata::Require, SOAKED, Some(SOAKED - 5), "look at Metadata")]
#[case::as_another_soak_ends(Metadata::Observe, 2 * SOAKED - 1, Some(2 * SOAKED - 1), "AwaitingMetadata for 60 s")]
#[case::after_another_soak(Metadata::Observe, 2 * SOAKED, Some(2 * SOAKED), "nothing")]
#[case::after_another_soak_where_it_is_required(Metadata::Require, 2 * SOAKED, Some(2 * SOAKED), "AwaitingMetadata for 300 s")]
#[case::up_to_the_deadline(Metadata::Require, DEADLINE - 1, Some(DEADLINE - 1), "AwaitingMetadata for 60 s")]
fn metadata_that_do_not_list_it_are_read_every_five_minutes(
    #[case] metadata: Metadata,
    #[case] minute: i64,
    #[case] seen: Option<i64>,
    #[case] expected: &str,
) {
    let mut scene = rotating(minute).asks(|signing| signing.metadata = metadata);
    if let Some(seen) = seen {
        scene.memory.saw_metadata(thumbprints(&[1]), at(seen));
    }
    assert_eq!(gate(&scene), expected);
    scene.memory.saw_metadata(thumbprints(&[1, 2]), at(minute));
    assert_eq!(gate(&scene), "nothing");
}

#[rstest]
#[case::until_the_deadline(OnDeadline::Activate, DEADLINE - 1, "AwaitingApproval for 60 s")]
#[case::no_longer(OnDeadline::Activate, DEADLINE, "nothing")]
#[case::until_it_is_withdrawn(OnDeadline::Withdraw, DEADLINE - 1, "AwaitingApproval for 60 s")]
#[case::for_ever(OnDeadline::Withdraw, DEADLINE, "AwaitingApproval for 900 s")]
fn an_approval_is_waited_for(#[case] on_deadline: OnDeadline, #[case] minute: i64, #[case] expected: &str) {
    let mut scene = rotating(minute).asks_approval(on_deadline);
    assert_eq!(gate(&scene), expected);
    scene.ledger.rotation.approved_at = Some(at(60));
    assert_eq!(gate(&scene), "nothing");
}

/// At the deadline nobody has approved 2, and Entra signs with 1.
fn unapproved(minute: i64) -> Scene {
    rotating(minute).asks_approval(OnDeadline::Withdraw)
}

fn read(scene: Scene, listed: &[Value], preferred: &str) -> Scene {
    let minute = scene.minute;
    scene.reads(&[minute], listed, preferred)
}

#[rstest]
#[case::at_the_deadline(read(unapproved(DEADLINE), &lasting(&[1, 2]), &name(1)), "give 2 up")]
#[case::before(read(unapproved(DEADLINE - 1), &lasting(&[1, 2]), &name(1)), "nothing")]
#[case::with_an_approval({
    let mut scene = read(unapproved(DEADLINE), &lasting(&[1, 2]), &name(1));
    scene.ledger.rotation.approved_at = Some(at(60));
    scene
}, "nothing")]
#[case::where_it_would_be_activated(
    read(rotating(DEADLINE).asks_approval(OnDeadline::Activate), &lasting(&[1, 2]), &name(1)), "nothing")]
#[case::claimed_at_the_deadline({
    let mut scene = read(unapproved(DEADLINE), &lasting(&[1, 2]), &name(1));
    scene.ledger.entries[1].issued_at = at(DEADLINE);
    scene
}, "nothing")]
#[case::before_the_object_was_read(unapproved(DEADLINE), "read the object")]
#[case::where_the_last_read_is_of_an_earlier_pass(
    read(unapproved(DEADLINE), &lasting(&[1, 2]), &name(1)).remembers(Memory::begin_pass), "read the object")]
#[case::where_another_could_sign_instead(read(unapproved(DEADLINE), &lasting(&[1, 2, 3]), &name(1)), "nothing")]
#[case::where_another_ends_before_current(read(unapproved(DEADLINE), &[&lasting(&[1, 2])[..], &[sign(3, 0, END)]].concat(), &name(1)), "give 2 up")]
#[case::where_another_has_not_begun(read(unapproved(DEADLINE), &[&lasting(&[1, 2])[..], &[sign(3, END, LASTING)]].concat(), &name(1)), "give 2 up")]
#[case::where_it_signs_already(read(unapproved(DEADLINE), &lasting(&[1, 2]), &name(2)), "nothing")]
#[case::where_current_has_ended(read(unapproved(END), &lasting(&[1, 2]), &name(1)), "nothing")]
#[case::where_current_is_revoked({
    let mut scene = read(unapproved(DEADLINE), &lasting(&[1, 2]), &name(1));
    scene.policy.revoke_issued_before = Some(at(1));
    scene
}, "nothing")]
#[case::where_current_is_gone(unapproved(DEADLINE).reads(&[DEADLINE - 15, DEADLINE - 5, DEADLINE], &lasting(&[2]), &name(1)), "nothing")]
fn what_nobody_approved_by_the_deadline_is_given_up_while_current_serves(#[case] scene: Scene, #[case] expected: &str) {
    assert_eq!(scene.told(withdraw(&scene.case(), scene.entry(2))), expected);
}

/// A rotation began in minute 8000 and nothing is left of it at the deadline.
fn withdrawn() -> Scene {
    let mut scene = scene(DEADLINE, [certificate(1, Use::Current)]).asks_approval(OnDeadline::Withdraw);
    scene.ledger.rotation.started_at = Some(at(8_000));
    read(scene, &lasting(&[1]), &name(1))
}

#[rstest]
#[case::as_it_is(|_: &mut Scene| {}, true)]
#[case::before_the_deadline(|scene: &mut Scene| scene.minute -= 1, false)]
#[case::current_has_ended(|scene: &mut Scene| scene.minute = END, false)]
#[case::one_is_under_way(|scene: &mut Scene| scene.ledger.entries.push(certificate(2, Use::Next)), false)]
#[case::it_was_approved(|scene: &mut Scene| scene.ledger.rotation.approved_at = Some(at(9_000)), false)]
#[case::it_led_to_current(|scene: &mut Scene| scene.ledger.entries[0].published_at = Some(at(8_000)), false)]
#[case::it_began_at_the_deadline(|scene: &mut Scene| scene.ledger.rotation.started_at = Some(at(DEADLINE)), false)]
#[case::a_person_asked_since(|scene: &mut Scene| scene.policy.not_issued_before = Some(at(8_001)), false)]
#[case::a_person_asks_now(|scene: &mut Scene| scene.policy.not_issued_before = Some(at(DEADLINE)), false)]
#[case::a_person_asked_for_the_one_that_was_withdrawn(|scene: &mut Scene| scene.policy.not_issued_before = Some(at(8_000)), true)]
#[case::a_person_asks_for_later(|scene: &mut Scene| scene.policy.not_issued_before = Some(at(DEADLINE + 1)), true)]
#[case::no_approval_is_needed(|scene: &mut Scene| {
    let crate::policy::Kind::TokenSigning(signing) = &mut scene.policy.kind else { unreachable!() };
    signing.needs_approval = false;
}, false)]
fn a_rotation_that_was_withdrawn_is_not_begun_again_before_the_end(#[case] change: fn(&mut Scene), #[case] withdrawn_then: bool) {
    let mut scene = withdrawn();
    change(&mut scene);
    assert_eq!(is_withdrawn(&scene.case()), withdrawn_then);
}

#[rstest]
#[case::by_the_schedule(Cause::Schedule, "AwaitingApproval for 86400 s")]
#[case::by_a_person(Cause::NotIssuedBefore, "AwaitingApproval for 86400 s")]
#[case::by_need(Cause::CredentialGone, "nothing")]
fn a_successor_that_is_due_is_held_back_after_a_withdrawal(#[case] cause: Cause, #[case] expected: &str) {
    let scene = withdrawn();
    assert_eq!(scene.told(hold_back(&scene.case(), cause)), expected);
}

#[test]
fn nothing_is_begun_under_a_pin() {
    let scene = scene(60, [certificate(1, Use::Current)]).asks(|signing| signing.pinned = Some(thumbprint(1)));
    assert_eq!(scene.told(hold_back(&scene.case(), Cause::Schedule)), "Pinned for 3600 s");
}

const HALF: i64 = (SOAKED + DEADLINE) / 2;

#[rstest]
#[case::half_of_its_time_is_left(HALF - 1, Some(0), false)]
#[case::half_of_its_time_is_gone(HALF, Some(0), true)]
#[case::half_of_the_time_without_a_soak(DEADLINE / 2 - 1, None, false)]
#[case::half_of_the_time_without_a_soak_is_gone(DEADLINE / 2, None, true)]
#[case::it_soaks_past_the_deadline(DEADLINE - 1, Some(DEADLINE - 60), false)]
#[case::its_deadline_has_come(DEADLINE, Some(DEADLINE - 60), true)]
fn what_is_waited_for_is_overdue_when_half_of_the_time_up_to_the_deadline_is_gone(
    #[case] minute: i64,
    #[case] announced: Option<i64>,
    #[case] expected: bool,
) {
    let signing = Signing { announced_at: announced.map(at), ..certificate(2, Use::Next).signing().unwrap().clone() };
    let scene = scene(minute, [certificate(1, Use::Current), signing_entry(2, Use::Next, signing)]);
    let scene = scene.asks(|signing| signing.metadata = Metadata::Require);
    let told = |wait| overdue(&scene.case(), &wait);
    let approval = Overdue::Approval { deadline: at(DEADLINE), rivals: vec![] };
    assert_eq!(told(Wait::AwaitingApproval), expected.then_some(approval));
    assert_eq!(told(Wait::AwaitingMetadata), expected.then_some(Overdue::Metadata(at(DEADLINE))));
    assert_eq!(told(Wait::AwaitingWindow), None);
}

#[test]
fn metadata_that_are_only_observed_are_never_overdue() {
    let scene = rotating(DEADLINE).asks(|signing| signing.metadata = Metadata::Observe);
    assert_eq!(overdue(&scene.case(), &Wait::AwaitingMetadata), None);
}

#[rstest]
#[case::at_the_deadline(DEADLINE, OnDeadline::Withdraw, &[3])]
#[case::before(DEADLINE - 1, OnDeadline::Withdraw, &[])]
#[case::where_it_is_activated(DEADLINE, OnDeadline::Activate, &[])]
fn what_would_sign_instead_of_what_nobody_approved_is_told_at_the_deadline(
    #[case] minute: i64,
    #[case] on_deadline: OnDeadline,
    #[case] rivals: &[u8],
) {
    let listed = [&lasting(&[1, 2, 3])[..], &[sign(4, 0, END), sign(5, END, LASTING)]].concat();
    let scene = read(rotating(minute).asks_approval(on_deadline), &listed, &name(1));
    let expected = Overdue::Approval { deadline: at(DEADLINE), rivals: rivals.iter().copied().map(thumbprint).collect() };
    assert_eq!(overdue(&scene.case(), &Wait::AwaitingApproval), Some(expected));
}
