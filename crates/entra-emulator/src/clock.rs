//! The emulator's own time: a source that runs by itself, and an offset that tests set.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// Where time comes from.
pub trait TimeSource: Send + Sync {
    /// The present instant by this source.
    fn now(&self) -> DateTime<Utc>;
}

/// The time of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemTime;

impl TimeSource for SystemTime {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// The time of tokio's clock, counted from an instant of choice: it stands still and jumps with `tokio::time::pause`.
#[derive(Clone, Copy, Debug)]
pub struct TokioTime {
    origin: DateTime<Utc>,
    started: Instant,
}

impl TokioTime {
    /// A source that shows `origin` now.
    pub fn starting_at(origin: DateTime<Utc>) -> Self {
        Self { origin, started: Instant::now() }
    }
}

impl TimeSource for TokioTime {
    fn now(&self) -> DateTime<Utc> {
        TimeDelta::from_std(self.started.elapsed()).ok().and_then(|passed| self.origin.checked_add_signed(passed)).unwrap_or(self.origin)
    }
}

/// Times beyond have no place in a certificate. The clock stops there, as it does at 1970.
const LATEST: DateTime<Utc> = DateTime::from_timestamp_nanos(i64::MAX);

/// A source with an offset.
#[derive(Clone)]
pub(crate) struct Clock {
    source: Arc<dyn TimeSource>,
    offset: TimeDelta,
}

impl Clock {
    pub(crate) fn new(source: Arc<dyn TimeSource>) -> Self {
        Self { source, offset: TimeDelta::zero() }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        let now = self.source.now();
        now.checked_add_signed(self.offset).unwrap_or(now).clamp(DateTime::UNIX_EPOCH, LATEST)
    }

    /// Moves the clock; a negative step moves it back.
    pub(crate) fn advance(&mut self, step: TimeDelta) {
        self.offset = self.offset.checked_add(&step).unwrap_or(self.offset);
    }

    /// Makes it show `time` now; it runs on from there.
    pub(crate) fn set(&mut self, time: DateTime<Utc>) {
        self.offset = time.clamp(DateTime::UNIX_EPOCH, LATEST).signed_duration_since(self.source.now());
    }
}

/// Seven fractional digits, as Graph writes the times that it sets itself.
pub(crate) fn with_seven_digits(time: DateTime<Utc>) -> String {
    format!("{}.{:07}Z", time.format("%Y-%m-%dT%H:%M:%S"), time.timestamp_subsec_nanos() / 100)
}

/// Whole seconds, as Graph writes the times of certificates.
pub(crate) fn in_seconds(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The form of HTTP's `Date` header.
pub(crate) fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// An instant as callers of Graph write it: RFC 3339 with a zone and at most seven fractional digits.
pub(crate) fn parse(text: &str) -> Option<DateTime<Utc>> {
    let fraction = text.split_once('.').map_or(0, |(_, rest)| rest.chars().take_while(char::is_ascii_digit).count());
    (fraction <= 7 && text.len() <= 40).then(|| DateTime::parse_from_rfc3339(text).ok()).flatten().map(|time| time.to_utc())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_are_written_as_graph_writes_them() {
        let time = parse("2021-05-05T18:38:51.8100763Z").unwrap();
        assert_eq!(with_seven_digits(time), "2021-05-05T18:38:51.8100763Z");
        assert_eq!(in_seconds(time), "2021-05-05T18:38:51Z");
        assert_eq!(http_date(time), "Wed, 05 May 2021 18:38:51 GMT");
    }

    #[test]
    fn a_time_without_zone_or_with_eight_digits_is_none() {
        for text in ["2021-05-05T18:38:51", "2021-05-05", "2021-05-05T18:38:51.81007631Z", ""] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_clock_that_was_set_runs_on() {
        let mut clock = Clock::new(Arc::new(SystemTime));
        let target = parse("2040-01-01T00:00:00Z").unwrap();
        clock.set(target);
        assert!(clock.now() >= target);
        clock.advance(TimeDelta::days(-1));
        assert!(clock.now() < target);
    }
}
