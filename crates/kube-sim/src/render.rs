//! The forms in which objects are answered: in full, metadata only, or as rows of a table.

use chrono::{DateTime, Utc};
use http::HeaderMap;
use serde_json::{Value, json};

use crate::{event, failure::Failure, kind::Kind, table};

/// What the client wants to see, by its Accept header.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum View {
    Full,
    Metadata,
    Table { include: String, headed: bool },
}

impl View {
    /// The first form in the Accept header that the server can give.
    pub(crate) fn negotiate(kind: &Kind, headers: &HeaderMap, include: Option<&str>) -> Result<Self, Failure> {
        let accept = headers.get(http::header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
        let table = || Self::Table { include: include.unwrap_or("Metadata").to_owned(), headed: true };
        let found = accept.split(',').find_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            let json = matches!(parts.next()?, "application/json" | "application/*" | "*/*");
            match parts.find_map(|part| part.strip_prefix("as=")) {
                _ if !json => None,
                None => Some(Self::Full),
                Some("Table") => Some(table()),
                Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Some(Self::Metadata),
                Some(_) => None,
            }
        });
        found.ok_or_else(|| not_acceptable(kind))
    }

    pub(crate) fn object(&self, kind: &Kind, object: &Value, now: DateTime<Utc>) -> Value {
        match self {
            Self::Full => shown(kind, event::served(kind, object.clone())),
            Self::Metadata => metadata(object),
            Self::Table { include, .. } => table::render(kind, [object], include, &object["metadata"]["resourceVersion"], now, true),
        }
    }

    pub(crate) fn list<'a>(&self, kind: &Kind, objects: impl IntoIterator<Item = &'a Value>, revision: u64, now: DateTime<Utc>) -> Value {
        let version = json!(revision.to_string());
        let (name, api_version, items): (_, _, Vec<Value>) = match self {
            Self::Table { include, .. } => return table::render(kind, objects, include, &version, now, true),
            Self::Full => {
                let items = objects.into_iter().map(|object| item(kind, object)).collect();
                (format!("{}List", kind.kind), kind.api_version(), items)
            }
            Self::Metadata => {
                let items = objects.into_iter().map(metadata).collect();
                ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned(), items)
            }
        };
        let mut meta = json!({"resourceVersion": version});
        let empty_metadata = *self == Self::Metadata && items.is_empty();
        if *self == Self::Full && kind.is_custom() {
            meta["continue"] = json!("");
        }
        json!({"kind": name, "apiVersion": api_version, "metadata": meta, "items": if empty_metadata { Value::Null } else { items.into() }})
    }

    /// An object of a watch event. Only the first table has its columns described.
    pub(crate) fn event(&mut self, kind: &Kind, object: &Value, now: DateTime<Utc>) -> Value {
        match self {
            Self::Table { include, headed } => {
                let first = std::mem::take(headed);
                table::render(kind, [object], include, &object["metadata"]["resourceVersion"], now, first)
            }
            _ => self.object(kind, object, now),
        }
    }

    pub(crate) fn bookmark(&self, kind: &Kind, meta: &Value) -> Value {
        match self {
            Self::Full => shown(kind, json!({"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": meta})),
            Self::Metadata => json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}),
            Self::Table { .. } => {
                let version = meta["resourceVersion"].clone();
                let row = json!({"cells": [], "object": {"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": meta}});
                json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": version},
                    "columnDefinitions": null, "rows": [row]})
            }
        }
    }
}

fn not_acceptable(kind: &Kind) -> Failure {
    let media = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
    if kind.is_custom() {
        return Failure::new(406, "NotAcceptable", format!("only the following media types are accepted: {media}"));
    }
    let message = format!("406: Not Acceptable\n\nAvailable representations: {media}");
    Failure::new(406, "NotAcceptable", message).with_details(json!({}))
}

/// Adds the fields of built-in kinds that are written even where nothing is in them.
pub(crate) fn shown(kind: &Kind, mut object: Value) -> Value {
    let (null, empty, text) = (Value::Null, json!({}), json!(""));
    let fields: &[(&str, &Value)] = match (kind.kind.as_str(), kind.group.as_str()) {
        ("Event", "") => &[
            ("involvedObject", &empty),
            ("source", &empty),
            ("firstTimestamp", &null),
            ("lastTimestamp", &null),
            ("eventTime", &null),
            ("reportingComponent", &text),
            ("reportingInstance", &text),
        ],
        ("Event", "events.k8s.io") => &[
            ("regarding", &empty),
            ("eventTime", &null),
            ("deprecatedSource", &empty),
            ("deprecatedFirstTimestamp", &null),
            ("deprecatedLastTimestamp", &null),
        ],
        ("Lease", _) => &[("spec", &empty)],
        ("Namespace" | "CustomResourceDefinition", _) => &[("spec", &empty), ("status", &empty)],
        _ => &[],
    };
    if kind.table == "namespaces" {
        let conditions = object.pointer_mut("/status/conditions").and_then(Value::as_array_mut);
        for condition in conditions.into_iter().flatten().filter_map(Value::as_object_mut) {
            condition.entry("lastTransitionTime").or_insert(Value::Null);
        }
    }
    if let Some(map) = object.as_object_mut() {
        for (field, value) in fields {
            map.entry(*field).or_insert_with(|| (*value).clone());
        }
        if kind.group == "events.k8s.io" {
            map.retain(|field, value| field != "reportingController" && field != "reportingInstance" || *value != text);
        }
    }
    object
}

/// Items of the built-in kinds do not say of what kind they are.
fn item(kind: &Kind, object: &Value) -> Value {
    let mut item = shown(kind, event::served(kind, object.clone()));
    if let Some(map) = item.as_object_mut().filter(|_| !kind.is_custom()) {
        map.retain(|field, _| field != "kind" && field != "apiVersion");
    }
    item
}

pub(crate) fn metadata(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}
