//! What server-side apply knows of the kinds that have no schema here: the types of their fields, and how their lists are merged.

use serde_json::{Map, Value, json};

use crate::schema::Schema;

/// The shape of a kind, by its plural. Fields that are not listed may hold anything.
pub(crate) fn of(plural: &str) -> Schema {
    let fields = match plural {
        "secrets" => json!({"data": texts(), "stringData": texts(), "type": text(), "immutable": {"type": "boolean"}}),
        "configmaps" => json!({"data": texts(), "binaryData": texts(), "immutable": {"type": "boolean"}}),
        "leases" => json!({"spec": lease()}),
        "events" => event(),
        "namespaces" => json!({"spec": object(&json!({"finalizers": {"type": "array", "items": text()}})), "status": namespace_status()}),
        _ => json!({}),
    };
    Schema::compile_object(&json!({"properties": fields})).unwrap_or_default()
}

fn lease() -> Value {
    let mut fields = all(&["holderIdentity", "strategy", "preferredHolder"], &text());
    fields.append(&mut all(&["leaseDurationSeconds", "leaseTransitions"], &number()));
    object(&fields.into())
}

/// Both forms of events.
fn event() -> Value {
    let texts = ["reason", "message", "note", "type", "action", "reportingComponent", "reportingController", "reportingInstance"];
    let mut fields = all(&texts, &text());
    fields.append(&mut all(&["involvedObject", "regarding", "related"], &reference()));
    fields.append(&mut all(&["source", "deprecatedSource"], &object(&all(&["component", "host"], &text()).into())));
    fields.append(&mut all(&["count", "deprecatedCount"], &number()));
    fields.insert("series".into(), object(&json!({"count": number()})));
    fields.into()
}

fn reference() -> Value {
    let fields = ["apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion", "uid"];
    let mut reference = object(&all(&fields, &text()).into());
    reference["x-kubernetes-map-type"] = json!("atomic");
    reference
}

fn namespace_status() -> Value {
    let condition = object(&all(&["type", "status", "reason", "message"], &text()).into());
    let conditions = json!({"type": "array", "items": condition, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]});
    object(&json!({"phase": text(), "conditions": conditions}))
}

fn all(names: &[&str], schema: &Value) -> Map<String, Value> {
    names.iter().map(|name| ((*name).to_owned(), schema.clone())).collect()
}

fn object(properties: &Value) -> Value {
    json!({"type": "object", "properties": properties})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn number() -> Value {
    json!({"type": "integer"})
}

fn texts() -> Value {
    json!({"type": "object", "additionalProperties": text()})
}
