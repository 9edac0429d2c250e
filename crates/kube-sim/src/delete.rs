//! Deletion, and what goes with it: finalizers, dependents, namespaces, old events.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use crate::{
    failure::Failure,
    kind::Kind,
    request::Query,
    store::{Key, State, owners},
    write::Call,
};

/// Events go an hour after their last change.
const EVENT_LIFE: TimeDelta = TimeDelta::hours(1);
const KEPT_NAMESPACES: [&str; 3] = ["default", "kube-public", "kube-system"];
const FOREGROUND: &str = "foregroundDeletion";

/// How dependents fare.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// What a deletion has led to.
pub(crate) enum Deleted {
    /// The object is gone.
    Gone(Arc<Value>),
    /// It waits for its finalizers or its content.
    Pending(Arc<Value>),
}

impl State {
    pub(crate) fn delete(&mut self, call: &Call<'_>, options: &Value) -> Result<Deleted, Failure> {
        let (kind, name) = (call.kind, &call.key.1);
        let object = self.get(&kind.table, &call.key).ok_or_else(|| Failure::not_found(kind, name))?;
        if kind.table == "namespaces" && KEPT_NAMESPACES.contains(&name.as_str()) {
            let message = format!("namespaces {name:?} is forbidden: this namespace may not be deleted");
            return Err(Failure::forbidden(message).with_details(kind.details(name)));
        }
        check_preconditions(kind, name, &object, &options["preconditions"])?;
        // A body takes the place of the query.
        let query = Some(call.query).filter(|_| options.is_null());
        if query.is_some_and(Query::dry_run) || options["dryRun"].as_array().is_some_and(|list| !list.is_empty()) {
            let stays = kind.table == "namespaces" || has_finalizers(&object);
            return Ok(if stays { Deleted::Pending(self.marked(&kind.table, &object)) } else { Deleted::Gone(object) });
        }
        let propagation = Propagation::read(options, query.and_then(|query| query.text("propagationPolicy")));
        Ok(self.delete_object(&kind.table, &call.key, &object, propagation))
    }

    fn delete_object(&mut self, table: &str, key: &Key, object: &Arc<Value>, propagation: Propagation) -> Deleted {
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        match propagation {
            Propagation::Background => {}
            Propagation::Foreground => self.delete_dependents(&uid),
            Propagation::Orphan => self.orphan_dependents(&uid),
        }
        if table == "namespaces" {
            let object = self.mark(table, key, object);
            self.empty_namespace(&key.1);
            self.finish_namespace(&key.1);
            return Deleted::Pending(object);
        }
        if has_finalizers(object) {
            return Deleted::Pending(self.mark(table, key, object));
        }
        Deleted::Gone(self.expunge(table, key).unwrap_or_else(|| object.clone()))
    }

    /// Sets deletionTimestamp, once.
    fn mark(&mut self, table: &str, key: &Key, object: &Arc<Value>) -> Arc<Value> {
        let marked = self.marked(table, object);
        if Arc::ptr_eq(&marked, object) { marked } else { self.put(table, key, Arc::unwrap_or_clone(marked)) }
    }

    fn marked(&self, table: &str, object: &Arc<Value>) -> Arc<Value> {
        if !object["metadata"]["deletionTimestamp"].is_null() {
            return object.clone();
        }
        let mut marked = Value::clone(object);
        let now = self.timestamp();
        let meta = &mut marked["metadata"];
        meta["deletionTimestamp"] = now;
        if let Some(generation) = meta["generation"].as_u64() {
            meta["generation"] = json!(generation + 1);
        }
        if table == "namespaces" {
            marked["status"]["phase"] = json!("Terminating");
        } else {
            marked["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        }
        Arc::new(marked)
    }

    fn empty_namespace(&mut self, namespace: &str) {
        for (table, key) in self.content(namespace) {
            if let Some(object) = self.get(&table, &key) {
                self.delete_object(&table, &key, &object, Propagation::Background);
            }
        }
    }

    /// Removes an object for good, and with it its dependents and an empty terminating namespace.
    pub(crate) fn expunge(&mut self, table: &str, key: &Key) -> Option<Arc<Value>> {
        let gone = self.remove(table, key)?;
        if table == crate::crds::TABLE {
            self.undefine(&gone);
        }
        let uid = gone["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        for (table, key) in self.dependents(&uid) {
            if let Some(dependent) = self.get(&table, &key) {
                self.collect_orphan(&table, &key, &dependent);
            }
        }
        self.finish_namespace(&key.0);
        Some(gone)
    }

    fn finish_namespace(&mut self, namespace: &str) {
        let key = (String::new(), namespace.to_owned());
        let Some(object) = self.get("namespaces", &key) else { return };
        let terminating = !object["metadata"]["deletionTimestamp"].is_null();
        if terminating && !has_finalizers(&object) && self.content(namespace).is_empty() {
            self.expunge("namespaces", &key);
        }
    }

    /// Removes an object all of whose owners are gone; if only some are, its references to them.
    pub(crate) fn collect_orphan(&mut self, table: &str, key: &Key, object: &Arc<Value>) {
        let references = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        let (kept, dangling): (Vec<_>, Vec<_>) = references.into_iter().partition(|owner| self.may_exist(owner));
        if dangling.is_empty() {
            return;
        }
        if kept.is_empty() {
            self.delete_object(table, key, object, Propagation::Background);
        } else {
            self.set_owners(table, key, object, kept);
        }
    }

    /// Owners of kinds that the server does not know are taken to exist.
    fn may_exist(&self, owner: &Value) -> bool {
        let text = |field: &str| owner[field].as_str().unwrap_or_default();
        self.exists(text("uid")) || !self.catalogue.knows(text("apiVersion"), text("kind"))
    }

    fn delete_dependents(&mut self, uid: &str) {
        for (table, key) in self.dependents(uid) {
            if let Some(dependent) = self.get(&table, &key) {
                self.delete_object(&table, &key, &dependent, Propagation::Foreground);
            }
        }
    }

    fn orphan_dependents(&mut self, uid: &str) {
        for (table, key) in self.dependents(uid) {
            let Some(dependent) = self.get(&table, &key) else { continue };
            let references = dependent["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
            let kept = references.into_iter().filter(|owner| owner["uid"] != uid).collect();
            self.set_owners(&table, &key, &dependent, kept);
        }
    }

    fn set_owners(&mut self, table: &str, key: &Key, object: &Value, kept: Vec<Value>) {
        debug_assert!(owners(object).count() >= kept.len());
        let mut object = object.clone();
        match (kept.is_empty(), object["metadata"].as_object_mut()) {
            (true, Some(meta)) => drop(meta.remove("ownerReferences")),
            _ => object["metadata"]["ownerReferences"] = Value::Array(kept),
        }
        self.put(table, key, object);
    }

    /// Removes the events that are too old.
    pub(crate) fn expire_events(&mut self) {
        let oldest = self.now() - EVENT_LIFE;
        let is_old = |event: &Value| last_change(event).is_some_and(|at| at < oldest);
        let old: Vec<_> = self.list("events", None).into_iter().filter(|event| is_old(event)).collect();
        for event in old {
            let text = |field: &str| event["metadata"][field].as_str().unwrap_or_default().to_owned();
            self.expunge("events", &(text("namespace"), text("name")));
        }
    }
}

impl Propagation {
    fn read(options: &Value, query: Option<&str>) -> Self {
        match options["propagationPolicy"].as_str().or(query) {
            Some("Foreground") => Self::Foreground,
            Some("Orphan") => Self::Orphan,
            _ => Self::Background,
        }
    }
}

fn check_preconditions(kind: &Kind, name: &str, object: &Value, wanted: &Value) -> Result<(), Failure> {
    for (field, what, hint) in [
        ("uid", "UID", "The object might have been deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "The object might have been modified"),
    ] {
        let actual = object["metadata"][field].as_str().unwrap_or_default();
        if let Some(wanted) = wanted[field].as_str().filter(|wanted| *wanted != actual) {
            let why = format!("the {what} in the precondition ({wanted}) does not match the {what} in record ({actual}). {hint}");
            // Namespaces have a check of their own.
            let shown = if kind.table == "namespaces" { &kind.plural } else { &kind.kind };
            return Err(Failure::conflict_as(&kind.group, shown, name, &why));
        }
    }
    Ok(())
}

/// Foreground deletion is over before a client can see its finalizer, so it holds nothing.
fn has_finalizers(object: &Value) -> bool {
    let finalizers = object["metadata"]["finalizers"].as_array().into_iter().flatten();
    finalizers.into_iter().any(|name| name != FOREGROUND)
}

fn last_change(event: &Value) -> Option<DateTime<chrono::Utc>> {
    let managed = event["metadata"]["managedFields"].as_array().into_iter().flatten();
    let times = managed.map(|entry| &entry["time"]).chain([&event["metadata"]["creationTimestamp"]]);
    times.filter_map(|time| time.as_str()?.parse().ok()).max()
}
