//! The kinds that every cluster has, as far as an operator meets them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::{
    api::{
        coordination::v1::Lease,
        core::v1::{ConfigMap, Event, Namespace, Secret, ServiceAccount},
        events::v1 as events,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{
    checks, event,
    jsonpath::Path,
    kind::{Column, Kind, Model, Put},
    schema::{Schema, entries},
    shapes,
    violation::Violation,
};

/// How a kind of k8s-openapi is read and checked.
pub(crate) struct Builtin {
    pub(crate) coerce: fn(Value) -> Result<Value, String>,
    pub(crate) validate: fn(&Value, Option<&Value>) -> Vec<Violation>,
}

/// All of them.
pub(crate) fn kinds() -> Vec<Kind> {
    let core = [
        Kind {
            namespaced: false,
            has_status: true,
            short_names: vec!["ns".into()],
            columns: vec![Column::new("Status", "string", ".status.phase"), Column::age()],
            selectable: vec![("status.phase".into(), Path::parse(".status.phase"))],
            ..kind("", "Namespace", "namespaces", namespace, |_, _| Vec::new())
        },
        Kind {
            columns: vec![Column::new("Type", "string", ".type"), Column::new("Data", "count", ".data"), Column::age()],
            selectable: vec![("type".into(), Path::parse(".type"))],
            ..kind("", "Secret", "secrets", secret, checks::secret)
        },
        Kind {
            short_names: vec!["cm".into()],
            columns: vec![Column::new("Data", "count", ".data"), Column::age()],
            ..kind("", "ConfigMap", "configmaps", typed::<ConfigMap>, checks::config_map)
        },
        Kind {
            short_names: vec!["sa".into()],
            ..kind("", "ServiceAccount", "serviceaccounts", typed::<ServiceAccount>, |_, _| Vec::new())
        },
        Kind {
            put: Put::CreatingConditional,
            columns: vec![Column::new("Holder", "string", ".spec.holderIdentity"), Column::age()],
            ..kind("coordination.k8s.io", "Lease", "leases", typed::<Lease>, checks::lease)
        },
        Kind {
            namespaced: false,
            has_status: true,
            has_generation: true,
            put: Put::Conditional,
            short_names: vec!["crd".into(), "crds".into()],
            categories: vec!["api-extensions".into()],
            columns: vec![Column::new("Created At", "string", ".metadata.creationTimestamp")],
            ..kind("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions", definition, checks::definition)
        },
    ];
    core.into_iter().chain(event_kinds()).collect()
}

/// Events can be had in two forms; they are kept in that of the core group.
fn event_kinds() -> [Kind; 2] {
    let core = kind("", "Event", "events", event::<Event>, event::lenient);
    let new = kind("events.k8s.io", "Event", "events", event::<events::Event>, event::strict);
    [core, new].map(|kind| Kind {
        put: Put::Creating,
        short_names: vec!["ev".into()],
        columns: event::columns(),
        selectable: event::selectable(if kind.group.is_empty() { "involvedObject" } else { "regarding" }),
        ..kind
    })
}

fn kind(
    group: &str,
    kind: &str,
    plural: &str,
    coerce: fn(Value) -> Result<Value, String>,
    validate: fn(&Value, Option<&Value>) -> Vec<Violation>,
) -> Kind {
    Kind {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        plural: plural.into(),
        table: if group.is_empty() || plural == "events" { plural.into() } else { format!("{plural}.{group}") },
        singular: kind.to_lowercase(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: true,
        has_status: false,
        has_generation: false,
        put: Put::Unconditional,
        columns: vec![Column::age()],
        selectable: Vec::new(),
        model: Model::Builtin(Box::new(shapes::of(plural)), Builtin { coerce, validate }),
    }
}

/// Reads a custom resource: metadata as every object has it, the rest by its schema.
pub(crate) fn coerce_custom(schema: &Schema, mut object: Value) -> Result<Value, String> {
    let mut frame = take_frame(&mut object)?;
    schema.prune(&mut object);
    schema.fill_in(&mut object);
    if let Value::Object(map) = &mut object {
        map.append(&mut frame);
    }
    Ok(object)
}

/// Takes out what no schema governs: apiVersion, kind and (read strictly) metadata.
fn take_frame(object: &mut Value) -> Result<Map<String, Value>, String> {
    let map = object.as_object_mut().ok_or("the object is no JSON object")?;
    let mut frame = Map::new();
    for key in ["apiVersion", "kind"] {
        frame.extend(map.remove(key).map(|value| (key.to_owned(), value)));
    }
    let mut metadata = map.remove("metadata").unwrap_or_else(|| json!({}));
    fill_texts(&mut metadata, &["labels", "annotations"]);
    frame.insert("metadata".into(), without_empty(typed::<ObjectMeta>(metadata)?));
    Ok(frame)
}

/// Reads an object as its type: whatever the type does not know is dropped.
fn typed<K: DeserializeOwned + Serialize>(mut object: Value) -> Result<Value, String> {
    if let Some(metadata) = object.get_mut("metadata") {
        fill_texts(metadata, &["labels", "annotations"]);
    }
    fill_texts(&mut object, &["data", "stringData", "binaryData"]);
    micro_times(&object)?;
    let object: K = serde_json::from_value(object).map_err(|error| error.to_string())?;
    let mut object = serde_json::to_value(object).map_err(|error| error.to_string())?;
    if let Some(map) = object.as_object_mut() {
        map.retain(|name, value| !(["data", "binaryData"].contains(&name.as_str()) && *value == json!({})));
    }
    if let Some(meta) = object.get_mut("metadata") {
        *meta = without_empty(meta.take());
    }
    Ok(object)
}

/// Times of leases and events are written with six digits of a second, and no others.
fn micro_times(object: &Value) -> Result<(), String> {
    for pointer in ["/spec/renewTime", "/spec/acquireTime", "/eventTime", "/series/lastObservedTime"] {
        let text = object.pointer(pointer).and_then(Value::as_str);
        let digits = text.and_then(|text| text.split_once('.')).map(|(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
        if text.is_some() && digits != Some(6) {
            return Err(format!("{pointer} must be a time with six digits of a second"));
        }
    }
    Ok(())
}

/// In a map of texts, null is the empty text.
fn fill_texts(object: &mut Value, maps: &[&str]) {
    for name in maps {
        let texts = object.get_mut(*name).and_then(Value::as_object_mut);
        texts.into_iter().flat_map(Map::values_mut).filter(|text| text.is_null()).for_each(|text| *text = json!(""));
    }
}

/// Empty lists and maps in metadata count as absent, and of equal references to an owner the first counts.
fn without_empty(mut meta: Value) -> Value {
    if let Value::Object(meta) = &mut meta {
        if let Some(Value::Array(owners)) = meta.get_mut("ownerReferences") {
            let mut seen = Vec::new();
            owners.retain(|owner| {
                let is_new = !seen.contains(owner);
                seen.push(owner.clone());
                is_new
            });
        }
        meta.retain(|_, value| *value != json!([]) && *value != json!({}));
    }
    meta
}

/// An empty text of an event is none.
fn event<K: DeserializeOwned + Serialize>(object: Value) -> Result<Value, String> {
    let mut event = typed::<K>(object)?;
    if let Some(map) = event.as_object_mut() {
        map.retain(|_, value| value != "");
    }
    Ok(event)
}

fn namespace(object: Value) -> Result<Value, String> {
    let mut object = typed::<Namespace>(object)?;
    if object["metadata"].get("generateName").is_none() {
        label_with_name(&mut object);
    }
    for (part, list) in [("spec", "finalizers"), ("status", "conditions")] {
        if let Some(map) = object.get_mut(part).and_then(Value::as_object_mut) {
            map.retain(|field, value| field != list || *value != json!([]));
        }
    }
    if object["status"]["phase"].as_str().unwrap_or_default().is_empty() {
        object["status"]["phase"] = json!("Active");
    }
    Ok(object)
}

fn label_with_name(namespace: &mut Value) {
    namespace["metadata"]["labels"]["kubernetes.io/metadata.name"] = namespace["metadata"]["name"].clone();
}

/// A namespace waits for the finalizer of its own, and keeps the ones that it has.
pub(crate) fn settle_namespace(object: &mut Value, live: Option<&Value>) {
    label_with_name(object);
    let kept = json!("kubernetes");
    match (live, &mut object["spec"]["finalizers"]) {
        (Some(live), finalizers) => *finalizers = live["spec"]["finalizers"].clone(),
        (None, Value::Array(finalizers)) if finalizers.contains(&kept) => {}
        (None, Value::Array(finalizers)) => finalizers.push(kept),
        (None, none) => *none = json!([kept]),
    }
}

fn secret(object: Value) -> Result<Value, String> {
    let mut secret = typed::<Secret>(object)?;
    let texts = secret.as_object_mut().and_then(|map| map.remove("stringData")).unwrap_or_default();
    for (key, text) in entries(&texts) {
        secret["data"][key] = json!(STANDARD.encode(text.as_str().unwrap_or_default()));
    }
    if secret["type"].as_str().unwrap_or_default().is_empty() {
        secret["type"] = json!("Opaque");
    }
    Ok(secret)
}

/// A CustomResourceDefinition is kept as it is sent, and is established at once.
pub(crate) fn definition(mut object: Value) -> Result<Value, String> {
    let frame = take_frame(&mut object)?;
    if let Value::Object(map) = &mut object {
        map.extend(frame);
    }
    let mut names = object["spec"]["names"].clone();
    if let (Some(kind), true) = (names["kind"].as_str().map(str::to_owned), names.is_object()) {
        fill_in(&mut names, "singular", &kind.to_lowercase());
        fill_in(&mut names, "listKind", &format!("{kind}List"));
        object["spec"]["names"] = names.clone();
    }
    object["status"] = json!({
        "acceptedNames": names,
        "conditions": [
            {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found"},
            {"type": "Established", "status": "True", "reason": "InitialNamesAccepted", "message": "the initial names have been accepted"},
        ],
        "storedVersions": object["spec"]["versions"].as_array().into_iter().flatten()
            .map(|version| version["name"].clone()).collect::<Value>(),
    });
    Ok(object)
}

fn fill_in(object: &mut Value, field: &str, default: &str) {
    if object[field].is_null() {
        object[field] = json!(default);
    }
}
