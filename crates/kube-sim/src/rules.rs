//! The CEL rules of a custom resource (`x-kubernetes-validations`), compiled once per definition.

use std::collections::BTreeMap;

use kube_cel::{CompiledSchema, ValidationError, compile_schema, validate_compiled};
use serde_json::{Map, Value};

use crate::{
    schema::{Schema, entries},
    validate::{correlated, join},
    violation::{Cause, Violation},
};

/// The part of a schema's tree that has rules.
pub(crate) struct Rules {
    here: Option<CompiledSchema>,
    scalar: bool,
    properties: BTreeMap<String, Self>,
    additional: Option<Box<Self>>,
    items: Option<Box<Self>>,
}

impl Rules {
    /// Compiles all rules; the error names the first that CEL cannot read, as a definition with it is refused.
    pub(crate) fn compile(raw: &Value) -> Result<Option<Self>, String> {
        let child = |key: &str| match &raw[key] {
            node @ Value::Object(_) => Self::compile(node),
            _ => Ok(None),
        };
        let rules = Self {
            here: Self::compile_here(raw)?,
            scalar: !matches!(raw["type"].as_str(), Some("object" | "array")),
            properties: entries(&raw["properties"])
                .filter_map(|(name, node)| Some((name.clone(), Self::compile(node).transpose()?)))
                .map(|(name, rules)| Ok((name, rules?)))
                .collect::<Result<_, String>>()?,
            additional: child("additionalProperties")?.map(Box::new),
            items: child("items")?.map(Box::new),
        };
        Ok(rules.is_needed().then_some(rules))
    }

    fn compile_here(raw: &Value) -> Result<Option<CompiledSchema>, String> {
        let Some(rules) = raw.get("x-kubernetes-validations") else { return Ok(None) };
        let mut slim = slim(raw).unwrap_or_else(|| Value::Object(Map::new()));
        slim["x-kubernetes-validations"] = rules.clone();
        let compiled = compile_schema(&slim);
        match compiled.compilation_errors().first() {
            Some(error) => Err(error.to_string()),
            None => Ok(Some(compiled)),
        }
    }

    fn is_needed(&self) -> bool {
        self.here.is_some() || !self.properties.is_empty() || self.additional.is_some() || self.items.is_some()
    }

    /// Every rule that `new` breaks. What did not change is not tried again.
    pub(crate) fn violations(&self, schema: &Schema, new: &Value, old: Option<&Value>) -> Vec<Violation> {
        let (new, old) = (visible(new), old.map(visible));
        let mut found = Vec::new();
        self.check(schema, &new, old.as_ref(), "", &mut found);
        found
    }

    fn check(&self, schema: &Schema, new: &Value, old: Option<&Value>, path: &str, found: &mut Vec<Violation>) {
        if old == Some(new) {
            return;
        }
        if let Some(compiled) = &self.here
            && let Err(errors) = validate_compiled(compiled, new, old)
        {
            found.extend(errors.into_vec().iter().map(|error| self.violation(error, new, path)));
        }
        match new {
            Value::Object(map) => {
                for (name, value) in map {
                    let rules = self.properties.get(name).or(self.additional.as_deref());
                    if let (Some(rules), Some(schema)) = (rules, schema.child(name)) {
                        rules.check(schema, value, old.and_then(|old| old.get(name)), &join(path, name), found);
                    }
                }
            }
            Value::Array(list) => {
                let (Some(rules), Some(items)) = (&self.items, &schema.items) else { return };
                for (index, item) in list.iter().enumerate() {
                    let before = correlated(schema, item, old);
                    rules.check(items, item, before, &format!("{path}[{index}]"), found);
                }
            }
            _ => {}
        }
    }

    fn violation(&self, error: &ValidationError, value: &Value, path: &str) -> Violation {
        let field = match error.field_path.trim_start_matches('.') {
            "" => path.to_owned(),
            below => join(path, below),
        };
        let field = if field.is_empty() { "<nil>".to_owned() } else { field };
        let shown = self.scalar.then(|| value.clone());
        match error.reason.as_deref() {
            Some("FieldValueForbidden") => Violation::forbidden(field, &error.message),
            Some("FieldValueRequired") => Violation::required(field, &error.message),
            Some("FieldValueDuplicate") => Violation::new(Cause::Duplicate, field, shown, ""),
            _ => Violation::new(Cause::Invalid, field, shown, &error.message),
        }
    }
}

/// The object as rules see it: of its metadata only the name.
fn visible(object: &Value) -> Value {
    let fields = object.as_object().into_iter().flatten();
    let fields = fields.map(|(field, value)| match field.as_str() {
        "metadata" => {
            let named = entries(value).filter(|(field, _)| ["name", "generateName"].contains(&field.as_str()));
            (field.clone(), Value::Object(named.map(|(field, value)| (field.clone(), value.clone())).collect()))
        }
        _ => (field.clone(), value.clone()),
    });
    Value::Object(fields.collect())
}

/// A schema reduced to what changes how CEL sees a value: formats and maps. The rest would only cost time.
fn slim(raw: &Value) -> Option<Value> {
    let mut kept = Map::new();
    for key in ["format", "additionalProperties", "x-kubernetes-embedded-resource", "x-kubernetes-preserve-unknown-fields"] {
        if let Some(value) = raw.get(key) {
            kept.insert(key.into(), value.clone());
        }
    }
    if let Some(items) = raw.get("items").and_then(slim) {
        kept.insert("items".into(), items);
    }
    let properties: Map<_, _> = entries(&raw["properties"]).filter_map(|(name, node)| Some((name.clone(), slim(node)?))).collect();
    if !properties.is_empty() {
        kept.insert("properties".into(), Value::Object(properties));
    }
    if let Some(Value::Object(node)) = kept.get_mut("additionalProperties") {
        *node = slim(&Value::Object(std::mem::take(node))).and_then(|slim| slim.as_object().cloned()).unwrap_or_default();
    }
    (!kept.is_empty()).then_some(Value::Object(kept))
}
