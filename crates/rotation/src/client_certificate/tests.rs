use chrono::TimeDelta;
use rstest::rstest;

use super::*;
use crate::case::{Act, Rest, Step};
use crate::ledger::{Outcome, SlotName};
use crate::memory::{Answer, SignInResult};
use crate::policy::{Policy, SignInAs};
use crate::sample::*;

fn staged(seq: u8, name: SlotName, r#use: Use) -> Entry {
    let detail = EntryDetail::ClientCertificate { thumbprint: thumbprint(seq), slot: Some(name) };
    Entry { detail, published_at: Some(at(0)), ..entry(seq.into(), r#use) }
}

/// The certificate 1 in use, with its key in slot A; it is listed, and ends in minute 14,400.
fn in_use() -> Desk {
    let mut desk = Desk::new(certificate(), vec![staged(1, SlotName::A, Use::Current)]);
    desk.listed_in(&[0], &[1]);
    desk
}

#[rstest]
#[case::as_asked(2048, 1, false)]
#[case::shorter_than_asked(1024, 1, true)]
#[case::longer_than_asked(4096, 1, true)]
#[case::of_another_certificate(4096, 2, false)]
fn a_key_of_another_size_is_that_of_current(#[case] asked: u32, #[case] shown: u8, #[case] another: bool) {
    let mut desk = in_use();
    desk.policy = Policy { kind: Kind::ClientCertificate { key_bits: asked, sign_in_as: SignInAs::Operator }, ..desk.policy };
    assert!(!has_another_size(&desk.case(), desk.ledger.current().unwrap()), "nothing is known of the output yet");
    desk.shows(shown);
    assert_eq!(has_another_size(&desk.case(), desk.ledger.current().unwrap()), another);
}

fn in_slot() -> Option<Proof> {
    Some(Proof::Slot(id(1), SlotName::A))
}

#[rstest]
#[case::whose_slot_was_not_read(|_: &mut Desk| {}, in_slot())]
#[case::whose_slot_holds_it(|desk: &mut Desk| desk.stages(SlotName::A, 1), in_slot())]
#[case::whose_slot_holds_another(|desk: &mut Desk| desk.stages(SlotName::A, 2), None)]
#[case::whose_slot_is_gone(|desk: &mut Desk| desk.memory.saw_slot(SlotName::A, None, at(0)), None)]
#[case::that_is_not_listed(|desk: &mut Desk| desk.lists(&[2]), None)]
#[case::in_its_last_moment(|desk: &mut Desk| desk.now = at(14_400) - TimeDelta::milliseconds(1), in_slot())]
#[case::that_has_expired(|desk: &mut Desk| desk.now = at(14_400), None)]
#[case::that_was_in_use_before(|desk: &mut Desk| desk.entry(1).r#use = Use::Previous, in_slot())]
#[case::that_is_not_in_use_yet(|desk: &mut Desk| desk.entry(1).r#use = Use::Next, None)]
#[case::that_goes(|desk: &mut Desk| desk.entry(1).r#use = Use::Retiring, None)]
fn a_staged_key_is_a_proof(#[case] change: fn(&mut Desk), #[case] expected: Option<Proof>) {
    let mut desk = in_use();
    change(&mut desk);
    assert_eq!(proof(&desk.case()), expected);
    assert_eq!(proof_but(&desk.case(), desk.ledger.entry(&id(1)).unwrap()), None, "none of its own");
}

#[rstest]
#[case::it_is_listed(|_: &mut Desk| {}, Some(Proof::Output))]
#[case::it_is_not_listed(|desk: &mut Desk| desk.lists(&[2]), None)]
#[case::in_its_last_moment(|desk: &mut Desk| desk.now = at(100_000) - TimeDelta::milliseconds(1), Some(Proof::Output))]
#[case::it_has_expired(|desk: &mut Desk| desk.now = at(100_000), None)]
fn the_key_in_the_output_is_a_proof(#[case] change: fn(&mut Desk), #[case] expected: Option<Proof>) {
    let mut desk = Desk::new(certificate(), vec![entry(1, Use::Current)]);
    desk.listed_in(&[0], &[1]);
    desk.shows(1);
    change(&mut desk);
    assert_eq!(proof(&desk.case()), expected);
    assert_eq!(proof_but(&desk.case(), desk.ledger.current().unwrap()), None, "none of its own");
}

#[test]
fn after_three_refusals_over_late_no_key_is_a_proof() {
    let mut desk = in_use();
    [0, 8].into_iter().for_each(|minute| desk.memory.proof_was_refused(at(minute)));
    assert_eq!(proof(&desk.case()), in_slot());
    desk.memory.proof_was_refused(at(15));
    assert_eq!(proof(&desk.case()), None);
}

/// The certificate 1 in use, and its successor 2 in slot B, which was licensed to be added in minute 0.
fn adding(outcome: Option<Outcome>) -> Desk {
    let mut desk = in_use();
    desk.ledger.entries.push(Entry { published_at: None, key_ids: BTreeSet::new(), ..staged(2, SlotName::B, Use::Next) });
    desk.entry(2).op = Some(op(OpKind::AddKey, at(0), outcome));
    desk.stages(SlotName::B, 2);
    desk
}

fn licensed(kind: OpKind) -> Option<Step> {
    Some(Step::Note(Fact::Licensed(id(2), Licence::of(kind))))
}

fn seconds_later(minutes: i64, seconds: i64) -> Option<Step> {
    Some(Step::Rest(Rest { until: at(minutes) + TimeDelta::seconds(seconds), why: Wait::Settling }))
}

fn look_with_keys() -> Option<Step> {
    Some(Step::Look(Look::Directory(Detail::WithKeys)))
}

#[rstest]
#[case::just_read(&[0], 0, rest(1, Wait::Replicating))]
#[case::a_minute_later(&[0], 1, look_with_keys())]
#[case::almost_over(&[3, 11, 19], 19, rest(20, Wait::Replicating))]
#[case::over(&[3, 11, 20], 20, licensed(OpKind::AddKey))]
#[case::over_and_not_surely_absent(&[6, 20], 20, seconds_later(21, 0))]
#[case::over_and_read_before_and_once_since(&[-15, -8, 20], 20, rest(25, Wait::Settling))]
fn what_was_added_and_is_not_shown_is_added_again_when_it_cannot_appear_any_more(
    #[case] reads: &[i64],
    #[case] now: i64,
    #[case] said: Option<Step>,
) {
    let mut desk = adding(Some(Outcome::Applied));
    desk.listed_in(reads, &[1]);
    if reads.last() != Some(&now) {
        desk.begin(now);
    }
    assert_eq!(desk.says_of(2, carry_on), said);
}

#[test]
fn its_own_answer_is_followed_by_a_read() {
    let mut desk = adding(None);
    desk.memory.answered("nonce", Answer::Applied(None));
    assert_eq!(desk.says_of(2, carry_on), look_with_keys());
    desk.lists(&[1]);
    assert_eq!(desk.says_of(2, carry_on), rest(1, Wait::Replicating));
}

#[rstest]
#[case::just_read(&[18], 18, rest(19, Wait::Settling))]
#[case::a_minute_later(&[18], 19, look_with_keys())]
#[case::over(&[4, 12, 20], 20, licensed(OpKind::AddKey))]
#[case::over_and_not_surely_absent(&[6, 20], 20, seconds_later(21, 0))]
#[case::over_and_read_before_and_once_since(&[-15, -8, 20], 20, rest(25, Wait::Settling))]
fn what_was_perhaps_added_is_looked_for_until_it_cannot_appear_any_more(
    #[case] reads: &[i64],
    #[case] now: i64,
    #[case] said: Option<Step>,
) {
    let mut desk = adding(None);
    desk.listed_in(reads, &[1]);
    if reads.last() != Some(&now) {
        desk.begin(now);
    }
    assert_eq!(desk.says_of(2, carry_on), said);
}

#[test]
fn what_was_refused_is_asked_for_again_by_a_list_of_this_pass() {
    let mut desk = adding(Some(Outcome::Refused));
    assert_eq!(desk.says_of(2, carry_on), licensed(OpKind::AddKey));
    desk.begin(1);
    assert_eq!(desk.says_of(2, carry_on), look_with_keys());
}

#[test]
fn a_licence_that_is_good_is_used_with_a_proof() {
    let mut desk = adding(None);
    desk.memory.licensing("nonce");
    assert_eq!(desk.says_of(2, carry_on), Some(Step::Act(Act::Send(id(2), Mutation::AddKey(in_slot().unwrap())))));
}

/// Nothing proves possession: the key of the certificate 1 is in no slot.
fn without_a_proof(reads: &[i64], listed: &[u8]) -> Desk {
    let mut desk = adding(Some(Outcome::Refused));
    desk.entry(1).issued_at = at(-60);
    desk.entry(1).published_at = Some(at(-60));
    desk.memory.saw_slot(SlotName::A, None, at(0));
    desk.listed_in(reads, listed);
    desk
}

fn by_update(kept: &[u8]) -> Option<Step> {
    let kept = kept.iter().map(|n| key_id(*n)).collect();
    Some(Step::Note(Fact::Licensed(id(2), Licence { kept, ..Licence::of(OpKind::AddByUpdate) })))
}

#[rstest]
#[case::current_is_listed_and_valid(&[0, 1, 2], &[1, 9], 14_400, rest(15, Wait::Quieting))]
#[case::and_the_list_is_quiet(&[0, 8, 16], &[1, 9], 14_400, by_update(&[1, 9]))]
#[case::current_has_expired(&[0, 1, 2], &[1, 9], 2, by_update(&[1, 9]))]
fn without_a_proof_a_certificate_is_added_to_a_quiet_list_and_at_once_where_there_is_nothing_to_lose(
    #[case] reads: &[i64],
    #[case] listed: &[u8],
    #[case] end: i64,
    #[case] said: Option<Step>,
) {
    let mut desk = without_a_proof(reads, listed);
    desk.entry(1).not_after = Some(at(end));
    assert_eq!(desk.says_of(2, carry_on), said);
}

#[test]
fn without_a_proof_a_certificate_is_added_at_once_where_current_is_gone() {
    let mut desk = without_a_proof(&[0, 8, 16], &[9]);
    desk.listed_in(&[17, 18, 19], &[5, 9]);
    assert_eq!(desk.says_of(2, carry_on), by_update(&[5, 9]));
}

#[test]
fn the_first_certificate_is_added_without_the_wait_for_late() {
    let mut desk = without_a_proof(&[0, 1, 2], &[9]);
    desk.ledger.entries.remove(0);
    assert_eq!(desk.says_of(2, carry_on), by_update(&[9]));
}

#[test]
fn an_application_that_rolls_itself_is_locked_out_without_a_proof() {
    let mut desk = without_a_proof(&[0, 8, 16], &[1]);
    desk.policy = self_rolled();
    let Some(Step::Rest(Rest { until, why: Wait::Refused(refusal) })) = desk.says_of(2, carry_on) else { panic!() };
    assert_eq!((until, refusal.reason), (at(31), crate::reason::Reason::SelfCredentialExpired));
}

#[test]
fn what_is_proven_is_promoted_with_its_names_by_a_list_of_this_pass() {
    let mut desk = adding(Some(Outcome::Applied));
    for minute in [0, 1, 2, 3, 4] {
        desk.begin(minute);
        desk.signs_in(2, SignInResult::Accepted);
    }
    desk.listed_in(&[4], &[1, 2]);
    assert_eq!(desk.says_of(2, carry_on), Some(Step::Note(Fact::Promoted(id(2), BTreeSet::from([key_id(2)])))));
    desk.begin(5);
    assert_eq!(desk.says_of(2, carry_on), Some(Step::Look(Look::Directory(Detail::Plain))));
}
