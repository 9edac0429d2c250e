//! What was asked of the server, and a place to interfere.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use chrono::{DateTime, Utc};

use crate::{Failure, RequestInfo, Verb};

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is served.
    Pass,
    /// It is refused and not applied.
    Fail(Failure),
    /// The connection breaks before it is applied.
    Drop,
    /// It is applied, then the connection breaks.
    ApplyThenDrop,
    /// It is served after a pause (of tokio's time).
    Delay(Duration),
    /// It is applied at once, but answered only after a pause (of tokio's time).
    ApplyThenDelay(Duration),
}

/// Sees every request for a resource before it is served. Closures `Fn(&RequestInfo) -> Verdict` are interceptors.
pub trait Interceptor: Send + Sync {
    /// What is to become of the request. The server's state may be looked at, and changed, from here.
    fn before(&self, request: &RequestInfo) -> Verdict;

    /// The request was served, or refused, with this HTTP status.
    fn after(&self, _request: &RequestInfo, _status: u16) {}
}

impl<F: Fn(&RequestInfo) -> Verdict + Send + Sync> Interceptor for F {
    fn before(&self, request: &RequestInfo) -> Verdict {
        self(request)
    }
}

/// A request that was served.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// When it was served, by the server's clock.
    pub at: DateTime<Utc>,
    /// What was asked. (The body is not kept.)
    pub request: RequestInfo,
    /// The HTTP status of the answer, also if the answer was lost; 0 if the connection broke before it was applied.
    pub status: u16,
}

/// The latest requests in full, and a count of all of them.
#[derive(Default)]
pub(crate) struct Record {
    latest: VecDeque<Recorded>,
    tally: BTreeMap<(Verb, String), u64>,
}

/// How many requests are kept in full.
const KEPT: usize = 100_000;

impl Record {
    pub(crate) fn add(&mut self, at: DateTime<Utc>, request: &RequestInfo, status: u16) {
        *self.tally.entry((request.verb, resource(request))).or_default() += 1;
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        let request = RequestInfo { body: None, ..request.clone() };
        self.latest.push_back(Recorded { at, request, status });
    }

    pub(crate) fn latest(&self) -> Vec<Recorded> {
        self.latest.iter().cloned().collect()
    }

    pub(crate) fn tally(&self) -> BTreeMap<(Verb, String), u64> {
        self.tally.clone()
    }
}

/// `secrets`, `serviceprincipalcredentials/status`.
fn resource(request: &RequestInfo) -> String {
    match &request.subresource {
        Some(subresource) => format!("{}/{subresource}", request.resource),
        None => request.resource.clone(),
    }
}
