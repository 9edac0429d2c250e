//! Faults on purpose: what happens to chosen requests instead of the ordinary.

use std::collections::BTreeSet;
use std::time::Duration;

use entra_types::ids::{ClientId, ObjectId};
use serde::{Deserialize, Serialize};

use crate::route::Operation;
use crate::seconds;

/// A fault: which requests it hits, which of those it lets pass first, how many it hits, and what it does to them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Which requests.
    #[serde(default)]
    pub matching: Match,
    /// What it does to them.
    pub effect: Effect,
    /// Matching requests that pass unharmed first. Default 0.
    #[serde(default)]
    pub skip: u64,
    /// Matching requests that are hit after that; `None` is all of them. Default 1.
    #[serde(default = "once")]
    pub times: Option<u64>,
}

const fn once() -> Option<u64> {
    Some(1)
}

impl Fault {
    /// A fault that hits the next request that matches.
    pub fn once(matching: Match, effect: Effect) -> Self {
        Self { matching, effect, skip: 0, times: Some(1) }
    }

    /// A fault that hits every request that matches.
    pub fn always(matching: Match, effect: Effect) -> Self {
        Self { times: None, ..Self::once(matching, effect) }
    }

    /// Lets `count` matching requests pass first.
    #[must_use]
    pub fn skip(self, count: u64) -> Self {
        Self { skip: count, ..self }
    }

    /// Hits `count` requests.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self { times: Some(count), ..self }
    }
}

/// Which requests a fault is about. What is absent matches all.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Match {
    /// One of these operations; empty is any.
    pub operations: BTreeSet<Operation>,
    /// This HTTP method.
    pub method: Option<String>,
    /// About this object, however it is addressed.
    pub object: Option<ObjectId>,
    /// About this client: its application, its service principal or its sign-in.
    pub client: Option<ClientId>,
}

impl Match {
    /// All requests.
    pub fn any() -> Self {
        Self::default()
    }

    /// Requests of one operation.
    pub fn operation(operation: Operation) -> Self {
        Self { operations: BTreeSet::from([operation]), ..Self::default() }
    }

    /// Requests that write to the directory.
    pub fn writes() -> Self {
        const WRITES: [Operation; 6] = [
            Operation::Patch,
            Operation::AddKey,
            Operation::RemoveKey,
            Operation::AddPassword,
            Operation::RemovePassword,
            Operation::AddTokenSigningCertificate,
        ];
        Self { operations: BTreeSet::from(WRITES), ..Self::default() }
    }

    /// Only about this object.
    #[must_use]
    pub fn object(self, object: ObjectId) -> Self {
        Self { object: Some(object), ..self }
    }

    /// Only about this client.
    #[must_use]
    pub fn client(self, client: ClientId) -> Self {
        Self { client: Some(client), ..self }
    }

    fn hits(&self, subject: &Subject) -> bool {
        (self.operations.is_empty() || self.operations.contains(&subject.operation))
            && self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&subject.method))
            && self.object.is_none_or(|object| subject.object == Some(object))
            && self.client.is_none_or(|client| subject.client == Some(client))
    }
}

/// What a request is about, as far as can be told on arrival.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) operation: Operation,
    pub(crate) method: String,
    pub(crate) object: Option<ObjectId>,
    pub(crate) client: Option<ClientId>,
}

/// What happens to a request that is hit, in this order: it is held, carried out or not, answered, and the answer is held.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Effect {
    /// Time before the service carries the request out. It does so even if the caller has gone by then.
    #[serde(with = "seconds")]
    pub held: Duration,
    /// Whether and when it is carried out.
    pub application: Application,
    /// What is sent.
    pub answer: Sent,
    /// Time before that is sent.
    #[serde(with = "seconds")]
    pub answer_held: Duration,
    /// Seconds that the `Date` of the answer is ahead; negative is behind.
    pub date_skew: i64,
}

/// Whether and when a request is carried out.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Application {
    /// At once, before the answer.
    #[default]
    Applied,
    /// Not at all.
    Never,
    /// This long after the answer.
    Late(#[serde(with = "seconds")] Duration),
}

/// What is sent.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Sent {
    /// What the service says. Where it says nothing, because the request was not carried out, the connection is cut.
    #[default]
    Genuine,
    /// Nothing: the connection is cut.
    Cut,
    /// A failure in the service's own words for this status, or in others.
    Failure {
        /// HTTP status.
        status: u16,
        /// Instead of the usual OData code.
        #[serde(default)]
        code: Option<String>,
        /// Instead of the usual message.
        #[serde(default)]
        message: Option<String>,
        /// The `Retry-After` header, verbatim.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// A refusal of the token endpoint.
    Aadsts {
        /// HTTP status.
        status: u16,
        /// OAuth error, such as `invalid_client`.
        error: String,
        /// The number after AADSTS.
        number: u32,
    },
    /// Anything.
    Raw {
        /// HTTP status.
        status: u16,
        /// `Content-Type` header.
        content_type: String,
        /// Body.
        body: String,
    },
    /// 200 with a page of HTML, as from a proxy.
    Html,
    /// 200 without a body.
    Empty,
    /// 200 with ten megabytes of JSON.
    Huge,
    /// What the service says, cut off in the middle.
    Truncated,
}

impl Effect {
    /// Carried out, then the connection is cut.
    pub fn answer_lost() -> Self {
        Self { answer: Sent::Cut, ..Self::default() }
    }

    /// The connection is cut before anything is carried out.
    pub fn cut() -> Self {
        Self { application: Application::Never, answer: Sent::Cut, ..Self::default() }
    }

    /// The connection is cut, and `after` that the request is carried out.
    pub fn applied_late(after: Duration) -> Self {
        Self { application: Application::Late(after), answer: Sent::Cut, ..Self::default() }
    }

    /// Carried out and answered truthfully, but the answer takes this long.
    pub fn slow(delay: Duration) -> Self {
        Self { answer_held: delay, ..Self::default() }
    }

    /// Carried out and answered truthfully, but only after this long.
    pub fn held(delay: Duration) -> Self {
        Self { held: delay, ..Self::default() }
    }

    /// 409, not carried out.
    pub fn conflict() -> Self {
        Self::failing(409)
    }

    /// A failure of this status, not carried out.
    pub fn failing(status: u16) -> Self {
        Self { application: Application::Never, ..Self::failing_after(status) }
    }

    /// Carried out, then a failure of this status.
    pub fn failing_after(status: u16) -> Self {
        Self::answering(Sent::Failure { status, code: None, message: None, retry_after: None })
    }

    /// 429 with this `Retry-After`, if any; not carried out.
    pub fn throttled(retry_after: Option<&str>) -> Self {
        Self { application: Application::Never, ..Self::throttled_but_applied(retry_after) }
    }

    /// 429 with this `Retry-After`, if any; carried out all the same.
    pub fn throttled_but_applied(retry_after: Option<&str>) -> Self {
        Self::answering(Sent::Failure { status: 429, code: None, message: None, retry_after: retry_after.map(str::to_owned) })
    }

    /// A sign-in that is refused with this AADSTS number.
    pub fn aadsts(status: u16, error: &str, number: u32) -> Self {
        let answer = Sent::Aadsts { status, error: error.to_owned(), number };
        Self { application: Application::Never, ..Self::answering(answer) }
    }

    /// Carried out, then answered with this.
    pub fn answering(answer: Sent) -> Self {
        Self { answer, ..Self::default() }
    }

    /// Carried out and answered truthfully, with a `Date` that is this many seconds ahead.
    pub fn skewed_date(seconds: i64) -> Self {
        Self { date_skew: seconds, ..Self::default() }
    }

    /// The same, with the answer held back for this long: a caller with a shorter timeout never hears it.
    #[must_use]
    pub fn answered_after(self, delay: Duration) -> Self {
        Self { answer_held: delay, ..self }
    }
}

/// A fault in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Armed {
    /// Names it for removal.
    pub id: u64,
    /// The fault.
    pub fault: Fault,
    /// Requests that matched so far, those let pass included.
    pub matched: u64,
    /// Requests that were hit so far.
    pub hit: u64,
}

/// The faults in force; the first that hits a request decides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<Armed>,
    last: u64,
}

impl Faults {
    pub(crate) fn arm(&mut self, fault: Fault) -> u64 {
        self.last += 1;
        self.armed.push(Armed { id: self.last, fault, matched: 0, hit: 0 });
        self.last
    }

    pub(crate) fn disarm(&mut self, id: u64) -> bool {
        let before = self.armed.len();
        self.armed.retain(|armed| armed.id != id);
        self.armed.len() < before
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    pub(crate) fn armed(&self) -> &[Armed] {
        &self.armed
    }

    pub(crate) fn choose(&mut self, subject: &Subject) -> Effect {
        for armed in self.armed.iter_mut().filter(|armed| armed.fault.matching.hits(subject)) {
            armed.matched += 1;
            let is_due = armed.matched > armed.fault.skip && armed.fault.times.is_none_or(|times| armed.hit < times);
            if is_due {
                armed.hit += 1;
                return armed.fault.effect.clone();
            }
        }
        Effect::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn subject(operation: Operation) -> Subject {
        Subject { operation, method: "POST".to_owned(), object: None, client: None }
    }

    #[test]
    fn a_fault_lets_pass_hits_and_is_spent() {
        let mut faults = Faults::default();
        faults.arm(Fault::once(Match::operation(Operation::AddKey), Effect::cut()).skip(1).times(2));
        let mut hits = |operation| faults.choose(&subject(operation)) == Effect::cut();
        assert!(!hits(Operation::Token));
        assert_eq!([(); 4].map(|()| hits(Operation::AddKey)), [false, true, true, false]);
    }

    #[test]
    fn a_fault_is_written_as_json() {
        let text = r#"{"matching": {"operations": ["addKey"]}, "effect": {"application": {"late": 600}, "answer": "cut"}}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        let effect = Effect::applied_late(Duration::from_secs(600));
        assert_eq!(fault, Fault::once(Match::operation(Operation::AddKey), effect));
        let text = r#"{"effect": {"application": "never", "answer": {"failure": {"status": 429, "retryAfter": "10"}}}, "times": null}"#;
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!(fault, Fault::always(Match::any(), Effect::throttled(Some("10"))));
    }
}
