//! Validation against a structural schema, with the messages of kube-apiserver.
//!
//! On update, what did not change is not looked at again: kube-apiserver "ratchets" likewise (1.33 and later).

use chrono::DateTime;
use serde_json::{Map, Value, json};

use crate::{
    schema::{List, Schema},
    violation::{Cause, Violation},
};

/// Every constraint of the schema that `new` violates. `old` is the object before an update.
pub(crate) fn violations(schema: &Schema, new: &Value, old: Option<&Value>) -> Vec<Violation> {
    let mut walk = Walk { found: Vec::new() };
    walk.node(schema, new, old, "");
    walk.found
}

struct Walk {
    found: Vec<Violation>,
}

impl Walk {
    fn node(&mut self, schema: &Schema, new: &Value, old: Option<&Value>, path: &str) {
        if old == Some(new) || (new.is_null() && schema.nullable) {
            return;
        }
        if !schema.allowed.is_empty() && !schema.allowed.contains(new) {
            self.found.push(unsupported(schema, new, path));
        }
        if let Some(wrong) = type_error(schema, new, path) {
            return self.found.push(wrong);
        }
        match new {
            Value::String(text) => self.string(schema, text, path),
            Value::Number(_) => self.number(schema, new, path),
            Value::Array(list) => self.list(schema, list, old, path),
            Value::Object(map) => self.map(schema, map, old, path),
            _ => {}
        }
    }

    fn string(&mut self, schema: &Schema, text: &str, path: &str) {
        let length = text.chars().count() as u64;
        let (min, max) = schema.limits.length;
        if let Some(max) = max.filter(|max| length > *max) {
            self.found.push(Violation::too_long(path, max));
        } else if let Some(min) = min.filter(|min| length < *min) {
            self.invalid(path, text, &format!("should be at least {min} chars long"));
        } else if let Some(pattern) = schema.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            self.invalid(path, text, &format!("should match '{pattern}'"));
        }
        if !is_format(&schema.format, text) {
            let detail = format!("{path} in body must be of type {}: {text:?}", schema.format);
            self.found.push(Violation::new(Cause::TypeInvalid, path, Some(json!(text)), detail));
        }
    }

    fn number(&mut self, schema: &Schema, value: &Value, path: &str) {
        let number = value.as_f64().unwrap_or_default();
        if let Some(max) = schema.limits.maximum.filter(|max| number > *max) {
            self.invalid(path, value.clone(), &format!("should be less than or equal to {max}"));
        }
        if let Some(min) = schema.limits.minimum.filter(|min| number < *min) {
            self.invalid(path, value.clone(), &format!("should be greater than or equal to {min}"));
        }
    }

    fn list(&mut self, schema: &Schema, list: &[Value], old: Option<&Value>, path: &str) {
        let (min, max) = schema.limits.items;
        if let Some(max) = max.filter(|max| list.len() as u64 > *max) {
            self.found.push(Violation::too_many(path, list.len(), max));
        }
        if let Some(min) = min.filter(|min| (list.len() as u64) < *min) {
            self.invalid(path, list.len(), &format!("should have at least {min} items"));
        }
        self.duplicates(schema, list, path);
        let Some(items) = &schema.items else { return };
        for (index, item) in list.iter().enumerate() {
            let before = correlated(schema, item, old);
            self.node(items, item, before, &format!("{path}[{index}]"));
        }
    }

    fn duplicates(&mut self, schema: &Schema, list: &[Value], path: &str) {
        let mut seen = Vec::new();
        for (index, item) in list.iter().enumerate() {
            let Some(key) = identity(schema, item) else { return };
            if seen.contains(&key) {
                let field = format!("{path}[{index}]");
                self.found.push(Violation::new(Cause::Duplicate, field, Some(key), ""));
            } else {
                seen.push(key);
            }
        }
    }

    fn map(&mut self, schema: &Schema, map: &Map<String, Value>, old: Option<&Value>, path: &str) {
        let (min, max) = schema.limits.properties;
        if let Some(max) = max.filter(|max| map.len() as u64 > *max) {
            self.found.push(Violation::too_many(path, map.len(), max));
        }
        if let Some(min) = min.filter(|min| (map.len() as u64) < *min) {
            self.invalid(path, map.len(), &format!("should have at least {min} properties"));
        }
        for name in schema.required.iter().filter(|name| !map.contains_key(*name)) {
            self.found.push(Violation::required(join(path, name), ""));
        }
        // Metadata is the same in all kinds, and checked apart.
        for (name, value) in map.iter().filter(|(name, _)| !path.is_empty() || *name != "metadata") {
            if let Some(node) = schema.child(name) {
                self.node(node, value, old.and_then(|old| old.get(name)), &join(path, name));
            }
        }
    }

    fn invalid(&mut self, path: &str, value: impl Into<Value>, what: &str) {
        self.found.push(Violation::invalid(path, value, format!("{path} in body {what}")));
    }
}

/// What was there before in the place of a list's item: known only for keyed lists.
pub(crate) fn correlated<'a>(schema: &Schema, item: &Value, old: Option<&'a Value>) -> Option<&'a Value> {
    let List::Map(_) = schema.list else { return None };
    let key = identity(schema, item);
    let old = old?.as_array()?;
    old.iter().find(|before| identity(schema, before) == key)
}

/// What tells an item of a set or keyed list from its siblings.
pub(crate) fn identity(schema: &Schema, item: &Value) -> Option<Value> {
    match &schema.list {
        List::Atomic => None,
        List::Set => Some(item.clone()),
        List::Map(keys) => {
            let fields = keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone())));
            Some(Value::Object(fields.collect()))
        }
    }
}

pub(crate) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn type_error(schema: &Schema, value: &Value, path: &str) -> Option<Violation> {
    let actual = type_of(value);
    let fits = match schema.kind.as_str() {
        "" => true,
        _ if schema.int_or_string => actual == "integer" || actual == "string",
        "number" => actual == "number" || actual == "integer",
        wanted => actual == wanted,
    };
    let detail = format!("{path} in body must be of type {}: {actual:?}", schema.kind);
    (!fits).then(|| Violation::new(Cause::TypeInvalid, path, Some(json!(actual)), detail))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn unsupported(schema: &Schema, value: &Value, path: &str) -> Violation {
    let quote = |value: &Value| match value {
        Value::String(text) => format!("{text:?}"),
        other => format!("\"{other}\""),
    };
    let allowed: Vec<_> = schema.allowed.iter().map(quote).collect();
    let detail = format!("supported values: {}", allowed.join(", "));
    Violation::new(Cause::NotSupported, path, Some(value.clone()), detail)
}

fn is_format(format: &str, text: &str) -> bool {
    use base64::Engine as _;
    match format {
        "date-time" => DateTime::parse_from_rfc3339(text).is_ok(),
        "byte" => base64::engine::general_purpose::STANDARD.decode(text).is_ok(),
        "uuid" => uuid::Uuid::parse_str(text).is_ok(),
        _ => true,
    }
}
