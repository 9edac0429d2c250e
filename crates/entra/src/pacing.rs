//! How much may be sent to one tenant. Pure: it is told the time and never sleeps.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// What is counted, and throttled, by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lane {
    /// Reads of Graph. Their budget (thousands per 10 s) is out of our reach.
    Read,
    /// `$select=keyCredentials` on one object: 150 a minute per tenant (Microsoft Graph, "Get application").
    ReadWithKeys,
    /// Writes: 3,000 in 150 s per application and tenant (Microsoft Graph, "throttling limits", identity and access).
    Write,
    /// Our own tokens.
    Token,
    /// Credentials on trial.
    Trial,
    /// Federation metadata.
    Metadata,
}

const LANES: usize = 6;

struct Limit {
    requests: i32,
    period: TimeDelta,
}

impl Lane {
    const fn limit(self) -> Option<Limit> {
        match self {
            Self::ReadWithKeys => Some(Limit { requests: 150, period: TimeDelta::seconds(60) }),
            Self::Write => Some(Limit { requests: 3000, period: TimeDelta::seconds(150) }),
            Self::Read | Self::Token | Self::Trial | Self::Metadata => None,
        }
    }
}

/// No wait is longer, whatever was said and wherever the clock jumps.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);

/// The buckets of one tenant.
#[derive(Debug, Default)]
pub(crate) struct Pacing([Bucket; LANES]);

/// A full bucket holds a whole period's requests. It is kept as the time when it will be full again.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    full_at: Option<DateTime<Utc>>,
    closed_until: Option<DateTime<Utc>>,
}

impl Pacing {
    /// Takes one request out of the lane's bucket; or says when there will be one.
    pub(crate) fn take(&mut self, lane: Lane, now: DateTime<Utc>) -> Result<(), DateTime<Utc>> {
        let bucket = &mut self.0[lane as usize];
        // After a jump back of the clock, what was noted lies too far ahead to be true.
        let open = bucket.closed_until.filter(|until| *until > now && *until <= now + LONGEST_WAIT);
        match (open, lane.limit()) {
            (Some(until), _) => Err(until),
            (None, Some(limit)) => bucket.take(&limit, now),
            (None, None) => Ok(()),
        }
    }

    /// Entra asked for a pause on this lane.
    pub(crate) fn close(&mut self, lane: Lane, now: DateTime<Utc>, pause: Duration) {
        let pause = TimeDelta::from_std(pause).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT);
        self.0[lane as usize].closed_until = Some(now + pause);
    }
}

impl Bucket {
    fn take(&mut self, limit: &Limit, now: DateTime<Utc>) -> Result<(), DateTime<Utc>> {
        let one = limit.period / limit.requests;
        let full_at = self.full_at.map_or(now, |at| at.clamp(now, now + limit.period));
        let full_then = full_at + one;
        if full_then > now + limit.period {
            return Err(full_then - limit.period);
        }
        self.full_at = Some(full_then);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
    }

    fn taken_at(pacing: &mut Pacing, lane: Lane, now: DateTime<Utc>, times: usize) -> usize {
        (0..times).take_while(|_| pacing.take(lane, now).is_ok()).count()
    }

    #[test]
    fn a_full_bucket_holds_one_period_and_then_says_when_the_next_request_may_go() {
        let mut pacing = Pacing::default();
        assert_eq!(taken_at(&mut pacing, Lane::Write, start(), 4000), 3000);
        assert_eq!(pacing.take(Lane::Write, start()), Err(start() + TimeDelta::milliseconds(50)));
        assert_eq!(taken_at(&mut pacing, Lane::ReadWithKeys, start(), 4000), 150);
        assert_eq!(pacing.take(Lane::ReadWithKeys, start()), Err(start() + TimeDelta::milliseconds(400)));
    }

    #[test]
    fn a_bucket_fills_again_at_its_rate_and_not_above_its_brim() {
        let mut pacing = Pacing::default();
        taken_at(&mut pacing, Lane::ReadWithKeys, start(), 150);
        assert_eq!(taken_at(&mut pacing, Lane::ReadWithKeys, start() + TimeDelta::seconds(6), 4000), 15);
        assert_eq!(taken_at(&mut pacing, Lane::ReadWithKeys, start() + TimeDelta::days(1), 4000), 150);
    }

    #[test]
    fn what_is_refused_costs_nothing_and_ready_means_ready() {
        let mut pacing = Pacing::default();
        taken_at(&mut pacing, Lane::ReadWithKeys, start(), 150);
        let ready = (0..100).map(|_| pacing.take(Lane::ReadWithKeys, start())).last();
        assert_eq!(ready, Some(Err(start() + TimeDelta::milliseconds(400))));
        assert_eq!(pacing.take(Lane::ReadWithKeys, start() + TimeDelta::milliseconds(400)), Ok(()));
    }

    #[test]
    fn a_pause_closes_one_lane_until_it_is_over() {
        let mut pacing = Pacing::default();
        pacing.close(Lane::Read, start(), Duration::from_secs(10));
        assert_eq!(pacing.take(Lane::Read, start() + TimeDelta::seconds(9)), Err(start() + TimeDelta::seconds(10)));
        assert_eq!(pacing.take(Lane::Write, start()), Ok(()));
        assert_eq!(pacing.take(Lane::Read, start() + TimeDelta::seconds(10)), Ok(()));
    }

    #[test]
    fn no_pause_and_no_jump_of_the_clock_closes_a_lane_for_more_than_an_hour() {
        let mut pacing = Pacing::default();
        for pause in [Duration::from_secs(7201), Duration::MAX] {
            pacing.close(Lane::Write, start(), pause);
            assert_eq!(pacing.take(Lane::Write, start()), Err(start() + TimeDelta::hours(1)));
        }
        let years_before = start() - TimeDelta::days(1000);
        assert_eq!(taken_at(&mut pacing, Lane::Write, years_before, 4000), 3000);
        let earlier = years_before - TimeDelta::days(1000);
        assert_eq!(pacing.take(Lane::Write, earlier), Err(earlier + TimeDelta::milliseconds(50)));
    }
}
