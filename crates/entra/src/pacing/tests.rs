#![allow(clippy::unwrap_used)]

use super::*;

mod simulated;

fn start() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn after(milliseconds: i64) -> DateTime<Utc> {
    start() + TimeDelta::milliseconds(milliseconds)
}

fn share(name: &str) -> Share {
    name.into()
}

/// Sends as many as go, each answered at once.
fn sent_at(pacing: &mut Pacing, lane: Lane, name: &str, now: DateTime<Utc>, times: usize) -> usize {
    let share = share(name);
    let go = |_: &usize| {
        let is_free = pacing.take(lane, &share, now).is_ok();
        if is_free {
            pacing.done(lane, &share, now);
        }
        is_free
    };
    (0..times).take_while(go).count()
}

#[test]
fn a_period_takes_its_requests_and_no_more_until_the_first_of_them_are_over() {
    let mut pacing = Pacing::default();
    assert_eq!(sent_at(&mut pacing, Lane::Write, "", start(), 4000), 3000);
    let ready = pacing.take(Lane::Write, &share(""), start()).unwrap_err();
    assert!(ready > after(150_000) && ready <= after(150_250), "{ready}");
    assert_eq!(pacing.take(Lane::Write, &share(""), after(149_999)).unwrap_err(), ready);
    assert_eq!(sent_at(&mut pacing, Lane::Write, "", ready, 4000), 3000);
    assert_eq!(sent_at(&mut pacing, Lane::ReadWithKeys, "", start(), 4000), 150);
    let ready = pacing.take(Lane::ReadWithKeys, &share(""), start()).unwrap_err();
    assert!(ready > after(60_000) && ready <= after(60_100), "{ready}");
}

#[test]
fn a_request_counts_from_its_start_until_a_period_after_its_answer() {
    let mut pacing = Pacing::default();
    let share = share("");
    for _ in 0..150 {
        pacing.take(Lane::ReadWithKeys, &share, start()).unwrap();
    }
    assert!(pacing.take(Lane::ReadWithKeys, &share, after(1_000_000)).is_err(), "none has been answered");
    pacing.done(Lane::ReadWithKeys, &share, after(1_000_000));
    assert!(pacing.take(Lane::ReadWithKeys, &share, after(1_059_000)).is_err());
    assert!(pacing.take(Lane::ReadWithKeys, &share, after(1_060_100)).is_ok());
}

#[test]
fn a_request_that_was_never_sent_costs_no_room_and_nobody_ends_what_is_not_begun() {
    let mut pacing = Pacing::default();
    for name in ["", "a"].into_iter().cycle().take(1000) {
        if pacing.take(Lane::ReadWithKeys, &share(name), start()).is_ok() {
            pacing.give_back(Lane::ReadWithKeys, &share(name));
        }
        pacing.give_back(Lane::ReadWithKeys, &share(name));
        pacing.done(Lane::ReadWithKeys, &share(name), start());
        pacing.done(Lane::ReadWithKeys, &share("b"), start());
    }
    assert_eq!(sent_at(&mut pacing, Lane::ReadWithKeys, "", start(), 4000), 150);
}

#[test]
fn one_named_share_leaves_room_for_others_to_begin() {
    let mut pacing = Pacing::default();
    let at_once = sent_at(&mut pacing, Lane::Write, "payroll", start(), 4000);
    assert_eq!(at_once, 150);
    let in_a_period: usize = (1..150_000 / 50).map(|step| sent_at(&mut pacing, Lane::Write, "payroll", after(step * 50), 10)).sum();
    assert_eq!(at_once + in_a_period, 2910);
    assert_eq!(sent_at(&mut pacing, Lane::Write, "billing", after(149_950), 4000), 90);
}

#[test]
fn those_who_are_held_back_are_told_times_in_turns() {
    // One after the other leaves the window again, 25 a second.
    let mut pacing = Pacing::default();
    for step in 0..3000 {
        assert_eq!(sent_at(&mut pacing, Lane::Write, "", after(step * 40), 1), 1);
    }
    let now = after(3000 * 40);
    let mut told = |name: &str| pacing.take(Lane::Write, &share(name), now).unwrap_err();
    let many: Vec<_> = (0..1000).map(|_| told("many")).collect();
    let few: Vec<_> = (0..3).map(|_| told("few")).collect();
    assert!(many.is_sorted() && few.is_sorted());
    assert!(few[0] <= many[1] && few[2] <= many[4], "{:?} {:?}", &few[..3], &many[..5]);
    assert!(many[999] > many[0] + TimeDelta::seconds(30), "not all at once: {} {}", many[0], many[999]);
}

#[test]
fn a_share_that_had_less_goes_first_and_one_that_does_not_come_holds_nobody_up_for_long() {
    let mut pacing = Pacing::default();
    assert_eq!(sent_at(&mut pacing, Lane::ReadWithKeys, "", start(), 10), 10);
    assert_eq!(sent_at(&mut pacing, Lane::ReadWithKeys, "", after(19_000), 200), 140);
    let told = pacing.take(Lane::ReadWithKeys, &share("poor"), after(20_000)).unwrap_err();
    assert!(told > after(60_000) && told < after(60_200), "{told}");
    // Ten leave. One of them is spoken for.
    assert_eq!(sent_at(&mut pacing, Lane::ReadWithKeys, "", told, 100), 9);
    assert_eq!(sent_at(&mut pacing, Lane::ReadWithKeys, "", told + TimeDelta::seconds(9), 100), 0);
    assert_eq!(sent_at(&mut pacing, Lane::ReadWithKeys, "", told + TimeDelta::milliseconds(10_001), 100), 1);
}

#[test]
fn a_pause_closes_one_lane_until_it_is_over() {
    let mut pacing = Pacing::default();
    pacing.close(Lane::Read, start(), Duration::from_secs(10));
    assert_eq!(pacing.take(Lane::Read, &share("a"), after(9_000)), Err(after(10_000)));
    assert_eq!(pacing.take(Lane::Write, &share("a"), start()), Ok(()));
    assert_eq!(pacing.take(Lane::Read, &share("a"), after(10_000)), Ok(()));
    pacing.close(Lane::Read, after(20_000), Duration::from_secs(60));
    pacing.close(Lane::Read, after(21_000), Duration::from_secs(2));
    assert_eq!(pacing.take(Lane::Read, &share("a"), after(25_000)), Err(after(80_000)), "the longest counts");
}

#[test]
fn no_pause_and_no_jump_of_the_clock_closes_a_lane_for_more_than_an_hour() {
    let mut pacing = Pacing::default();
    for pause in [Duration::from_secs(7201), Duration::MAX] {
        pacing.close(Lane::Write, start(), pause);
        assert_eq!(pacing.take(Lane::Write, &share(""), start()), Err(start() + TimeDelta::hours(1)));
    }
    let years_before = start() - TimeDelta::days(1000);
    assert_eq!(sent_at(&mut pacing, Lane::Write, "", years_before, 4000), 3000);
    let earlier = years_before - TimeDelta::days(1000);
    let ready = pacing.take(Lane::Write, &share(""), earlier).unwrap_err();
    assert!(ready <= earlier + TimeDelta::milliseconds(150_500), "{}", ready - earlier);
    assert_eq!(sent_at(&mut pacing, Lane::Write, "", ready, 4000), 3000);
}

#[test]
fn a_share_goes_on_at_its_pace_after_a_jump_of_the_clock_back() {
    let mut pacing = Pacing::default();
    assert_eq!(sent_at(&mut pacing, Lane::ReadWithKeys, "some", start(), 30), 30);
    let earlier = start() - TimeDelta::days(1);
    let ready = pacing.take(Lane::ReadWithKeys, &share("some"), earlier).unwrap_err();
    assert!(ready <= earlier + TimeDelta::seconds(1), "{}", ready - earlier);
    assert_eq!(sent_at(&mut pacing, Lane::ReadWithKeys, "some", ready, 1), 1);
}

#[test]
fn a_limit_that_is_near_makes_writes_go_one_by_one_for_ten_seconds() {
    let strained = |used: f64| {
        let mut pacing = Pacing::default();
        pacing.strain(used, start());
        pacing
    };
    let sent_in_ten_seconds = |used: f64| {
        let mut pacing = strained(used);
        (0..1000).map(|step| sent_at(&mut pacing, Lane::Write, "", after(step * 10), 10)).sum::<usize>()
    };
    assert_eq!([0.8, 1.0, 1.2, 1.4, 1.8, 40.0].map(sent_in_ten_seconds), [199, 199, 34, 19, 9, 9]);
    assert_eq!([0.79, -1.0, f64::NAN].map(sent_in_ten_seconds), [3000; 3]);
    let mut pacing = strained(1.8);
    let told: Vec<_> = (0..3).map(|_| pacing.take(Lane::Write, &share("a"), start()).unwrap_err()).collect();
    assert_eq!(told, [after(1_000), after(2_000), after(3_000)]);
    for later in 1..10 {
        pacing.strain(1.8, after(later * 100));
    }
    assert_eq!(sent_at(&mut pacing, Lane::Write, "", after(1_000), 10), 1, "said ten times, it puts nobody off for longer");
    assert_eq!(sent_at(&mut pacing, Lane::Read, "", start(), 1000), 1000, "reads go on");
    assert_eq!(sent_at(&mut pacing, Lane::Write, "", after(10_900), 1000), 1000, "it passes");
}

#[test]
fn shares_that_send_nothing_are_forgotten_and_promises_are_bounded() {
    let mut pacing = Pacing::default();
    for number in 0..3_000 {
        let _ = pacing.take(Lane::ReadWithKeys, &share(&number.to_string()), start());
        pacing.done(Lane::ReadWithKeys, &share(&number.to_string()), start());
    }
    let shown = format!("{pacing:?}");
    assert!(shown.matches("Tally").count() <= 150 + 600, "{}", shown.matches("Tally").count());
    pacing.take(Lane::ReadWithKeys, &share("last"), start() + TimeDelta::hours(1)).unwrap();
    assert_eq!(format!("{pacing:?}").matches("Tally").count(), 1);
}
