//! Limits of the service: resource units and writes per application, tenant and both, reads that carry certificates, writes that come too close.
//!
//! From Microsoft's page "Microsoft Graph service-specific throttling limits", identity and access. The buckets there are sliding windows here,
//! which is the stricter reading. Refused requests count like others, as the general page on throttling warns.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ids::{ClientId, ObjectKind, TenantId};
use http::Method;

use crate::behaviour::Behaviour;
use crate::refusal::{Refusal, Throttled};
use crate::route::{Inbound, Route};

/// The highest share of a limit that the service reports; what is refused beyond it counts no more.
const HIGHEST_SHARE: f64 = 1.8;

/// What was used of each limit lately.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    meters: BTreeMap<Bucket, Meter>,
    last_write: BTreeMap<(TenantId, ClientId), DateTime<Utc>>,
}

/// What a limit is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Bucket {
    UnitsOfAppInTenant(TenantId, ClientId),
    UnitsOfApp(ClientId),
    WritesOfAppInTenant(TenantId, ClientId),
    WritesOfApp(ClientId),
    WritesInTenant(TenantId),
    /// By the application that is written to.
    WritesToPersonal(TenantId, ClientId),
    KeyReads(TenantId),
}

impl Bucket {
    /// Limit and length of the window; no limit is 0.
    fn limit(self, behaviour: &Behaviour) -> (usize, TimeDelta) {
        let of = |limit, seconds| (limit, TimeDelta::seconds(seconds));
        match self {
            Self::UnitsOfAppInTenant(..) => of(behaviour.tenant_size.resource_units(), 10),
            Self::UnitsOfApp(..) => of(behaviour.app_units_per_window, 20),
            Self::WritesOfAppInTenant(..) => of(behaviour.writes_per_window, 150),
            Self::WritesOfApp(..) => of(behaviour.app_writes_per_window, 300),
            Self::WritesInTenant(..) => of(behaviour.tenant_writes_per_window, 300),
            Self::WritesToPersonal(..) => of(behaviour.personal_writes_per_minute, 60),
            Self::KeyReads(..) => of(behaviour.key_reads_per_minute, 60),
        }
    }

    /// `x-ms-throttle-scope` and `x-ms-throttle-information`, without the ids.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::UnitsOfAppInTenant(..) => ("Tenant_Application/ReadWrite", "ResourceUnitLimitExceeded"),
            Self::UnitsOfApp(..) => ("Application/ReadWrite", "ResourceUnitLimitExceeded"),
            Self::WritesOfAppInTenant(..) | Self::WritesToPersonal(..) => ("Tenant_Application/Write", "WriteLimitExceeded"),
            Self::WritesOfApp(..) => ("Application/Write", "WriteLimitExceeded"),
            Self::WritesInTenant(..) => ("Tenant/Write", "WriteLimitExceeded"),
            Self::KeyReads(..) => ("Tenant/Read", "ResourceUnitLimitExceeded"),
        }
    }
}

/// Uses of one limit within its window.
#[derive(Debug, Default)]
struct Meter {
    uses: VecDeque<(DateTime<Utc>, usize)>,
    sum: usize,
}

impl Meter {
    /// Forgets what is past, and what a clock that was set back has left in the future.
    fn forget(&mut self, window: TimeDelta, now: DateTime<Utc>) {
        while let Some((_, units)) = self.uses.pop_front_if(|(at, _)| now.signed_duration_since(*at).abs() >= window) {
            self.sum -= units;
        }
    }

    fn charge(&mut self, units: usize, now: DateTime<Utc>) {
        self.uses.push_back((now, units));
        self.sum += units;
    }

    /// Whole seconds until `units` more fit.
    fn wait(&self, units: usize, limit: usize, window: TimeDelta, now: DateTime<Utc>) -> i64 {
        let mut left = self.sum + units;
        let enough = self.uses.iter().find(|(_, freed)| {
            left = left.saturating_sub(*freed);
            left <= limit
        });
        let (last, _) = enough.or_else(|| self.uses.back()).copied().unwrap_or((now, 0));
        (window - now.signed_duration_since(last)).num_seconds() + 1
    }
}

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    pub(crate) tenant: TenantId,
    pub(crate) client: ClientId,
    pub(crate) now: DateTime<Utc>,
}

impl Throttle {
    /// Counts a request against the limits of its sender and of its tenant. Gives the highest share of a limit that is used now.
    pub(crate) fn request(&mut self, behaviour: &Behaviour, asker: Asker, inbound: &Inbound) -> Result<f64, Refusal> {
        let (units, is_write) = (cost(inbound), inbound.method != Method::GET);
        let Asker { tenant, client, .. } = asker;
        let mut charges = vec![(Bucket::UnitsOfAppInTenant(tenant, client), units), (Bucket::UnitsOfApp(client), units)];
        if is_write {
            let buckets = [Bucket::WritesOfAppInTenant(tenant, client), Bucket::WritesOfApp(client), Bucket::WritesInTenant(tenant)];
            charges.extend(buckets.map(|bucket| (bucket, 1)));
        }
        self.charge(behaviour, asker, &charges)
    }

    /// Counts a read of one object with `$select=keyCredentials`.
    pub(crate) fn key_read(&mut self, behaviour: &Behaviour, asker: Asker) -> Result<(), Refusal> {
        self.charge(behaviour, asker, &[(Bucket::KeyReads(asker.tenant), 1)]).map(drop)
    }

    /// Counts a write to an application for personal accounts.
    pub(crate) fn personal(&mut self, behaviour: &Behaviour, asker: Asker, target: ClientId) -> Result<(), Refusal> {
        self.charge(behaviour, asker, &[(Bucket::WritesToPersonal(asker.tenant, target), 1)]).map(drop)
    }

    fn charge(&mut self, behaviour: &Behaviour, asker: Asker, charges: &[(Bucket, usize)]) -> Result<f64, Refusal> {
        let (mut refused, mut share) = (None, 0.0_f64);
        for (bucket, units) in charges {
            let (limit, window) = bucket.limit(behaviour);
            if limit == 0 {
                continue;
            }
            let meter = self.meters.entry(*bucket).or_default();
            meter.forget(window, asker.now);
            if meter.sum + units > limit && refused.is_none() {
                refused = Some((*bucket, *units));
            }
            share = share.max((meter.sum + units) as f64 / limit as f64);
        }
        if refused.is_none() || behaviour.throttled_requests_count {
            self.note(behaviour, asker.now, charges);
        }
        match refused {
            None => Ok(share),
            Some((bucket, units)) => Err(refusal(bucket, asker, self.wait(behaviour, asker.now, bucket, units), share.min(HIGHEST_SHARE))),
        }
    }

    /// Whole seconds until so many units fit, if nobody asks before. What was refused just now may be among those that must pass.
    fn wait(&self, behaviour: &Behaviour, now: DateTime<Utc>, bucket: Bucket, units: usize) -> i64 {
        let (limit, window) = bucket.limit(behaviour);
        self.meters.get(&bucket).map_or(1, |meter| meter.wait(units, limit, window, now))
    }

    fn note(&mut self, behaviour: &Behaviour, now: DateTime<Utc>, charges: &[(Bucket, usize)]) {
        for (bucket, units) in charges {
            let (limit, _) = bucket.limit(behaviour);
            let meter = self.meters.entry(*bucket).or_default();
            if limit > 0 && (meter.sum as f64) < HIGHEST_SHARE * limit as f64 {
                meter.charge(*units, now);
            }
        }
    }

    /// Refuses a write that comes within `window` after the last one to the same application or its service principal.
    pub(crate) fn overlap(&self, tenant: TenantId, target: ClientId, window: Duration, now: DateTime<Utc>) -> Result<(), Refusal> {
        if self.was_written(tenant, target, window, now) { Err(Refusal::conflict()) } else { Ok(()) }
    }

    /// Whether the application or its service principal was written within this time.
    pub(crate) fn was_written(&self, tenant: TenantId, target: ClientId, within: Duration, now: DateTime<Utc>) -> bool {
        let since = self.last_write.get(&(tenant, target)).and_then(|last| now.signed_duration_since(last).to_std().ok());
        since.is_some_and(|since| since < within)
    }

    /// Notes that an object was written.
    pub(crate) fn wrote(&mut self, tenant: TenantId, target: ClientId, now: DateTime<Utc>) {
        self.last_write.insert((tenant, target), now);
    }
}

fn refusal(bucket: Bucket, asker: Asker, wait: i64, share: f64) -> Refusal {
    let (scope, information) = bucket.words();
    let scope = format!("{scope}/{}/{}", asker.client, asker.tenant);
    Refusal { throttled: Some(Box::new(Throttled { scope, information, share })), ..Refusal::throttled(Some(wait.to_string())) }
}

/// Resource units of a request: applications cost two to read, anything else one; `$select` and a small `$top` spare one, `$expand` adds one.
pub(crate) fn cost(inbound: &Inbound) -> usize {
    if inbound.method != Method::GET {
        return 1;
    }
    let is_application = match &inbound.route {
        Route::Object { kind, .. } | Route::Collection(kind) | Route::Delta(kind) => *kind == ObjectKind::Application,
        _ => false,
    };
    let small = inbound.query("$top").and_then(|top| top.parse::<usize>().ok()).is_some_and(|top| top < 20);
    let spared = usize::from(inbound.query("$select").is_some()) + usize::from(small);
    let whole = 1 + usize::from(is_application) + usize::from(inbound.query("$expand").is_some());
    whole.saturating_sub(spared).max(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::Bytes;
    use http::Request;

    use super::*;

    fn asker(now: DateTime<Utc>) -> Asker {
        let id = uuid::Uuid::from_u128(7);
        Asker { tenant: TenantId::new(id), client: ClientId::new(id), now }
    }

    fn request(method: Method, path: &str) -> Inbound {
        Inbound::parse(Request::builder().method(method).uri(format!("https://x/v1.0{path}")).body(Bytes::new()).unwrap())
    }

    #[test]
    fn the_limit_is_per_window_and_says_when_to_come_back() {
        let behaviour = Behaviour { key_reads_per_minute: 3, throttled_requests_count: false, ..Behaviour::default() };
        let (mut throttle, now) = (Throttle::default(), DateTime::UNIX_EPOCH);
        for _ in 0..3 {
            throttle.key_read(&behaviour, asker(now)).unwrap();
        }
        let refusal = throttle.key_read(&behaviour, asker(now + TimeDelta::seconds(20))).unwrap_err();
        assert_eq!(refusal.retry_after.as_deref(), Some("41"));
        throttle.key_read(&behaviour, asker(now + TimeDelta::seconds(60))).unwrap();
    }

    #[test]
    fn what_was_refused_delays_what_comes_next_up_to_a_bound() {
        let behaviour = Behaviour { key_reads_per_minute: 10, ..Behaviour::default() };
        let (mut throttle, now) = (Throttle::default(), DateTime::UNIX_EPOCH);
        let mut at = |seconds| throttle.key_read(&behaviour, asker(now + TimeDelta::seconds(seconds)));
        (0..10).for_each(|_| at(0).unwrap());
        let share = |refusal: Refusal| (refusal.throttled.unwrap().share * 10.0).round() / 10.0;
        assert_eq!(share(at(30).unwrap_err()), 1.1);
        for _ in 0..100 {
            at(30).unwrap_err();
        }
        assert_eq!(share(at(30).unwrap_err()), 1.8);
        assert!(at(60).is_ok());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn no_window_holds_more_than_its_limit_and_who_waits_as_told_is_let_in(
            limit in 1..12_usize, steps in proptest::collection::vec(0..25_i64, 1..60), counts in proptest::bool::ANY,
        ) {
            let behaviour = Behaviour { key_reads_per_minute: limit, throttled_requests_count: counts, ..Behaviour::default() };
            let (mut throttle, mut now) = (Throttle::default(), DateTime::UNIX_EPOCH);
            let mut admitted: Vec<DateTime<Utc>> = Vec::new();
            for step in steps {
                now += TimeDelta::seconds(step);
                if let Err(refusal) = throttle.key_read(&behaviour, asker(now)) {
                    now += TimeDelta::seconds(refusal.retry_after.unwrap().parse().unwrap());
                    throttle.key_read(&behaviour, asker(now)).unwrap();
                }
                admitted.push(now);
                let recent = admitted.iter().filter(|at| now.signed_duration_since(**at) < TimeDelta::seconds(60));
                assert!(recent.count() <= limit);
            }
        }
    }

    #[test]
    fn the_cost_follows_kind_and_options() {
        let cases = [
            (Method::GET, "/applications", 2),
            (Method::GET, "/applications?$select=id", 1),
            (Method::GET, "/applications?$top=19&$expand=owners", 2),
            (Method::GET, "/servicePrincipals", 1),
            (Method::GET, "/servicePrincipals?$expand=owners", 2),
            (Method::GET, "/servicePrincipals?$select=id&$top=5", 1),
            (Method::GET, "/policies/appManagementPolicies", 1),
            (Method::PATCH, "/applications", 1),
        ];
        for (method, path, units) in cases {
            assert_eq!(cost(&request(method, path)), units, "{path}");
        }
    }

    #[test]
    fn the_bucket_that_refuses_is_named_with_its_reason() {
        let write = request(Method::POST, "/applications");
        type Case = (fn(&mut Behaviour), &'static str, &'static str);
        let cases: [Case; 4] = [
            (|behaviour| behaviour.writes_per_window = 1, "Tenant_Application/Write/", "WriteLimitExceeded"),
            (|behaviour| behaviour.app_writes_per_window = 1, "Application/Write/", "WriteLimitExceeded"),
            (|behaviour| behaviour.tenant_writes_per_window = 1, "Tenant/Write/", "WriteLimitExceeded"),
            (|behaviour| behaviour.app_units_per_window = 1, "Application/ReadWrite/", "ResourceUnitLimitExceeded"),
        ];
        for (change, scope, information) in cases {
            let (mut behaviour, mut throttle) = (Behaviour::default(), Throttle::default());
            change(&mut behaviour);
            let asker = asker(DateTime::UNIX_EPOCH);
            throttle.request(&behaviour, asker, &write).unwrap();
            let throttled = throttle.request(&behaviour, asker, &write).unwrap_err().throttled.unwrap();
            assert_eq!((throttled.scope, throttled.information), (format!("{scope}{}/{}", asker.client, asker.tenant), information));
        }
    }
}
