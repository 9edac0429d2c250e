//! Sets of fields, as `managedFields` writes them (`fieldsV1`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    schema::{List, Schema},
    validate::identity,
};

/// A set of paths into an object. Steps are written as in fieldsV1: `f:name`, `k:{"type":"Ready"}`, `v:"item"`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct FieldSet(BTreeMap<String, Node>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Node {
    /// Whether the path that ends here belongs to the set.
    member: bool,
    below: FieldSet,
}

/// What differs between two objects.
#[derive(Default)]
pub(crate) struct Difference {
    /// Added or modified.
    pub(crate) changed: FieldSet,
    pub(crate) removed: FieldSet,
}

impl FieldSet {
    /// What whoever applies `value` owns: leaves, and the items of keyed lists and sets.
    pub(crate) fn of_applied(value: &Value, schema: Option<&Schema>) -> Self {
        let mut set = Self::default();
        set.collect(value, schema, false);
        set
    }

    /// Everything there is in `value`, containers included.
    fn of_all(value: &Value, schema: Option<&Schema>) -> Self {
        let mut set = Self::default();
        set.collect(value, schema, true);
        set
    }

    fn collect(&mut self, value: &Value, schema: Option<&Schema>, containers: bool) {
        for (step, value, schema) in parts(value, schema) {
            let node = self.0.entry(step.clone()).or_default();
            node.below.collect(value, schema, containers);
            let is_empty_map = value.as_object().is_some_and(Map::is_empty);
            node.member = containers || !step.starts_with("f:") || is_leaf(value, schema) || is_empty_map;
        }
        if !containers {
            self.tidy();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn union(&mut self, other: &Self) {
        for (step, theirs) in &other.0 {
            let node = self.0.entry(step.clone()).or_default();
            node.member |= theirs.member;
            node.below.union(&theirs.below);
        }
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        for (step, theirs) in &other.0 {
            if let Some(node) = self.0.get_mut(step) {
                node.member &= !theirs.member;
                node.below.subtract(&theirs.below);
            }
        }
        self.tidy();
    }

    /// Leaves out what the other set has, or has something of.
    pub(crate) fn spare(&mut self, other: &Self) {
        for (step, theirs) in &other.0 {
            if let Some(node) = self.0.get_mut(step) {
                node.member = false;
                node.below.spare(&theirs.below);
            }
        }
        self.tidy();
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let common = self.0.iter().filter_map(|(step, node)| {
            let theirs = other.0.get(step)?;
            let below = node.below.intersection(&theirs.below);
            Some((step.clone(), Node { member: node.member && theirs.member, below }))
        });
        let mut set = Self(common.collect());
        set.tidy();
        set
    }

    /// Drops a path that ends at the root's step, but not what is below it.
    pub(crate) fn drop_member(&mut self, step: &str) {
        if let Some(node) = self.0.get_mut(step) {
            node.member = false;
        }
        self.tidy();
    }

    /// Drops a path and all below it.
    pub(crate) fn remove_path(&mut self, path: &[&str]) {
        match path {
            [] => {}
            [last] => drop(self.0.remove(*last)),
            [first, rest @ ..] => {
                if let Some(node) = self.0.get_mut(*first) {
                    node.below.remove_path(rest);
                }
            }
        }
        self.tidy();
    }

    fn tidy(&mut self) {
        self.0.retain(|_, node| node.member || !node.below.is_empty());
    }

    /// The paths, as messages write them: `.spec.replicas`, `.status.conditions[type="Ready"].status`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.write_paths("", &mut paths);
        paths
    }

    fn write_paths(&self, above: &str, paths: &mut Vec<String>) {
        for (step, node) in &self.0 {
            let path = format!("{above}{}", readable(step));
            node.below.write_paths(&path, paths);
            if node.member {
                paths.push(path);
            }
        }
    }

    /// Removes from `value` what the set names; what becomes empty by that goes, too.
    pub(crate) fn remove_from(&self, value: &mut Value, schema: Option<&Schema>) {
        match value {
            Value::Object(map) => {
                for (step, node) in &self.0 {
                    let Some(name) = step.strip_prefix("f:") else { continue };
                    if node.member {
                        map.remove(name);
                    } else if let Some(inner) = map.get_mut(name) {
                        node.below.remove_from(inner, child(schema, name));
                        if is_bare(inner) {
                            map.remove(name);
                        }
                    }
                }
            }
            Value::Array(list) => self.remove_items(list, schema),
            _ => {}
        }
    }

    fn remove_items(&self, list: &mut Vec<Value>, schema: Option<&Schema>) {
        list.retain_mut(|item| match item_step(schema, item).and_then(|step| self.0.get(&step)) {
            Some(node) if node.member => false,
            Some(node) => {
                node.below.remove_from(item, schema.and_then(|schema| schema.items.as_deref()));
                true
            }
            None => true,
        });
    }

    pub(crate) fn to_json(&self) -> Value {
        let steps = self.0.iter().map(|(step, node)| (step.clone(), node.to_json()));
        Value::Object(steps.collect())
    }

    pub(crate) fn from_json(json: &Value) -> Self {
        let steps = json.as_object().into_iter().flatten().filter(|(step, _)| *step != ".");
        Self(steps.map(|(step, below)| (step.clone(), Node::from_json(below))).collect())
    }
}

impl Node {
    fn to_json(&self) -> Value {
        let mut below = self.below.to_json();
        if self.member && !self.below.is_empty() {
            below["."] = json!({});
        }
        below
    }

    fn from_json(json: &Value) -> Self {
        let below = FieldSet::from_json(json);
        Self { member: below.is_empty() || json.get(".").is_some(), below }
    }
}

impl Difference {
    pub(crate) fn between(old: &Value, new: &Value, schema: Option<&Schema>) -> Self {
        let mut difference = Self::default();
        difference.compare(old, new, schema, &mut Vec::new());
        difference
    }

    fn compare(&mut self, old: &Value, new: &Value, schema: Option<&Schema>, path: &mut Vec<String>) {
        let (old, new) = (changed_parts(old, new, schema), changed_parts(new, old, schema));
        for (step, value, schema) in &new {
            path.push(step.clone());
            match old.iter().find(|(before, ..)| before == step) {
                Some((_, before, _)) if before == value && times(&old, step) == times(&new, step) => {}
                Some((_, old, _)) if !is_leaf(old, *schema) && !is_leaf(value, *schema) => self.compare(old, value, *schema, path),
                _ => add(&mut self.changed, path, FieldSet::of_all(value, *schema)),
            }
            path.pop();
        }
        for (step, value, schema) in &old {
            if !new.iter().any(|(still, ..)| still == step) {
                path.push(step.clone());
                add(&mut self.removed, path, FieldSet::of_all(value, *schema));
                path.pop();
            }
        }
    }
}

/// How often a step occurs: more than once if a list that should have none has duplicates.
fn times(parts: &[Part<'_, '_>], step: &str) -> usize {
    parts.iter().filter(|(other, ..)| other == step).count()
}

/// The parts of `value`, without those of a map that are the same in `other`.
fn changed_parts<'v, 's>(value: &'v Value, other: &Value, schema: Option<&'s Schema>) -> Vec<Part<'v, 's>> {
    match (value, other) {
        (Value::Object(map), Value::Object(other)) if !is_leaf(value, schema) => {
            let changed = map.iter().filter(|(name, value)| other.get(*name) != Some(value));
            changed.map(|(name, value)| (format!("f:{name}"), value, child(schema, name))).collect()
        }
        _ => parts(value, schema),
    }
}

fn add(set: &mut FieldSet, path: &[String], below: FieldSet) {
    let Some((first, rest)) = path.split_first() else { return };
    let node = set.0.entry(first.clone()).or_default();
    if rest.is_empty() {
        node.member = true;
        node.below.union(&below);
    } else {
        add(&mut node.below, rest, below);
    }
}

/// A step, what it leads to, and the schema of that.
type Part<'v, 's> = (String, &'v Value, Option<&'s Schema>);

/// The parts of a value that can have different owners: none for scalars and whatever is atomic.
fn parts<'v, 's>(value: &'v Value, schema: Option<&'s Schema>) -> Vec<Part<'v, 's>> {
    match value {
        Value::Object(map) if !schema.is_some_and(|schema| schema.atomic_map) => {
            map.iter().map(|(name, value)| (format!("f:{name}"), value, child(schema, name))).collect()
        }
        Value::Array(list) => {
            let items = schema.and_then(|schema| schema.items.as_deref());
            list.iter().filter_map(|item| Some((item_step(schema, item)?, item, items))).collect()
        }
        _ => Vec::new(),
    }
}

pub(crate) fn is_leaf(value: &Value, schema: Option<&Schema>) -> bool {
    match value {
        Value::Object(_) => schema.is_some_and(|schema| schema.atomic_map),
        Value::Array(_) => schema.is_none_or(|schema| schema.list == List::Atomic),
        _ => true,
    }
}

fn item_step(schema: Option<&Schema>, item: &Value) -> Option<String> {
    let schema = schema?;
    let key = identity(schema, item)?;
    let letter = if schema.list == List::Set { 'v' } else { 'k' };
    Some(format!("{letter}:{key}"))
}

fn child<'a>(schema: Option<&'a Schema>, name: &str) -> Option<&'a Schema> {
    schema.and_then(|schema| schema.child(name))
}

fn is_bare(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

fn readable(step: &str) -> String {
    match step.split_once(':') {
        Some(("k", key)) => {
            let key: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
            let fields: Vec<_> = key.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("[{}]", fields.join(","))
        }
        Some(("v", value)) => format!("[={value}]"),
        Some((_, name)) => format!(".{name}"),
        None => step.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn schema() -> Schema {
        let ports = json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object"}});
        let tags = json!({"x-kubernetes-list-type": "set", "items": {"type": "string"}});
        Schema::compile(&json!({"properties": {"ports": ports, "tags": tags, "unit": {"x-kubernetes-map-type": "atomic"}}})).unwrap()
    }

    fn object() -> Value {
        json!({"ports": [{"name": "x", "port": 1}], "tags": ["t"], "steps": [1, 2], "unit": {"a": 1}, "map": {"a": {"b": 1}, "c": {}}})
    }

    #[test]
    fn a_set_is_written_as_fields_v1_and_read_back() {
        let set = FieldSet::of_applied(&object(), Some(&schema()));
        let written = json!({
            "f:ports": {"k:{\"name\":\"x\"}": {".": {}, "f:name": {}, "f:port": {}}},
            "f:tags": {"v:\"t\"": {}}, "f:steps": {}, "f:unit": {}, "f:map": {"f:a": {"f:b": {}}, "f:c": {}},
        });
        assert_eq!(set.to_json(), written);
        assert_eq!(FieldSet::from_json(&written), set);
    }

    #[test]
    fn what_is_removed_takes_emptied_maps_with_it_but_not_what_is_beside() {
        let mut value = object();
        let gone = json!({"map": {"a": {"b": 1}}, "tags": ["t"], "ports": [{"name": "y"}]});
        FieldSet::of_applied(&gone, Some(&schema())).remove_from(&mut value, Some(&schema()));
        assert_eq!(value, json!({"ports": [{"name": "x", "port": 1}], "steps": [1, 2], "unit": {"a": 1}, "map": {"c": {}}}));
    }

    #[test]
    fn a_difference_names_what_changed_and_what_went() {
        let new = json!({"ports": [{"name": "x", "port": 2}], "tags": ["t", "u"], "steps": [1], "unit": {"a": 1}, "map": {"c": {}}});
        let Difference { changed, removed } = Difference::between(&object(), &new, Some(&schema()));
        assert_eq!(changed.paths(), [".ports[name=\"x\"].port", ".steps", ".tags[=\"u\"]"]);
        assert_eq!(removed.paths(), [".map.a.b", ".map.a"]);
    }
}
