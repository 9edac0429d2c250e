mod certificates;

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
    let key_ids = numbers.iter().map(|n| key_id(*n)).collect();
    Some(Step::Act(Act::LetGo(Left { key_ids, marks: BTreeSet::new() })))
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

fn unnamed(entry: Entry, kind: OpKind, outcome: Option<Outcome>) -> Entry {
    Entry { key_ids: BTreeSet::new(), op: of(kind, 0, outcome), ..entry }
}

#[rstest]
#[case::a_secret(secret(), secret_entry(1, Use::Abandoned), OpKind::AddPassword, &id(1).password_name(UID))]
#[case::a_certificate(certificate(), entry(1, Use::Next), OpKind::AddKey, &thumbprint(1).to_string())]
#[case::a_signing_certificate(
    signing(),
    signing_entry(1, Use::Next, Signing::named("CN=payroll-1".to_owned(), "2027-01-01T00:00:00Z".to_owned())),
    OpKind::AddTokenSigningCertificate,
    "CN=payroll-1"
)]
fn what_may_have_been_made_and_has_no_name_is_told_by_its_mark(
    #[case] policy: Policy,
    #[case] entry: Entry,
    #[case] kind: OpKind,
    #[case] mark: &str,
    #[values((None, true), (Some(Outcome::Applied), true), (Some(Outcome::Refused), false))] (outcome, may_be_there): (
        Option<Outcome>,
        bool,
    ),
) {
    let mut desk = deleted(policy, unnamed(entry, kind, outcome));
    desk.policy.refusal = refusal();
    desk.begin(30);
    let left = Left { marks: BTreeSet::from([mark.to_owned()]), ..Left::default() };
    assert_eq!(said_of(&desk), Some(Step::Act(if may_be_there { Act::LetGo(left) } else { Act::SetFinalizer(false) })));
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

#[rstest]
#[case::since_it_was_made(&[1, 8, 16], dropped())]
#[case::one_of_them_from_before(&[0, 8, 16], rest(23, Wait::Revoking))]
fn what_has_a_name_and_vanished_is_dropped_by_three_reads_over_late(#[case] reads: &[i64], #[case] said: Option<Step>) {
    let mut desk = deleted(secret(), secret_entry(1, Use::Abandoned));
    desk.entry(1).op = of(OpKind::AddPassword, 0, Some(Outcome::Applied));
    desk.listed_in(reads, &[]);
    assert_eq!(said_of(&desk), said);
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
