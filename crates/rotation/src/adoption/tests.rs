use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::application::Application;
use crate::case::{Rest, Step};
use crate::history::Detail;
use crate::ledger::{Entry, Ledger, Use};
use crate::memory::Memory;
use crate::policy::Policy;
use crate::sample::*;
use crate::time::Time;

/// Credential 7 is handed over, and the spec was edited.
fn asked(policy: Policy) -> Desk {
    let mut desk = Desk::new(Policy { adopt: BTreeSet::from([key_id(7)]), may_adopt: true, generation: 2, ..policy }, vec![]);
    desk.begin(0);
    desk
}

fn read(desk: &mut Desk, keys: &[Value], passwords: &[Value]) {
    let mut read = directory(keys, None);
    read.passwords = serde_json::from_value(json!(passwords)).unwrap();
    let facts = facts(1..=20);
    desk.memory.saw_directory(read, facts, Detail::WithKeys, None, desk.now);
}

fn by_hand(n: u8) -> Value {
    json!({"keyId": key_id(n), "displayName": "by hand", "startDateTime": at(-60), "endDateTime": at(90)})
}

/// A world with a secret that was made by hand.
fn with_a_secret() -> Desk {
    let mut desk = asked(secret());
    read(&mut desk, &[], &[by_hand(7)]);
    desk
}

fn adopted(desk: &Desk) -> Option<Claim> {
    match desk.says(adopt) {
        Some(Step::Note(Fact::Adopted(claim))) => Some(*claim),
        _ => None,
    }
}

fn refused(desk: &Desk) -> Option<(Time, Reason, String)> {
    match desk.says(adopt) {
        Some(Step::Rest(Rest { until, why: Wait::Refused(refusal) })) => Some((until, refusal.reason, refusal.message)),
        _ => None,
    }
}

#[test]
fn a_secret_is_adopted_by_name_and_dates() {
    let claim = adopted(&with_a_secret()).unwrap();
    assert_eq!(claim.detail, EntryDetail::ClientSecret { display_name: Some("by hand".to_owned()), slot: None });
    assert_eq!((claim.key_ids, claim.issued_at, claim.not_after), (BTreeSet::from([key_id(7)]), Some(at(-60)), Some(at(90))));
}

#[test]
fn a_long_name_is_cut_to_what_an_entry_holds() {
    assert_eq!(
        (recorded(&"é".repeat(90)), recorded(&"é".repeat(91)), recorded("short")),
        ("é".repeat(90), "é".repeat(90), "short".to_owned())
    );
}

#[rstest]
#[case::made_here(Origin::Made, false)]
#[case::adopted(Origin::Adopted, false)]
#[case::only_recorded(Origin::Foreign, true)]
fn what_is_ours_already_is_not_adopted_again(#[case] origin: Origin, #[case] expected: bool) {
    let mut desk = with_a_secret();
    desk.ledger.entries = vec![Entry { origin, key_ids: BTreeSet::from([key_id(7)]), ..secret_entry(1, Use::Previous) }];
    assert_eq!(adopted(&desk).is_some(), expected);
}

#[test]
fn after_an_edit_the_object_is_read_in_this_pass_and_else_as_the_last_audit_showed_it() {
    let mut desk = with_a_secret();
    desk.begin(1);
    assert_eq!(desk.says(adopt), Some(Step::Look(Look::Directory(Detail::Plain))));
    desk.policy.observed_generation = Some(2);
    assert!(adopted(&desk).is_some());
    let unread = Desk { memory: Memory::new(at(0)), ..desk };
    assert_eq!(unread.says(adopt), None, "the first audit will tell");
}

#[test]
fn what_is_not_listed_is_not_adopted_and_what_is_not_asked_for_neither() {
    let mut desk = asked(secret());
    read(&mut desk, &[], &[by_hand(8)]);
    assert_eq!(desk.says(adopt), None);
    desk.policy.adopt = BTreeSet::new();
    desk.begin(1);
    assert_eq!(desk.says(adopt), None);
}

#[test]
fn without_a_grant_nothing_is_adopted_for_an_hour() {
    let mut desk = with_a_secret();
    desk.policy.may_adopt = false;
    let (until, reason, message) = refused(&desk).unwrap();
    assert_eq!((until, reason), (at(60), Reason::AdoptionNotGranted));
    assert!(message.contains(&key_id(7).to_string()), "{message}");
}

#[test]
fn what_another_resource_takes_care_of_is_not_adopted_for_an_hour() {
    let mut desk = with_a_secret();
    let theirs = Entry { key_ids: BTreeSet::from([key_id(7)]), ..secret_entry(3, Use::Current) };
    let theirs = Ledger { target: desk.ledger.target.clone(), entries: vec![theirs], ..Ledger::default() };
    desk.application = Application::of([&theirs], None, Some(crate::sample::target().object_id), desk.policy.late, at(0));
    let (until, reason, _) = refused(&desk).unwrap();
    assert_eq!((until, reason), (at(60), Reason::TargetClaimed));
}

#[rstest]
#[case::there_is_room(11, None)]
#[case::there_is_none(12, rest(60, Wait::Rationed))]
fn rotations_keep_room_in_the_ledger(#[case] entries: u32, #[case] said: Option<Step>) {
    let mut desk = with_a_secret();
    desk.ledger.entries = (20..20 + entries).map(|seq| secret_entry(seq, Use::Abandoned)).collect();
    if said.is_some() {
        assert_eq!(desk.says(adopt), said);
    } else {
        assert!(adopted(&desk).is_some());
    }
}

/// One of the entries of a certificate.
fn key(n: u8, usage: &str) -> Value {
    json!({"keyId": key_id(n), "usage": usage, "startDateTime": at(-60), "endDateTime": at(90)})
}

#[test]
fn a_certificate_is_adopted_with_all_its_names_and_its_own_end() {
    let mut desk = asked(certificate());
    let mut certificates = facts([7, 8, 9]);
    certificates.get_mut(&key_id(9)).unwrap().thumbprint = thumbprint(7);
    let keys = [key(7, "Verify"), key(8, "Verify"), key(9, "Verify")];
    desk.memory.saw_directory(directory(&keys, None), certificates, Detail::WithKeys, None, at(0));
    let claim = adopted(&desk).unwrap();
    assert_eq!(claim.detail, EntryDetail::ClientCertificate { thumbprint: thumbprint(7), slot: None });
    assert_eq!((claim.key_ids, claim.not_after), (BTreeSet::from([key_id(7), key_id(9)]), Some(at(100_000))));
}

/// The parts of a signing certificate with this link.
fn parts(link: &str, numbers: impl IntoIterator<Item = u8>) -> Vec<Value> {
    let part = |n| json!({"keyId": key_id(n), "usage": if n == 7 { "Sign" } else { "Verify" }, "customKeyIdentifier": link, "displayName": "CN=by hand", "endDateTime": at(90)});
    numbers.into_iter().map(part).collect()
}

#[test]
fn a_signing_certificate_is_adopted_whole() {
    let mut desk = asked(signing());
    read(&mut desk, &parts("link", 7..=8), &[]);
    let claim = adopted(&desk).unwrap();
    let expected = Signing {
        display_name: Some("CN=by hand".to_owned()),
        custom_key_identifier: Some("link".to_owned()),
        thumbprint: Some(thumbprint(7)),
        ..Signing::default()
    };
    assert_eq!(claim.detail, EntryDetail::TokenSigning(expected));
    assert_eq!((claim.key_ids, claim.not_after), (BTreeSet::from([key_id(7), key_id(8)]), Some(at(90))));
}

#[rstest]
#[case::that_fits(64, 7..=14, true)]
#[case::with_too_long_a_link(65, 7..=14, false)]
#[case::with_too_many_names(64, 7..=15, false)]
fn a_signing_certificate_is_adopted_if_it_fits_into_an_entry(
    #[case] link: usize,
    #[case] parts_of: std::ops::RangeInclusive<u8>,
    #[case] expected: bool,
) {
    let mut desk = asked(signing());
    read(&mut desk, &parts(&"l".repeat(link), parts_of), &[]);
    assert_eq!(adopted(&desk).is_some(), expected);
}

#[rstest]
#[case::a_certificate_for_a_secret(secret(), &[key(7, "Verify")], &[])]
#[case::a_secret_for_a_certificate(certificate(), &[], &[by_hand(7)])]
#[case::a_private_key_for_a_certificate(certificate(), &[key(7, "Sign")], &[])]
#[case::a_signing_certificate_for_a_client_certificate(certificate(), &parts("link", 7..=8), &[])]
#[case::the_password_of_a_signing_certificate_for_a_secret(secret(), &parts("link", 7..=8), &[])]
#[case::a_certificate_for_a_signing_certificate(signing(), &[key(7, "Verify")], &[])]
fn what_is_of_another_kind_is_refused_for_an_hour(#[case] policy: Policy, #[case] keys: &[Value], #[case] passwords: &[Value]) {
    let mut desk = asked(policy);
    read(&mut desk, keys, passwords);
    let (until, reason, _) = refused(&desk).unwrap();
    assert_eq!((until, reason), (at(60), Reason::InvalidPolicy));
}
