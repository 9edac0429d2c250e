use rstest::rstest;

use super::*;
use crate::case::{Rest, Step};
use crate::ledger::Detail as EntryDetail;
use crate::memory::SignInResult;
use crate::policy::{Kind, Policy};
use crate::sample::*;

const A: SlotName = SlotName::A;
const B: SlotName = SlotName::B;

fn staged(policy: &Policy, seq: u8, name: SlotName, r#use: Use) -> Entry {
    let detail = match policy.kind {
        Kind::ClientSecret => EntryDetail::ClientSecret { display_name: None, slot: Some(name) },
        _ => EntryDetail::ClientCertificate { thumbprint: thumbprint(seq), slot: Some(name) },
    };
    Entry { detail, ..entry(seq.into(), r#use) }
}

/// The credential 1 in use, staged in A and published in minute 0, and its successor 2, to be staged in B.
fn staging(policy: Policy) -> Desk {
    let current = Entry { published_at: Some(at(0)), issued_at: at(-60), ..staged(&policy, 1, A, Use::Current) };
    let next = staged(&policy, 2, B, Use::Next);
    let mut desk = Desk::new(policy, vec![current, next]);
    desk.begin(0);
    desk
}

fn saw(desk: &mut Desk, name: SlotName, entry: Option<u8>, owner: Option<&str>) {
    let slot = Slot { uid: "found".to_owned(), entry: entry.map(id), owner: owner.map(str::to_owned), secret: None };
    desk.memory.saw_slot(name, Some(slot), desk.now);
}

fn empty(desk: &mut Desk, name: SlotName) {
    desk.memory.saw_slot(name, None, desk.now);
}

fn look_at(name: SlotName) -> Option<Step> {
    Some(Step::Look(Look::Slot(name)))
}

fn posts(n: u8, name: SlotName) -> Option<Step> {
    Some(Step::Act(Act::PostSlot(id(n), name)))
}

fn deletes(name: SlotName, uid: &str) -> Option<Step> {
    Some(Step::Act(Act::DeleteSlot(name, uid.to_owned())))
}

#[rstest]
#[case::it_was_not_read(|_: &mut Desk| {}, true, posts(2, B))]
#[case::it_was_not_read_and_the_key_is_gone(|_: &mut Desk| {}, false, look_at(B))]
#[case::it_is_empty(|desk: &mut Desk| empty(desk, B), true, posts(2, B))]
#[case::it_is_empty_and_the_key_is_gone(|desk: &mut Desk| empty(desk, B), false, Some(Step::Note(Fact::Abandoned(id(2)))))]
#[case::it_was_empty_and_the_key_is_gone(|desk: &mut Desk| { empty(desk, B); desk.begin(0); }, false, look_at(B))]
#[case::it_holds_the_key(|desk: &mut Desk| desk.stages(B, 2), false, None)]
#[case::it_holds_what_no_ledger_knows(|desk: &mut Desk| desk.stages(B, 5), true, deletes(B, "slot-of-5"))]
fn a_key_lies_in_its_slot_first(#[case] happen: fn(&mut Desk), #[case] in_memory: bool, #[case] expected: Option<Step>) {
    let mut desk = staging(certificate());
    happen(&mut desk);
    assert_eq!(said(stage(&desk.case(), desk.ledger.upcoming().unwrap(), B, in_memory)), expected);
}

#[rstest]
#[case::of_a_credential_in_use(Some(1), Some(UID))]
#[case::without_an_owner(Some(5), None)]
#[case::without_an_entry(None, Some(UID))]
fn a_slot_that_is_not_ours_to_delete_stops_everything(#[case] entry: Option<u8>, #[case] owner: Option<&str>) {
    let mut desk = staging(certificate());
    saw(&mut desk, B, entry, owner);
    let answer = said(stage(&desk.case(), desk.ledger.upcoming().unwrap(), B, true));
    let Some(Step::Rest(Rest { until, why: Wait::Refused(refusal) })) = answer else { panic!("{answer:?}") };
    assert_eq!((until, refusal.reason), (at(15), Reason::OutputNotOurs));
    assert!(refusal.message.contains("-entra-b"), "{refusal:?}");
}

#[test]
fn a_slot_of_another_entry_that_is_not_in_use_makes_way() {
    let mut desk = staging(certificate());
    desk.ledger.entries.push(entry(3, Use::Previous));
    saw(&mut desk, B, Some(3), Some(UID));
    assert_eq!(said(stage(&desk.case(), desk.ledger.upcoming().unwrap(), B, true)), deletes(B, "found"));
}

fn in_use(desk: &mut Desk) {
    empty(desk, A);
    desk.shows(1);
}

#[rstest]
#[case::the_output_holds_its_key(|desk: &mut Desk| in_use(desk), posts(1, A))]
#[case::the_slot_is_there(|desk: &mut Desk| { desk.stages(A, 1); desk.shows(1); }, None)]
#[case::the_slot_was_not_read(|desk: &mut Desk| desk.shows(1), None)]
#[case::the_output_shows_another(|desk: &mut Desk| { empty(desk, A); desk.shows(5); }, None)]
#[case::it_was_never_published(|desk: &mut Desk| { in_use(desk); desk.entry(1).published_at = None; }, None)]
#[case::the_output_holds_another_key(|desk: &mut Desk| { in_use(desk); desk.entry(1).detail = staged(&certificate(), 5, A, Use::Current).detail; }, None)]
fn a_slot_that_was_deleted_is_made_again_from_the_output(#[case] happen: fn(&mut Desk), #[case] expected: Option<Step>) {
    let mut desk = staging(certificate());
    happen(&mut desk);
    assert_eq!(desk.says_of(1, restore_slot), expected);
}

#[test]
fn the_slot_of_a_secret_is_made_again_once_that_is_accepted() {
    let mut desk = staging(secret());
    in_use(&mut desk);
    assert_eq!(desk.says_of(1, restore_slot), Some(Step::Look(Look::SignIn(id(1)))));
    desk.signs_in(1, SignInResult::Accepted);
    assert_eq!(desk.says_of(1, restore_slot), posts(1, A));
}

#[test]
fn who_rolls_its_own_certificate_looks_after_its_slot_while_that_is_accepted() {
    let mut desk = staging(self_rolled());
    desk.shows(1);
    assert_eq!(desk.says_of(1, restore_slot), look_at(A));
    empty(&mut desk, A);
    assert_eq!(desk.says_of(1, restore_slot), posts(1, A));
    desk.listed_in(&[1, 9, 17], &[5]);
    assert_eq!(desk.says_of(1, restore_slot), None);
}

#[rstest]
#[case::nothing_was_read(|_: &mut Desk| {}, look_at(A))]
#[case::it_is_there(|desk: &mut Desk| desk.stages(A, 1), deletes(A, "slot-of-1"))]
#[case::it_is_gone(|desk: &mut Desk| empty(desk, A), None)]
#[case::it_holds_another(|desk: &mut Desk| desk.stages(A, 2), None)]
#[case::it_never_had_one(|desk: &mut Desk| desk.entry(1).detail = entry(1, Use::Current).detail, None)]
fn only_its_own_slot_is_deleted(#[case] happen: fn(&mut Desk), #[case] expected: Option<Step>) {
    let mut desk = staging(certificate());
    happen(&mut desk);
    assert_eq!(desk.says_of(1, delete_slot), expected);
}

#[rstest]
#[case::in_use(certificate(), Use::Current, true, None)]
#[case::on_trial(certificate(), Use::Next, true, None)]
#[case::given_up(certificate(), Use::Abandoned, false, deletes(B, "slot-of-2"))]
#[case::superseded(certificate(), Use::Previous, true, deletes(B, "slot-of-2"))]
#[case::going(certificate(), Use::Retiring, true, deletes(B, "slot-of-2"))]
#[case::not_superseded_yet(certificate(), Use::Previous, false, None)]
#[case::going_before_its_successor_is_published(certificate(), Use::Retiring, false, None)]
#[case::what_tells_whether_it_is_accepted(self_rolled(), Use::Previous, true, None)]
#[case::given_up_by_itself(self_rolled(), Use::Abandoned, true, deletes(B, "slot-of-2"))]
fn a_slot_goes_when_nobody_needs_it(
    #[case] policy: Policy,
    #[case] r#use: Use,
    #[case] is_superseded: bool,
    #[case] expected: Option<Step>,
) {
    let mut desk = staging(policy);
    desk.entry(2).r#use = r#use;
    desk.stages(B, 2);
    if !is_superseded {
        desk.entry(1).published_at = None;
    }
    assert_eq!(desk.says_of(2, clear_slot), expected);
}

#[test]
fn what_entra_called_a_secret_is_recorded_before_its_slot_goes() {
    let mut desk = staging(secret());
    desk.entry(2).r#use = Use::Abandoned;
    desk.entry(2).key_ids = BTreeSet::new();
    desk.stages(B, 2);
    assert_eq!(desk.says_of(2, clear_slot), Some(Step::Note(Fact::Named(id(2), BTreeSet::from([key_id(2)])))));
    desk.entry(2).key_ids = BTreeSet::from([key_id(2)]);
    assert_eq!(desk.says_of(2, clear_slot), deletes(B, "slot-of-2"));
}

/// The certificate 1 in use, staged in A, is gone: by three reads over LATE. The one before, 2, is staged in B.
fn gone_in_use(policy: Policy) -> Desk {
    let mut desk = staging(policy);
    desk.entry(2).r#use = Use::Previous;
    desk.listed_in(&[1, 9, 17], &[2]);
    desk.stages(A, 1);
    desk.stages(B, 2);
    desk
}

#[rstest]
#[case::it_rolls_itself(self_rolled(), |_: &mut Desk| {}, deletes(A, "slot-of-1"))]
#[case::it_does_not(certificate(), |_: &mut Desk| {}, None)]
#[case::it_is_listed(self_rolled(), |desk: &mut Desk| desk.lists(&[1, 2]), None)]
#[case::its_successor_is_there(self_rolled(), |desk: &mut Desk| desk.entry(2).r#use = Use::Next, None)]
#[case::there_is_room(self_rolled(), |desk: &mut Desk| desk.entry(2).detail = entry(2, Use::Previous).detail, None)]
fn the_key_of_a_certificate_that_is_gone_makes_room_for_the_next_one(
    #[case] policy: Policy,
    #[case] happen: fn(&mut Desk),
    #[case] expected: Option<Step>,
) {
    let mut desk = gone_in_use(policy);
    happen(&mut desk);
    assert_eq!(desk.says_of(1, clear_slot), expected);
}

fn room(desk: &Desk) -> Option<SlotName> {
    look_for_room(&desk.case()).unwrap()
}

#[rstest]
#[case::it_rolls_itself(self_rolled(), |desk: &mut Desk| empty(desk, A), Some(A))]
#[case::its_slot_is_there(self_rolled(), |_: &mut Desk| {}, None)]
#[case::it_does_not(certificate(), |desk: &mut Desk| empty(desk, A), None)]
fn the_slot_of_a_certificate_that_is_gone_is_free_when_it_is_empty(
    #[case] policy: Policy,
    #[case] happen: fn(&mut Desk),
    #[case] expected: Option<SlotName>,
) {
    let mut desk = gone_in_use(policy);
    happen(&mut desk);
    assert_eq!(room(&desk), expected);
}

fn look_first(case: &Case<'_>) -> Check {
    look_for_room(case).map(drop)
}

#[test]
fn the_slot_of_what_is_nowhere_any_more_is_free_when_it_is_seen_empty_in_this_pass() {
    let mut desk = gone_in_use(certificate());
    empty(&mut desk, A);
    desk.memory.output_is_unhealable(id(1));
    assert_eq!(room(&desk), Some(A));
    desk.begin(17);
    assert_eq!(desk.says(look_first), look_at(A));
    empty(&mut desk, A);
    assert_eq!(room(&desk), Some(A));
}

#[test]
fn a_slot_that_no_entry_claims_is_free() {
    let mut desk = staging(certificate());
    assert_eq!(desk.says(look_first), look_at(A));
    desk.ledger.entries.remove(0);
    assert_eq!(room(&desk), Some(A));
}
