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
    pub(crate) fn negotiate(headers: &HeaderMap, include: Option<&str>) -> Result<Self, Failure> {
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
        found.ok_or_else(|| Failure::new(406, "NotAcceptable", "only application/json can be served: accept that"))
    }

    pub(crate) fn object(&self, kind: &Kind, object: &Value, now: DateTime<Utc>) -> Value {
        match self {
            Self::Full => event::served(kind, object.clone()),
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
        json!({"kind": name, "apiVersion": api_version, "metadata": {"resourceVersion": version}, "items": items})
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
            Self::Full => json!({"kind": kind.kind, "apiVersion": kind.api_version(), "metadata": meta}),
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

/// Items of the built-in kinds do not say of what kind they are.
fn item(kind: &Kind, object: &Value) -> Value {
    let mut item = event::served(kind, object.clone());
    if let Some(map) = item.as_object_mut().filter(|_| !kind.is_custom()) {
        map.retain(|field, _| field != "kind" && field != "apiVersion");
    }
    item
}

pub(crate) fn metadata(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}
