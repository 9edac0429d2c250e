use chrono::TimeDelta;
use rstest::rstest;

use super::*;
use crate::case::{Look, Rest, Step};
use crate::ledger::Entry;
use crate::memory::Output;
use crate::policy::Policy;
use crate::sample::*;

/// The output holds the certificate 1, which is accepted and ends in minute 100,000.
fn handed_over() -> Desk {
    let mut desk = Desk::new(self_rolled(), vec![]);
    desk.listed_in(&[0], &[1]);
    desk.shows(1);
    desk
}

fn seeded(desk: &Desk) -> Option<Claim> {
    match desk.says(seed) {
        Some(Step::Note(Fact::Seeded(claim))) => Some(*claim),
        _ => None,
    }
}

#[test]
fn the_certificate_in_the_output_is_the_one_to_begin_with() {
    let mut desk = handed_over();
    let claim = seeded(&desk).unwrap();
    assert_eq!(claim.detail, EntryDetail::ClientCertificate { thumbprint: thumbprint(1), slot: Some(SlotName::A) });
    assert_eq!((claim.key_ids, claim.not_after), (BTreeSet::from([key_id(1)]), Some(at(100_000))));
    assert_eq!(claim.issued_at, Some(at(100_000) - desk.policy.durations.validity).min(Some(at(0))), "as if it had been made here");
    desk.policy.durations.validity = TimeDelta::minutes(100_000) + TimeDelta::days(9);
    assert_eq!(seeded(&desk).unwrap().issued_at, Some(at(0) - TimeDelta::days(9)));
}

#[test]
fn a_seed_is_judged_by_a_read_of_this_pass() {
    let mut desk = handed_over();
    desk.begin(1);
    assert_eq!(desk.says(seed), Some(Step::Look(Look::Directory(Detail::WithKeys))));
}

#[rstest]
#[case::it_does_not_roll_itself(certificate())]
#[case::it_is_suspended(Policy { suspend: true, ..self_rolled() })]
#[case::it_is_refused(Policy { refusal: Some(Refusal::new(Reason::TenantNotReady, "It does not sign in.")), ..self_rolled() })]
fn nothing_is_begun_with_where(#[case] policy: Policy) {
    let desk = Desk { policy, ..handed_over() };
    assert_eq!(desk.says(seed), None);
}

#[rstest]
#[case::it_holds_none(|desk: &mut Desk| desk.memory.saw_output(Output::Absent, vec![], at(0)), true)]
#[case::it_is_not_accepted(|desk: &mut Desk| desk.lists(&[2]), true)]
#[case::it_has_expired(|desk: &mut Desk| desk.listed_in(&[100_000], &[1]), true)]
#[case::in_its_last_minute(|desk: &mut Desk| desk.listed_in(&[99_999], &[1]), false)]
fn without_a_certificate_that_works_a_person_is_asked_again_after_late(#[case] happen: fn(&mut Desk), #[case] locked_out: bool) {
    let mut desk = handed_over();
    happen(&mut desk);
    let said = desk.says(seed);
    match said {
        Some(Step::Rest(Rest { until, why: Wait::Refused(refusal) })) if locked_out => {
            assert_eq!((until, refusal.reason), (desk.now + TimeDelta::minutes(15), Reason::SelfCredentialExpired));
        }
        _ => assert!(!locked_out && seeded(&desk).is_some(), "{said:?}"),
    }
}

/// Minute 30: the certificate 2 is in use since minute 0, and the one before cannot be removed, as nobody told its name.
fn crowded() -> Desk {
    let current = Entry { published_at: Some(at(0)), ..entry(2, Use::Current) };
    let mut desk =
        Desk::new(self_rolled(), vec![Entry { key_ids: BTreeSet::from([id(1).key_id(UID)]), ..entry(1, Use::Previous) }, current]);
    desk.policy.durations.overlap = TimeDelta::minutes(30);
    desk.listed_in(&[30], &[1, 2]);
    desk.shows(2);
    desk
}

fn left_to_expire() -> Option<Step> {
    Some(Step::Note(Fact::LeftToExpire(id(1), Some(thumbprint(1)))))
}

#[rstest]
#[case::its_overlap_is_over(|_: &mut Desk| {}, left_to_expire())]
#[case::its_overlap_is_not_over(|desk: &mut Desk| desk.begin(29), rest(44, Wait::Busy))]
#[case::it_can_be_removed(|desk: &mut Desk| desk.entry(1).key_ids = BTreeSet::from([key_id(1)]), rest(45, Wait::Busy))]
#[case::nothing_else_works(|desk: &mut Desk| desk.shows(1), rest(45, Wait::Busy))]
#[case::current_is_not_published(|desk: &mut Desk| desk.entry(2).published_at = None, rest(45, Wait::Busy))]
#[case::it_is_in_use(|desk: &mut Desk| desk.entry(1).r#use = Use::Retiring, rest(45, Wait::Busy))]
fn what_can_only_be_left_to_expire_makes_room_after_its_overlap(#[case] happen: fn(&mut Desk), #[case] said: Option<Step>) {
    let mut desk = crowded();
    happen(&mut desk);
    assert_eq!(desk.says(make_room), said);
}

#[rstest]
#[case::without_a_name(self_rolled(), true)]
#[case::of_another_kind_of_sign_in(certificate(), false)]
fn only_an_application_that_rolls_itself_has_credentials_without_a_name(#[case] policy: Policy, #[case] nameless: bool) {
    let mut desk = Desk { policy, ..crowded() };
    assert_eq!(is_nameless(&desk.case(), desk.ledger.entry(&id(1)).unwrap()), nameless);
    desk.entry(1).key_ids.insert(key_id(1));
    assert!(!is_nameless(&desk.case(), desk.ledger.entry(&id(1)).unwrap()));
}
