use rstest::rstest;

use super::*;
use crate::case::{Proof, Step};
use crate::history::Detail;
use crate::ledger::{Failure, Op, Outcome, Signing, SlotName};
use crate::memory::{Answer, Made, Memory, SigningAnswer};
use crate::policy::Policy;
use crate::reason::{Reason, Refusal};
use crate::sample::*;

/// Deleted in minute 0, with this credential.
fn deleted(policy: Policy, entry: Entry) -> Desk {
    Desk::new(Policy { revoke_on_delete: true, has_finalizer: true, deleted_at: Some(at(0)), ..policy }, vec![entry])
}

/// With a secret in use.
fn deleted_secret() -> Desk {
    deleted(secret(), secret_entry(1, Use::Current))
}

fn said_of(desk: &Desk) -> Option<Step> {
    desk.says(|case| leave(case, at(0)))
}

fn look_at(detail: Detail) -> Option<Step> {
    Some(Step::Look(Look::Directory(detail)))
}

fn lets_go_of(numbers: &[u8]) -> Option<Step> {
    Some(Step::Act(Act::LetGo(numbers.iter().map(|n| key_id(*n)).collect())))
}

fn retires(kind: OpKind, kept: &[u8]) -> Option<Step> {
    let licence = Licence { kept: kept.iter().map(|n| key_id(*n)).collect(), ..Licence::of(kind) };
    Some(Step::Note(Fact::Retired(id(1), Some(licence))))
}

fn licence(kind: OpKind) -> Option<Step> {
    Some(Step::Note(Fact::Licensed(id(1), Licence::of(kind))))
}

fn dropped() -> Option<Step> {
    Some(Step::Note(Fact::Dropped(id(1))))
}

fn refusal() -> Option<Refusal> {
    Some(Refusal::new(Reason::TenantNotReady, "It does not sign in."))
}

fn of(kind: OpKind, minute: i64, outcome: Option<Outcome>) -> Option<Op> {
    Some(op(kind, at(minute), outcome))
}

#[rstest]
#[case::at_first(true, false, false, false, Some(true))]
#[case::refused_at_first(true, false, false, true, None)]
#[case::refused_later(true, false, true, true, Some(true))]
#[case::asked_for_later(true, false, true, false, Some(true))]
#[case::it_is_there(true, true, true, false, None)]
#[case::not_asked_for(false, false, true, false, None)]
#[case::not_asked_for_any_more(false, true, true, false, Some(false))]
fn the_finalizer_is_there_while_it_is_asked_for_and_of_use(
    #[case] wanted: bool,
    #[case] is_there: bool,
    #[case] has_made: bool,
    #[case] is_refused: bool,
    #[case] set: Option<bool>,
) {
    let entries = has_made.then(|| secret_entry(1, Use::Current)).into_iter().collect();
    let refusal = refusal().filter(|_| is_refused);
    let desk = Desk::new(Policy { revoke_on_delete: wanted, has_finalizer: is_there, refusal, ..secret() }, entries);
    assert_eq!(desk.says(anchor), set.map(|set| Step::Act(Act::SetFinalizer(set))));
}

#[test]
fn what_somebody_else_made_neither_goes_nor_holds_up() {
    let desk = deleted(signing(), Entry { origin: Origin::Foreign, ..signing_entry(1, Use::Current, Signing::default()) });
    assert_eq!(said_of(&desk), Some(Step::Act(Act::SetFinalizer(false))));
}

#[rstest]
#[case::in_time(0, 29, false)]
#[case::half_an_hour_is_over(0, 30, true)]
#[case::a_process_that_came_later(10, 39, false)]
#[case::half_an_hour_of_that_one_is_over(10, 40, true)]
fn where_nothing_may_be_done_a_resource_is_let_go_after_half_an_hour(#[case] born: i64, #[case] now: i64, #[case] gone: bool) {
    let mut desk = deleted_secret();
    desk.memory = Memory::new(at(born));
    desk.policy.refusal = refusal();
    desk.begin(now);
    let refused = || rest(born + 30, Wait::Refused(refusal().unwrap()));
    assert_eq!(said_of(&desk), if gone { lets_go_of(&[1]) } else { refused() });
}

/// A failure in this minute, after which nothing is tried before the other one.
fn failed(desk: &mut Desk, minute: i64, next_attempt: i64) {
    desk.ledger.rotation.failures = 1;
    desk.ledger.rotation.next_attempt = Some(at(next_attempt));
    let failure = Failure { time: at(minute), reason: Reason::PermissionDenied, message: String::new() };
    desk.ledger.rotation.last_failure = Some(failure);
}

#[rstest]
#[case::backing_off(20, 25, 24, rest(25, Wait::Revoking))]
#[case::not_any_more(20, 25, 25, look_at(Detail::Plain))]
#[case::no_longer_than_half_an_hour(20, 50, 24, rest(30, Wait::Revoking))]
#[case::a_last_attempt(20, 50, 30, look_at(Detail::Plain))]
#[case::half_an_hour_is_over(30, 50, 30, lets_go_of(&[1]))]
#[case::by_a_clock_that_was_ahead(30, 50, 29, rest(30, Wait::Revoking))]
fn trouble_is_waited_out_for_half_an_hour(#[case] minute: i64, #[case] next_attempt: i64, #[case] now: i64, #[case] said: Option<Step>) {
    let mut desk = deleted_secret();
    failed(&mut desk, minute, next_attempt);
    desk.begin(now);
    assert_eq!(said_of(&desk), said);
}

#[rstest]
#[case::the_last_attempt_is_open(of(OpKind::RemovePassword, 30, None), 31, rest(50, Wait::Revoking))]
#[case::it_is_over(of(OpKind::RemovePassword, 30, None), 50, lets_go_of(&[1]))]
#[case::it_was_refused(of(OpKind::RemovePassword, 30, Some(Outcome::Refused)), 31, lets_go_of(&[1]))]
fn a_resource_does_not_go_while_what_it_sent_last_may_have_its_effect(
    #[case] op: Option<Op>,
    #[case] now: i64,
    #[case] said: Option<Step>,
) {
    let mut desk = deleted_secret();
    desk.entry(1).op = op;
    failed(&mut desk, 30, 60);
    desk.begin(now);
    assert_eq!(said_of(&desk), said);
}

#[rstest]
#[case::something_is_open(of(OpKind::RemovePassword, 30, None), rest(50, Wait::Revoking))]
#[case::nothing_is(of(OpKind::RemovePassword, 30, Some(Outcome::Applied)), Some(Step::Act(Act::SetFinalizer(false))))]
fn who_thinks_better_of_a_deletion_waits_for_what_was_sent(#[case] op: Option<Op>, #[case] said: Option<Step>) {
    let mut desk = deleted_secret();
    desk.entry(1).op = op;
    desk.policy.revoke_on_delete = false;
    desk.begin(31);
    assert_eq!(desk.says(retain), said);
}

#[rstest]
#[case::nothing_was_licensed(None, 119, licence(OpKind::RemovePassword))]
#[case::nothing_was_licensed_in_two_hours(None, 120, lets_go_of(&[1]))]
#[case::something_was_licensed(Some(60), 179, licence(OpKind::RemovePassword))]
#[case::nothing_was_licensed_for_two_hours(Some(60), 180, lets_go_of(&[1]))]
fn without_trouble_it_is_let_go_two_hours_after_the_last_step(#[case] licensed: Option<i64>, #[case] now: i64, #[case] said: Option<Step>) {
    let mut desk = deleted_secret();
    desk.entry(1).r#use = Use::Retiring;
    desk.entry(1).op = licensed.and_then(|minute| of(OpKind::RemovePassword, minute, Some(Outcome::Refused)));
    desk.begin(now);
    assert_eq!(said_of(&desk), look_at(Detail::Plain));
    desk.listed_in(&[now], &[1]);
    assert_eq!(said_of(&desk), said);
}

#[test]
fn what_is_listed_is_retired_by_the_list_of_this_pass() {
    let mut desk = deleted_secret();
    desk.listed_in(&[1], &[1]);
    assert_eq!(said_of(&desk), retires(OpKind::RemovePassword, &[]));
    desk.begin(1);
    assert_eq!(said_of(&desk), look_at(Detail::Plain));
}

#[test]
fn its_own_answer_does_not_stand_for_a_read_of_this_pass_where_something_was_made() {
    let mut desk = deleted_secret();
    desk.entry(1).op = of(OpKind::AddPassword, 0, Some(Outcome::Applied));
    desk.memory.answered("nonce", Answer::Applied(None));
    desk.listed_in(&[1], &[]);
    desk.begin(1);
    assert_eq!(said_of(&desk), look_at(Detail::Plain));
}

#[test]
fn our_answer_to_a_removal_and_any_read_after_it_are_enough() {
    let mut desk = deleted_secret();
    desk.entry(1).r#use = Use::Retiring;
    desk.entry(1).op = of(OpKind::RemovePassword, 0, None);
    desk.listed_in(&[0], &[]);
    desk.memory.answered("nonce", Answer::Applied(None));
    assert_eq!(said_of(&desk), look_at(Detail::Plain));
    desk.lists(&[]);
    desk.begin(1);
    assert_eq!(said_of(&desk), dropped());
}

#[rstest]
#[case::read_now(8, 8, rest(13, Wait::Revoking))]
#[case::read_a_third_of_late_ago(8, 13, look_at(Detail::Plain))]
#[case::no_longer_than_it_is_open(16, 17, rest(20, Wait::Revoking))]
#[case::it_is_over(16, 20, look_at(Detail::Plain))]
fn what_may_still_appear_is_looked_for(#[case] read: i64, #[case] now: i64, #[case] said: Option<Step>) {
    let mut desk = deleted(secret(), Entry { key_ids: BTreeSet::new(), ..secret_entry(1, Use::Abandoned) });
    desk.entry(1).op = of(OpKind::AddPassword, 0, None);
    desk.listed_in(&[read], &[]);
    desk.begin(now);
    assert_eq!(said_of(&desk), said);
}

#[test]
fn what_appears_is_named_before_it_is_removed() {
    let mut desk = deleted(secret(), Entry { key_ids: BTreeSet::new(), ..secret_entry(1, Use::Abandoned) });
    desk.entry(1).op = of(OpKind::AddPassword, 0, None);
    desk.listed_in(&[8], &[1]);
    assert_eq!(said_of(&desk), Some(Step::Note(Fact::Named(id(1), BTreeSet::from([key_id(1)])))));
}

#[rstest]
#[case::never_asked_for(None, &[], dropped())]
#[case::refused(of(OpKind::AddPassword, 0, Some(Outcome::Refused)), &[], dropped())]
#[case::refused_to_remove(of(OpKind::RemovePassword, 0, Some(Outcome::Refused)), &[1], rest(13, Wait::Revoking))]
#[case::made_and_not_shown_yet(of(OpKind::AddPassword, 0, Some(Outcome::Applied)), &[], rest(13, Wait::Revoking))]
#[case::made_and_vanished(of(OpKind::AddPassword, 0, Some(Outcome::Applied)), &[1], rest(13, Wait::Revoking))]
#[case::over_and_never_shown(of(OpKind::AddPassword, -12, None), &[], rest(13, Wait::Revoking))]
fn what_is_not_listed_is_dropped_when_that_is_sure(#[case] op: Option<Op>, #[case] names: &[u8], #[case] said: Option<Step>) {
    let key_ids = names.iter().map(|n| key_id(*n)).collect();
    let mut desk = deleted(secret(), Entry { key_ids, op, ..secret_entry(1, Use::Abandoned) });
    desk.listed_in(&[8], &[]);
    assert_eq!(said_of(&desk), said);
}

#[test]
fn what_has_a_name_and_vanished_is_dropped_by_three_reads_over_late() {
    let mut desk = deleted(secret(), secret_entry(1, Use::Abandoned));
    desk.entry(1).op = of(OpKind::AddPassword, 0, Some(Outcome::Applied));
    desk.listed_in(&[0, 8, 16], &[]);
    assert_eq!(said_of(&desk), dropped());
}

#[rstest]
#[case::almost_over(19, rest(20, Wait::Revoking))]
#[case::over(20, dropped())]
fn what_was_made_and_is_not_shown_is_looked_for_until_nothing_of_it_can_appear(#[case] now: i64, #[case] said: Option<Step>) {
    let mut desk = deleted(secret(), Entry { key_ids: BTreeSet::new(), ..secret_entry(1, Use::Abandoned) });
    desk.entry(1).op = of(OpKind::AddPassword, 0, Some(Outcome::Applied));
    desk.listed_in(&[now - 16, now - 8, now], &[]);
    assert_eq!(said_of(&desk), said);
}

#[test]
fn what_is_listed_under_another_name_is_looked_at_again() {
    let mut desk = deleted(secret(), Entry { key_ids: BTreeSet::from([key_id(2)]), ..secret_entry(1, Use::Previous) });
    desk.listed_in(&[8], &[2]);
    assert_eq!(said_of(&desk), rest(9, Wait::Revoking));
}

/// Graph said in minute 0 that it removed the secret, and lists it still.
#[rstest]
#[case::a_replica_may_be_behind(19, rest(20, Wait::Revoking))]
#[case::the_write_is_over(20, Some(Step::Note(Fact::Licensed(id(1), Licence::of(OpKind::RemovePassword)))))]
fn what_is_listed_after_its_removal_is_removed_again_when_that_is_over(#[case] now: i64, #[case] said: Option<Step>) {
    let mut desk = deleted_secret();
    desk.entry(1).r#use = Use::Retiring;
    desk.entry(1).op = of(OpKind::RemovePassword, 0, Some(Outcome::Applied));
    desk.listed_in(&[now], &[1]);
    assert_eq!(said_of(&desk), said);
}

/// The certificate 1, which the output shows, beside the stranger 9. Three reads in sixteen minutes show both.
fn deleted_certificate(policy: Policy) -> Desk {
    let mut desk = deleted(policy, Entry { published_at: Some(at(0)), ..entry(1, Use::Current) });
    desk.listed_in(&[0, 8, 16], &[1, 9]);
    desk.shows(1);
    desk
}

#[test]
fn the_last_certificate_goes_by_an_update_that_keeps_what_is_not_ours() {
    let mut desk = deleted_certificate(certificate());
    assert_eq!(said_of(&desk), retires(OpKind::RemoveByUpdate, &[9]));
    desk.entry(1).r#use = Use::Retiring;
    let licence = Licence { kept: BTreeSet::from([key_id(9)]), ..Licence::of(OpKind::RemoveByUpdate) };
    assert_eq!(said_of(&desk), Some(Step::Note(Fact::Licensed(id(1), licence))));
}

#[test]
fn another_certificate_proves_the_removal_of_one() {
    let mut desk = deleted_certificate(certificate());
    desk.ledger.entries.push(entry(2, Use::Previous));
    desk.listed_in(&[16], &[1, 2, 9]);
    desk.shows(2);
    assert_eq!(said_of(&desk), retires(OpKind::RemoveKey, &[]));
    desk.entry(1).r#use = Use::Retiring;
    desk.entry(1).op = of(OpKind::RemoveKey, 16, None);
    desk.memory.licensing("nonce");
    let removal = Removal::new(desk.ledger.entry(&id(1)).unwrap(), OpKind::RemoveKey, BTreeSet::from([key_id(1)]));
    assert_eq!(said_of(&desk), Some(Step::Act(Act::Send(id(1), Mutation::Remove(removal, Some(Proof::Output))))));
}

/// The certificate 1 under the names 1 and 3, licensed to go by this write. The output shows this one.
fn added_twice(kind: OpKind, kept: &[u8], shown: u8) -> Option<usize> {
    let mut desk = deleted_certificate(certificate());
    desk.ledger.entries.push(entry(2, Use::Previous));
    *desk.entry(1) = Entry { r#use: Use::Retiring, key_ids: BTreeSet::from([key_id(1), key_id(3)]), ..entry(1, Use::Retiring) };
    let licensed = op(kind, at(16), None);
    desk.entry(1).op = Some(Op { kept: kept.iter().map(|n| key_id(*n)).collect(), ..licensed });
    for minute in [0, 8, 16] {
        desk.begin(minute);
        let mut certificates = facts([1, 2, 3]);
        certificates.get_mut(&key_id(3)).unwrap().thumbprint = thumbprint(1);
        desk.memory.saw_directory(directory(&[listed(1), listed(2), listed(3)], None), certificates, Detail::WithKeys, None, at(minute));
    }
    desk.shows(shown);
    desk.memory.licensing("nonce");
    match said_of(&desk) {
        Some(Step::Act(Act::Send(_, Mutation::Remove(removal, _)))) => Some(removal.key_ids().len()),
        _ => None,
    }
}

#[test]
fn a_certificate_that_was_added_twice_goes_at_once_by_an_update_and_one_at_a_time_by_a_proof() {
    assert_eq!(added_twice(OpKind::RemoveKey, &[], 2), Some(1));
    assert_eq!(added_twice(OpKind::RemoveByUpdate, &[2], 1), Some(2));
}

#[test]
fn what_nothing_proves_is_looked_at_again_where_an_application_rolls_itself() {
    let mut desk = deleted_certificate(self_rolled());
    desk.entry(1).r#use = Use::Retiring;
    desk.entry(1).detail = EntryDetail::ClientCertificate { thumbprint: thumbprint(1), slot: Some(SlotName::A) };
    assert_eq!(said_of(&desk), rest(17, Wait::Revoking));
}

#[rstest]
#[case::the_last_key(Use::Current, Some(true), false)]
#[case::one_whose_slot_was_not_read(Use::Previous, None, true)]
#[case::one_whose_slot_is_there(Use::Previous, Some(true), true)]
#[case::one_whose_slot_is_gone(Use::Previous, Some(false), false)]
fn an_application_that_rolls_itself_keeps_its_last_key_and_what_it_cannot_tell(
    #[case] used_as: Use,
    #[case] slot: Option<bool>,
    #[case] goes: bool,
) {
    let mut desk = deleted_certificate(self_rolled());
    desk.entry(1).r#use = used_as;
    desk.entry(1).detail = EntryDetail::ClientCertificate { thumbprint: thumbprint(1), slot: Some(SlotName::A) };
    match slot {
        Some(true) => desk.stages(SlotName::A, 1),
        Some(false) => desk.memory.saw_slot(SlotName::A, None, at(16)),
        None => {}
    }
    assert_eq!(said_of(&desk), if goes { retires(OpKind::RemoveKey, &[]) } else { lets_go_of(&[1]) });
}

#[rstest]
#[case::it_signs(Some(1), lets_go_of(&[1]))]
#[case::another_one_signs(Some(2), retires(OpKind::RemoveByUpdate, &[2]))]
#[case::either_may_sign(None, lets_go_of(&[1]))]
fn what_may_sign_stays(#[case] preferred: Option<u8>, #[case] said: Option<Step>) {
    let signing_details =
        Signing { thumbprint: Some(thumbprint(1)), custom_key_identifier: Some("link-1".to_owned()), ..Signing::default() };
    let mut desk = deleted(signing(), signing_entry(1, Use::Current, signing_details));
    let preferred = preferred.map(|n| thumbprint(n).to_string());
    for minute in [0, 8, 16] {
        desk.begin(minute);
        let read = directory(&[sign(1, 0, 90_000), sign(2, 0, 90_000)], preferred.as_deref());
        desk.memory.saw_directory(read, facts([1, 2]), Detail::WithKeys, None, at(minute));
    }
    assert_eq!(said_of(&desk), said);
}

/// A secret of two hours ago without a name in the ledger, nor in the list of this pass.
fn nameless() -> Desk {
    let staged = EntryDetail::ClientSecret { display_name: None, slot: Some(SlotName::A) };
    let mut desk = deleted(secret(), Entry { key_ids: BTreeSet::new(), detail: staged, ..secret_entry(1, Use::Next) });
    desk.entry(1).op = of(OpKind::AddPassword, 0, None);
    desk.listed_in(&[120], &[]);
    desk
}

#[test]
fn what_stays_is_named_as_the_answer_told() {
    let mut desk = nameless();
    desk.memory.answered("nonce", Answer::Applied(Some(Made::Password(key_id(5)))));
    assert_eq!(said_of(&desk), lets_go_of(&[5]));
}

#[test]
fn a_certificate_that_entra_made_and_no_list_shows_is_named_as_the_answer_told() {
    let mut desk = deleted(signing(), Entry { key_ids: BTreeSet::new(), ..signing_entry(1, Use::Next, Signing::default()) });
    desk.entry(1).op = of(OpKind::AddTokenSigningCertificate, 0, None);
    desk.listed_in(&[120], &[]);
    let answer = SigningAnswer { key_id: key_id(5), custom_key_identifier: "link".to_owned(), thumbprint: thumbprint(1) };
    desk.memory.answered("nonce", Answer::Applied(Some(Made::SigningCertificate(answer))));
    assert_eq!(said_of(&desk), lets_go_of(&[5]));
}

#[test]
fn what_stays_is_named_as_its_slot_tells() {
    let mut desk = nameless();
    assert_eq!(said_of(&desk), Some(Step::Look(Look::Slot(SlotName::A))));
    desk.stages(SlotName::A, 1);
    assert_eq!(said_of(&desk), lets_go_of(&[1]));
    desk.memory.saw_slot(SlotName::A, None, at(120));
    assert_eq!(said_of(&desk), Some(Step::Act(Act::SetFinalizer(false))));
}
