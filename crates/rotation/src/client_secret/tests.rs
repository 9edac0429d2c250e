use chrono::TimeDelta;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::case::{Act, Step};
use crate::ledger::{Outcome, Use};
use crate::memory::{Answer, Output, SignInResult, Slot};
use crate::sample::*;

/// A secret whose slot is A.
fn staged_in_a(r#use: Use) -> Entry {
    Entry { detail: EntryDetail::ClientSecret { display_name: None, slot: Some(SlotName::A) }, ..secret_entry(1, r#use) }
}

fn without_an_output(desk: &mut Desk) {
    desk.memory.saw_output(Output::Absent, vec![], at(0));
}

fn without_a_slot(desk: &mut Desk) {
    desk.memory.saw_slot(SlotName::A, None, at(0));
}

#[rstest]
#[case::nothing_was_read(|_: &mut Desk| {}, false)]
#[case::only_the_slot_was_read(|desk: &mut Desk| without_a_slot(desk), false)]
#[case::only_the_output_was_read(|desk: &mut Desk| without_an_output(desk), false)]
#[case::both_are_gone(|desk: &mut Desk| { without_a_slot(desk); without_an_output(desk); }, true)]
#[case::the_output_shows_another(|desk: &mut Desk| { without_a_slot(desk); desk.shows(2); }, true)]
#[case::the_output_shows_it(|desk: &mut Desk| { without_a_slot(desk); desk.shows(1); }, false)]
#[case::the_slot_holds_it(|desk: &mut Desk| { desk.stages(SlotName::A, 1); without_an_output(desk); }, false)]
#[case::the_slot_holds_another(|desk: &mut Desk| { desk.stages(SlotName::A, 2); without_an_output(desk); }, true)]
#[case::it_has_no_slot(|desk: &mut Desk| { desk.entry(1).detail = secret_entry(1, Use::Current).detail; without_an_output(desk); }, true)]
#[case::it_is_a_certificate(|desk: &mut Desk| { desk.entry(1).detail = entry(1, Use::Current).detail; without_an_output(desk); }, false)]
fn a_secret_is_lost_when_neither_slot_nor_output_has_it(#[case] happen: fn(&mut Desk), #[case] lost: bool) {
    let mut desk = Desk::new(secret(), vec![staged_in_a(Use::Current)]);
    happen(&mut desk);
    assert_eq!(is_lost(&desk.case(), desk.ledger.current().unwrap()), lost);
}

#[test]
fn a_secret_is_lost_only_where_its_slot_is_empty_in_this_very_pass() {
    let mut desk = Desk::new(secret(), vec![staged_in_a(Use::Current)]);
    without_an_output(&mut desk);
    without_a_slot(&mut desk);
    desk.begin(1);
    let projected = |case: &Case<'_>| projection(case, case.ledger.current().unwrap()).map(|shown| assert_eq!(shown, None));
    assert_eq!(desk.says(projected), look_at_the_slot());
    without_a_slot(&mut desk);
    assert_eq!(desk.says(projected), None);
}

#[test]
fn a_secret_is_claimed_for_the_slot_that_is_free_and_waits_where_none_is() {
    let mut desk = Desk::new(secret(), vec![staged_in_a(Use::Current)]);
    desk.listed_in(&[0], &[1]);
    let begins = |desk: &Desk| said(begin(&desk.case(), desk.memory.history().latest().unwrap(), Cause::Schedule));
    let Some(Step::Note(Fact::Claimed(claim))) = begins(&desk) else { panic!() };
    assert_eq!(claim.detail, EntryDetail::ClientSecret { display_name: None, slot: Some(SlotName::B) });
    assert_eq!((claim.op, claim.not_after), (Some(OpKind::AddPassword), Some(at(0) + desk.policy.durations.validity)));
    let detail = EntryDetail::ClientSecret { display_name: None, slot: Some(SlotName::B) };
    desk.ledger.entries.push(Entry { detail, ..secret_entry(2, Use::Previous) });
    assert_eq!(begins(&desk), Some(Step::Look(Look::Slot(SlotName::A))));
    desk.stages(SlotName::A, 1);
    desk.stages(SlotName::B, 2);
    assert_eq!(begins(&desk), rest(15, Wait::Busy));
}

/// A secret as Entra lists it.
fn named(name: &str, end: i64, usage: Option<&str>) -> Value {
    json!({"keyId": key_id(7), "displayName": name, "endDateTime": at(end) + TimeDelta::milliseconds(7), "usage": usage})
}

#[rstest]
#[case::by_its_mark(Origin::Made, named(&id(1).password_name(UID), 5, None), true)]
#[case::of_another_entry(Origin::Made, named(&id(2).password_name(UID), 5, None), false)]
#[case::not_among_the_secrets(Origin::Made, named(&id(1).password_name(UID), 5, Some("Verify")), false)]
#[case::by_name_and_end(Origin::Adopted, named("by hand", 60, None), true)]
#[case::by_its_name_alone(Origin::Adopted, named("by hand", 5, None), false)]
#[case::by_its_end_alone(Origin::Adopted, named("by another hand", 60, None), false)]
#[case::what_is_not_ours(Origin::Foreign, named("by hand", 60, None), false)]
fn a_secret_is_known_by_its_mark_and_an_adopted_one_by_name_and_end(#[case] origin: Origin, #[case] listed: Value, #[case] known: bool) {
    let mut desk = Desk::new(secret(), vec![secret_entry(1, Use::Previous)]);
    let mut read = directory(&[], None);
    read.passwords = serde_json::from_value(json!([listed])).unwrap();
    desk.memory.saw_directory(read, Default::default(), Detail::Plain, None, at(0));
    let detail = EntryDetail::ClientSecret { display_name: Some("by hand".to_owned()), slot: None };
    *desk.entry(1) = Entry { origin, detail, not_after: Some(at(60)), ..secret_entry(1, Use::Previous) };
    let expected = if known { BTreeSet::from([key_id(7)]) } else { BTreeSet::new() };
    assert_eq!(marked(&desk.case(), desk.ledger.entry(&id(1)).unwrap()), expected);
}

/// A secret that was asked for in minute 0.
fn asked(outcome: Option<Outcome>) -> Desk {
    let mut desk = Desk::new(secret(), vec![Entry { key_ids: BTreeSet::new(), ..staged_in_a(Use::Next) }]);
    desk.entry(1).op = Some(op(OpKind::AddPassword, at(0), outcome));
    desk.begin(0);
    desk
}

fn abandoned() -> Option<Step> {
    Some(Step::Note(Fact::Abandoned(id(1))))
}

fn look_at_the_slot() -> Option<Step> {
    Some(Step::Look(Look::Slot(SlotName::A)))
}

#[test]
fn a_secret_is_asked_for_under_a_licence_by_a_list_of_this_pass() {
    let mut desk = asked(None);
    desk.memory.licensing("nonce");
    assert_eq!(desk.says_of(1, carry_on), Some(Step::Look(Look::Directory(Detail::Plain))));
    desk.lists(&[]);
    assert_eq!(desk.says_of(1, carry_on), Some(Step::Act(Act::Send(id(1), Mutation::AddPassword))));
    let refused = asked(Some(Outcome::Refused));
    assert_eq!(refused.says_of(1, carry_on), Some(Step::Look(Look::Directory(Detail::Plain))));
}

#[rstest]
#[case::this_process_has_it(|desk: &mut Desk| desk.memory.answered("nonce", Answer::Applied(Some(Made::Password(key_id(1))))),
    Some(Step::Act(Act::PostSlot(id(1), SlotName::A))))]
#[case::its_answer_said_nothing(|desk: &mut Desk| desk.memory.answered("nonce", Answer::Applied(None)), look_at_the_slot())]
#[case::nobody_knows(|_: &mut Desk| {}, look_at_the_slot())]
#[case::its_slot_is_empty(|desk: &mut Desk| without_a_slot(desk), abandoned())]
#[case::its_slot_was_empty_before(|desk: &mut Desk| { without_a_slot(desk); desk.begin(0); }, look_at_the_slot())]
#[case::its_slot_was_emptied(|desk: &mut Desk| {
    let slot = Slot { uid: "u".to_owned(), entry: Some(id(1)), owner: Some(UID.to_owned()), secret: None };
    desk.memory.saw_slot(SlotName::A, Some(slot), at(0));
}, abandoned())]
#[case::it_never_had_a_slot(|desk: &mut Desk| desk.entry(1).detail = secret_entry(1, Use::Next).detail, abandoned())]
#[case::its_slot_has_it(|desk: &mut Desk| desk.stages(SlotName::A, 1), Some(Step::Look(Look::SignIn(id(1)))))]
fn a_secret_is_asked_for_once_and_given_up_where_nobody_holds_the_answer(#[case] happen: fn(&mut Desk), #[case] said: Option<Step>) {
    let mut desk = asked(None);
    happen(&mut desk);
    assert_eq!(desk.says_of(1, carry_on), said);
}

#[test]
fn a_proven_secret_is_promoted_under_the_name_that_its_slot_tells() {
    let mut desk = asked(Some(Outcome::Applied));
    desk.stages(SlotName::A, 1);
    for minute in 0..5 {
        desk.begin(minute);
        desk.signs_in(1, SignInResult::Accepted);
    }
    assert_eq!(desk.says_of(1, carry_on), Some(Step::Look(Look::Directory(Detail::Plain))));
    desk.lists(&[1]);
    assert_eq!(desk.says_of(1, carry_on), Some(Step::Note(Fact::Promoted(id(1), BTreeSet::from([key_id(1)])))));
}
