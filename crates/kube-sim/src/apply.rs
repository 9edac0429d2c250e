//! Who owns which field, and server-side apply.
//!
//! Follows structured-merge-diff: ownership per leaf and manager; keyed lists by key, all other lists as a whole.

use serde_json::{Value, json};

use crate::{
    failure::Failure,
    fields::{Difference, FieldSet, is_leaf},
    kind::Kind,
    render::shown,
    schema::{List, Schema},
    validate::identity,
};

/// Who writes, and by which means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Manager {
    pub(crate) name: String,
    pub(crate) operation: Operation,
    pub(crate) subresource: Option<String>,
    pub(crate) api_version: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Apply,
    Update,
}

/// All managers of one object.
#[derive(Clone, Default)]
pub(crate) struct Owners(Vec<Owner>);

#[derive(Clone)]
struct Owner {
    manager: Manager,
    time: Value,
    fields: FieldSet,
}

impl Owners {
    pub(crate) fn read(object: &Value) -> Self {
        let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
        Self(entries.map(Owner::read).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets `metadata.managedFields`: applied first, then by time and name.
    pub(crate) fn write(mut self, object: &mut Value) {
        self.0.sort_by_key(|owner| (owner.manager.operation, owner.time.as_str().map(str::to_owned), owner.manager.name.clone()));
        let entries: Vec<_> = self.0.iter().map(Owner::to_json).collect();
        if !entries.is_empty() {
            object["metadata"]["managedFields"] = Value::Array(entries);
        } else if let Some(meta) = object["metadata"].as_object_mut() {
            meta.remove("managedFields");
        }
    }

    /// Takes note of a write that was no apply: what changed now belongs to `manager` alone.
    pub(crate) fn note(&mut self, old: &Value, new: &Value, kind: &Kind, manager: &Manager, now: &Value) {
        let difference = difference(old, new, kind, manager);
        for owner in &mut self.0 {
            if owner.manager != *manager {
                owner.fields.subtract(&difference.changed);
            }
            owner.fields.subtract(&difference.removed);
        }
        if !difference.changed.is_empty() {
            let mut fields = self.fields(manager).cloned().unwrap_or_default();
            fields.union(&difference.changed);
            self.set(manager, fields, now);
        }
        self.tidy();
    }

    /// Applies `config` to `live` (null if there is none yet): the new object. A conflict is an error unless `force`.
    pub(crate) fn apply(
        &mut self,
        live: &Value,
        config: &Value,
        kind: &Kind,
        manager: &Manager,
        force: bool,
        now: &Value,
    ) -> Result<Value, Failure> {
        self.adopt(live, kind, manager, now);
        let applied = owned(FieldSet::of_applied(config, Some(kind.shape())), kind, manager);
        let mut merged = merge(live, config, Some(kind.shape()));
        self.give_up(&mut merged, &applied, kind, manager);
        let difference = difference(live, &merged, kind, manager);
        self.refuse_conflicts(&difference, manager, force)?;
        for owner in self.0.iter_mut().filter(|owner| owner.manager != *manager) {
            owner.fields.subtract(&difference.changed);
            owner.fields.subtract(&difference.removed);
        }
        if *live != merged {
            self.set(manager, applied, now);
        } else if self.fields(manager) != Some(&applied) {
            let time = self.0.iter().find(|owner| owner.manager == *manager).map_or(Value::Null, |owner| owner.time.clone());
            self.set(manager, applied, &time);
        }
        self.tidy();
        Ok(merged)
    }

    /// What nobody owned before the first apply gets an owner.
    fn adopt(&mut self, live: &Value, kind: &Kind, manager: &Manager, now: &Value) {
        if self.is_empty() && !live.is_null() {
            let before = Manager { name: "before-first-apply".to_owned(), operation: Operation::Update, ..manager.clone() };
            self.note(&Value::Null, live, kind, &before, now);
        }
    }

    /// Removes what the manager applied before, does not apply now, and nobody else owns.
    fn give_up(&self, merged: &mut Value, applied: &FieldSet, kind: &Kind, manager: &Manager) {
        let Some(before) = self.fields(manager) else { return };
        let mut dropped = before.clone();
        dropped.spare(applied);
        for owner in self.0.iter().filter(|owner| owner.manager != *manager) {
            dropped.spare(&owner.fields);
        }
        dropped.remove_from(merged, Some(kind.shape()));
    }

    fn refuse_conflicts(&self, difference: &Difference, manager: &Manager, force: bool) -> Result<(), Failure> {
        let mut conflicts = Vec::new();
        for owner in self.0.iter().filter(|owner| owner.manager != *manager && !force) {
            let paths = owner.fields.intersection(&difference.changed).paths();
            conflicts.extend(paths.into_iter().map(|path| (owner.describe(), path)));
        }
        conflicts.sort();
        let text = match conflicts.as_slice() {
            [] => return Ok(()),
            [(owner, path)] => format!("1 conflict: conflict with {owner}: {path}"),
            many => format!("{} conflicts: {}", many.len(), list_conflicts(many)),
        };
        conflicts.sort_by(|one, other| one.1.cmp(&other.1));
        let causes: Vec<_> = conflicts
            .iter()
            .map(|(owner, path)| json!({"reason": "FieldManagerConflict", "message": format!("conflict with {owner}"), "field": path}))
            .collect();
        Err(Failure::new(409, "Conflict", format!("Apply failed with {text}")).with_details(json!({"causes": causes})))
    }

    fn fields(&self, manager: &Manager) -> Option<&FieldSet> {
        self.0.iter().find(|owner| owner.manager == *manager).map(|owner| &owner.fields)
    }

    fn set(&mut self, manager: &Manager, fields: FieldSet, now: &Value) {
        let owner = Owner { manager: manager.clone(), time: now.clone(), fields };
        match self.0.iter_mut().find(|owner| owner.manager == *manager) {
            Some(known) => *known = owner,
            None => self.0.push(owner),
        }
    }

    fn tidy(&mut self) {
        self.0.retain(|owner| !owner.fields.is_empty());
    }
}

/// By manager: its name, then the paths.
fn list_conflicts(conflicts: &[(String, String)]) -> String {
    let mut lines = Vec::new();
    for (index, (owner, path)) in conflicts.iter().enumerate() {
        if index == 0 || conflicts[index - 1].0 != *owner {
            lines.push(format!("conflicts with {owner}:"));
        }
        lines.push(format!("- {path}"));
    }
    lines.join("\n")
}

impl Owner {
    fn read(entry: &Value) -> Self {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let operation = if entry["operation"] == "Apply" { Operation::Apply } else { Operation::Update };
        Self {
            manager: Manager {
                name: text("manager"),
                operation,
                subresource: entry["subresource"].as_str().map(str::to_owned),
                api_version: text("apiVersion"),
            },
            time: entry["time"].clone(),
            fields: FieldSet::from_json(&entry["fieldsV1"]),
        }
    }

    fn to_json(&self) -> Value {
        let manager = &self.manager;
        let mut entry = json!({
            "manager": manager.name, "operation": manager.operation.name(), "apiVersion": manager.api_version,
            "fieldsType": "FieldsV1", "fieldsV1": self.fields.to_json(),
        });
        if !self.time.is_null() {
            entry["time"] = self.time.clone();
        }
        if let Some(subresource) = &manager.subresource {
            entry["subresource"] = json!(subresource);
        }
        entry
    }

    fn describe(&self) -> String {
        let manager = &self.manager;
        let means = match &manager.subresource {
            Some(subresource) => format!(" with subresource {subresource:?}"),
            None => String::new(),
        };
        let using = match manager.operation {
            Operation::Apply => String::new(),
            Operation::Update => format!(" using {}", manager.api_version),
        };
        format!("{:?}{means}{using}", manager.name)
    }
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// Between two versions of an object; what nobody owns is left out.
fn difference(old: &Value, new: &Value, kind: &Kind, manager: &Manager) -> Difference {
    let shape = Some(kind.shape());
    let Difference { changed, removed } = if kind.is_custom() {
        Difference::between(old, new, shape)
    } else {
        let whole = |object: &Value| shown(kind, if object.is_null() { json!({}) } else { object.clone() });
        Difference::between(&whole(old), &whole(new), shape)
    };
    Difference { changed: owned(changed, kind, manager), removed: owned(removed, kind, manager) }
}

/// Without the fields that the manager cannot own: the server's own, those that name the object, and what is not for this
/// endpoint to change.
fn owned(mut set: FieldSet, kind: &Kind, manager: &Manager) -> FieldSet {
    let foreign: &[&str] = match manager.subresource {
        Some(_) if kind.status_spares_metadata() => &["f:metadata", "f:spec"],
        Some(_) => &["f:spec"],
        None if kind.has_status => &["f:status"],
        None => &[],
    };
    for field in ["f:apiVersion", "f:kind"].iter().chain(foreign) {
        set.remove_path(&[field]);
    }
    for field in UNOWNED {
        set.remove_path(&["f:metadata", field]);
    }
    set.drop_member("f:metadata");
    set
}

const UNOWNED: [&str; 9] = [
    "f:name",
    "f:namespace",
    "f:creationTimestamp",
    "f:selfLink",
    "f:uid",
    "f:generation",
    "f:managedFields",
    "f:resourceVersion",
    "f:deletionTimestamp",
];

/// `config` laid over `live`. A null takes away nothing that has parts with owners of their own.
fn merge(live: &Value, config: &Value, schema: Option<&Schema>) -> Value {
    match (live, config) {
        (live, Value::Null) if schema.is_some() && !is_leaf(live, schema) => live.clone(),
        (Value::Object(live), Value::Object(config)) if !schema.is_some_and(|schema| schema.atomic_map) => {
            let mut merged = live.clone();
            for (name, value) in config {
                let below = schema.and_then(|schema| schema.child(name));
                let value = merge(live.get(name).unwrap_or(&Value::Null), value, below);
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(live), Value::Array(config)) => match schema {
            Some(schema) if schema.list != List::Atomic => merge_items(live, config, schema),
            _ => Value::Array(config.clone()),
        },
        _ => config.clone(),
    }
}

/// Shared items stand as `config` has them, those of `live` alone between them where they stood.
fn merge_items(live: &[Value], config: &[Value], schema: &Schema) -> Value {
    let keys = |items: &[Value]| items.iter().map(|item| identity(schema, item)).collect::<Vec<_>>();
    let (ours, theirs) = (keys(live), keys(config));
    let mut merged = Vec::new();
    let (mut l, mut r) = (0, 0);
    while l < live.len() || r < config.len() {
        let (done, to_come) = theirs.split_at(r);
        let is_next_shared = |key| to_come.iter().find(|key| ours.contains(key)).is_none_or(|next| next == key);
        match ours.get(l) {
            Some(key) if !theirs.contains(key) => {
                merged.push(live[l].clone());
                l += 1;
                continue;
            }
            Some(key) if !is_next_shared(key) => {
                l += 1;
                continue;
            }
            Some(key) if to_come.first() == Some(key) || done.contains(key) => l += 1,
            _ => {}
        }
        if let (Some(item), Some(key)) = (config.get(r), to_come.first()) {
            let counterpart = ours.iter().position(|known| known == key).map_or(&Value::Null, |at| &live[at]);
            merged.push(merge(counterpart, item, schema.items.as_deref()));
            r += 1;
        }
    }
    Value::Array(merged)
}
