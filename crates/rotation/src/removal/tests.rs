mod course;
mod door;
mod names;

use std::collections::BTreeMap;

use rstest::rstest;

use super::*;
use crate::application::Application;
use crate::case::{Rest, Step};
use crate::ledger::{Ledger, Outcome};
use crate::memory::Memory;
use crate::sample::{at, certificate, directory, entry, key_id, listed, op, target};
use crate::time::Lateness;

/// Now: three equal reads, in minutes 0, 8 and 16, show the credentials 1 and 9.
const NOW: i64 = 16;

/// A list that is about to be replaced for the entry 1, beside another entry and another resource.
struct List {
    reads: Vec<(i64, Vec<u8>)>,
    other: Option<Entry>,
    sibling: Option<Entry>,
    emergency: bool,
}

fn quiet() -> List {
    List { reads: read("0:1,9 8:1,9 16:1,9"), other: None, sibling: None, emergency: false }
}

/// Reads as `minute:number,number`.
fn read(reads: &str) -> Vec<(i64, Vec<u8>)> {
    let one = |read: &str| {
        let (minute, listed) = read.split_once(':').unwrap();
        (minute.parse().unwrap(), listed.split(',').map(|n| n.parse().unwrap()).collect())
    };
    reads.split_whitespace().map(one).collect()
}

fn of(entry: Entry) -> Ledger {
    Ledger { target: Some(target()), next_seq: 9, entries: vec![entry], ..Ledger::default() }
}

impl List {
    /// What would be kept, or until when to wait and for what; nothing where the object is to be read again.
    fn judged(&self) -> Result<BTreeSet<KeyId>, Option<(Time, Wait)>> {
        let mut memory = Memory::new(at(0));
        for (minute, listed_then) in &self.reads {
            let keys: Vec<_> = listed_then.iter().map(|n| listed(*n)).collect();
            memory.saw_directory(directory(&keys, None), BTreeMap::new(), Detail::Plain, None, at(*minute));
        }
        let (policy, subject) = (certificate(), entry(1, Use::Retiring));
        let ledger = Ledger { entries: [subject.clone()].into_iter().chain(self.other.clone()).collect(), ..of(subject.clone()) };
        let siblings = self.sibling.clone().map(of);
        let application = Application::of(&siblings, None, Some(target().object_id), Lateness::default(), at(NOW));
        let case = Case { policy: &policy, ledger: &ledger, memory: &memory, application: &application, now: at(NOW) };
        quiet_list(&case, &subject, self.emergency).map_err(|halt| match halt {
            Halt::Wait(Rest { until, why }) | Halt::Stop(Rest { until, why }) => Some((until, why)),
            Halt::Step(step) => {
                assert!(matches!(*step, Step::Look(Look::Directory(_))), "{step:?}");
                None
            }
        })
    }
}

fn busy(until: i64) -> Result<BTreeSet<KeyId>, Option<(Time, Wait)>> {
    Err(Some((at(until), Wait::Busy)))
}

fn quieting(until: i64) -> Result<BTreeSet<KeyId>, Option<(Time, Wait)>> {
    Err(Some((at(until), Wait::Quieting)))
}

fn kept(numbers: &[u8]) -> Result<BTreeSet<KeyId>, Option<(Time, Wait)>> {
    Ok(numbers.iter().map(|n| key_id(*n)).collect())
}

fn licensed(entry: Entry, kind: OpKind, minute: i64, outcome: Option<Outcome>) -> Option<Entry> {
    Some(Entry { op: Some(op(kind, at(minute), outcome)), ..entry })
}

fn nameless(seq: u32) -> Entry {
    Entry { key_ids: BTreeSet::new(), ..entry(seq, Use::Abandoned) }
}

#[test]
fn a_quiet_list_keeps_all_but_what_goes() {
    assert_eq!(quiet().judged(), kept(&[9]));
}

#[rstest]
#[case::two_reads("0:1,9 16:1,9")]
#[case::less_than_late("2:1,9 9:1,9 16:1,9")]
#[case::a_change_in_between("0:1,9 8:1 16:1,9")]
#[case::no_read("")]
#[case::an_old_read("-4:1,9 8:1,9 15:1,9")]
fn without_three_equal_reads_that_span_late_nothing_is_replaced(#[case] reads: &str) {
    let judged = List { reads: read(reads), ..quiet() }.judged();
    assert!(matches!(judged, Err(None | Some((_, Wait::Quieting)))), "{judged:?}");
}

#[rstest]
#[case::as_it_is_licensed(16)]
#[case::to_its_last_moment(-3)]
fn an_open_write_of_another_entry_is_waited_for(#[case] minute: i64) {
    let other = licensed(entry(9, Use::Current), OpKind::Activate, minute, None);
    assert_eq!(List { other, ..quiet() }.judged(), busy(minute + 20));
    let sibling = licensed(entry(9, Use::Current), OpKind::Activate, minute, None);
    assert_eq!(List { sibling, ..quiet() }.judged(), busy(minute + 20));
}

#[test]
fn a_write_that_is_over_is_not() {
    let other = licensed(entry(9, Use::Current), OpKind::Activate, -4, None);
    assert_eq!(List { other, ..quiet() }.judged(), kept(&[9]));
}

#[rstest]
#[case::just_made(16, Some(46))]
#[case::almost_known(-13, Some(17))]
#[case::it_would_have_appeared(-14, None)]
fn what_was_made_and_has_no_name_in_a_ledger_is_waited_for(#[case] minute: i64, #[case] until: Option<i64>) {
    let made = || licensed(nameless(2), OpKind::AddPassword, minute, Some(Outcome::Applied));
    let expected = until.map_or_else(|| kept(&[9]), busy);
    assert_eq!(List { other: made(), ..quiet() }.judged(), expected);
    assert_eq!(List { sibling: made(), ..quiet() }.judged(), expected);
}

#[test]
fn a_removal_of_what_never_had_a_name_holds_nothing_up() {
    let other = licensed(nameless(2), OpKind::RemovePassword, 16, Some(Outcome::Applied));
    assert_eq!(List { other, ..quiet() }.judged(), kept(&[9]));
}

/// Reads within seconds, as in an emergency; they show credential 1.
fn emergency() -> List {
    List { reads: read("15:1 16:1 16:1"), emergency: true, ..quiet() }
}

#[rstest]
#[case(Use::Next, true)]
#[case(Use::Current, true)]
#[case(Use::Previous, true)]
#[case(Use::Retiring, false)]
#[case(Use::Abandoned, false)]
fn what_a_ledger_counts_on_must_be_listed(#[case] used_as: Use, #[case] expected: bool) {
    let judged = || if expected { quieting(21) } else { kept(&[]) };
    assert_eq!(List { other: Some(entry(5, used_as)), ..emergency() }.judged(), judged());
    assert_eq!(List { sibling: Some(entry(5, used_as)), ..emergency() }.judged(), judged());
}

#[test]
fn what_is_gone_by_three_reads_that_span_late_is_not_expected_any_more() {
    let gone = || Some(Entry { issued_at: at(-60), ..entry(5, Use::Previous) });
    assert_eq!(List { other: gone(), ..quiet() }.judged(), kept(&[9]));
    assert_eq!(List { sibling: gone(), ..quiet() }.judged(), kept(&[9]));
}

#[rstest]
#[case::as_it_was_claimed(None)]
#[case::as_it_was_added(Some(OpKind::AddSigningByUpdate))]
#[case::as_its_certificate_was_added(Some(OpKind::AddVerifyByUpdate))]
fn reads_from_before_it_was_made_do_not_show_that_it_is_gone(#[case] kind: Option<OpKind>) {
    let issued_at = at(if kind.is_some() { -60 } else { 9 });
    let made = || Some(Entry { issued_at, op: kind.map(|kind| op(kind, at(9), Some(Outcome::Applied))), ..entry(5, Use::Next) });
    assert_eq!(List { other: made(), ..quiet() }.judged(), quieting(21));
    assert_eq!(List { sibling: made(), ..quiet() }.judged(), quieting(21));
}

#[rstest]
#[case::a_moment_ago(16, true)]
#[case::within_twice_late_and_five_minutes(-18, true)]
#[case::longer_ago(-19, false)]
fn a_list_that_shows_what_was_licensed_to_go_is_stale(#[case] minute: i64, #[case] stale: bool) {
    let going = || licensed(entry(9, Use::Retiring), OpKind::RemoveKey, minute, Some(Outcome::Applied));
    let expected = if stale { quieting(21) } else { kept(&[9]) };
    assert_eq!(List { other: going(), ..quiet() }.judged(), expected);
    assert_eq!(List { sibling: going(), ..quiet() }.judged(), expected);
}

#[test]
fn a_newcomer_is_waited_for_except_in_an_emergency() {
    let reads = || read("15:1,9 16:1,9 16:1,9");
    assert_eq!(List { reads: reads(), ..emergency() }.judged(), kept(&[9]));
    let judged = List { reads: reads(), ..quiet() }.judged();
    assert!(judged.is_err(), "{judged:?}");
}
