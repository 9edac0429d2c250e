//! What may be removed now, and what is said of the rest.

use chrono::TimeDelta;

use super::*;
use crate::memory::{Output, SignInResult};
use crate::sample::*;

/// Minute 30, as the overlap ends: the certificate 2 is published and works, and the certificate 1 may go.
fn door() -> Desk {
    let mut desk = at_the_door();
    desk.shows(2);
    desk.signs_in(2, SignInResult::Accepted);
    desk
}

/// The same where only Entra's lists were read in this pass.
fn at_the_door() -> Desk {
    let current = Entry { published_at: Some(at(0)), ..entry(2, Use::Current) };
    let mut desk = Desk::new(certificate(), vec![entry(1, Use::Previous), current]);
    desk.policy.durations.overlap = TimeDelta::minutes(30);
    desk.shows(2);
    desk.listed_in(&[14, 22, 30], &[1, 2]);
    desk
}

fn retires(n: u8, licence: Licence) -> Option<Step> {
    Some(Step::Note(Fact::Retired(id(n), Some(licence))))
}

fn by_update(kept: &[u8]) -> Licence {
    Licence { kept: kept.iter().map(|n| key_id(*n)).collect(), ..Licence::of(OpKind::RemoveByUpdate) }
}

#[rstest]
#[case::of_what_is_published(|_: &mut Desk| {}, retires(1, Licence::of(OpKind::RemoveKey)))]
#[case::a_moment_earlier(|desk: &mut Desk| desk.now -= TimeDelta::milliseconds(1), rest(30, Wait::Overlapping))]
#[case::of_what_was_handed_over_since(|desk: &mut Desk| desk.entry(1).adopted_at = Some(at(1)), rest(31, Wait::Overlapping))]
#[case::of_what_was_handed_over_before(|desk: &mut Desk| desk.entry(1).adopted_at = Some(at(-1)), retires(1, Licence::of(OpKind::RemoveKey)))]
fn a_credential_goes_as_its_overlap_ends(#[case] change: fn(&mut Desk), #[case] said: Option<Step>) {
    let mut desk = door();
    change(&mut desk);
    assert_eq!(desk.says(retire), said);
}

#[test]
fn a_revoked_credential_has_no_overlap_however_late_it_was_handed_over() {
    let mut desk = door();
    desk.policy.revoke_issued_before = Some(at(1));
    desk.entry(1).adopted_at = Some(at(29));
    desk.policy.durations.overlap = TimeDelta::days(7);
    assert_eq!(desk.says(retire), retires(1, Licence::of(OpKind::RemoveKey)));
}

#[test]
fn the_output_and_current_are_asked_in_the_pass_of_the_removal() {
    let mut desk = at_the_door();
    assert_eq!(desk.says(retire), Some(Step::Look(Look::Output)));
    desk.shows(2);
    assert_eq!(desk.says(retire), Some(Step::Look(Look::SignIn(id(2)))));
}

#[test]
fn nothing_goes_while_the_output_shows_another_one() {
    let mut desk = at_the_door();
    desk.shows(1);
    assert_eq!(desk.says(retire), Some(Step::Rest(Rest { until: at(30) + TimeDelta::seconds(15), why: Wait::Busy })));
}

#[test]
fn a_certificate_that_entra_lists_under_a_name_of_another_one_stays_and_is_looked_at_after_late() {
    let mut desk = door();
    desk.entry(1).key_ids = BTreeSet::from([key_id(2)]);
    assert_eq!(desk.says(retire), rest(45, Wait::Settling));
}

#[test]
fn what_is_gone_already_needs_no_write() {
    let mut desk = at_the_door();
    desk.listed_in(&[31, 39, 46], &[2]);
    desk.shows(2);
    desk.signs_in(2, SignInResult::Accepted);
    assert_eq!(desk.says(retire), Some(Step::Note(Fact::Retired(id(1), None))));
}

#[test]
fn an_activation_is_waited_for_to_its_last_moment() {
    let mut desk = door();
    desk.entry(2).op = Some(op(OpKind::Activate, at(12), None));
    assert_eq!(desk.says(retire), rest(32, Wait::Busy));
    desk.entry(2).op = Some(op(OpKind::AddKey, at(12), None));
    assert_eq!(desk.says(retire), retires(1, Licence::of(OpKind::RemoveKey)));
}

#[test]
fn where_graph_goes_on_refusing_every_proof_a_certificate_goes_by_an_update() {
    let mut desk = door();
    [14, 22, 29].into_iter().for_each(|minute| desk.memory.proof_was_refused(at(minute)));
    desk.listed_in(&[30], &[1, 2]);
    desk.shows(2);
    desk.signs_in(2, SignInResult::Accepted);
    assert_eq!(desk.says(retire), retires(1, by_update(&[2])));
}

/// Minute 30, with a secret that was given up and is listed. The clock of Graph agrees.
fn given_up(current: Option<Entry>) -> Desk {
    let mut desk = Desk::new(secret(), [secret_entry(1, Use::Abandoned)].into_iter().chain(current).collect());
    desk.listed_in(&[14, 22, 30], &[1, 2]);
    desk.memory.saw_output(Output::Absent, vec![], at(30));
    desk
}

fn expired() -> Option<Entry> {
    Some(Entry { not_after: Some(at(30)), ..secret_entry(2, Use::Current) })
}

fn goes() -> Option<Step> {
    retires(1, Licence::of(OpKind::RemovePassword))
}

#[rstest]
#[case::it_was_never_published(|_: &mut Desk| {}, goes())]
#[case::it_was_published(|desk: &mut Desk| desk.entry(1).published_at = Some(at(1)), rest(35, Wait::Settling))]
#[case::it_was_handed_over(|desk: &mut Desk| {
    desk.entry(1).origin = Origin::Adopted;
    desk.entry(1).detail = EntryDetail::ClientSecret { display_name: Some(id(1).password_name(UID)), slot: None };
    desk.entry(1).not_after = Some(at(100_000));
}, rest(35, Wait::Settling))]
#[case::the_output_names_it(|desk: &mut Desk| desk.shows(1), rest(35, Wait::Settling))]
#[case::the_output_names_another_one(|desk: &mut Desk| desk.shows(3), goes())]
fn where_nothing_is_in_use_only_what_nobody_was_given_goes(#[case] change: fn(&mut Desk), #[case] said: Option<Step>) {
    let mut desk = given_up(None);
    change(&mut desk);
    assert_eq!(desk.says_of(1, clean_up), said);
}

#[test]
fn where_nothing_is_in_use_a_certificate_that_the_output_holds_under_another_name_stays() {
    let mut desk = Desk::new(certificate(), vec![entry(1, Use::Abandoned)]);
    desk.listed_in(&[14, 22, 30], &[1, 3]);
    desk.shows(3);
    assert_eq!(desk.says_of(1, clean_up), retires(1, Licence::of(OpKind::RemoveKey)));
    desk.shows(1);
    if let Some(Output::Ours { shows: Some(shown), holds }) = desk.memory.output().cloned() {
        let renamed = Projection { entry: id(3), ..shown };
        desk.memory.saw_output(Output::Ours { shows: Some(renamed), holds }, vec![], at(30));
    }
    assert_eq!(desk.says_of(1, clean_up), rest(35, Wait::Settling));
}

#[test]
fn where_nothing_proves_a_removal_what_was_given_up_goes_by_an_update() {
    let mut desk = Desk::new(certificate(), vec![entry(1, Use::Abandoned)]);
    desk.listed_in(&[14, 22, 30], &[1, 3]);
    desk.memory.saw_output(Output::Absent, vec![], at(30));
    assert_eq!(desk.says_of(1, clean_up), retires(1, by_update(&[3])));
}

#[rstest]
#[case::it_works(|desk: &mut Desk| desk.entry(2).not_after = Some(at(31)), Some(Step::Look(Look::SignIn(id(2)))))]
#[case::it_has_expired(|_: &mut Desk| {}, goes())]
#[case::it_is_gone(|desk: &mut Desk| {
    desk.entry(2).not_after = Some(at(31));
    desk.listed_in(&[14, 22, 30], &[1]);
    desk.shows(2);
}, goes())]
#[case::it_has_expired_and_the_output_names_the_other_one(
    |desk: &mut Desk| desk.shows(1),
    Some(Step::Rest(Rest { until: at(30) + TimeDelta::seconds(15), why: Wait::Busy }))
)]
fn what_was_given_up_goes_beside_what_is_in_use_when_that_is_accepted_or_useless(
    #[case] change: fn(&mut Desk),
    #[case] said: Option<Step>,
) {
    let mut desk = given_up(expired());
    desk.entry(2).issued_at = at(-60);
    desk.entry(2).published_at = Some(at(0));
    desk.shows(2);
    change(&mut desk);
    assert_eq!(desk.says_of(1, clean_up), said);
}
