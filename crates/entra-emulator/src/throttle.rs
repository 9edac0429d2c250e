//! Counting limits: reads that carry certificates, writes, and writes that come too close to each other.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ids::{ClientId, TenantId};

use crate::refusal::Refusal;

const KEY_READ_WINDOW: TimeDelta = TimeDelta::seconds(60);
const WRITE_WINDOW: TimeDelta = TimeDelta::seconds(150);

#[derive(Debug, Default)]
pub(crate) struct Throttle {
    key_reads: BTreeMap<TenantId, VecDeque<DateTime<Utc>>>,
    writes: BTreeMap<(TenantId, ClientId), VecDeque<DateTime<Utc>>>,
    last_write: BTreeMap<(TenantId, ClientId), DateTime<Utc>>,
}

impl Throttle {
    /// Counts a read of one object with `$select=keyCredentials`.
    pub(crate) fn key_read(&mut self, tenant: TenantId, limit: usize, now: DateTime<Utc>) -> Result<(), Refusal> {
        admit(self.key_reads.entry(tenant).or_default(), limit, KEY_READ_WINDOW, now)
    }

    /// Counts a write of a caller.
    pub(crate) fn write(&mut self, tenant: TenantId, caller: ClientId, limit: usize, now: DateTime<Utc>) -> Result<(), Refusal> {
        admit(self.writes.entry((tenant, caller)).or_default(), limit, WRITE_WINDOW, now)
    }

    /// Refuses a write that comes within `window` after the last one to the same application or its service principal.
    pub(crate) fn overlap(&self, tenant: TenantId, target: ClientId, window: Duration, now: DateTime<Utc>) -> Result<(), Refusal> {
        let last = self.last_write.get(&(tenant, target));
        let since = last.and_then(|last| now.signed_duration_since(last).to_std().ok());
        if since.is_some_and(|since| since < window) { Err(Refusal::conflict()) } else { Ok(()) }
    }

    /// Notes that an object was written.
    pub(crate) fn wrote(&mut self, tenant: TenantId, target: ClientId, now: DateTime<Utc>) {
        self.last_write.insert((tenant, target), now);
    }
}

fn admit(seen: &mut VecDeque<DateTime<Utc>>, limit: usize, window: TimeDelta, now: DateTime<Utc>) -> Result<(), Refusal> {
    while seen.front().is_some_and(|first| now.signed_duration_since(first) >= window) {
        seen.pop_front();
    }
    if limit > 0 && seen.len() >= limit {
        let wait = seen.front().map_or(window, |first| window - now.signed_duration_since(first));
        return Err(Refusal::throttled(Some((wait.num_seconds() + 1).to_string())));
    }
    seen.push_back(now);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_limit_is_per_window_and_says_when_to_come_back() {
        let mut seen = VecDeque::new();
        let now = DateTime::UNIX_EPOCH;
        for _ in 0..3 {
            admit(&mut seen, 3, KEY_READ_WINDOW, now).unwrap();
        }
        let refusal = admit(&mut seen, 3, KEY_READ_WINDOW, now + TimeDelta::seconds(20)).unwrap_err();
        assert_eq!(refusal.retry_after.as_deref(), Some("41"));
        admit(&mut seen, 3, KEY_READ_WINDOW, now + TimeDelta::seconds(60)).unwrap();
    }
}
