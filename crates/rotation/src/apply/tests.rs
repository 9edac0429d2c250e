//! How each fact changes a ledger.

use rstest::rstest;

use super::*;
use crate::memory::Answer;
use crate::reason::{Cause, Reason};
use crate::sample::{UID, at, certificate, entry, key_id, op, target, thumbprint};

fn ledger(uses: &[Use]) -> Ledger {
    let entries: Vec<_> = (0..).zip(uses).map(|(seq, r#use)| entry(seq, *r#use)).collect();
    Ledger { target: Some(target()), next_seq: 9, entries, ..Ledger::default() }
}

fn apply(ledger: &Ledger, fact: &Fact) -> Ledger {
    ledger.apply(fact, &Stamp { now: at(60), nonce: "new".to_owned() }, &certificate(), &Memory::new(at(0)))
}

fn uses(ledger: &Ledger) -> Vec<Use> {
    ledger.entries.iter().map(|entry| entry.r#use).collect()
}

fn id(seq: u32) -> EntryId {
    EntryId::derive(UID, seq)
}

fn claim(seq: u32) -> Claim {
    Claim {
        id: id(seq),
        target: target(),
        cause: Cause::Schedule,
        detail: entry(seq, Use::Next).detail,
        key_ids: BTreeSet::new(),
        issued_at: None,
        not_after: Some(at(100)),
        op: Some(OpKind::AddKey),
    }
}

#[test]
fn facts_about_an_entry_that_is_not_there_change_nothing() {
    let before = ledger(&[Use::Previous, Use::Current, Use::Next]);
    let identity =
        Identity { key_ids: BTreeSet::from([key_id(8)]), custom_key_identifier: String::new(), thumbprint: thumbprint(8), not_after: None };
    let licence = Licence::of(OpKind::AddKey);
    for fact in [
        Fact::Licensed(id(7), licence.clone()),
        Fact::Identified(id(7), identity),
        Fact::Announced(id(7)),
        Fact::Promoted(id(7), BTreeSet::new()),
        Fact::Published(id(7)),
        Fact::Retired(id(7), Some(licence)),
        Fact::Abandoned(id(7)),
        Fact::Dropped(id(7)),
    ] {
        assert_eq!(apply(&before, &fact), before, "{fact:?}");
    }
}

#[test]
fn promotion_turns_current_into_previous() {
    let after = apply(&ledger(&[Use::Previous, Use::Current, Use::Next]), &Fact::Promoted(id(2), BTreeSet::from([key_id(5)])));
    assert_eq!(uses(&after), [Use::Previous, Use::Previous, Use::Current]);
    assert_eq!(after.entries[2].key_ids, BTreeSet::from([key_id(5)]));
}

#[rstest]
#[case::named(|ids| Fact::Named(id(0), ids))]
#[case::promoted(|ids| Fact::Promoted(id(0), ids))]
#[case::identified(|ids| {
    let identity = Identity { key_ids: ids, custom_key_identifier: "k".repeat(65), thumbprint: thumbprint(1), not_after: None };
    Fact::Identified(id(0), identity)
})]
fn an_entry_takes_eight_names_and_those_it_has_already_first(#[case] fact: fn(BTreeSet<KeyId>) -> Fact) {
    let mut before = ledger(&[Use::Next]);
    before.entries[0].key_ids = BTreeSet::from([key_id(20)]);
    before.entries[0].detail = Detail::TokenSigning(Signing::default());
    let after = apply(&before, &fact((9..=20).map(key_id).collect()));
    let expected: BTreeSet<KeyId> = (9..=15).chain([20]).map(key_id).collect();
    assert_eq!(after.entries[0].key_ids, expected);
    assert_eq!(after.entries[0].signing().and_then(|signing| signing.custom_key_identifier.clone()), None);
}

#[rstest]
#[case(Use::Retiring)]
#[case(Use::Abandoned)]
#[case(Use::Previous)]
fn nothing_comes_back_from_beyond_the_door(#[case] r#use: Use) {
    let before = ledger(&[r#use, Use::Current]);
    assert_eq!(apply(&before, &Fact::Promoted(id(0), BTreeSet::new())), before);
}

#[test]
fn there_is_one_successor_at_a_time() {
    let before = ledger(&[Use::Current, Use::Next]);
    assert_eq!(apply(&before, &Fact::Claimed(claim(9))), before);
}

#[test]
fn a_claim_takes_the_next_number_and_is_licensed() {
    let after = apply(&ledger(&[Use::Current]), &Fact::Claimed(claim(9)));
    assert_eq!((after.next_seq, uses(&after)), (10, vec![Use::Current, Use::Next]));
    assert_eq!(after.entries[1].op.as_ref().map(|op| (op.kind, op.nonce.as_str(), op.at)), Some((OpKind::AddKey, "new", at(60))));
}

#[test]
fn the_last_number_of_all_is_not_given_twice() {
    let full = Ledger { next_seq: u32::MAX, ..ledger(&[Use::Current]) };
    assert_eq!(apply(&full, &Fact::Claimed(claim(9))).next_seq, u32::MAX);
}

#[rstest]
#[case(Answer::Applied(None), Some(Outcome::Applied))]
#[case(Answer::Refused, Some(Outcome::Refused))]
#[case(Answer::Unsent, Some(Outcome::Refused))]
#[case(Answer::Unknown, None)]
fn an_outcome_goes_in_with_the_next_change_and_only_under_its_own_nonce(#[case] answer: Answer, #[case] expected: Option<Outcome>) {
    let mut before = ledger(&[Use::Current, Use::Next]);
    before.entries[1].op = Some(op(OpKind::AddKey, at(0), None));
    let mut memory = Memory::new(at(0));
    memory.answered("another", answer.clone());
    let outcome = |ledger: &Ledger| ledger.entries[1].op.as_ref().and_then(|op| op.outcome);
    assert_eq!(outcome(&before.caught_up(&certificate(), &memory)), None);
    memory.answered("nonce", answer);
    assert_eq!(outcome(&before.caught_up(&certificate(), &memory)), expected);
}

#[test]
fn a_failure_schedules_the_next_attempt_and_obeys_retry_after() {
    let trouble = |wait| Trouble { reason: Reason::Throttled, message: "ü".repeat(5_000), wait };
    let soon = apply(&ledger(&[]), &Fact::Failed(trouble(None))).rotation;
    let waits = |rotation: &Rotation| (rotation.next_attempt.unwrap_or_default() - at(60)).num_seconds();
    assert!((61..=67).contains(&waits(&soon)), "{soon:?}");
    assert_eq!(soon.last_failure.map(|failure| failure.message.chars().count()), Some(1_000));
    let late = apply(&ledger(&[]), &Fact::Failed(trouble(Some(TimeDelta::seconds(999))))).rotation;
    assert_eq!(waits(&late), 1_000);
}

#[test]
fn progress_ends_a_series_of_failures() {
    let trouble = Trouble { reason: Reason::Conflict, message: String::new(), wait: None };
    let mut failed = apply(&ledger(&[Use::Current, Use::Next]), &Fact::Failed(trouble));
    failed.rotation.reason = Some(Cause::Schedule);
    let after = apply(&failed, &Fact::Promoted(id(1), BTreeSet::new())).rotation;
    assert_eq!(after, Rotation { reason: Some(Cause::Schedule), ..Rotation::default() });
}

#[test]
fn a_new_object_starts_with_a_free_ration() {
    let started = Rotation { started_at: Some(at(0)), ..Rotation::default() };
    let after = apply(&Ledger { rotation: started, ..ledger(&[Use::Current]) }, &Fact::Retargeted);
    assert_eq!((after.entries.len(), after.target, after.next_seq), (0, None, 9));
    assert_eq!(
        schedule::next_issue(
            &Ledger { target: None, ..Ledger { next_seq: 9, rotation: after.rotation, ..Ledger::default() } },
            certificate().late
        ),
        None
    );
}
