//! What an output names that a restored status has forgotten.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rstest::rstest;

use super::*;
use crate::Application;
use crate::case::{Rest, Step};
use crate::check::Halt;
use crate::history::{CertificateFacts, Detail as Depth};
use crate::id::EntryId;
use crate::ledger::Ledger;
use crate::memory::{Material, Memory, Output, Slot};
use crate::policy::Policy;
use crate::reason::{Reason, Refusal};
use crate::sample::{UID, at, certificate, directory, entry, key_id, listed, sign, signing, target, thumbprint};

fn id(seq: u32) -> EntryId {
    EntryId::derive(UID, seq)
}

/// The output names the entry after the one that the ledger takes for the current one.
fn showing() -> Memory {
    showing_one(id(2))
}

fn showing_one(entry: EntryId) -> Memory {
    let mut memory = Memory::new(at(0));
    let shows = Projection { entry, current: Material::Certificate(thumbprint(2)), next: None, previous: None, bundle: BTreeSet::new() };
    memory.saw_output(Output::Ours { shows: Some(shows), holds: None }, vec![], at(0));
    memory.begin_pass();
    memory
}

fn read(memory: &mut Memory, minute: i64, ids: &[u8]) {
    let keys: Vec<_> = ids.iter().map(|n| listed(*n)).collect();
    let marked = |n: u8| CertificateFacts { thumbprint: thumbprint(n), not_after: at(9_000), der: id(n.into()).san_uri(UID).into_bytes() };
    let certificates: BTreeMap<_, _> = ids.iter().map(|n| (key_id(*n), marked(*n))).collect();
    memory.saw_directory(directory(&keys, None), certificates, Depth::WithKeys, None, at(minute));
}

fn remembers(memory: &Memory, minute: i64) -> Check {
    remembers_for(&certificate(), memory, minute)
}

fn remembers_for(policy: &Policy, memory: &Memory, minute: i64) -> Check {
    let application = Application::default();
    let ledger = Ledger { target: Some(target()), next_seq: 2, entries: vec![entry(1, Use::Current)], ..Ledger::default() };
    remember(&Case { policy, ledger: &ledger, memory, application: &application, now: at(minute) })
}

#[rstest]
#[case::a_moment_after_the_read(60, false)]
#[case::before_a_third_of_late(64, false)]
#[case::after_a_third_of_late(65, true)]
#[case::later(66, true)]
fn what_one_read_does_not_show_is_looked_for_again_after_a_third_of_late(#[case] minute: i64, #[case] looks: bool) {
    let mut memory = showing();
    read(&mut memory, 60, &[1]);
    match remembers(&memory, minute) {
        Err(Halt::Step(step)) => assert!(looks && *step == Step::Look(Look::Directory(Depth::WithKeys)), "{step:?}"),
        Err(Halt::Wait(rest)) => assert!(!looks && rest == Rest { until: at(65), why: Wait::Settling }, "{rest:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_three_reads_over_late_do_not_show_is_not_waited_for() {
    let mut memory = showing();
    [40, 50, 60].into_iter().for_each(|minute| read(&mut memory, minute, &[1]));
    assert!(remembers(&memory, 60).is_ok());
}

fn slot_of(seq: u32) -> Option<Slot> {
    Some(Slot { uid: format!("uid-{seq}"), entry: Some(id(seq)), owner: Some(UID.to_owned()), secret: None })
}

#[rstest]
#[case::in_the_first([slot_of(2), slot_of(1)], Some(SlotName::A))]
#[case::in_the_second([slot_of(1), slot_of(2)], Some(SlotName::B))]
#[case::beside_an_empty_one([None, slot_of(2)], Some(SlotName::B))]
fn what_is_remembered_is_where_it_was_staged(#[case] slots: [Option<Slot>; 2], #[case] expected: Option<SlotName>) {
    let mut memory = showing();
    SlotName::ALL.into_iter().zip(slots).for_each(|(name, slot)| memory.saw_slot(name, slot, at(60)));
    read(&mut memory, 60, &[1, 2]);
    let Err(Halt::Step(step)) = remembers(&memory, 60) else { panic!("nothing is done") };
    let Step::Note(Fact::Remembered(claim)) = *step else { panic!("{step:?}") };
    assert_eq!((claim.id, claim.key_ids), (id(2), BTreeSet::from([key_id(2)])));
    assert_eq!(claim.detail, Detail::ClientCertificate { thumbprint: thumbprint(2), slot: expected });
    assert_eq!(claim.not_after, Some(at(0) + TimeDelta::minutes(9_000)));
}

#[test]
fn where_it_is_staged_is_looked_at_first() {
    let mut memory = showing();
    read(&mut memory, 60, &[1, 2]);
    let Err(Halt::Step(step)) = remembers(&memory, 60) else { panic!("nothing is done") };
    assert_eq!(*step, Step::Look(Look::Slot(SlotName::A)));
}

#[rstest]
#[case::in_the_ledger(id(1))]
#[case::before_it(id(0))]
#[case::of_another_resource(EntryId::derive("another", 2))]
fn what_the_ledger_has_not_forgotten_is_not_looked_for(#[case] shown: EntryId) {
    assert!(remembers(&showing_one(shown), 60).is_ok());
}

#[test]
fn what_is_refused_waits_and_lets_the_other_rules_speak() {
    let policy = Policy { refusal: Some(Refusal::new(Reason::TenantNotReady, "It does not sign in.")), ..certificate() };
    let halt = remembers_for(&policy, &showing(), 60);
    let Err(Halt::Wait(rest)) = halt else { panic!("{halt:?}") };
    assert_eq!(rest, Rest { until: at(60 + 15), why: Wait::Settling });
}

#[rstest]
#[case::what_the_output_names(2, true)]
#[case::another(1, false)]
fn a_signing_certificate_is_remembered_only_if_it_is_the_preferred_one(#[case] preferred: u8, #[case] remembered: bool) {
    let mut memory = showing();
    let marked = |n: u8| CertificateFacts { thumbprint: thumbprint(n), not_after: at(9_000), der: id(n.into()).san_uri(UID).into_bytes() };
    let certificates = [1, 2].map(|n| (key_id(n), marked(n))).into();
    let keys = [sign(1, 0, 9_000), sign(2, 0, 9_000)];
    let preferred = thumbprint(preferred).to_string();
    memory.saw_directory(directory(&keys, Some(&preferred)), certificates, Depth::WithKeys, None, at(60));
    match remembers_for(&signing(), &memory, 60) {
        Ok(()) => assert!(!remembered),
        Err(Halt::Step(step)) => assert!(remembered && matches!(*step, Step::Note(Fact::Remembered(_))), "{step:?}"),
        other => panic!("{other:?}"),
    }
}
