use chrono::TimeDelta;
use rstest::rstest;

use super::*;
use crate::case::{Rest, Step};
use crate::gates;
use crate::history::Detail;
use crate::ledger::{SlotName, Use};
use crate::memory::SignInResult::{self, Accepted, CannotProve, Refused};
use crate::policy::Policy;
use crate::sample::*;
use crate::window::{Window, Windows};

/// The certificate 2 in use, until minute 14,400, and its successor 1, both listed.
fn on_trial() -> Desk {
    let mut desk = Desk::new(certificate(), vec![entry(1, Use::Next), entry(2, Use::Current)]);
    desk.listed_in(&[0], &[1, 2]);
    desk
}

/// Sign-ins in these minutes; now is the last of them.
fn sign_ins(desk: &mut Desk, n: u8, minutes: &[i64], result: SignInResult) {
    for minute in minutes {
        desk.begin(*minute);
        desk.signs_in(n, result);
    }
}

fn try_again() -> Option<Step> {
    Some(Step::Look(Look::SignIn(id(1))))
}

fn rest_for(from: i64, milliseconds: i64) -> Option<Step> {
    Some(Step::Rest(Rest { until: at(from) + TimeDelta::milliseconds(milliseconds), why: Wait::Proving }))
}

#[rstest]
#[case::three_over_late(&[0, 7, 15], true)]
#[case::three_in_less(&[0, 7, 14], false)]
#[case::two_over_late(&[0, 15], false)]
#[case::many_over_late(&[0, 1, 2, 3, 4, 5, 15], true)]
#[case::none(&[], false)]
fn three_refusals_over_late_tell_that_a_credential_is_refused(#[case] minutes: &[i64], #[case] refused: bool) {
    let mut desk = on_trial();
    sign_ins(&mut desk, 2, minutes, Refused);
    assert_eq!(is_refused(&desk.case(), desk.ledger.current().unwrap()), refused);
}

#[rstest]
#[case::at_first(&[], 0, try_again())]
#[case::soon_after_one(&[0], 0, rest_for(0, 15_001))]
#[case::five_in_less_than_a_minute(&[0, 0, 0, 0, 0], 0, rest_for(0, 15_001))]
#[case::four_over_a_minute(&[0, 0, 0, 1], 1, rest_for(1, 15_001))]
#[case::five_over_a_minute(&[0, 0, 0, 0, 1], 1, None)]
#[case::after_its_pause(&[0], 1, try_again())]
fn five_sign_ins_over_a_fifteenth_of_late_prove_a_credential(#[case] minutes: &[i64], #[case] now: i64, #[case] said: Option<Step>) {
    let mut desk = on_trial();
    sign_ins(&mut desk, 1, minutes, Accepted);
    desk.begin(now);
    assert_eq!(desk.says_of(1, prove), said);
}

#[rstest]
#[case::after_one(1, 0, 30)]
#[case::after_two(2, 0, 60)]
#[case::after_three(3, 0, 120)]
#[case::after_four(4, 0, 240)]
#[case::after_five(5, 0, 300)]
#[case::after_one_that_says_nothing(0, 1, 30)]
#[case::after_two_that_say_nothing(0, 2, 60)]
#[case::after_one_of_each(1, 1, 60)]
#[case::after_very_many_that_say_nothing(0, 40, 300)]
fn the_pause_after_a_failed_sign_in_doubles_up_to_a_third_of_late(#[case] refused: usize, #[case] unprovable: usize, #[case] seconds: i64) {
    let mut desk = on_trial();
    (0..refused).for_each(|_| desk.signs_in(1, Refused));
    (0..unprovable).for_each(|_| desk.signs_in(1, CannotProve));
    assert_eq!(desk.says_of(1, prove), rest_for(0, seconds * 1_000));
    desk.now = at(0) + TimeDelta::seconds(seconds);
    if refused == 0 || seconds < 300 {
        assert_eq!(desk.says_of(1, prove), try_again());
    }
}

/// The successor was refused in minute 0, and is not listed in these minutes.
fn refused(policy: Policy, reads: &[i64]) -> Desk {
    let entries = if policy.kind == Kind::ClientSecret {
        let staged = EntryDetail::ClientSecret { display_name: None, slot: Some(SlotName::A) };
        vec![Entry { detail: staged, ..secret_entry(1, Use::Next) }, secret_entry(2, Use::Current)]
    } else {
        vec![entry(1, Use::Next), entry(2, Use::Current)]
    };
    let mut desk = Desk::new(policy, entries);
    desk.stages(SlotName::A, 1);
    desk.signs_in(1, Refused);
    desk.listed_in(reads, &[2]);
    desk
}

#[rstest]
#[case::not_yet(&[], 4, try_again())]
#[case::never_looked_at(&[], 5, Some(Step::Look(Look::Directory(Detail::Plain))))]
#[case::after_a_third_of_late(&[0], 5, Some(Step::Look(Look::Directory(Detail::Plain))))]
#[case::looked_at_lately(&[1], 5, try_again())]
#[case::looked_at_long_ago(&[1], 6, Some(Step::Look(Look::Directory(Detail::Plain))))]
#[case::gone(&[1, 9, 17], 17, Some(Step::Note(Fact::Abandoned(id(1)))))]
#[case::not_surely_gone(&[3, 9, 17], 17, try_again())]
fn a_secret_that_is_refused_on_and_on_is_looked_for_and_given_up_when_it_is_gone(
    #[case] reads: &[i64],
    #[case] now: i64,
    #[case] said: Option<Step>,
) {
    let mut desk = refused(secret(), reads);
    desk.begin(now);
    assert_eq!(desk.says_of(1, prove), said);
}

#[test]
fn a_secret_that_is_refused_and_listed_is_tried_on() {
    let mut desk = refused(secret(), &[]);
    desk.listed_in(&[1, 9, 17], &[1, 2]);
    assert_eq!(desk.says_of(1, prove), try_again());
}

#[test]
fn a_certificate_that_is_refused_is_looked_for_and_not_given_up() {
    let mut desk = refused(certificate(), &[1]);
    desk.begin(6);
    assert_eq!(desk.says_of(1, prove), Some(Step::Look(Look::Directory(Detail::WithKeys))));
    desk.listed_in(&[9, 17], &[2]);
    assert_eq!(desk.says_of(1, prove), try_again());
}

/// The deadline: a tenth of ten days before the end of the certificate in use, in minutes.
const DEADLINE: i64 = 9 * 24 * 60;

/// Three sign-ins around the deadline that say nothing about the credential.
fn unprovable(now: i64) -> Desk {
    let mut desk = on_trial();
    desk.listed_in(&[now - 2, now - 1, now], &[1, 2]);
    (0..3).for_each(|_| desk.signs_in(1, CannotProve));
    desk
}

fn wait_for(desk: &Desk, seconds: i64) -> Option<Step> {
    Some(Step::Rest(Rest { until: desk.now + TimeDelta::seconds(seconds), why: Wait::Proving }))
}

#[test]
fn what_cannot_be_proven_counts_from_the_deadline_on_when_it_is_listed() {
    let early = unprovable(DEADLINE - 1);
    assert_eq!(early.says_of(1, prove), wait_for(&early, 120));
    assert_eq!(unprovable(DEADLINE).says_of(1, prove), None);
}

#[test]
fn two_sign_ins_that_say_nothing_are_not_enough_nor_any_beside_a_refusal() {
    let mut desk = on_trial();
    desk.listed_in(&[DEADLINE - 2, DEADLINE - 1, DEADLINE], &[1, 2]);
    (0..2).for_each(|_| desk.signs_in(1, CannotProve));
    assert_eq!(desk.says_of(1, prove), wait_for(&desk, 60));
    desk.signs_in(1, CannotProve);
    assert_eq!(desk.says_of(1, prove), None);
    desk.signs_in(1, Refused);
    assert_eq!(desk.says_of(1, prove), wait_for(&desk, 240));
}

#[test]
fn what_cannot_be_proven_and_was_not_seen_three_times_is_looked_at_again() {
    let mut desk = on_trial();
    desk.listed_in(&[DEADLINE], &[2]);
    (0..3).for_each(|_| desk.signs_in(1, CannotProve));
    assert_eq!(desk.says_of(1, prove), wait_for(&desk, 60));
    desk.listed_in(&[DEADLINE], &[1, 2]);
    assert_eq!(desk.says_of(1, prove), wait_for(&desk, 20));
    desk.listed_in(&[DEADLINE + 1, DEADLINE + 2], &[1, 2]);
    assert_eq!(desk.says_of(1, prove), None);
}

#[rstest]
#[case::never_tried(|_: &mut Desk| {}, Some(Step::Look(Look::SignIn(id(2)))))]
#[case::in_this_pass(|desk: &mut Desk| desk.signs_in(2, Accepted), None)]
#[case::in_another_pass(|desk: &mut Desk| { desk.signs_in(2, Accepted); desk.begin(0); }, Some(Step::Look(Look::SignIn(id(2)))))]
#[case::refused(|desk: &mut Desk| desk.signs_in(2, Refused), rest(5, Wait::Proving))]
#[case::nobody_can_tell(|desk: &mut Desk| desk.signs_in(2, CannotProve), rest(5, Wait::Proving))]
fn a_credential_is_accepted_now_by_a_sign_in_of_this_pass(#[case] happen: fn(&mut Desk), #[case] said: Option<Step>) {
    let mut desk = on_trial();
    happen(&mut desk);
    assert_eq!(desk.says_of(2, is_accepted_now), said);
}

/// The next window opens in the night, before the deadline; its credential is proven.
fn at_the_window() -> Desk {
    let mut desk = on_trial();
    let window = Window::parse("0 23 * * *", "Etc/UTC", TimeDelta::hours(1), at(0)).unwrap();
    desk.policy.windows = Windows::new(vec![window]);
    desk.entry(2).issued_at = at(-60);
    desk
}

#[rstest]
#[case::it_works(|_: &mut Desk| {}, rest(23 * 60, Wait::AwaitingWindow))]
#[case::it_has_expired(|desk: &mut Desk| desk.entry(2).not_after = Some(at(17)), None)]
#[case::it_is_gone(|desk: &mut Desk| desk.listed_in(&[1, 9, 17], &[1]), None)]
#[case::it_is_refused(|desk: &mut Desk| sign_ins(desk, 2, &[1, 9, 17], Refused), None)]
fn a_successor_waits_for_its_window_only_while_the_present_credential_is_of_use(#[case] happen: fn(&mut Desk), #[case] said: Option<Step>) {
    let mut desk = at_the_window();
    happen(&mut desk);
    desk.begin(17);
    assert_eq!(desk.says_of(1, gates::await_window), said);
}
