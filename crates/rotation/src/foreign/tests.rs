//! What of an object is somebody else's, and what carries our mark all the same.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::Application;
use crate::case::Step;
use crate::check::Halt;
use crate::history::{CertificateFacts, Detail};
use crate::ledger::{OpKind, Outcome, Signing, Use};
use crate::sample::{UID, at, certificate, directory, entry, facts, key_id, listed, op, signing, signing_entry, target, thumbprint};
use crate::time::Time;

const OTHER: &str = "11111111-6f64-4d3c-9b57-6a0d0d0c9a11";

fn id(seq: u32) -> EntryId {
    EntryId::derive(UID, seq)
}

fn ledger(entries: Vec<Entry>) -> Ledger {
    Ledger { target: Some(target()), next_seq: 50, entries, ..Ledger::default() }
}

fn nameless(entry: Entry) -> Entry {
    Entry { key_ids: BTreeSet::new(), ..entry }
}

/// A memory with one read, at the sixtieth minute.
fn having_read(keys: &[Value], certificates: BTreeMap<KeyId, CertificateFacts>) -> Memory {
    let mut memory = Memory::new(at(0));
    memory.saw_directory(directory(keys, None), certificates, Detail::WithKeys, None, at(60));
    memory
}

fn named(n: u8, name: &str) -> Value {
    json!({"keyId": key_id(n), "usage": "Verify", "displayName": name, "key": null})
}

fn foreign(ledger: &Ledger, policy: &Policy, memory: &Memory) -> Foreign {
    ledger.caught_up(policy, memory).foreign.unwrap()
}

#[test]
fn before_the_first_read_nobody_knows_what_is_foreign() {
    assert_eq!(ledger(vec![]).caught_up(&certificate(), &Memory::new(at(0))).foreign, None);
}

fn called(name: &str) -> Entry {
    signing_entry(1, Use::Next, Signing::named(name.to_owned(), String::new()))
}

#[rstest]
#[case::its_keyid(entry(1, Use::Current), listed(1), true)]
#[case::another_keyid(entry(1, Use::Current), listed(2), false)]
#[case::the_same_certificate_again(entry(3, Use::Current), listed(2), true)]
#[case::another_certificate(entry(4, Use::Current), listed(2), false)]
#[case::no_certificate_on_either_side(called("CN=a"), listed(5), false)]
#[case::its_mark_before_its_keyid_is_known(nameless(entry(1, Use::Next)), named(5, &id(1).password_name(UID)), true)]
#[case::the_mark_of_another_entry(nameless(entry(1, Use::Next)), named(5, &id(2).password_name(UID)), false)]
#[case::its_id_without_the_mark(nameless(entry(1, Use::Next)), named(5, id(1).as_str()), false)]
#[case::its_mark_once_its_keyid_is_known(entry(1, Use::Current), named(5, &id(1).password_name(UID)), false)]
#[case::its_name_before_its_keyid_is_known(nameless(called("CN=a")), named(5, "CN=a"), true)]
#[case::another_name(nameless(called("CN=a")), named(5, "CN=b"), false)]
#[case::its_name_once_its_keyid_is_known(called("CN=a"), named(5, "CN=a"), false)]
fn ours_is_what_the_ledger_names_or_holds_the_bytes_of(#[case] entry: Entry, #[case] view: Value, #[case] ours: bool) {
    let certificates = BTreeMap::from([(key_id(2), facts([3]).remove(&key_id(3)).unwrap())]);
    let count = foreign(&ledger(vec![entry]), &certificate(), &having_read(&[view], certificates)).count;
    assert_eq!(count, u32::from(!ours));
}

#[test]
fn the_entries_of_one_certificate_count_once_and_the_first_to_expire_is_told() {
    let of = |n: u8, link: &str, end: i64| json!({"keyId": key_id(n), "customKeyIdentifier": link, "endDateTime": at(end), "key": null});
    let keys = [of(1, "a", 900), of(2, "a", 700), of(3, "b", 800), listed(4)];
    let foreign = foreign(&ledger(vec![]), &certificate(), &having_read(&keys, BTreeMap::new()));
    assert_eq!((foreign.count, foreign.soonest_expiry, foreign.unrecorded), (3, Some(at(700)), BTreeSet::new()));
}

fn since(start: Option<Time>, name: &str) -> Value {
    json!({"keyId": key_id(1), "usage": "Verify", "displayName": name, "startDateTime": start, "key": null})
}

/// A certificate that says this of itself.
fn saying(text: &str) -> BTreeMap<KeyId, CertificateFacts> {
    BTreeMap::from([(key_id(1), CertificateFacts { thumbprint: thumbprint(1), not_after: at(900), der: format!("<{text}>").into_bytes() })])
}

#[rstest]
#[case::long_ago(Some(at(0)), true)]
#[case::twice_late_and_five_minutes_ago(Some(at(25)), true)]
#[case::a_moment_less(Some(at(25) + TimeDelta::seconds(1)), false)]
#[case::this_very_moment(Some(at(60)), false)]
#[case::nobody_knows_when(None, true)]
fn what_carries_our_mark_is_unrecorded_once_no_ledger_can_be_behind_any_more(#[case] start: Option<Time>, #[case] unrecorded: bool) {
    let memory = having_read(&[since(start, &id(9).password_name(OTHER))], BTreeMap::new());
    assert_eq!(foreign(&ledger(vec![]), &certificate(), &memory).unrecorded.contains(&key_id(1)), unrecorded);
}

#[rstest]
#[case::a_name_of_ours("entra-rotator/x/y", "", [true, true])]
#[case::a_name_of_somebody("payroll", "", [false, false])]
#[case::a_certificate_of_ours("", "urn:entra-rotator:x:y", [true, true])]
#[case::a_certificate_of_somebody("", "urn:something:x:y", [false, false])]
#[case::the_number_that_comes_next("CN=payroll 50", "", [false, true])]
#[case::a_number_that_was_given("CN=payroll 18", "", [false, true])]
#[case::a_number_that_was_given_long_ago("CN=payroll 17", "", [false, false])]
#[case::a_number_that_was_forgotten("CN=payroll 81", "", [false, true])]
#[case::a_number_that_nobody_ever_gave("CN=payroll 82", "", [false, false])]
fn a_mark_is_told_by_name_by_certificate_and_for_what_entra_makes_by_number(
    #[case] name: &str,
    #[case] text: &str,
    #[case] expected: [bool; 2],
) {
    // The last word is a number, in the place of its id.
    let name = match name.rsplit_once(' ') {
        Some((before, seq)) => format!("{before} {}", id(seq.parse().unwrap())),
        None => name.to_owned(),
    };
    let memory = having_read(&[since(None, &name)], saying(text));
    let is_unrecorded = |policy: Policy| foreign(&ledger(vec![]), &policy, &memory).unrecorded.contains(&key_id(1));
    assert_eq!([certificate(), signing()].map(is_unrecorded), expected, "of a client certificate, of a signing certificate");
}

#[test]
fn what_another_resource_names_is_recorded_there() {
    let mut memory = having_read(&[since(None, "entra-rotator/x/y")], BTreeMap::new());
    memory.others_own(BTreeSet::from([key_id(1)]));
    assert_eq!(foreign(&ledger(vec![]), &certificate(), &memory).unrecorded, BTreeSet::new());
    memory.others_own(BTreeSet::from([key_id(2)]));
    assert_eq!(foreign(&ledger(vec![]), &certificate(), &memory).unrecorded, BTreeSet::from([key_id(1)]));
}

fn case<'a>(policy: &'a Policy, ledger: &'a Ledger, memory: &'a Memory, application: &'a Application, now: Time) -> Case<'a> {
    Case { policy, ledger, memory, application, now }
}

#[rstest]
#[case::by_name_of_this_resource(&id(9).password_name(UID), "", true)]
#[case::by_name_of_another(&id(9).password_name(OTHER), "", false)]
#[case::by_certificate_of_this_resource("", &id(9).san_uri(UID), true)]
#[case::by_certificate_of_another("", &id(9).san_uri(OTHER), false)]
fn unclaimed_is_what_carries_the_mark_of_this_very_resource(#[case] name: &str, #[case] text: &str, #[case] expected: bool) {
    let (policy, application, ledger) = (certificate(), Application::default(), ledger(vec![]));
    let mut memory = having_read(&[since(Some(at(60)), name)], saying(text));
    let unclaimed = |memory: &Memory| unclaimed(&case(&policy, &ledger, memory, &application, at(60)));
    assert_eq!(unclaimed(&memory).contains(&key_id(1)), expected);
    memory.others_own(BTreeSet::from([key_id(1)]));
    assert_eq!(unclaimed(&memory), BTreeSet::new());
}

/// What is missed two hours after a list update that kept `kept`, where three reads showed `shown`.
fn missed(kind: OpKind, outcome: Option<Outcome>, kept: &[u8], shown: &[u8]) -> BTreeSet<KeyId> {
    let kept = kept.iter().map(|n| key_id(*n)).collect();
    let updated = Entry { op: Some(Op { kept, ..op(kind, at(0), outcome) }), ..entry(1, Use::Current) };
    let (policy, application, ledger) = (certificate(), Application::default(), ledger(vec![updated]));
    let mut memory = Memory::new(at(0));
    memory.others_own(BTreeSet::from([key_id(9)]));
    for minute in [100, 110, 120] {
        let keys: Vec<_> = shown.iter().map(|n| listed(*n)).collect();
        memory.saw_directory(directory(&keys, None), BTreeMap::new(), Detail::Plain, None, at(minute));
    }
    match watch_kept(&case(&policy, &ledger, &memory, &application, at(120))) {
        Err(Halt::Step(step)) => match *step {
            Step::Note(Fact::ForeignLost(_, lost)) => lost,
            other => panic!("{other:?}"),
        },
        Ok(()) => BTreeSet::new(),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::all_of_it_is_listed(&[2, 3], &[1, 2, 3], &[])]
#[case::one_of_two_is_gone(&[2, 3], &[1, 2], &[3])]
#[case::both_are_gone(&[2, 3], &[1], &[2, 3])]
#[case::what_the_ledger_names_went(&[1, 2], &[2], &[])]
#[case::what_another_resource_named_went(&[2, 9], &[1, 2], &[])]
#[case::among_what_else_went(&[1, 2, 9], &[], &[2])]
fn what_a_list_update_kept_and_is_gone_is_missed_unless_it_was_managed(#[case] kept: &[u8], #[case] shown: &[u8], #[case] expected: &[u8]) {
    let expected: BTreeSet<_> = expected.iter().map(|n| key_id(*n)).collect();
    assert_eq!(missed(OpKind::AddByUpdate, Some(Outcome::Applied), kept, shown), expected);
    assert_eq!(missed(OpKind::RemoveByUpdate, None, kept, shown), expected, "its answer was lost, and it is over");
    assert_eq!(missed(OpKind::AddByUpdate, Some(Outcome::Refused), kept, shown), BTreeSet::new());
}
