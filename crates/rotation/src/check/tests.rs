use std::collections::{BTreeMap, BTreeSet};

use rstest::rstest;

use super::*;
use crate::ledger::{Ledger, OpKind, Use};
use crate::memory::Memory;
use crate::policy::{Limits, Policy};
use crate::sample::{at, certificate, directory, entry, listed, op, policy, target};
use crate::{Application, Removal};

fn ledger(entries: Vec<Entry>) -> Ledger {
    Ledger { target: Some(target()), entries, ..Ledger::default() }
}

/// Asks something about a case at its sixtieth minute.
fn ask<T>(policy: &Policy, ledger: &Ledger, memory: &Memory, question: impl FnOnce(&Case<'_>) -> T) -> T {
    question(&Case { policy, ledger, memory, application: &Application::default(), now: at(60) })
}

fn read(memory: &mut Memory, detail: Detail, skew: i64) {
    let date = Some(at(60) + TimeDelta::seconds(skew));
    memory.saw_directory(directory(&[listed(1)], None), BTreeMap::new(), detail, date, at(60));
}

fn having_read(detail: Detail, skew: i64) -> Memory {
    let mut memory = Memory::new(at(0));
    memory.begin_pass();
    read(&mut memory, detail, skew);
    memory
}

#[rstest]
#[case::not_at_all(0, None)]
#[case::two_minutes(120, None)]
#[case::two_minutes_the_other_way(-120, None)]
#[case::more(121, Some("The operator's clock is 121 s behind Entra's."))]
#[case::more_the_other_way(-121, Some("The operator's clock is 121 s ahead of Entra's."))]
fn clocks_may_differ_by_two_minutes(#[case] skew: i64, #[case] refusal: Option<&str>) {
    let memory = having_read(Detail::Plain, skew);
    let halt = ask(&certificate(), &ledger(vec![]), &memory, |case| case.clock_agrees().err());
    let refused = halt.map(|halt| match halt {
        Halt::Stop(Rest { until, why: Wait::Refused(refusal) }) => (until, refusal.reason, refusal.message),
        other => panic!("{other:?}"),
    });
    assert_eq!(refused, refusal.map(|message| (at(60 + 5), Reason::ClockSkew, message.to_owned())));
}

#[test]
fn what_is_refused_looks_at_nothing_and_is_decided_again_after_late() {
    let refusal = Refusal::new(Reason::TenantNotReady, "It does not sign in.");
    let policy = Policy { refusal: Some(refusal.clone()), ..certificate() };
    let halt = ask(&policy, &ledger(vec![]), &having_read(Detail::Plain, 0), |case| case.live_directory(Detail::Plain).err());
    let Some(Halt::Stop(rest)) = halt else { panic!("{halt:?}") };
    assert_eq!(rest, Rest { until: at(60 + 15), why: Wait::Refused(refusal) });
}

/// A write that was applied before this process began may show in its first read, but only in one of the detail that is asked for.
#[rstest]
#[case::a_read_of_that_detail(Detail::WithKeys, Detail::WithKeys, true)]
#[case::a_read_that_shows_more(Detail::WithKeys, Detail::Plain, true)]
#[case::a_read_that_shows_less(Detail::Plain, Detail::WithKeys, false)]
fn a_write_of_an_older_process_shows_in_a_read_of_the_detail_that_is_asked_for(
    #[case] read: Detail,
    #[case] asked: Detail,
    #[case] shows: bool,
) {
    let halt = ask(&certificate(), &ledger(vec![]), &having_read(read, 0), |case| case.directory_after(0, asked).err());
    let looks = halt.map(|halt| match halt {
        Halt::Step(step) => *step,
        other => panic!("{other:?}"),
    });
    assert_eq!(looks, (!shows).then_some(Step::Look(Look::Directory(asked))));
}

#[test]
fn what_was_read_before_a_write_was_answered_does_not_show_it() {
    let mut memory = having_read(Detail::Plain, 0);
    let tick = memory.history().tick(Detail::Plain);
    let shows = |memory: &Memory| ask(&certificate(), &ledger(vec![]), memory, |case| case.directory_after(tick, Detail::Plain).is_ok());
    assert!(!shows(&memory));
    read(&mut memory, Detail::Plain, 0);
    assert!(shows(&memory));
}

/// Whether a write is sent under the licence that stands in the ledger, changed by `change`, or is licensed anew.
fn sends(change: impl FnOnce(&mut Op)) -> bool {
    let mut licensed = Op { kept: BTreeSet::new(), from: Some("a".to_owned()), ..op(OpKind::RemoveByUpdate, at(60), None) };
    let licence = Licence { kind: licensed.kind, kept: licensed.kept.clone(), from: licensed.from.clone() };
    change(&mut licensed);
    let ledger = ledger(vec![Entry { op: Some(licensed), ..entry(1, Use::Retiring) }]);
    let mut memory = having_read(Detail::Plain, 0);
    memory.licensing("nonce");
    let removal = Removal::new(&ledger.entries[0], OpKind::RemoveByUpdate, BTreeSet::new());
    let halt = ask(&certificate(), &ledger, &memory, |case| {
        case.send(&ledger.entries[0], licence, Mutation::Remove(removal, None)).expect_err("something is to be done")
    });
    match halt {
        Halt::Step(step) => matches!(*step, Step::Act(Act::Send(..))),
        other => panic!("{other:?}"),
    }
}

#[rstest]
#[case::as_it_is(|_: &mut Op| {}, true)]
#[case::of_another_kind(|op: &mut Op| op.kind = OpKind::RemoveKey, false)]
#[case::that_keeps_something_else(|op: &mut Op| op.kept = BTreeSet::from([crate::sample::key_id(9)]), false)]
#[case::that_replaces_something_else(|op: &mut Op| op.from = Some("b".to_owned()), false)]
#[case::that_was_settled(|op: &mut Op| op.outcome = Some(crate::ledger::Outcome::Refused), false)]
#[case::that_lapsed(|op: &mut Op| op.at = at(59), false)]
fn a_write_is_sent_under_a_licence_of_this_very_write_only(#[case] change: fn(&mut Op), #[case] sent: bool) {
    assert_eq!(sends(change), sent);
}

#[test]
fn nothing_is_sent_to_another_object_than_that_of_the_ledger() {
    let another = crate::ledger::Target { object_id: "aaaaaaaa-0000-4000-8000-000000000002".parse().expect("an id"), ..target() };
    let ledger = Ledger { target: Some(another), ..ledger(vec![entry(1, Use::Next)]) };
    let sent = ask(&certificate(), &ledger, &having_read(Detail::Plain, 0), |case| {
        case.send(&ledger.entries[0], Licence::of(OpKind::AddByUpdate), Mutation::AddByUpdate)
    });
    let Err(Halt::Wait(rest)) = sent else { panic!("{sent:?}") };
    assert_eq!(rest, Rest { until: at(60 + 5), why: Wait::Settling });
}

fn life(certificate: Option<i64>, secret: Option<i64>) -> Limits {
    let days = |days: Option<i64>| days.map(TimeDelta::days);
    Limits { certificate_life: days(certificate), secret_life: days(secret), ..Limits::default() }
}

/// A certificate is asked for 180 days, a secret for 90.
#[rstest]
#[case::nothing_is_limited(life(None, None), TimeDelta::days(180), TimeDelta::days(90))]
#[case::more_is_allowed(life(Some(400), Some(400)), TimeDelta::days(180), TimeDelta::days(90))]
#[case::certificates_are_limited(life(Some(30), None), TimeDelta::days(30) - TimeDelta::minutes(10), TimeDelta::days(90))]
#[case::secrets_are_limited(life(None, Some(30)), TimeDelta::days(180), TimeDelta::days(30) - TimeDelta::minutes(10))]
#[case::to_less_than_the_margin(
    Limits { certificate_life: Some(TimeDelta::minutes(12)), ..Limits::default() },
    TimeDelta::minutes(6),
    TimeDelta::days(90)
)]
fn a_credential_lives_as_long_as_asked_and_allowed(
    #[case] limits: Limits,
    #[case] of_certificate: TimeDelta,
    #[case] of_secret: TimeDelta,
) {
    let mut memory = Memory::new(at(0));
    memory.saw_limits(Some(limits), at(0));
    let validity = |policy: Policy| ask(&policy, &ledger(vec![]), &memory, |case| case.validity().num_minutes());
    assert_eq!((validity(certificate()), validity(policy(Kind::ClientSecret))), (of_certificate.num_minutes(), of_secret.num_minutes()));
}

/// When it waits until, of a rest; nothing where it lets the next one speak.
fn until(check: Check) -> Option<Time> {
    match check {
        Ok(()) => None,
        Err(Halt::Wait(rest) | Halt::Stop(rest)) => Some(rest.until),
        Err(Halt::Step(step)) => panic!("{step:?}"),
    }
}

#[test]
fn of_several_that_wait_the_soonest_counts_and_the_first_is_named() {
    let checks = [Ok(()), wait(at(9), Wait::Busy), wait(at(7), Wait::Settling), wait(at(8), Wait::Proving)];
    let Err(Halt::Wait(rest)) = all(checks) else { panic!("nobody waits") };
    assert_eq!(rest, Rest { until: at(7), why: Wait::Busy });
    assert!(matches!(all([wait(at(9), Wait::Busy), look(Look::Output)]), Err(Halt::Step(_))), "something can be done");
    assert_eq!(until(all([Ok(()), Ok(())])), None);
}

#[rstest]
#[case::of_another_entry(OpKind::AddByUpdate, 2, Some(at(59 + 20)))]
#[case::its_own(OpKind::AddByUpdate, 1, None)]
#[case::of_one_credential(OpKind::AddKey, 2, None)]
fn an_open_list_update_of_another_entry_freezes_the_application(#[case] kind: OpKind, #[case] asked: u32, #[case] frozen: Option<Time>) {
    let open = Entry { op: Some(op(kind, at(59), None)), ..entry(1, Use::Next) };
    let entries = vec![open, entry(2, Use::Previous)];
    let id = EntryId::derive(crate::sample::UID, asked);
    assert_eq!(until(ask(&certificate(), &ledger(entries), &Memory::new(at(0)), |case| case.is_not_frozen(Some(&id)))), frozen);
}
