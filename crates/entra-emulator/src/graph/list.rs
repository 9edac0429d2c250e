//! Collections page by page, and what has changed in them.

use std::collections::BTreeSet;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use entra_types::ids::{ObjectId, ObjectKind};
use http::StatusCode;
use serde_json::{Value, json};

use super::read::{check_options, filter, select, shown};
use super::{Caller, context};
use crate::answer::{Answer, Visit};
use crate::directory::Object;
use crate::refusal::Refusal;
use crate::route::Inbound;
use crate::world::World;

/// Objects of a page where none is asked for, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 999;

/// GET of a collection: certificates never carry their bytes there.
pub(super) fn list(world: &mut World, inbound: &Inbound, visit: &Visit, caller: &Caller, kind: ObjectKind) -> Result<Answer, Refusal> {
    if !caller.may_list() {
        return Err(Refusal::forbidden());
    }
    check_options(inbound, &["$select", "$filter", "$top", "$skiptoken"])?;
    let select = select(inbound, kind)?;
    let wanted = inbound.query("$filter").map(filter).transpose()?;
    let (size, after) = (page_size(inbound)?, inbound.query("$skiptoken").map(last_of_page).transpose()?);
    let matches = |object: &Object| wanted.as_ref().is_none_or(|(name, value)| object.to_json(false).get(*name) == Some(value));
    let seen = world.directory.all_seen(caller.tenant, visit.now, visit.lag);
    let of_kind = seen.filter(|object| object.kind == kind && after.is_none_or(|after| object.id > after));
    let mut found: Vec<Arc<Object>> = of_kind.filter(|object| matches(object)).take(size + 1).cloned().collect();
    let is_more = found.len() > size;
    found.truncate(size);
    let value: Vec<Value> = found.iter().map(|object| Value::Object(shown(world, object, select.as_deref(), false))).collect();
    let mut body = json!({"@odata.context": context(inbound, kind.collection()), "value": value});
    if let Some(last) = found.last().filter(|_| is_more) {
        body["@odata.nextLink"] = link(inbound, kind.collection(), "$skiptoken", &last.id.to_string());
    }
    Ok(Answer::odata(&body))
}

fn page_size(inbound: &Inbound) -> Result<usize, Refusal> {
    let Some(text) = inbound.query("$top") else { return Ok(PAGE) };
    let size = text.parse().ok().filter(|size| (1..=MAX_PAGE).contains(size));
    size.ok_or_else(|| Refusal::request(format!("Invalid page size specified: '{text}'. Must be between 1 and {MAX_PAGE} inclusive.")))
}

fn bad_token() -> Refusal {
    Refusal::request("The specified page or delta token is invalid.")
}

fn decoded(token: &str) -> Result<String, Refusal> {
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).map_err(|_| bad_token())?;
    String::from_utf8(bytes).map_err(|_| bad_token())
}

fn last_of_page(token: &str) -> Result<ObjectId, Refusal> {
    decoded(token)?.parse().map_err(|_| bad_token())
}

/// The same request with another token.
fn link(inbound: &Inbound, path: &str, name: &str, token: &str) -> Value {
    let kept = inbound.query.iter().filter(|(name, _)| !name.ends_with("token"));
    let pairs = kept.map(|(name, value)| (name.as_str(), value.as_str()));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let and = if query.is_empty() { "" } else { "&" };
    format!("https://{}/v1.0/{path}?{query}{and}{name}={}", inbound.host, BASE64URL_NOPAD.encode(token.as_bytes())).into()
}

/// How far a round of changes has come: mutations by number, and the last object that was shown.
#[derive(Clone, Copy, Default)]
struct Round {
    /// Changes up to here are known; `None` in a first round, which shows everything.
    since: Option<u64>,
    until: u64,
    after: Option<ObjectId>,
}

impl Round {
    fn read(token: &str) -> Result<Self, Refusal> {
        let text = decoded(token)?;
        let mut parts = text.split(':');
        let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
        let (since, until) = (number(), number().ok_or_else(bad_token)?);
        let after = parts.next().filter(|id| !id.is_empty()).map(|id| id.parse().map_err(|_| bad_token())).transpose()?;
        Ok(Self { since, until, after })
    }

    fn token(self) -> String {
        let text = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        format!("{}:{}:{}", text(self.since), self.until, self.after.map(|id| id.to_string()).unwrap_or_default())
    }
}

/// GET of `delta`: everything in a first round, afterwards what was changed or deleted since.
pub(super) fn delta(world: &mut World, inbound: &Inbound, visit: &Visit, caller: &Caller, kind: ObjectKind) -> Result<Answer, Refusal> {
    if !caller.may_list() {
        return Err(Refusal::forbidden());
    }
    check_options(inbound, &["$select", "$skiptoken", "$deltatoken"])?;
    let select = select(inbound, kind)?;
    let newest = newest_seen(world, visit);
    let round = match (inbound.query("$skiptoken"), inbound.query("$deltatoken")) {
        (Some(token), _) => Round::read(token)?,
        (None, Some("latest")) => Round { since: Some(newest), until: newest, after: None },
        (None, Some(token)) => Round { since: Some(Round::read(token)?.until), until: newest, after: None },
        (None, None) => Round { since: None, until: newest, after: None },
    };
    let ids: Vec<ObjectId> = concerned(world, caller, visit, kind, round)?.into_iter().filter(|id| Some(*id) > round.after).collect();
    let page = &ids[..ids.len().min(PAGE)];
    let value: Vec<Value> = page.iter().map(|id| changed(world, visit, *id, select.as_deref())).collect();
    let mut body = json!({"@odata.context": context(inbound, kind.collection()), "value": value});
    let path = format!("{}/delta", kind.collection());
    if ids.len() > page.len() {
        let next = Round { after: page.last().copied(), ..round };
        body["@odata.nextLink"] = link(inbound, &path, "$skiptoken", &next.token());
    } else {
        body["@odata.deltaLink"] = link(inbound, &path, "$deltatoken", &Round { since: None, after: None, ..round }.token());
    }
    Ok(Answer::odata(&body))
}

/// The last change that has reached this replica.
fn newest_seen(world: &World, visit: &Visit) -> u64 {
    if visit.lag.is_zero() {
        return world.record.last_mutation();
    }
    let horizon = visit.now.checked_sub_signed(visit.lag).unwrap_or(visit.now);
    let seen = world.record.mutations_after(0).filter(|mutation| mutation.at <= horizon);
    seen.last().map_or(0, |mutation| mutation.sequence)
}

/// The objects that a round shows.
fn concerned(world: &World, caller: &Caller, visit: &Visit, kind: ObjectKind, round: Round) -> Result<BTreeSet<ObjectId>, Refusal> {
    let Some(since) = round.since else {
        let seen = world.directory.all_seen(caller.tenant, visit.now, visit.lag);
        return Ok(seen.filter(|object| object.kind == kind).map(|object| object.id).collect());
    };
    if world.record.mutations_after(0).next().is_some_and(|first| first.sequence > since + 1) {
        let message = "The delta token is too old. Start again without one.";
        return Err(Refusal::new(StatusCode::GONE, "syncStateNotFound", message));
    }
    let fresh = world.record.mutations_after(since).take_while(|mutation| mutation.sequence <= round.until);
    Ok(fresh.filter(|mutation| mutation.kind == kind && mutation.tenant == caller.tenant).map(|mutation| mutation.object).collect())
}

fn changed(world: &mut World, visit: &Visit, id: ObjectId, select: Option<&[String]>) -> Value {
    let Some(object) = world.directory.seen(id, visit.now, visit.lag).cloned() else {
        return json!({"id": id, "@removed": {"reason": "deleted"}});
    };
    let mut shown = shown(world, &object, select, false);
    shown.insert("id".to_owned(), id.to_string().into());
    Value::Object(shown)
}
