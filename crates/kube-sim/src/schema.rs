//! Structural schemas of custom resources: what is pruned, what is filled in.

use std::collections::BTreeMap;

use regex::Regex;
use serde_json::{Map, Value, json};

/// One node of a structural schema, compiled from `openAPIV3Schema`.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) kind: String,
    pub(crate) format: String,
    pub(crate) nullable: bool,
    pub(crate) int_or_string: bool,
    pub(crate) properties: BTreeMap<String, Self>,
    pub(crate) additional: Option<Box<Self>>,
    pub(crate) items: Option<Box<Self>>,
    pub(crate) required: Vec<String>,
    pub(crate) allowed: Vec<Value>,
    pub(crate) pattern: Option<Regex>,
    pub(crate) limits: Limits,
    pub(crate) list: List,
    pub(crate) atomic_map: bool,
    default: Option<Value>,
    keeps_unknown: bool,
}

/// Bounds of numbers, strings, lists and maps.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) length: (Option<u64>, Option<u64>),
    pub(crate) items: (Option<u64>, Option<u64>),
    pub(crate) properties: (Option<u64>, Option<u64>),
}

/// How a list is merged and which duplicates it refuses (`x-kubernetes-list-type`).
#[derive(Debug, Default, PartialEq)]
pub(crate) enum List {
    #[default]
    Atomic,
    Set,
    Map(Vec<String>),
}

impl Schema {
    /// Compiles a node and all below it. A pattern that Rust's regex cannot read is an error.
    pub(crate) fn compile(raw: &Value) -> Result<Self, regex::Error> {
        let flag = |key: &str| raw[key].as_bool().unwrap_or(false);
        let text = |key: &str| raw[key].as_str().unwrap_or_default().to_owned();
        let boxed = |key: &str| match &raw[key] {
            node @ Value::Object(_) => Self::compile(node).map(|schema| Some(Box::new(schema))),
            _ => Ok(None),
        };
        Ok(Self {
            kind: text("type"),
            format: text("format"),
            nullable: flag("nullable"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            properties: entries(&raw["properties"])
                .map(|(name, node)| Ok((name.clone(), Self::compile(node)?)))
                .collect::<Result<_, regex::Error>>()?,
            additional: boxed("additionalProperties")?,
            items: boxed("items")?,
            required: strings(&raw["required"]),
            allowed: raw["enum"].as_array().cloned().unwrap_or_default(),
            pattern: raw["pattern"].as_str().map(Regex::new).transpose()?,
            limits: Limits::read(raw),
            list: List::read(raw),
            atomic_map: raw["x-kubernetes-map-type"] == "atomic",
            default: raw.get("default").cloned(),
            keeps_unknown: flag("x-kubernetes-preserve-unknown-fields") || raw["additionalProperties"] == true,
        })
    }

    /// Compiles the schema of a whole object. Metadata is the same in all kinds.
    pub(crate) fn compile_object(raw: &Value) -> Result<Self, regex::Error> {
        let mut schema = Self::compile(raw)?;
        schema.properties.insert("metadata".into(), Self::compile(&metadata())?);
        Ok(schema)
    }

    /// Fills in what is missing and has a default, also inside what was just filled in. A null in place of
    /// something that may not be null counts as missing.
    pub(crate) fn fill_in(&self, value: &mut Value) {
        match value {
            Value::Object(map) => self.fill_in_map(map),
            Value::Array(list) => {
                if let Some(items) = &self.items {
                    list.iter_mut().for_each(|item| items.fill_in(item));
                }
            }
            _ => {}
        }
    }

    fn fill_in_map(&self, map: &mut Map<String, Value>) {
        for (name, node) in &self.properties {
            if !node.nullable && map.get(name).is_some_and(Value::is_null) {
                map.remove(name);
            }
            if let Some(default) = &node.default
                && !map.contains_key(name)
            {
                map.insert(name.clone(), default.clone());
            }
        }
        for (name, value) in map {
            if let Some(node) = self.child(name) {
                node.fill_in(value);
            }
        }
    }

    /// Removes what the schema does not know.
    pub(crate) fn prune(&self, value: &mut Value) {
        match value {
            Value::Object(map) => {
                if !self.keeps_unknown {
                    map.retain(|name, _| self.child(name).is_some());
                }
                for (name, value) in map {
                    if let Some(node) = self.child(name) {
                        node.prune(value);
                    }
                }
            }
            Value::Array(list) => {
                if let Some(items) = &self.items {
                    list.iter_mut().for_each(|item| items.prune(item));
                }
            }
            _ => {}
        }
    }

    /// The schema of a property or of a map's values.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or(self.additional.as_deref())
    }
}

/// The lists in metadata whose items have owners of their own.
fn metadata() -> Value {
    let (text, texts) = (json!({"type": "string"}), json!({"type": "object", "additionalProperties": {"type": "string"}}));
    let (number, any) = (json!({"type": "integer"}), json!({}));
    json!({"properties": {
        "name": text, "namespace": text, "generateName": text, "uid": text, "resourceVersion": text, "selfLink": text,
        "labels": texts, "annotations": texts, "generation": number, "deletionGracePeriodSeconds": number,
        "creationTimestamp": any, "deletionTimestamp": any, "managedFields": any,
        "finalizers": {"x-kubernetes-list-type": "set", "items": {}},
        "ownerReferences": {
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["uid"],
            "items": {"x-kubernetes-map-type": "atomic"},
        },
    }})
}

impl Limits {
    fn read(raw: &Value) -> Self {
        let pair = |low: &str, high: &str| (raw[low].as_u64(), raw[high].as_u64());
        Self {
            minimum: raw["minimum"].as_f64(),
            maximum: raw["maximum"].as_f64(),
            length: pair("minLength", "maxLength"),
            items: pair("minItems", "maxItems"),
            properties: pair("minProperties", "maxProperties"),
        }
    }
}

impl List {
    fn read(raw: &Value) -> Self {
        match raw["x-kubernetes-list-type"].as_str() {
            Some("map") => Self::Map(strings(&raw["x-kubernetes-list-map-keys"])),
            Some("set") => Self::Set,
            _ => Self::Atomic,
        }
    }
}

/// The dotted paths of what `given` has and `kept` has not, but for nulls and empty values that the schema knows or that have none: unknown
/// fields.
pub(crate) fn lost(given: &Value, kept: &Value, schema: Option<&Schema>) -> Vec<String> {
    let mut paths = Vec::new();
    collect_lost(given, kept, schema, &mut Vec::new(), &mut paths);
    paths
}

/// A step of a path: a field, or an index.
#[derive(Clone, Copy)]
enum At<'a> {
    Field(&'a str),
    Index(usize),
}

fn collect_lost<'a>(given: &'a Value, kept: &Value, schema: Option<&Schema>, path: &mut Vec<At<'a>>, lost: &mut Vec<String>) {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            for (name, value) in given {
                path.push(At::Field(name));
                let below = schema.and_then(|schema| schema.child(name));
                match kept.get(name) {
                    Some(kept) => collect_lost(value, kept, below, path, lost),
                    None if is_empty(value) && schema.is_some() == below.is_some() => {}
                    None => lost.push(written(path)),
                }
                path.pop();
            }
        }
        (Value::Array(given), Value::Array(kept)) => {
            for (index, (value, kept)) in given.iter().zip(kept).enumerate() {
                path.push(At::Index(index));
                collect_lost(value, kept, schema.and_then(|schema| schema.items.as_deref()), path, lost);
                path.pop();
            }
        }
        _ => {}
    }
}

fn written(path: &[At<'_>]) -> String {
    let steps = path.iter().map(|step| match step {
        At::Field(name) => format!(".{name}"),
        At::Index(index) => format!("[{index}]"),
    });
    steps.collect::<String>().trim_start_matches('.').to_owned()
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

pub(crate) fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

pub(crate) fn strings(value: &Value) -> Vec<String> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}
