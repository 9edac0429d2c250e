//! A removal from its licence to the end, and how what was given up is forgotten.

use super::*;
use crate::case::{Act, Proof};
use crate::ledger::{Op, SlotName};
use crate::memory::SignInResult;
use crate::sample::*;

/// The certificate 1 is being removed: Graph said at minute 0 that it did. The certificate 2 is in use.
fn going(outcome: Option<Outcome>) -> Desk {
    let current = Entry { issued_at: at(-60), published_at: Some(at(-30)), ..entry(2, Use::Current) };
    let mut desk = Desk::new(certificate(), vec![Entry { issued_at: at(-60), ..entry(1, Use::Retiring) }, current]);
    desk.entry(1).op = Some(op(OpKind::RemoveKey, at(0), outcome));
    desk
}

/// Everything that a removal needs is read in this pass.
fn ready(desk: &mut Desk) {
    desk.shows(2);
    desk.signs_in(2, SignInResult::Accepted);
}

fn licence(kind: OpKind) -> Option<Step> {
    Some(Step::Note(Fact::Licensed(id(1), Licence::of(kind))))
}

#[test]
fn a_removal_without_an_answer_is_waited_for_to_its_last_moment() {
    let mut desk = going(None);
    desk.begin(19);
    assert_eq!(desk.says_of(1, finish), rest(20, Wait::Settling));
    desk.begin(20);
    assert_eq!(desk.says_of(1, finish), Some(Step::Look(Look::Directory(Detail::Plain))));
}

#[rstest]
#[case::just_read(&[0], 0, Some(Step::Rest(Rest { until: at(1), why: Wait::Replicating })))]
#[case::a_minute_later(&[0], 1, Some(Step::Look(Look::Directory(Detail::Plain))))]
#[case::almost_over(&[19], 19, rest(20, Wait::Replicating))]
#[case::over(&[20], 20, licence(OpKind::RemoveKey))]
fn what_is_listed_on_is_removed_again_only_when_the_last_removal_is_over(
    #[case] reads: &[i64],
    #[case] now: i64,
    #[case] said: Option<Step>,
) {
    let mut desk = going(Some(Outcome::Applied));
    desk.listed_in(reads, &[1, 2]);
    desk.begin(now);
    if said == licence(OpKind::RemoveKey) {
        desk.lists(&[1, 2]);
        ready(&mut desk);
    }
    assert_eq!(desk.says_of(1, finish), said);
}

#[rstest]
#[case::not_long_enough(&[0, 7, 14], rest(15, Wait::Settling))]
#[case::it_could_still_appear(&[0, 8, 16], rest(35, Wait::Settling))]
#[case::to_the_last_moment(&[0, 8, 34], rest(35, Wait::Settling))]
#[case::it_cannot(&[0, 8, 35], Some(Step::Note(Fact::Dropped(id(1)))))]
fn what_is_gone_is_dropped_when_it_cannot_appear_any_more(#[case] reads: &[i64], #[case] said: Option<Step>) {
    let mut desk = going(Some(Outcome::Applied));
    desk.listed_in(reads, &[2]);
    assert_eq!(desk.says_of(1, finish), said);
}

#[test]
fn the_slot_of_what_is_gone_goes_first() {
    let mut desk = going(Some(Outcome::Applied));
    desk.entry(1).detail = EntryDetail::ClientCertificate { thumbprint: thumbprint(1), slot: Some(SlotName::A) };
    desk.listed_in(&[0, 8, 35], &[2]);
    assert_eq!(desk.says_of(1, finish), Some(Step::Look(Look::Slot(SlotName::A))));
    desk.stages(SlotName::A, 1);
    assert_eq!(desk.says_of(1, finish), Some(Step::Act(Act::DeleteSlot(SlotName::A, "slot-of-1".to_owned()))));
}

#[test]
fn a_removal_that_was_refused_is_licensed_again_where_everything_holds() {
    let mut desk = going(Some(Outcome::Refused));
    desk.shows(2);
    desk.listed_in(&[1], &[1, 2]);
    assert_eq!(desk.says_of(1, finish), Some(Step::Look(Look::Output)));
    ready(&mut desk);
    assert_eq!(desk.says_of(1, finish), licence(OpKind::RemoveKey));
}

#[test]
fn what_is_gone_before_its_removal_was_sent_is_dropped() {
    let mut desk = going(Some(Outcome::Refused));
    desk.listed_in(&[0, 8, 16], &[2]);
    ready(&mut desk);
    assert_eq!(desk.says_of(1, finish), Some(Step::Note(Fact::Dropped(id(1)))));
}

#[test]
fn a_removal_waits_where_entra_lists_the_name_with_another_certificate() {
    let mut desk = going(Some(Outcome::Refused));
    desk.entry(1).key_ids = BTreeSet::from([key_id(2)]);
    desk.listed_in(&[0, 8, 16], &[2]);
    ready(&mut desk);
    assert_eq!(desk.says_of(1, finish), rest(31, Wait::Settling));
}

#[test]
fn no_certificate_proves_its_own_removal() {
    let mut desk = going(Some(Outcome::Refused));
    desk.policy = self_rolled();
    desk.listed_in(&[16], &[1]);
    ready(&mut desk);
    assert_eq!(desk.says_of(1, finish), rest(21, Wait::Busy));
}

#[test]
fn a_removal_by_update_is_licensed_with_what_it_keeps_and_sent_under_that_licence() {
    let mut desk = going(Some(Outcome::Refused));
    [-16, -8, 0].into_iter().for_each(|minute| desk.memory.proof_was_refused(at(minute)));
    desk.listed_in(&[-16, -8, 0], &[1, 2]);
    ready(&mut desk);
    let licence = Licence { kept: BTreeSet::from([key_id(2)]), ..Licence::of(OpKind::RemoveByUpdate) };
    assert_eq!(desk.says_of(1, finish), Some(Step::Note(Fact::Licensed(id(1), licence))));
    let licensed = op(OpKind::RemoveByUpdate, at(0), None);
    desk.entry(1).op = Some(Op { kept: BTreeSet::from([key_id(2)]), ..licensed });
    desk.memory.licensing("nonce");
    let removal = Removal::new(desk.ledger.entry(&id(1)).unwrap(), OpKind::RemoveByUpdate, BTreeSet::from([key_id(1)]));
    assert_eq!(desk.says_of(1, finish), Some(Step::Act(Act::Send(id(1), Mutation::Remove(removal, None)))));
}

#[test]
fn of_a_certificate_that_was_added_twice_one_goes_at_a_time() {
    let mut desk = going(None);
    desk.entry(1).op = Some(op(OpKind::RemoveKey, at(0), None));
    desk.entry(1).key_ids = BTreeSet::from([key_id(1), key_id(3)]);
    desk.begin(0);
    let mut certificates = facts([1, 2, 3]);
    certificates.get_mut(&key_id(3)).unwrap().thumbprint = thumbprint(1);
    desk.memory.saw_directory(directory(&[listed(1), listed(2), listed(3)], None), certificates, Detail::WithKeys, None, at(0));
    ready(&mut desk);
    desk.memory.licensing("nonce");
    let Some(Step::Act(Act::Send(_, Mutation::Remove(removal, proof)))) = desk.says_of(1, finish) else { panic!() };
    assert_eq!((removal.key_ids().len(), proof), (1, Some(Proof::Output)));
}

/// A secret that was given up: asked for at minute 0, and nobody knows what became of it.
fn given_up() -> Desk {
    let mut desk = Desk::new(secret(), vec![Entry { key_ids: BTreeSet::new(), ..secret_entry(1, Use::Abandoned) }]);
    desk.entry(1).op = Some(op(OpKind::AddPassword, at(0), None));
    desk
}

fn look_again() -> Option<Step> {
    Some(Step::Look(Look::Directory(Detail::Plain)))
}

#[rstest]
#[case::just_read(&[8], 8, rest(13, Wait::Settling))]
#[case::a_third_of_late_later(&[8], 13, look_again())]
#[case::no_later_than_it_may_still_appear(&[8, 33], 33, rest(35, Wait::Settling))]
#[case::read_before_that(&[8, 20, 34], 35, look_again())]
#[case::three_reads_that_show_nothing(&[8, 20, 35], 35, Some(Step::Note(Fact::Dropped(id(1)))))]
#[case::three_reads_in_a_hurry(&[33, 34, 35], 35, rest(48, Wait::Settling))]
fn what_was_given_up_is_forgotten_when_it_cannot_appear_any_more(#[case] reads: &[i64], #[case] now: i64, #[case] said: Option<Step>) {
    let mut desk = given_up();
    desk.listed_in(reads, &[]);
    desk.begin(now);
    assert_eq!(desk.says_of(1, clean_up), said);
}

#[test]
fn what_entra_refused_to_make_is_forgotten_at_once() {
    let mut desk = given_up();
    desk.entry(1).op = Some(op(OpKind::AddPassword, at(0), Some(Outcome::Refused)));
    assert_eq!(desk.says_of(1, clean_up), Some(Step::Note(Fact::Dropped(id(1)))));
    desk.entry(1).op = Some(op(OpKind::AddVerifyByUpdate, at(0), Some(Outcome::Refused)));
    assert_eq!(desk.says_of(1, clean_up), look_again());
}

#[test]
fn what_was_given_up_and_appears_is_named_by_its_mark() {
    let mut desk = given_up();
    desk.listed_in(&[8], &[1]);
    assert_eq!(desk.says_of(1, clean_up), Some(Step::Note(Fact::Named(id(1), BTreeSet::from([key_id(1)])))));
}

#[test]
fn what_was_given_up_is_not_forgotten_while_its_name_is_listed_without_its_mark() {
    let mut desk = given_up();
    desk.entry(1).key_ids = BTreeSet::from([key_id(2)]);
    desk.listed_in(&[8, 20, 35], &[2]);
    assert_eq!(desk.says_of(1, clean_up), rest(40, Wait::Settling));
}

fn judge(case: &Case<'_>, entry: &Entry) -> Check {
    quiet_list(case, entry, false).map(drop)
}

#[test]
fn a_list_with_a_newcomer_is_quiet_when_late_is_over() {
    let mut desk = going(Some(Outcome::Refused));
    desk.listed_in(&[0, 8], &[1, 2]);
    desk.listed_in(&[8, 16, 22], &[1, 2, 9]);
    assert_eq!(desk.says_of(1, judge), rest(23, Wait::Quieting));
    desk.listed_in(&[23], &[1, 2, 9]);
    assert_eq!(desk.says_of(1, judge), None);
}

#[test]
fn a_clock_that_was_set_back_makes_newcomers_of_what_was_just_quiet() {
    let mut desk = going(Some(Outcome::Refused));
    desk.listed_in(&[0, 8, 15], &[1, 2]);
    assert_eq!(desk.says_of(1, judge), None);
    desk.now = at(14);
    assert_eq!(desk.says_of(1, judge), rest(19, Wait::Quieting));
}
