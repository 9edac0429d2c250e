//! `$batch`: up to twenty requests in one, each with limits, record and answer of its own.
//!
//! From Microsoft's page "Combine multiple HTTP requests using JSON batching". Faults hit the batch as a whole.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Request, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::body;
use crate::answer::{Answer, Visit};
use crate::dispatch;
use crate::refusal::Refusal;
use crate::route::{Inbound, Route};
use crate::world::World;

const MAX_REQUESTS: usize = 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Part {
    id: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Value,
    #[serde(default)]
    depends_on: Vec<String>,
}

/// Carries out the requests of a batch in an order that their dependencies allow. A batch that is malformed in any part changes nothing.
pub(super) fn answer(world: &mut World, inbound: &Inbound, visit: &Visit) -> Result<Answer, Refusal> {
    let parts = ordered(parts(inbound)?)?;
    let requests: Vec<(Part, Inbound)> =
        parts.into_iter().map(|part| inner(inbound, &part).map(|inner| (part, inner))).collect::<Result<_, _>>()?;
    let mut statuses: BTreeMap<String, u16> = BTreeMap::new();
    let mut responses = Vec::new();
    for (part, request) in requests {
        let failed = part.depends_on.iter().any(|id| statuses.get(id).is_some_and(|status| *status >= 400));
        let (status, response) = if failed { fallen(&part) } else { carry_out(world, &request, visit, &part) };
        statuses.insert(part.id, status);
        responses.push(response);
    }
    Ok(Answer::json(StatusCode::OK, &json!({"responses": responses})))
}

/// Each request after those that it depends on, else as they were sent.
fn ordered(mut left: Vec<Part>) -> Result<Vec<Part>, Refusal> {
    let mut done: Vec<Part> = Vec::new();
    while !left.is_empty() {
        let is_ready = |part: &Part| part.depends_on.iter().all(|id| done.iter().any(|other| other.id == *id));
        let place = left.iter().position(is_ready).ok_or_else(|| Refusal::malformed("The dependencies of the batch cannot be met."))?;
        done.push(left.remove(place));
    }
    Ok(done)
}

fn parts(inbound: &Inbound) -> Result<Vec<Part>, Refusal> {
    let body: Map<String, Value> = body(inbound)?;
    let requests = body.get("requests").cloned().unwrap_or_default();
    let parts: Vec<Part> =
        serde_json::from_value(requests).map_err(|error| Refusal::malformed(format!("Invalid batch payload format: {error}.")))?;
    if parts.is_empty() || parts.len() > MAX_REQUESTS {
        return Err(Refusal::malformed(format!("A batch holds 1 to {MAX_REQUESTS} requests, not {}.", parts.len())));
    }
    let is_twice =
        parts.iter().enumerate().any(|(place, part)| part.id.is_empty() || parts[..place].iter().any(|other| other.id == part.id));
    if is_twice { Err(Refusal::malformed("Every request of a batch needs an id of its own.")) } else { Ok(parts) }
}

/// 424, because a request that it depends on failed.
fn fallen(part: &Part) -> (u16, Value) {
    let error = json!({"error": {"code": "FailedDependency", "message": "A request that this one depends on has failed."}});
    (424, json!({"id": part.id, "status": 424, "headers": {"Content-Type": "application/json"}, "body": error}))
}

fn carry_out(world: &mut World, request: &Inbound, visit: &Visit, part: &Part) -> (u16, Value) {
    let (sequence, mut own) = dispatch::arrive(world, request, visit.now);
    let answer = dispatch::handle(world, request, &mut own, sequence);
    if let Some(call) = world.record.call_mut(sequence) {
        call.answered = Some(answer.status.as_u16());
    }
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers: Map<String, Value> = answer.headers.iter().map(|(name, value)| (name.to_string(), text(value).into())).collect();
    let mut response = json!({"id": part.id, "status": answer.status.as_u16(), "headers": headers});
    if !answer.body.is_empty() {
        response["body"] = serde_json::from_slice(&answer.body).unwrap_or_default();
    }
    (answer.status.as_u16(), response)
}

/// A request of the batch, taken apart: one of Graph's, and no batch again.
fn inner(outer: &Inbound, part: &Part) -> Result<Inbound, Refusal> {
    let inner = Inbound::parse(request(outer, part)?);
    if inner.route == Route::Batch || !inner.route.is_graph() {
        return Err(Refusal::malformed(format!("The url '{}' of request '{}' cannot be part of a batch.", part.url, part.id)));
    }
    Ok(inner)
}

/// A request of the batch as it would have come alone, in the name of the batch's sender.
fn request(outer: &Inbound, part: &Part) -> Result<Request<Bytes>, Refusal> {
    let malformed = || Refusal::malformed(format!("Request '{}' of the batch is malformed.", part.id));
    let path = part.url.trim_start_matches('/');
    let builder = Request::builder().method(part.method.as_str()).uri(format!("https://{}/v1.0/{path}", outer.host));
    let body = if part.body.is_null() { Bytes::new() } else { Bytes::from(part.body.to_string()) };
    let mut request = builder.body(body).map_err(|_| malformed())?;
    request.headers_mut().extend(outer.headers.get(AUTHORIZATION).map(|token| (AUTHORIZATION, token.clone())));
    for (name, value) in &part.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) else { return Err(malformed()) };
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}
