//! How what is learnt of signing certificates changes the ledger.

use std::collections::BTreeSet;

use entra_types::Thumbprint;
use rotation::*;
use rstest::rstest;

use super::*;
use crate::world::UID;

fn id(seq: u32) -> EntryId {
    EntryId::derive(UID, seq)
}

fn entry(seq: u32, r#use: Use) -> Entry {
    Entry {
        seq,
        id: id(seq),
        origin: Origin::Made,
        r#use,
        issued_at: time("2026-01-01T00:00:00Z"),
        not_after: Some(time("2026-02-01T00:00:00Z")),
        published_at: matches!(r#use, Use::Current | Use::Previous).then(|| time("2026-01-01T00:05:00Z")),
        adopted_at: None,
        key_ids: BTreeSet::from([id(seq).key_id(UID)]),
        detail: EntryDetail::TokenSigning(Signing { thumbprint: Some(Thumbprint::new([seq as u8; 20])), ..Signing::default() }),
        op: None,
    }
}

fn ledger(uses: &[Use]) -> Ledger {
    let entries: Vec<_> = (0..).zip(uses).map(|(seq, r#use)| entry(seq, *r#use)).collect();
    Ledger { next_seq: u32::try_from(entries.len()).unwrap(), entries, ..Ledger::default() }
}

fn apply(ledger: &Ledger, fact: &Fact) -> Ledger {
    let now = time("2026-01-03T00:00:00Z");
    ledger.apply(fact, &Stamp { now, nonce: "new".to_owned() }, &asked(30, |_| {}), &Memory::new(now))
}

fn uses(ledger: &Ledger) -> Vec<Use> {
    ledger.entries.iter().map(|entry| entry.r#use).collect()
}

#[rstest]
#[case::previous(0, &[Use::Current, Use::Previous, Use::Previous, Use::Retiring, Use::Abandoned])]
#[case::current(1, &[Use::Previous, Use::Current, Use::Previous, Use::Retiring, Use::Abandoned])]
#[case::next(2, &[Use::Previous, Use::Previous, Use::Current, Use::Retiring, Use::Abandoned])]
#[case::retiring(3, &[Use::Previous, Use::Current, Use::Next, Use::Retiring, Use::Abandoned])]
#[case::abandoned(4, &[Use::Previous, Use::Previous, Use::Previous, Use::Retiring, Use::Current])]
#[case::nobody(7, &[Use::Previous, Use::Current, Use::Next, Use::Retiring, Use::Abandoned])]
fn what_signs_again_is_current_and_a_rotation_under_way_ends(#[case] seq: u32, #[case] expected: &[Use]) {
    let before = ledger(&[Use::Previous, Use::Current, Use::Next, Use::Retiring, Use::Abandoned]);
    let after = apply(&before, &Fact::Reinstated(id(seq)));
    assert_eq!(uses(&after), expected);
    let republished = after.current().is_some_and(|current| current.published_at.is_none());
    assert_eq!(republished, uses(&before) != uses(&after) && seq != 1, "what was not Current is published anew");
}

#[test]
fn a_successor_that_entra_may_never_have_heard_of_is_given_up_and_not_kept() {
    let mut before = ledger(&[Use::Current, Use::Next]);
    before.entries[1].detail = EntryDetail::TokenSigning(Signing::default());
    assert_eq!(uses(&apply(&before, &Fact::Reinstated(id(0)))), [Use::Current, Use::Abandoned]);
}

#[rstest]
#[case(0, false)]
#[case(1, true)]
#[case(7, false)]
fn only_the_successor_can_be_approved(#[case] seq: u32, #[case] approved: bool) {
    let after = apply(&ledger(&[Use::Current, Use::Next]), &Fact::Approved(id(seq)));
    assert_eq!(after.rotation.approved_at.is_some(), approved);
}

fn found() -> Box<Claim> {
    let mut world = World::new(asked(30, |_| {}));
    world.run_until(|world, _| world.ledger.target.is_some());
    Box::new(Claim {
        id: id(2),
        target: world.ledger.target.clone().unwrap(),
        cause: Cause::FirstIssue,
        detail: entry(2, Use::Next).detail,
        key_ids: BTreeSet::new(),
        issued_at: None,
        not_after: None,
        op: None,
    })
}

#[rstest]
#[case(Fact::ForeignFound(found()), &[Use::Current, Use::Next, Use::Previous])]
#[case(Fact::ForeignSigner(found()), &[Use::Previous, Use::Next, Use::Current])]
fn what_somebody_else_made_takes_nothing_from_the_rotation_under_way(#[case] fact: Fact, #[case] expected: &[Use]) {
    let mut before = ledger(&[Use::Current, Use::Next]);
    before.rotation.approved_at = Some(time("2026-01-02T00:00:00Z"));
    before.rotation.started_at = Some(time("2026-01-02T00:00:00Z"));
    let after = apply(&before, &fact);
    assert_eq!(uses(&after), expected);
    assert_eq!(after.entries[2].origin, Origin::Foreign);
    assert_eq!(after.rotation, before.rotation);
}

#[test]
fn the_keyids_of_an_update_are_in_the_ledger_with_its_licence_and_differ() {
    let before = ledger(&[Use::Current, Use::Next]);
    let (sign, verify) = (id(1).key_id(UID), id(1).verify_key_id(UID));
    assert_ne!(sign, verify);
    let licensed = |kind| {
        let fact = Fact::Licensed(id(1), Licence { kind, kept: BTreeSet::new(), from: None });
        apply(&before, &fact).entries[1].key_ids.clone()
    };
    assert_eq!(licensed(OpKind::AddSigningByUpdate), BTreeSet::from([sign, verify]));
    assert_eq!(licensed(OpKind::AddVerifyByUpdate), BTreeSet::from([sign, verify]), "beside what was known");
    assert_eq!(licensed(OpKind::AddSigningKey), BTreeSet::from([sign]), "those of addKey are Entra's choice");
}
