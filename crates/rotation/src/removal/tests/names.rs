//! By which names something is ours to remove.

use serde_json::{Value, json};

use super::*;
use crate::history::CertificateFacts;
use crate::memory::SignInResult;
use crate::policy::{Kind, Policy};
use crate::sample::*;

/// The link of a key that was made here, of the certificate 1: base64 of its thumbprint.
const OWN_LINK: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn ids(numbers: &[u8]) -> BTreeSet<KeyId> {
    numbers.iter().map(|n| key_id(*n)).collect()
}

fn removable_of(desk: &Desk, n: u8) -> BTreeSet<KeyId> {
    removable(&desk.case(), desk.ledger.entry(&id(n)).unwrap())
}

#[rstest]
#[case::next(Use::Next, Origin::Made, &[])]
#[case::current(Use::Current, Origin::Made, &[])]
#[case::somebody_elses(Use::Previous, Origin::Foreign, &[])]
#[case::previous(Use::Previous, Origin::Made, &[1])]
#[case::adopted(Use::Previous, Origin::Adopted, &[1])]
#[case::going(Use::Retiring, Origin::Made, &[1])]
fn what_is_in_use_or_not_ours_stays_even_where_another_entry_claims_its_name(
    #[case] r#use: Use,
    #[case] origin: Origin,
    #[case] expected: &[u8],
) {
    let other = Entry { origin, key_ids: ids(&[1, 2]), ..entry(2, r#use) };
    let mut desk = Desk::new(certificate(), vec![entry(1, Use::Previous), other]);
    desk.listed_in(&[0], &[1, 2]);
    assert_eq!(removable_of(&desk, 1), ids(expected));
}

/// The parts of the signing certificate 1: 1 signs, 2 is its public half.
fn parts(link: &str) -> [Value; 2] {
    [("Sign", 1), ("Verify", 2)]
        .map(|(usage, n)| json!({"keyId": key_id(n), "usage": usage, "customKeyIdentifier": link, "endDateTime": at(90_000)}))
}

/// The signing certificate 1 as the ledger knows it, and a read that shows it with this link and these certificates.
fn signing_desk(link: &str, certificates: &[(u8, u8)]) -> Desk {
    let known = Signing { custom_key_identifier: Some(link.to_owned()), thumbprint: Some(thumbprint(1)), ..Signing::default() };
    let entry = Entry { key_ids: ids(&[1, 2, 3]), ..signing_entry(1, Use::Previous, known) };
    let mut desk = Desk::new(signing(), vec![entry]);
    let facts = certificates
        .iter()
        .map(|(n, of)| (key_id(*n), CertificateFacts { thumbprint: thumbprint(*of), not_after: at(90_000), der: vec![] }));
    let [sign, verify] = parts(link);
    desk.memory.saw_directory(directory(&[sign, verify, listed(3)], None), facts.collect(), Detail::WithKeys, None, at(0));
    desk
}

#[rstest]
#[case::it_is_the_certificate("link", &[(2, 1)], &[1, 2])]
#[case::it_is_another_one("link", &[(2, 5)], &[])]
#[case::nobody_read_it("link", &[], &[])]
#[case::nobody_read_it_and_the_link_is_ours(OWN_LINK, &[], &[1, 2])]
#[case::it_is_another_one_and_the_link_is_ours(OWN_LINK, &[(2, 5)], &[])]
#[case::it_is_the_certificate_and_the_link_is_ours(OWN_LINK, &[(2, 1)], &[1, 2])]
fn what_shares_the_link_of_a_signing_certificate_goes_with_it_unless_that_is_another_one(
    #[case] link: &str,
    #[case] certificates: &[(u8, u8)],
    #[case] expected: &[u8],
) {
    assert_eq!(removable_of(&signing_desk(link, certificates), 1), ids(expected));
}

#[test]
fn another_link_with_another_certificate_holds_nothing_up() {
    let mut desk = signing_desk("link", &[(2, 1)]);
    let [sign, verify] = parts("link");
    let mut other = json!({"keyId": key_id(9), "usage": "Sign", "customKeyIdentifier": "other", "endDateTime": at(90_000)});
    other["displayName"] = json!("CN=other");
    desk.memory.saw_directory(directory(&[sign, verify, other], None), facts([9]), Detail::WithKeys, None, at(0));
    assert_eq!(removable_of(&desk, 1), ids(&[1, 2]));
}

/// A certificate that goes, which is listed under the names 1 and 3.
fn added_twice(entry: Entry) -> Desk {
    let current = Entry { published_at: Some(at(-60 * 24 * 30)), ..crate::sample::entry(2, Use::Current) };
    let mut desk = Desk::new(certificate(), vec![entry, current]);
    let mut certificates = facts([1, 2, 3]);
    certificates.get_mut(&key_id(3)).unwrap().thumbprint = thumbprint(1);
    desk.begin(0);
    desk.memory.saw_directory(directory(&[listed(1), listed(2), listed(3)], None), certificates, Detail::WithKeys, None, at(0));
    desk.shows(2);
    desk.signs_in(2, SignInResult::Accepted);
    desk
}

fn names_of(numbers: &[u8]) -> Option<Step> {
    Some(Step::Note(Fact::Named(id(1), ids(numbers))))
}

fn retires() -> Option<Step> {
    Some(Step::Note(Fact::Retired(id(1), Some(Licence::of(OpKind::RemoveKey)))))
}

#[rstest]
#[case::it_was_made_here(Origin::Made, &[1], names_of(&[1, 3]))]
#[case::both_are_known(Origin::Made, &[1, 3], retires())]
#[case::it_was_handed_over(Origin::Adopted, &[1], retires())]
#[case::there_is_room_for_one_more(Origin::Made, &[1, 11, 12, 13, 14, 15, 16], names_of(&[1, 3, 11, 12, 13, 14, 15, 16]))]
#[case::there_is_no_room(Origin::Made, &[1, 11, 12, 13, 14, 15, 16, 17], retires())]
fn every_name_of_a_certificate_is_known_before_it_goes(#[case] origin: Origin, #[case] known: &[u8], #[case] said: Option<Step>) {
    let desk = added_twice(Entry { origin, key_ids: ids(known), ..entry(1, Use::Previous) });
    assert_eq!(desk.says(retire), said);
}

#[test]
fn a_foreign_signer_is_only_dropped() {
    let desk = added_twice(Entry { origin: Origin::Foreign, ..entry(1, Use::Previous) });
    assert_eq!(desk.says(retire), Some(Step::Note(Fact::Dropped(id(1)))));
}

/// An application that rolls itself, whose certificate 1 nobody told the name of. It ends in minute 60.
fn nameless_desk(reads: &[i64], listed: &[u8]) -> Desk {
    let nameless = Entry { key_ids: BTreeSet::from([id(1).key_id(UID)]), not_after: Some(at(60)), ..entry(1, Use::Previous) };
    let current = Entry { published_at: Some(at(-60 * 24 * 30)), ..entry(2, Use::Current) };
    let mut desk = Desk::new(self_rolled(), vec![nameless, current]);
    desk.listed_in(reads, listed);
    desk
}

#[rstest]
#[case::it_is_accepted(&[44, 52, 59], false, rest(60, Wait::Settling))]
#[case::it_is_gone(&[44, 52, 59], true, Some(Step::Note(Fact::Retired(id(1), None))))]
#[case::it_has_expired(&[44, 52, 60], true, Some(Step::Note(Fact::Retired(id(1), None))))]
fn what_has_no_name_is_left_to_expire(#[case] reads: &[i64], #[case] is_gone: bool, #[case] said: Option<Step>) {
    let mut desk = nameless_desk(&[], &[]);
    for minute in reads {
        desk.begin(*minute);
        let own = json!({"keyId": id(1).key_id(UID), "usage": "Verify", "key": null});
        let keys = if is_gone { vec![listed(2)] } else { vec![own, listed(2)] };
        desk.memory.saw_directory(directory(&keys, None), facts([2]), Detail::WithKeys, None, desk.now);
    }
    desk.shows(2);
    desk.signs_in(2, SignInResult::Accepted);
    assert_eq!(desk.says(retire), said);
}

/// A certificate that was given up before its name was known, and a read that shows it, with this text in it.
fn given_up(policy: Policy, text: &str) -> Option<Step> {
    let mut desk = Desk::new(policy, vec![Entry { key_ids: BTreeSet::new(), ..entry(1, Use::Abandoned) }]);
    let facts = CertificateFacts { thumbprint: thumbprint(1), not_after: at(90_000), der: text.as_bytes().to_vec() };
    desk.begin(0);
    desk.memory.saw_directory(directory(&[listed(1)], None), BTreeMap::from([(key_id(1), facts)]), Detail::WithKeys, None, at(0));
    desk.says_of(1, clean_up)
}

#[test]
fn a_certificate_is_known_by_thumbprint_and_mark() {
    assert_eq!(given_up(certificate(), &format!("..{}..", id(1).san_uri(UID))), names_of(&[1]));
    assert_ne!(given_up(certificate(), &id(2).san_uri(UID)), names_of(&[1]));
}

#[rstest]
#[case::by_its_name(json!({"keyId": key_id(7), "displayName": "CN=1", "usage": "Sign"}), Origin::Made, false)]
#[case::by_its_link(json!({"keyId": key_id(7), "customKeyIdentifier": "link", "usage": "Sign"}), Origin::Made, false)]
#[case::by_its_end(json!({"keyId": key_id(7), "endDateTime": at(90), "usage": "Sign"}), Origin::Made, false)]
#[case::something_else(json!({"keyId": key_id(7), "displayName": "CN=2", "endDateTime": at(91), "usage": "Sign"}), Origin::Made, true)]
#[case::something_that_looks_alike(json!({"keyId": key_id(7), "displayName": "CN=1", "usage": "Sign"}), Origin::Adopted, true)]
#[case::by_its_key_id(json!({"keyId": key_id(1), "usage": "Sign"}), Origin::Adopted, false)]
fn nothing_is_absent_that_bears_a_name_of_it(#[case] listed: Value, #[case] origin: Origin, #[case] absent: bool) {
    let known = Signing {
        display_name: Some("CN=1".to_owned()),
        end_date_time: Some(at(90).to_rfc3339()),
        custom_key_identifier: Some("link".to_owned()),
        ..Signing::default()
    };
    let mut desk = Desk::new(signing(), vec![Entry { origin, ..signing_entry(1, Use::Abandoned, known) }]);
    for minute in [1, 8, 16] {
        desk.memory.saw_directory(directory(std::slice::from_ref(&listed), None), BTreeMap::new(), Detail::WithKeys, None, at(minute));
    }
    let conclusion = is_absent(&desk.case(), desk.ledger.entry(&id(1)).unwrap());
    assert_eq!(conclusion, if absent { Conclusion::Confirmed } else { Conclusion::Denied });
}

#[rstest]
#[case::it_is_pinned(Some(1), None)]
#[case::another_one_is_pinned(Some(2), Some(Step::Look(Look::Directory(Detail::WithKeys))))]
#[case::nothing_is_pinned(None, Some(Step::Look(Look::Directory(Detail::WithKeys))))]
fn what_is_pinned_is_not_cleared_away(#[case] pinned: Option<u8>, #[case] said: Option<Step>) {
    let known = Signing { thumbprint: Some(thumbprint(1)), ..Signing::default() };
    let mut policy = signing();
    if let Kind::TokenSigning(signing) = &mut policy.kind {
        signing.pinned = pinned.map(thumbprint);
    }
    let desk = Desk::new(policy, vec![signing_entry(1, Use::Abandoned, known)]);
    assert_eq!(desk.says_of(1, clean_up), said);
}
