//! Windows: the times at which a successor may take over. A window opens when its cron schedule fires in its time zone, and stays open for its duration.

use std::str::FromStr;

use chrono::TimeDelta;
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::time::Time;

/// One window.
#[derive(Clone, Debug)]
pub struct Window {
    schedule: Cron,
    zone: Tz,
    duration: TimeDelta,
}

/// All windows of a resource. None at all leave every time open.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Windows(Vec<Window>);

/// Why a window cannot be understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WindowError {
    /// The schedule is none.
    #[error("{0:?} is no schedule of five cron fields: {1}")]
    Schedule(String, String),
    /// The schedule never fires, such as on 30 February.
    #[error("{0:?} never comes")]
    Never(String),
    /// The time zone is none.
    #[error("{0:?} is no time zone of the IANA database, such as Europe/Berlin")]
    Zone(String),
}

impl Window {
    /// Five cron fields, the name of an IANA time zone, and how long the window stays open.
    ///
    /// # Errors
    /// [`WindowError`] when one of them cannot be understood, or when the window never opens after `now`.
    pub fn parse(schedule: &str, zone: &str, duration: TimeDelta, now: Time) -> Result<Self, WindowError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(schedule).map_err(|error| WindowError::Schedule(schedule.to_owned(), error.to_string()))?;
        let zone = Tz::from_str(zone).map_err(|_| WindowError::Zone(zone.to_owned()))?;
        let window = Self { schedule: cron, zone, duration };
        window.next(now).map(|_| window.clone()).ok_or_else(|| WindowError::Never(schedule.to_owned()))
    }

    fn is_open(&self, now: Time) -> bool {
        let opened = self.schedule.find_previous_occurrence(&now.with_timezone(&self.zone), true).ok();
        opened.is_some_and(|opened| now < opened.to_utc() + self.duration)
    }

    fn next(&self, now: Time) -> Option<Time> {
        self.schedule.find_next_occurrence(&now.with_timezone(&self.zone), false).ok().map(|at| at.to_utc())
    }
}

impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        (self.schedule.as_str(), self.zone, self.duration) == (other.schedule.as_str(), other.zone, other.duration)
    }
}

impl Eq for Window {}

impl Windows {
    /// Of these.
    pub fn new(windows: Vec<Window>) -> Self {
        Self(windows)
    }

    /// Whether a successor may take over now.
    pub fn are_open(&self, now: Time) -> bool {
        self.0.is_empty() || self.0.iter().any(|window| window.is_open(now))
    }

    /// When the next of them opens, after `now`.
    pub fn next_opening(&self, now: Time) -> Option<Time> {
        self.0.iter().filter_map(|window| window.next(now)).min()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::sample::time;

    fn windows(schedule: &str, zone: &str, minutes: i64) -> Windows {
        Windows::new(vec![Window::parse(schedule, zone, TimeDelta::minutes(minutes), time("2026-01-01T00:00:00Z")).unwrap()])
    }

    #[test]
    fn without_windows_every_time_is_open() {
        assert!(Windows::default().are_open(time("2026-01-01T00:00:00Z")));
        assert_eq!(Windows::default().next_opening(time("2026-01-01T00:00:00Z")), None);
    }

    #[rstest]
    #[case::before("2026-01-03T01:59:59Z", false)]
    #[case::as_it_opens("2026-01-03T02:00:00Z", true)]
    #[case::inside("2026-01-03T02:29:59Z", true)]
    #[case::as_it_closes("2026-01-03T02:30:00Z", false)]
    #[case::another_day("2026-01-04T02:10:00Z", false)]
    fn a_window_is_open_from_its_schedule_for_its_duration(#[case] now: &str, #[case] open: bool) {
        assert_eq!(windows("0 2 * * 6", "Etc/UTC", 30).are_open(time(now)), open);
    }

    #[rstest]
    #[case::winter("2026-01-10T00:00:00Z", "2026-01-10T01:00:00Z")]
    #[case::summer("2026-07-10T00:00:00Z", "2026-07-11T00:00:00Z")]
    #[case::summer_by_a_hair("2026-07-09T23:59:59Z", "2026-07-10T00:00:00Z")]
    fn a_window_follows_its_time_zone(#[case] now: &str, #[case] opens: &str) {
        assert_eq!(windows("0 2 * * *", "Europe/Berlin", 30).next_opening(time(now)), Some(time(opens)));
    }

    #[rstest]
    #[case::the_hour_that_is_left_out("2026-03-28T12:00:00Z")]
    #[case::the_hour_that_comes_twice("2026-10-24T12:00:00Z")]
    fn a_night_with_a_change_of_clocks_has_its_window(#[case] before: &str) {
        let nightly = windows("30 2 * * *", "Europe/Berlin", 60);
        let opens = nightly.next_opening(time(before)).unwrap();
        assert!(opens - time(before) < TimeDelta::hours(15), "{opens}");
        assert!(nightly.are_open(opens));
    }

    #[test]
    fn a_window_of_more_than_a_day_overlaps_the_next_and_one_that_spans_midnight_stays_open() {
        assert!(windows("0 0 * * *", "Etc/UTC", 3_000).are_open(time("2026-01-05T12:00:00Z")));
        assert!(windows("0 23 * * *", "Etc/UTC", 120).are_open(time("2026-01-05T00:30:00Z")));
    }

    #[test]
    fn the_soonest_of_several_windows_counts() {
        let early = windows("0 2 * * *", "Etc/UTC", 30).0;
        let late = windows("0 22 * * *", "Etc/UTC", 30).0;
        let both = Windows::new([early, late].concat());
        assert_eq!(both.next_opening(time("2026-01-05T03:00:00Z")), Some(time("2026-01-05T22:00:00Z")));
        assert!(both.are_open(time("2026-01-05T22:10:00Z")) && both.are_open(time("2026-01-05T02:10:00Z")));
    }

    #[test]
    fn windows_are_the_same_when_nothing_about_them_differs() {
        let window = || windows("0 2 * * *", "Etc/UTC", 30);
        assert_eq!(window(), window());
        let others = [windows("0 3 * * *", "Etc/UTC", 30), windows("0 2 * * *", "Europe/Berlin", 30), windows("0 2 * * *", "Etc/UTC", 31)];
        others.into_iter().for_each(|other| assert_ne!(window(), other));
    }

    #[rstest]
    #[case("* * * *", "Etc/UTC")]
    #[case("* * * * * *", "Etc/UTC")]
    #[case("61 * * * *", "Etc/UTC")]
    #[case("0 0 30 2 *", "Etc/UTC")]
    #[case("0 0 * * *", "Mars/Olympus")]
    #[case("", "")]
    fn what_is_no_window_is_refused_by_name(#[case] schedule: &str, #[case] zone: &str) {
        let error = Window::parse(schedule, zone, TimeDelta::hours(1), time("2026-01-01T00:00:00Z")).unwrap_err();
        let word = if zone == "Mars/Olympus" { zone } else { schedule };
        assert!(error.to_string().contains(word), "{error}");
    }
}
