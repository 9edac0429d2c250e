//! Answers without what differs from run to run, and how two of them differ.

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use kube_sim::scenario::Exchange;
use regex::Regex;
use serde_json::{Value, json};

/// One thing in which the two servers disagree.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    /// The place of the step in its scenario.
    pub(super) step: usize,
    /// Method and path.
    pub(super) request: String,
    /// A JSON pointer into the answer, or `/code`.
    pub(super) path: String,
    /// What kube-apiserver says.
    pub(super) theirs: String,
    /// What kube-sim says.
    pub(super) ours: String,
}

/// What one server named by itself, by order of first appearance.
#[derive(Default)]
pub(super) struct Names {
    uids: BTreeMap<String, usize>,
    versions: BTreeMap<String, usize>,
}

static UID: LazyLock<Regex> = LazyLock::new(|| Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap());
static GENERATED: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b((?:[a-z0-9-]+-)?(?:[ab]|absent)-)[bcdfghjklmnpqrstvwxz2456789]{5}\b").unwrap());
static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new("[0-9]+").unwrap());
/// Ids that the requests choose: they are told as they are.
const CHOSEN: [&str; 3] = ["-2222-4333-8444-", "8c9f3d52-1111-4222-", "00000000-0000-4000-"];

impl Difference {
    pub(super) fn verb(&self) -> &str {
        self.request.split(' ').next().unwrap_or_default()
    }

    /// The plural name of the kind: `/api/v1/namespaces/NAME/secrets/…`, `/apis/GROUP/VERSION/PLURAL/…`.
    pub(super) fn kind(&self) -> &str {
        let path = self.request.split([' ', '?']).nth(1).unwrap_or_default();
        let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let below = if segments.first() == Some(&"api") { 2 } else { 3 };
        match segments.get(below..).unwrap_or_default() {
            ["namespaces", _, kind, ..] if !["status", "finalize"].contains(kind) => kind,
            [kind, ..] => kind,
            [] => "",
        }
    }

    /// What tells it from others in a summary.
    pub(super) fn signature(&self) -> String {
        let place = NUMBER.replace_all(&self.path, "#");
        let (method, kind) = (self.verb(), self.kind());
        let short = |text: &str| NUMBER.replace_all(&text.chars().take(60).collect::<String>(), "#").into_owned();
        format!("{method} {kind} {place} {} | {}", short(&self.theirs), short(&self.ours))
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, request, path, theirs, ours } = self;
        write!(f, "step {}: {request}: {path}\n  kube-apiserver: {theirs}\n  kube-sim:       {ours}", step + 1)
    }
}

/// All differences of the answers to one step.
pub(super) fn differences(step: usize, request: &str, theirs: &Exchange, ours: &Exchange, names: &mut (Names, Names)) -> Vec<Difference> {
    let (a, b) = (names.0.plain(theirs), names.1.plain(ours));
    let mut found = Vec::new();
    let mut note = |path: &str, theirs: String, ours: String| {
        found.push(Difference { step, request: request.to_owned(), path: path.to_owned(), theirs, ours });
    };
    if theirs.code == ours.code {
        compare(&a, &b, "", &mut note);
    } else {
        let said = |exchange: &Exchange, plain| summary(exchange.code, exchange.body.get("message").unwrap_or(plain));
        note("/code", said(theirs, &a), said(ours, &b));
    }
    found
}

fn summary(code: u16, body: &Value) -> String {
    format!("{code} {}", body.to_string().chars().take(400).collect::<String>())
}

fn compare(theirs: &Value, ours: &Value, path: &str, note: &mut impl FnMut(&str, String, String)) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys().filter(|name| !a.contains_key(*name))) {
                let path = format!("{path}/{name}");
                match (a.get(name), b.get(name)) {
                    (Some(a), Some(b)) => compare(a, b, &path, note),
                    (a, b) => note(&path, shown(a), shown(b)),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                compare(a, b, &format!("{path}/{index}"), note);
            }
        }
        (a, b) if a == b => {}
        (a, b) => note(path, shown(Some(a)), shown(Some(b))),
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "(absent)".to_owned(), Value::to_string)
}

impl Names {
    fn plain(&mut self, exchange: &Exchange) -> Value {
        self.value("", &exchange.body)
    }

    fn value(&mut self, field: &str, value: &Value) -> Value {
        match value {
            Value::Object(map) if map.get("type") == Some(&json!("BOOKMARK")) && map.contains_key("object") => self.bookmark(value),
            Value::Object(_) => self.object(value),
            Value::Array(list) => {
                // When a watch is told how far it has come is for the server to choose, but for the end of the initial events.
                let is_progress = |item: &Value| item["type"] == "BOOKMARK" && item.pointer("/object/metadata/annotations").is_none();
                let told = list.iter().filter(|item| !is_progress(item));
                let mut list: Vec<Value> = told.map(|item| self.value("", item)).collect();
                match field {
                    "managedFields" => {
                        list.sort_by_key(|entry| format!("{}{}{}", entry["manager"], entry["operation"], entry["subresource"]));
                    }
                    // Names that the server makes up are in no order.
                    "items" => list.sort_by_key(|item| (item["metadata"]["name"].to_string(), item.to_string())),
                    _ => {}
                }
                Value::Array(list)
            }
            Value::String(text) => json!(self.text(text)),
            other => other.clone(),
        }
    }

    fn object(&mut self, value: &Value) -> Value {
        if let Some(status) = self.status(value) {
            return status;
        }
        let mut plain = json!({});
        let mut fields: Vec<_> = value.as_object().into_iter().flatten().collect();
        fields.sort_by_key(|(name, _)| *name);
        // Whether an entry of managedFields has a time depends on what happened within one second.
        fields.retain(|(name, _)| *name != "time" || value.get("fieldsV1").is_none());
        let is_objects = value.get("uid").is_some() || value.get("creationTimestamp").is_some();
        for (name, value) in fields {
            let name = self.text(name);
            plain[&name] = match (name.as_str(), value) {
                ("creationTimestamp" | "deletionTimestamp", Value::String(_)) => json!("a time"),
                ("resourceVersion", Value::String(version)) if is_objects => self.version(version),
                ("resourceVersion", Value::String(_)) => json!("of a list"),
                _ => self.value(&name, value),
            };
        }
        plain
    }

    /// A refusal, without what is said for people only: which constraints of which fields are violated counts, not in which words and order.
    fn status(&mut self, value: &Value) -> Option<Value> {
        if value["kind"] != "Status" || value["status"] != "Failure" {
            return None;
        }
        let mut details = value.get("details").cloned();
        let causes = details.as_mut().and_then(|details| details.get_mut("causes")).and_then(Value::as_array_mut);
        if let Some(causes) = causes {
            causes.iter_mut().filter_map(Value::as_object_mut).for_each(|cause| drop(cause.remove("message")));
            causes.sort_by_key(Value::to_string);
            causes.dedup();
        }
        let details = details.map(|details| self.value("details", &details));
        Some(json!({"code": value["code"], "reason": value["reason"], "details": details}))
    }

    fn bookmark(&mut self, event: &Value) -> Value {
        let mut plain = self.object(event);
        plain["object"]["metadata"]["resourceVersion"] = json!("of a bookmark");
        plain
    }

    fn version(&mut self, version: &str) -> Value {
        let next = self.versions.len();
        json!(format!("version {}", self.versions.entry(version.to_owned()).or_insert(next)))
    }

    fn text(&mut self, text: &str) -> String {
        let text = UID.replace_all(text, |found: &regex::Captures<'_>| {
            if CHOSEN.iter().any(|part| found[0].contains(part)) {
                return found[0].to_owned();
            }
            let next = self.uids.len();
            format!("uid {}", self.uids.entry(found[0].to_owned()).or_insert(next))
        });
        GENERATED.replace_all(&text, "${1}generated").into_owned()
    }
}
