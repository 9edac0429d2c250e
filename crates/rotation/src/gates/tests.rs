use chrono::TimeDelta;
use rstest::rstest;

use super::*;
use crate::Application;
use crate::check::Halt;
use crate::ledger::{Ledger, Use};
use crate::memory::Memory;
use crate::sample::{at, certificate, entry, time};
use crate::window::{Window, Windows};

/// Current ends with the tenth day, so that the deadline is the end of the ninth: midnight of the tenth of January.
#[rstest]
#[case::one_opens_in_time("0 2 9 * *", 1, Some("2026-01-09T02:00:00Z"))]
#[case::one_is_open("0 0 2 * *", 1, None)]
#[case::one_opens_with_the_deadline("0 0 10 * *", 1, None)]
#[case::one_opens_after_the_deadline("0 1 10 * *", 1, None)]
#[case::the_deadline_is_past("0 2 11 * *", 9, None)]
fn a_successor_waits_for_a_window_that_opens_before_the_deadline(#[case] opens: &str, #[case] days: i64, #[case] until: Option<&str>) {
    let window = Window::parse(opens, "Etc/UTC", TimeDelta::hours(1), at(0)).unwrap();
    let policy = crate::Policy { windows: Windows::new(vec![window]), ..certificate() };
    let ledger = Ledger { entries: vec![entry(1, Use::Current), entry(2, Use::Next)], ..Ledger::default() };
    let (memory, application) = (Memory::new(at(0)), Application::default());
    let case = Case { policy: &policy, ledger: &ledger, memory: &memory, application: &application, now: at(days * 24 * 60) };
    let waits = match await_window(&case, &ledger.entries[1]) {
        Ok(()) => None,
        Err(Halt::Wait(rest)) => Some(rest.until),
        other => panic!("{other:?}"),
    };
    assert_eq!(waits, until.map(time));
}
