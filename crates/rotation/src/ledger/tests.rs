use chrono::TimeDelta;
use rstest::rstest;

use super::*;
use crate::sample::{UID, at, entry, op};

/// An entry of the tenth minute.
fn issued(op: Option<Op>, published: Option<i64>) -> Entry {
    Entry { issued_at: at(10), published_at: published.map(at), op, ..entry(1, Use::Current) }
}

#[rstest]
#[case::by_its_claim(None, None, 10)]
#[case::by_the_last_licence_that_makes_it(Some(op(OpKind::AddKey, at(30), None)), None, 30)]
#[case::or_its_public_half(Some(op(OpKind::AddVerifyByUpdate, at(30), None)), None, 30)]
#[case::not_by_one_that_removes_it(Some(op(OpKind::RemoveKey, at(30), None)), None, 10)]
#[case::by_its_publication(None, Some(40), 40)]
#[case::by_the_later_of_both(Some(op(OpKind::AddKey, at(30), None)), Some(40), 40)]
#[case::never_before_its_claim(Some(op(OpKind::AddKey, at(5), None)), None, 10)]
fn a_credential_was_there_at_the_latest_when_a_licence_has_lapsed(#[case] op: Option<Op>, #[case] published: Option<i64>, #[case] by: i64) {
    assert_eq!(issued(op, published).made_by(Lateness::default()), at(by) + TimeDelta::seconds(10));
}

#[test]
fn where_late_is_short_a_licence_lapses_sooner() {
    assert_eq!(issued(None, None).made_by(Lateness::new(TimeDelta::seconds(30))), at(10) + TimeDelta::seconds(2));
}

#[test]
fn a_number_is_ahead_when_it_was_not_given_yet_and_is_not_too_far() {
    let ledger = Ledger { next_seq: 5, entries: vec![entry(5, Use::Current)], ..Ledger::default() };
    let ahead = |seq| ledger.is_ahead(&EntryId::derive(UID, seq), UID);
    assert_eq!([4, 5, 6, 260, 261].map(ahead), [false, false, true, true, false]);
    assert!(!ledger.is_ahead(&EntryId::derive("another", 6), UID));
}

#[test]
fn a_credential_is_valid_up_to_its_end() {
    let entry = entry(1, Use::Current);
    let end = at(10 * 24 * 60);
    assert!(entry.is_valid_at(end - TimeDelta::seconds(1)) && !entry.is_valid_at(end));
    assert!(Entry { not_after: None, ..entry }.is_valid_at(end));
}

#[test]
fn the_words_of_a_status_never_change() {
    assert_eq!(OpKind::ALL.map(OpKind::as_str), OpKind::ALL.map(|kind| format!("{kind:?}")));
    assert_eq!(SlotName::ALL.map(SlotName::as_str), ["a", "b"]);
}

#[test]
fn each_write_makes_one_or_replaces_lists_or_takes_one_away() {
    let words = |is: fn(OpKind) -> bool| OpKind::ALL.into_iter().filter(|kind| is(*kind)).map(OpKind::as_str).collect::<Vec<_>>();
    let creations = ["AddKey", "AddByUpdate", "AddPassword", "AddTokenSigningCertificate", "AddSigningKey", "AddSigningByUpdate"];
    assert_eq!(words(OpKind::is_creation), creations);
    assert_eq!(words(OpKind::is_whole_list), ["AddByUpdate", "AddSigningByUpdate", "AddVerifyByUpdate", "RemoveByUpdate"]);
    assert_eq!(words(OpKind::is_removal), ["RemoveKey", "RemovePassword", "RemoveByUpdate"]);
}
