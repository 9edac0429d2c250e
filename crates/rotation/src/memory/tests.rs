use chrono::TimeDelta;
use rstest::rstest;

use super::*;
use crate::ledger::{OpKind, Use};
use crate::sample::{UID, at, directory, entry, key_id, op, thumbprint};

const LATE: TimeDelta = TimeDelta::minutes(15);

fn refused(minutes: impl IntoIterator<Item = i64>) -> Memory {
    let mut memory = Memory::new(at(0));
    minutes.into_iter().for_each(|minute| memory.proof_was_refused(at(minute)));
    memory
}

#[rstest]
#[case(vec![], false)]
#[case(vec![0, 15], false)]
#[case(vec![0, 7, 14], false)]
#[case(vec![0, 7, 15], true)]
fn proofs_are_hopeless_after_three_refusals_that_span_late(#[case] minutes: Vec<i64>, #[case] hopeless: bool) {
    assert_eq!(refused(minutes).proof_is_hopeless(LATE), hopeless);
}

#[test]
fn a_write_that_was_applied_clears_the_refusals_before() {
    let mut memory = refused([0, 7]);
    memory.answered("nonce", Answer::Applied(None));
    memory.proof_was_refused(at(100_000));
    assert!(!memory.proof_is_hopeless(LATE));
}

#[test]
fn refusals_are_remembered_within_bounds() {
    let memory = refused(0..10_000);
    assert!(memory.proof_is_hopeless(TimeDelta::minutes(9_999)), "the first and the latest stay known");
    assert!(memory.proof_refusals.len() <= 8);
}

#[test]
fn what_was_others_stays_known_within_bounds() {
    let mut memory = Memory::new(at(0));
    for n in 0..10_000 {
        memory.others_own(BTreeSet::from([KeyId::new(uuid::Uuid::from_u128(n))]));
    }
    let known = (0..10_000).filter(|n| memory.was_others(&KeyId::new(uuid::Uuid::from_u128(*n))));
    assert!(memory.was_others(&KeyId::new(uuid::Uuid::from_u128(10_000 - REMEMBERED as u128))));
    assert!((REMEMBERED..=2 * REMEMBERED).contains(&known.count()));
}

#[rstest]
#[case::seven_in_a_row(vec![0, 1, 2, 3, 4, 5, 6], None)]
#[case::eight_in_a_row(vec![0, 1, 2, 3, 4, 5, 6, 7], Some(7 + 5))]
#[case::eight_in_almost_an_hour(vec![0, 1, 2, 3, 4, 5, 6, 59], Some(59 + 5))]
#[case::eight_in_an_hour(vec![0, 1, 2, 3, 4, 5, 6, 60], None)]
#[case::the_latest_eight_count(vec![0, 200, 201, 202, 203, 204, 205, 206, 207], Some(207 + 5))]
fn eight_writes_of_the_output_within_four_times_late_are_a_contest(#[case] minutes: Vec<i64>, #[case] until: Option<i64>) {
    let mut memory = Memory::new(at(0));
    minutes.into_iter().for_each(|minute| memory.publishing(at(minute)));
    assert_eq!(memory.contested_until(Lateness::default()), until.map(at));
}

fn slot(seq: u32) -> Slot {
    Slot { uid: "uid".to_owned(), entry: Some(EntryId::derive(UID, seq)), owner: None, secret: None }
}

#[test]
fn a_slot_is_live_in_the_pass_that_saw_it_and_unknown_once_it_may_have_changed() {
    let mut memory = Memory::new(at(0));
    memory.begin_pass();
    assert!(!memory.slot_is_live(SlotName::A));
    memory.saw_slot(SlotName::A, Some(slot(1)), at(0));
    assert!(memory.slot_is_live(SlotName::A) && !memory.slot_is_live(SlotName::B));
    memory.begin_pass();
    assert!(!memory.slot_is_live(SlotName::A) && memory.slot(SlotName::A) == Some(Some(&slot(1))));
    memory.forget_slot(SlotName::A);
    assert_eq!(memory.slot(SlotName::A), None);
}

#[test]
fn what_is_others_is_so_until_they_name_it_no_more() {
    let mut memory = Memory::new(at(0));
    memory.others_own(BTreeSet::from([key_id(1)]));
    assert!(memory.is_others(&key_id(1)) && !memory.is_others(&key_id(2)));
    memory.others_own(BTreeSet::from([key_id(2)]));
    assert!(!memory.is_others(&key_id(1)) && memory.was_others(&key_id(1)) && !memory.was_others(&key_id(3)));
}

fn shows(seq: u32) -> Output {
    let id = EntryId::derive(UID, seq);
    let projection =
        Projection { entry: id, current: Material::Certificate(thumbprint(1)), next: None, previous: None, bundle: BTreeSet::new() };
    Output::Ours { shows: Some(projection), holds: None }
}

/// Where the mark of an entry can be met.
#[rstest]
#[case::nowhere(|_: &mut Memory, _: u32| {}, false)]
#[case::in_the_output(|memory: &mut Memory, seq: u32| memory.saw_output(shows(seq), vec![], at(0)), true)]
#[case::in_a_slot(|memory: &mut Memory, seq: u32| memory.saw_slot(SlotName::B, Some(slot(seq)), at(0)), true)]
#[case::in_a_name(|memory: &mut Memory, seq: u32| list(memory, &EntryId::derive(UID, seq).password_name(UID), ""), true)]
#[case::at_the_end_of_a_name(|memory: &mut Memory, seq: u32| list(memory, &format!("CN=payroll-{}", EntryId::derive(UID, seq)), ""), true)]
#[case::in_a_certificate(|memory: &mut Memory, seq: u32| list(memory, "", &EntryId::derive(UID, seq).san_uri(UID)), true)]
fn an_entry_whose_mark_was_seen_anywhere_is_not_named_again(#[case] see: fn(&mut Memory, u32), #[case] seen: bool) {
    let mut memory = Memory::new(at(0));
    see(&mut memory, 4);
    let ledger = Ledger { next_seq: 4, ..Ledger::default() };
    assert_eq!(memory.bears(UID, &EntryId::derive(UID, 4)), seen);
    assert!(!memory.bears(UID, &EntryId::derive(UID, 5)));
    assert_eq!(ledger.next_id(UID, &memory), EntryId::derive(UID, if seen { 5 } else { 4 }));
}

fn list(memory: &mut Memory, name: &str, certificate: &str) {
    let listed = serde_json::json!({"keyId": key_id(1), "usage": "Verify", "displayName": name, "key": null});
    let facts = CertificateFacts { thumbprint: thumbprint(1), not_after: at(900), der: certificate.as_bytes().to_vec() };
    memory.saw_directory(directory(&[listed], None), BTreeMap::from([(key_id(1), facts)]), Detail::WithKeys, None, at(0));
}

#[test]
fn what_no_entry_needs_any_more_is_forgotten() {
    let mut memory = Memory::new(at(0));
    let key = |seq| FreshKey { entry: EntryId::derive(UID, seq), thumbprint: thumbprint(1), not_after: at(900) };
    let ledger = |entry| Ledger { entries: vec![entry], ..Ledger::default() };
    let licensed = || Entry { op: Some(op(OpKind::AddKey, at(0), None)), ..entry(1, Use::Next) };
    ["nonce", "older"].into_iter().for_each(|nonce| memory.licensing(nonce));
    [0, 1].into_iter().for_each(|seq| memory.saw_sign_in(&EntryId::derive(UID, seq), SignInResult::Accepted, at(0)));
    memory.generated(key(1));
    memory.settle(&ledger(licensed()));
    assert!(memory.attempt("nonce").is_some() && memory.attempt("older").is_none());
    assert!(memory.sign_ins(&EntryId::derive(UID, 1)).is_some() && memory.sign_ins(&EntryId::derive(UID, 0)).is_none());
    assert_eq!(memory.fresh_key(), Some(&key(1)), "until it is published");
    memory.settle(&ledger(Entry { published_at: Some(at(1)), ..licensed() }));
    assert_eq!(memory.fresh_key(), None);
    memory.generated(key(2));
    memory.settle(&ledger(licensed()));
    assert_eq!(memory.fresh_key(), Some(&key(2)), "one that is still to be claimed");
    memory.forget_fresh_key();
    assert_eq!(memory.fresh_key(), None);
}

#[test]
fn refused_sign_ins_are_remembered_within_bounds() {
    let mut memory = Memory::new(at(0));
    (0..100).for_each(|minute| memory.saw_sign_in(&EntryId::derive(UID, 1), SignInResult::Refused, at(minute)));
    let refused = &memory.sign_ins(&EntryId::derive(UID, 1)).unwrap().refused;
    assert_eq!((refused.first(), refused.last()), (Some(&at(0)), Some(&at(99))));
    assert!((3..=8).contains(&refused.len()), "{refused:?}");
}

#[test]
fn a_certificate_of_the_output_is_known_by_its_thumbprint() {
    let mut memory = Memory::new(at(0));
    let facts = CertificateFacts { thumbprint: thumbprint(7), not_after: at(900), der: vec![7] };
    memory.saw_output(Output::Absent, vec![facts.clone()], at(0));
    assert_eq!(memory.history().certificate_by(thumbprint(7)), Some(&facts));
    memory.saw_output(Output::Absent, vec![], at(0));
    assert_eq!(memory.history().certificate_by(thumbprint(7)), None);
}
