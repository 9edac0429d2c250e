//! Events: one store, two forms (`events.k8s.io/v1` and the older core `v1`).

use serde_json::{Value, json};

use crate::{checks, jsonpath::Path, kind::Column, kind::Kind, violation::Violation};

/// Fields that the two forms call differently: (events.k8s.io, core).
const NAMES: [(&str, &str); 7] = [
    ("note", "message"),
    ("regarding", "involvedObject"),
    ("reportingController", "reportingComponent"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];

/// Whether objects of the kind are stored in another form than they are served in.
pub(crate) fn is_translated(kind: &Kind) -> bool {
    kind.group == "events.k8s.io"
}

/// From the core form.
pub(crate) fn served(kind: &Kind, mut object: Value) -> Value {
    if is_translated(kind) {
        rename(&mut object, "events.k8s.io/v1", NAMES.map(|(new, core)| (core, new)));
    }
    object
}

/// To the core form.
pub(crate) fn stored(kind: &Kind, mut object: Value) -> Value {
    if is_translated(kind) {
        rename(&mut object, "v1", NAMES);
    }
    object
}

fn rename(object: &mut Value, api_version: &str, names: [(&str, &str); 7]) {
    let Some(map) = object.as_object_mut() else { return };
    for (from, to) in names {
        if let Some(value) = map.remove(from) {
            map.insert(to.into(), value);
        }
    }
    map.insert("apiVersion".into(), api_version.into());
}

/// What the older form asks for. (Given in the core form.)
pub(crate) fn lenient(new: &Value, _: Option<&Value>) -> Vec<Violation> {
    legacy(new, "reportingComponent")
}

/// What events.k8s.io/v1 asks for. (Given in the core form.)
pub(crate) fn strict(new: &Value, old: Option<&Value>) -> Vec<Violation> {
    let mut found = legacy(new, "reportingController");
    match old {
        None => created(new, &mut found),
        Some(old) => unchanged(new, old, &mut found),
    }
    found
}

fn legacy(new: &Value, controller: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let home = &new["metadata"]["namespace"];
    let about = &new["involvedObject"]["namespace"];
    let is_new = !new["eventTime"].is_null();
    let fits = match about.as_str() {
        None | Some("") => home == "default" || (is_new && home == "kube-system"),
        Some(_) => is_new || about == home,
    };
    if !fits {
        let about = about.as_str().unwrap_or_default();
        found.push(Violation::invalid("involvedObject.namespace", about, "does not match event.namespace"));
    }
    if is_new {
        for (field, shown, limit) in [
            ("reportingComponent", controller, None),
            ("reportingInstance", "reportingInstance", Some(128)),
            ("action", "action", Some(128)),
            ("reason", "reason", Some(128)),
        ] {
            text(new, field, shown, limit, &mut found);
        }
        checks::qualified(controller, new["reportingComponent"].as_str().unwrap_or_default(), &mut found);
        if new["message"].as_str().is_some_and(|note| note.len() > 1024) {
            found.push(Violation::invalid("message", "", "can have at most 1024 characters"));
        }
    }
    found
}

fn text(new: &Value, field: &str, shown: &str, limit: Option<usize>, found: &mut Vec<Violation>) {
    let text = new[field].as_str().unwrap_or_default();
    if text.is_empty() {
        found.push(Violation::required(shown, ""));
    }
    if let Some(limit) = limit.filter(|limit| text.len() > *limit) {
        found.push(Violation::invalid(shown, "", format!("can have at most {limit} characters")));
    }
}

fn created(new: &Value, found: &mut Vec<Violation>) {
    if new["eventTime"].is_null() {
        found.push(Violation::required("eventTime", ""));
    }
    let kind = new["type"].as_str().unwrap_or_default();
    if !["Normal", "Warning"].contains(&kind) {
        found.push(Violation::invalid("type", "", format!("has invalid value: {kind}")));
    }
    for field in ["firstTimestamp", "lastTimestamp", "count", "source"] {
        if new.get(field).is_some_and(|value| !value.is_null() && *value != json!({})) {
            found.push(Violation::invalid(field, "", "needs to be unset"));
        }
    }
    series(new, found);
}

fn unchanged(new: &Value, old: &Value, found: &mut Vec<Violation>) {
    if new["series"] != old["series"] {
        series(new, found);
    }
    for field in [
        "involvedObject",
        "reason",
        "message",
        "source",
        "firstTimestamp",
        "lastTimestamp",
        "count",
        "type",
        "eventTime",
        "action",
        "related",
        "reportingComponent",
        "reportingInstance",
    ] {
        if new[field] != old[field] {
            let shown = if field == "reportingComponent" { "reportingController" } else { field };
            found.push(Violation::immutable(shown, new[field].clone()));
        }
    }
}

fn series(new: &Value, found: &mut Vec<Violation>) {
    let series = &new["series"];
    if series.is_object() && series["count"].as_i64().unwrap_or(0) < 2 {
        found.push(Violation::invalid("series.count", "", "should be at least 2"));
    }
}

pub(crate) fn columns() -> Vec<Column> {
    [
        Column::new("Last Seen", "last-seen", ".series.lastObservedTime"),
        Column::new("Type", "string", ".type"),
        Column::new("Reason", "string", ".reason"),
        Column::new("Object", "reference", ".involvedObject"),
        Column::new("Message", "string", ".message"),
    ]
    .into()
}

/// Field selectors of the core form; kubectl describe uses them.
/// `about` is what the form calls the object that an event is about.
pub(crate) fn selectable(about: &str) -> Vec<(String, Path)> {
    [
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ]
    .map(|field| (field.replace("involvedObject", about), Path::parse(&format!(".{field}"))))
    .into()
}
