//! What server-side apply asks of an object before it is merged: values of the schema's types, and keyed lists that can be told apart.

use serde_json::Value;

use crate::{
    schema::{List, Schema},
    validate::identity,
};

/// The first thing by which `value` cannot be merged by `schema`.
pub(crate) fn misfit(schema: &Schema, value: &Value) -> Option<String> {
    walk(schema, value, "", false)
}

/// Whether it can be said who owns which field of `value`. Lists with duplicates can be told apart well enough for that.
pub(crate) fn fits(schema: &Schema, value: &Value) -> bool {
    walk(schema, value, "", true).is_none()
}

fn walk(schema: &Schema, value: &Value, path: &str, duplicates: bool) -> Option<String> {
    if let Some(wanted) = wrong_type(schema, value) {
        return Some(format!("{path}: expected {wanted}, got &value.valueUnstructured{{Value:{value}}}"));
    }
    match value {
        Value::Object(map) => map.iter().find_map(|(name, value)| walk(schema.child(name)?, value, &format!("{path}.{name}"), duplicates)),
        Value::Array(list) => items(schema, list, path, duplicates),
        _ => None,
    }
}

fn wrong_type(schema: &Schema, value: &Value) -> Option<&'static str> {
    let is_scalar = !value.is_object() && !value.is_array();
    match schema.kind.as_str() {
        _ if value.is_null() || schema.int_or_string => None,
        "object" if !value.is_object() => Some("map"),
        "array" if !value.is_array() => Some("list"),
        "string" if !value.is_string() => Some("string"),
        "boolean" if !value.is_boolean() => Some("boolean"),
        "integer" | "number" if !value.is_number() => Some("numeric (int or float)"),
        "" if !is_scalar && value.is_object() && schema.list != List::Atomic => Some("list"),
        _ => None,
    }
}

fn items(schema: &Schema, list: &[Value], path: &str, duplicates: bool) -> Option<String> {
    let mut seen = Vec::new();
    for (index, item) in list.iter().enumerate() {
        if let List::Map(keys) = &schema.list
            && !keys.iter().any(|key| item.get(key).is_some_and(|key| !key.is_null()))
        {
            let what = "associative list with keys has an element that omits all key fields";
            return Some(format!("{path}: element {index}: {what} {keys:?} (and doesn't have default values for any key fields)"));
        }
        if item.is_null() && schema.list == List::Set {
            return Some(format!("{path}: element {index}: associative list without keys has an element that's an explicit null"));
        }
        if let Some(key) = identity(schema, item) {
            if !duplicates && seen.contains(&key) {
                return Some(format!("{path}: duplicate entries for key {key}"));
            }
            seen.push(key);
        }
        let below = schema.items.as_deref().and_then(|items| walk(items, item, &format!("{path}[{index}]"), duplicates));
        if below.is_some() {
            return below;
        }
    }
    None
}
