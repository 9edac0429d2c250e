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

#[rstest]
#[case::nothing_is_known(&[], &[5])]
#[case::a_list_has_shown_it(&[1, 2], &[1, 2])]
fn what_add_key_called_the_certificate_outlives_the_process_that_was_told(#[case] known: &[u8], #[case] expected: &[u8]) {
    let mut before = ledger(&[Use::Current, Use::Next]);
    before.entries[1].op = Some(op(OpKind::AddKey, at(0), None));
    before.entries[1].key_ids = known.iter().map(|n| key_id(*n)).collect();
    let mut memory = Memory::new(at(0));
    memory.answered("nonce", Answer::Applied(Some(Made::Key(key_id(5)))));
    let after = before.caught_up(&certificate(), &memory);
    assert_eq!(after.entries[1].key_ids, expected.iter().map(|n| key_id(*n)).collect());
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
    let begun = Rotation { reason: Some(Cause::Schedule), started_at: Some(at(1)), approved_at: Some(at(2)), ..Rotation::default() };
    failed.rotation = Rotation { reason: begun.reason, started_at: begun.started_at, approved_at: begun.approved_at, ..failed.rotation };
    let after = apply(&failed, &Fact::Promoted(id(1), BTreeSet::new())).rotation;
    assert_eq!(after, begun);
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

#[rstest]
#[case::previous(Use::Previous, Origin::Made, Use::Retiring)]
#[case::abandoned(Use::Abandoned, Origin::Made, Use::Retiring)]
#[case::handed_over(Use::Previous, Origin::Adopted, Use::Retiring)]
#[case::somebody_elses(Use::Previous, Origin::Foreign, Use::Previous)]
#[case::next(Use::Next, Origin::Made, Use::Next)]
#[case::current(Use::Current, Origin::Made, Use::Current)]
fn what_is_needed_or_somebody_elses_does_not_pass_the_door(#[case] before: Use, #[case] origin: Origin, #[case] after: Use) {
    let mut ledger = ledger(&[before]);
    ledger.entries[0].origin = origin;
    let retired = apply(&ledger, &Fact::Retired(id(0), Some(Licence::of(OpKind::RemoveKey))));
    assert_eq!(retired.entries[0].r#use, after);
    assert_eq!(retired.entries[0].op.is_some(), after == Use::Retiring);
}

#[rstest]
#[case::current(Use::Current, Origin::Made, Use::Retiring)]
#[case::next(Use::Next, Origin::Made, Use::Retiring)]
#[case::somebody_elses(Use::Current, Origin::Foreign, Use::Current)]
fn what_goes_with_its_resource_passes_the_door_unless_it_is_somebody_elses(
    #[case] before: Use,
    #[case] origin: Origin,
    #[case] after: Use,
) {
    let mut ledger = ledger(&[before]);
    ledger.entries[0].origin = origin;
    let policy = Policy { deleted_at: Some(at(59)), ..certificate() };
    let stamp = Stamp { now: at(60), nonce: "new".to_owned() };
    let retired = ledger.apply(&Fact::Retired(id(0), None), &stamp, &policy, &Memory::new(at(0)));
    assert_eq!(retired.entries[0].r#use, after);
}

#[test]
fn promotion_without_news_keeps_the_names_that_are_known() {
    let after = apply(&ledger(&[Use::Next]), &Fact::Promoted(id(0), BTreeSet::new()));
    assert_eq!(after.entries[0].key_ids, BTreeSet::from([key_id(0)]));
}

#[test]
fn what_is_handed_over_is_recorded_once_whoever_recorded_it() {
    let mut before = ledger(&[Use::Current]);
    before.entries[0].origin = Origin::Foreign;
    let adopted = |ledger: &Ledger, n| apply(ledger, &Fact::Adopted(Box::new(Claim { key_ids: BTreeSet::from([key_id(n)]), ..claim(9) })));
    let known = adopted(&before, 0);
    assert_eq!((uses(&known), known.entries[0].origin, known.entries[0].adopted_at), (vec![Use::Current], Origin::Adopted, Some(at(60))));
    let new = adopted(&before, 5);
    assert_eq!((uses(&new), new.next_seq, new.entries[0].origin), (vec![Use::Current, Use::Previous], 10, Origin::Foreign));
    assert_eq!((new.entries[1].origin, new.entries[1].adopted_at), (Origin::Adopted, Some(at(60))));
}

/// A certificate that this entry stages in the first slot, and what a read showed there.
fn staged(r#use: Use, seen: Option<Option<u32>>) -> Option<crate::ledger::SlotName> {
    use crate::ledger::SlotName::A;
    let mut before = ledger(&[r#use]);
    before.entries[0].detail = Detail::ClientCertificate { thumbprint: thumbprint(0), slot: Some(A) };
    let mut memory = Memory::new(at(0));
    if let Some(holder) = seen {
        let slot = |seq| crate::memory::Slot { uid: "uid".to_owned(), entry: Some(id(seq)), owner: None, secret: None };
        memory.saw_slot(A, holder.map(slot), at(0));
    }
    before.caught_up(&certificate(), &memory).entries[0].slot()
}

#[rstest]
#[case::not_looked_at(Use::Previous, None, true)]
#[case::still_there(Use::Previous, Some(Some(0)), true)]
#[case::empty(Use::Previous, Some(None), false)]
#[case::taken_by_another(Use::Retiring, Some(Some(1)), false)]
#[case::needed_again(Use::Current, Some(None), true)]
fn a_slot_that_is_not_needed_any_more_is_forgotten_once_it_is_gone(
    #[case] r#use: Use,
    #[case] seen: Option<Option<u32>>,
    #[case] kept: bool,
) {
    assert_eq!(staged(r#use, seen).is_some(), kept);
}

#[test]
fn what_was_told_as_missing_is_not_missed_again() {
    let mut before = ledger(&[Use::Current]);
    before.entries[0].op = Some(Op { kept: [1, 2, 3].map(key_id).into(), ..op(OpKind::AddByUpdate, at(0), None) });
    let kept = |ledger: &Ledger| ledger.entries[0].op.as_ref().map(|op| op.kept.clone());
    let told = apply(&before, &Fact::ForeignLost(id(0), BTreeSet::from([key_id(2)])));
    assert_eq!(kept(&told), Some([1, 3].map(key_id).into()));
}
