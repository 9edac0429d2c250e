//! Creation and change of objects.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    apply::{Manager, Operation, Owners},
    checks, event,
    failure::Failure,
    kind::Kind,
    request::Query,
    schema::lost,
    store::{Key, State},
};

/// The largest object that is stored (etcd's limit for a request).
const MAX_OBJECT: usize = 1_572_864;

/// On what a write acts, and how.
pub(crate) struct Call<'a> {
    pub(crate) kind: &'a Arc<Kind>,
    pub(crate) key: Key,
    pub(crate) subresource: Option<&'a str>,
    pub(crate) manager: String,
    pub(crate) query: &'a Query,
}

/// The kinds of patch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum PatchType {
    Apply,
    Json,
    Merge,
}

/// What a write has led to.
pub(crate) struct Written {
    pub(crate) object: Arc<Value>,
    pub(crate) created: bool,
    pub(crate) warnings: Vec<String>,
}

/// A change of an object: what it shall be, and who then owns what.
struct Change {
    object: Value,
    /// Set by an apply; other changes are noted by comparison.
    owners: Option<Owners>,
}

impl State {
    pub(crate) fn create(&mut self, call: &Call<'_>, body: Value) -> Result<Written, Failure> {
        let mut body = body;
        self.name_it(call, &mut body)?;
        if !body["metadata"]["resourceVersion"].as_str().unwrap_or_default().is_empty() {
            return Err(Failure::new(500, "", "resourceVersion should not be set on objects to be created"));
        }
        self.insert(call, Change { object: body, owners: None })
    }

    pub(crate) fn replace(&mut self, call: &Call<'_>, body: Value) -> Result<Written, Failure> {
        if call.kind.lenient_put && self.get(&call.kind.table, &call.key).is_none() {
            return self.create(call, body);
        }
        let old = self.existing(call)?;
        let wanted = body["metadata"]["uid"].as_str().unwrap_or_default();
        if !wanted.is_empty() && old["metadata"]["uid"] != wanted {
            let actual = old["metadata"]["uid"].as_str().unwrap_or_default();
            let why = format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {actual}");
            return Err(Failure::conflict(call.kind, &call.key.1, &why));
        }
        let version = body["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if version.is_empty() && !call.kind.lenient_put {
            let violation = crate::violation::Violation::invalid("metadata.resourceVersion", 0, "must be specified for an update");
            return Err(Failure::invalid(call.kind, &call.key.1, &[violation]));
        }
        self.update(call, &old, Change { object: body, owners: None })
    }

    pub(crate) fn patch(&mut self, call: &Call<'_>, patch: Value, how: PatchType) -> Result<Written, Failure> {
        if how == PatchType::Apply {
            return self.apply(call, patch);
        }
        let old = self.existing(call)?;
        let mut object = event::served(call.kind, Value::clone(&old));
        match how {
            PatchType::Json => patch_json(&mut object, patch)?,
            _ => json_patch::merge(&mut object, &without_directives(patch)),
        }
        self.update(call, &old, Change { object, owners: None })
    }

    fn apply(&mut self, call: &Call<'_>, mut config: Value) -> Result<Written, Failure> {
        if call.query.text("fieldManager").is_none() {
            return Err(Failure::bad_request(
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
            ));
        }
        if !config["metadata"]["managedFields"].is_null() {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        self.name_it(call, &mut config)?;
        keep_governed(call, &mut config);
        let old = self.get(&call.kind.table, &call.key);
        let Some(old) = old else { return self.apply_new(call, config) };
        let live = event::served(call.kind, Value::clone(&old));
        let mut owners = Owners::read(&old);
        self.refuse_unknown(call, &config)?;
        let force = call.query.flag("force");
        let object = owners.apply(&live, &config, call.kind, &call.applier(), force, &self.timestamp())?;
        self.update(call, &old, Change { object, owners: Some(owners) })
    }

    fn apply_new(&mut self, call: &Call<'_>, mut config: Value) -> Result<Written, Failure> {
        if call.subresource.is_some() {
            return Err(Failure::not_found(call.kind, &call.key.1));
        }
        if let Some(uid) = config["metadata"]["uid"].as_str().filter(|uid| !uid.is_empty()) {
            let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(Failure::conflict(call.kind, &call.key.1, &why));
        }
        self.refuse_unknown(call, &config)?;
        config["metadata"]["resourceVersion"].take();
        let mut owners = Owners::default();
        let object = owners.apply(&Value::Null, &config, call.kind, &call.applier(), true, &self.timestamp())?;
        self.insert(call, Change { object, owners: Some(owners) })
    }

    /// Apply takes no field that the schema does not know, whatever the field validation.
    fn refuse_unknown(&self, call: &Call<'_>, config: &Value) -> Result<(), Failure> {
        let Ok(kept) = call.kind.coerce(config.clone()) else { return Ok(()) };
        let Some(field) = unknown(config, &kept).into_iter().next() else { return Ok(()) };
        let (namespace, name) = &call.key;
        let message = format!(
            "failed to create typed patch object ({namespace}/{name}; {}, Kind={}): .{field}: field not declared in schema",
            call.kind.api_version(),
            call.kind.kind
        );
        Err(Failure::new(500, "", message))
    }

    /// Checks that the body is about what the path names, and gives it a name and namespace.
    fn name_it(&mut self, call: &Call<'_>, body: &mut Value) -> Result<(), Failure> {
        let kind = call.kind;
        if !body.is_object() {
            return Err(Failure::bad_request("the body of the request was empty or no JSON object"));
        }
        for (field, expected) in [("apiVersion", kind.api_version()), ("kind", kind.kind.clone())] {
            let given = body[field].as_str().unwrap_or(&expected).to_owned();
            if given != expected {
                let what = if field == "kind" { "kind" } else { "API version" };
                let message = format!("the {what} in the data ({given}) does not match the expected {what} ({expected})");
                return Err(Failure::bad_request(message));
            }
            body[field] = json!(given);
        }
        if !body["metadata"].is_object() {
            body["metadata"] = json!({});
        }
        let (namespace, name) = &call.key;
        let given = body["metadata"]["namespace"].as_str().unwrap_or(namespace);
        if kind.namespaced && given != namespace {
            return Err(Failure::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
        }
        if kind.namespaced {
            body["metadata"]["namespace"] = json!(namespace);
        }
        let given = body["metadata"]["name"].as_str().unwrap_or_default();
        if !name.is_empty() && !given.is_empty() && given != name {
            let message = format!("the name of the object ({given}) does not match the name on the URL ({name})");
            return Err(Failure::bad_request(message));
        }
        if given.is_empty() {
            let prefix = body["metadata"]["generateName"].as_str().unwrap_or_default();
            let name = match prefix {
                "" => name.clone(),
                prefix => format!("{prefix}{}", self.random.suffix()),
            };
            body["metadata"]["name"] = json!(name);
        }
        Ok(())
    }

    fn insert(&mut self, call: &Call<'_>, change: Change) -> Result<Written, Failure> {
        let kind = call.kind;
        let Change { mut object, owners } = change;
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.admit_to_namespace(kind, &call.key.0, &name)?;
        if kind.has_status {
            object.as_object_mut().and_then(|map| map.remove("status"));
        }
        let (object, warnings) = read(call, object)?;
        let mut object = event::stored(kind, object);
        self.stamp_new(kind, &mut object);
        let mut owners = owners.unwrap_or_default();
        if owners.is_empty() {
            owners.note(&Value::Null, &object, kind, &call.updater(), &self.timestamp());
        }
        object["metadata"]["managedFields"] = owners.to_json();
        accept(kind, &name, &object, None)?;
        let key = (call.key.0.clone(), name);
        if self.get(&kind.table, &key).is_some() {
            return Err(Failure::already_exists(kind, &key.1));
        }
        let object = if call.query.dry_run() { Arc::new(object) } else { self.commit(kind, &key, object) };
        Ok(Written { object, created: true, warnings })
    }

    fn admit_to_namespace(&self, kind: &Kind, namespace: &str, name: &str) -> Result<(), Failure> {
        if !kind.namespaced {
            return Ok(());
        }
        let namespaces = ("".to_owned(), namespace.to_owned());
        match self.get("namespaces", &namespaces) {
            None => {
                let message = format!("namespaces {namespace:?} not found");
                Err(Failure::new(404, "NotFound", message).with_details(json!({"name": namespace, "kind": "namespaces"})))
            }
            Some(found) if !found["metadata"]["deletionTimestamp"].is_null() => Err(Failure::terminating(kind, name, namespace)),
            Some(_) => Ok(()),
        }
    }

    fn stamp_new(&mut self, kind: &Kind, object: &mut Value) {
        let uid = self.random.uid();
        let meta = &mut object["metadata"];
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "generation", "managedFields", "resourceVersion", "selfLink"] {
            meta.as_object_mut().and_then(|meta| meta.remove(field));
        }
        meta["uid"] = json!(uid);
        meta["creationTimestamp"] = self.timestamp();
        if kind.has_generation {
            object["metadata"]["generation"] = json!(1);
        }
    }

    fn existing(&self, call: &Call<'_>) -> Result<Arc<Value>, Failure> {
        let found = self.get(&call.kind.table, &call.key);
        found.ok_or_else(|| Failure::not_found(call.kind, &call.key.1))
    }

    fn update(&mut self, call: &Call<'_>, old: &Arc<Value>, change: Change) -> Result<Written, Failure> {
        let (kind, name) = (call.kind, &call.key.1);
        let Change { mut object, owners } = change;
        let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if !version.is_empty() && old["metadata"]["resourceVersion"] != version {
            return Err(Failure::modified(kind, name));
        }
        if !object["metadata"].is_object() {
            return Err(Failure::bad_request("the object would have no metadata: leave them as they are"));
        }
        restrict(call, old, &mut object);
        let (object, warnings) = read(call, object)?;
        let mut object = event::stored(kind, object);
        restore_metadata(old, &mut object);
        if kind.has_generation && !same_but_metadata_and_status(kind, old, &object) {
            let generation = old["metadata"]["generation"].as_u64().unwrap_or(0);
            object["metadata"]["generation"] = json!(generation + 1);
        }
        let owners = owners.unwrap_or_else(|| {
            let mut owners = Owners::read(old);
            owners.note(old, &object, kind, &call.updater(), &self.timestamp());
            owners
        });
        object["metadata"]["managedFields"] = owners.to_json();
        if object == **old {
            return Ok(Written { object: old.clone(), created: false, warnings });
        }
        accept(kind, name, &object, Some(old))?;
        let object = if call.query.dry_run() { Arc::new(object) } else { self.commit(kind, &call.key, object) };
        Ok(Written { object, created: false, warnings })
    }

    /// Stores an object; one that was only waiting for its last finalizer goes.
    fn commit(&mut self, kind: &Kind, key: &Key, object: Value) -> Arc<Value> {
        if kind.table == crate::crds::TABLE {
            self.define(&object);
        }
        let object = self.put(&kind.table, key, object);
        let meta = &object["metadata"];
        let finalizers = meta["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        let namespace_content = kind.table == "namespaces" && !self.content(&key.1).is_empty();
        if !meta["deletionTimestamp"].is_null() && !finalizers && !namespace_content {
            self.expunge(&kind.table, key);
        } else {
            self.collect_orphan(&kind.table, key, &object);
        }
        if kind.table == "events" {
            self.expire_events();
        }
        object
    }
}

impl Call<'_> {
    fn applier(&self) -> Manager {
        self.by(Operation::Apply)
    }

    fn updater(&self) -> Manager {
        self.by(Operation::Update)
    }

    fn by(&self, operation: Operation) -> Manager {
        Manager {
            name: self.manager.clone(),
            operation,
            subresource: self.subresource.map(str::to_owned),
            api_version: self.kind.api_version(),
        }
    }
}

/// Brings a body into its stored form, and says or refuses what was unknown in it.
fn read(call: &Call<'_>, given: Value) -> Result<(Value, Vec<String>), Failure> {
    let kind = call.kind;
    let refuse = |why: String| {
        let message = format!("{} in version {:?} cannot be handled as a {}: {why}", kind.kind, kind.version, kind.kind);
        Failure::bad_request(message)
    };
    let validation = call.query.text("fieldValidation").unwrap_or("Warn");
    if validation == "Ignore" {
        return Ok((kind.coerce(given).map_err(refuse)?, Vec::new()));
    }
    let kept = kind.coerce(given.clone()).map_err(refuse)?;
    let unknown: Vec<_> = unknown(&given, &kept).iter().map(|field| format!("unknown field {field:?}")).collect();
    if validation == "Strict" && !unknown.is_empty() {
        return Err(refuse(format!("strict decoding error: {}", unknown.join(", "))));
    }
    Ok((kept, unknown))
}

/// The fields of a body that are not kept. (`stringData` is: as data.)
fn unknown(given: &Value, kept: &Value) -> Vec<String> {
    let mut fields = lost(given, kept);
    fields.retain(|field| field != "stringData");
    fields
}

fn accept(kind: &Kind, name: &str, object: &Value, old: Option<&Value>) -> Result<(), Failure> {
    let mut violations = checks::metadata(kind, object, old);
    violations.extend(kind.violations(object, old));
    if !violations.is_empty() {
        return Err(Failure::invalid(kind, name, &violations));
    }
    if object.to_string().len() > MAX_OBJECT {
        return Err(Failure::new(413, "RequestEntityTooLarge", "etcdserver: request is too large"));
    }
    Ok(())
}

/// Of what is applied, only what this endpoint governs counts.
fn keep_governed(call: &Call<'_>, config: &mut Value) {
    let Some(map) = config.as_object_mut() else { return };
    match call.subresource {
        Some(subresource) => {
            map.retain(|field, _| field == subresource || ["apiVersion", "kind", "metadata"].contains(&field.as_str()));
            if let Some(meta) = map.get_mut("metadata").and_then(Value::as_object_mut) {
                meta.retain(|field, _| ["name", "namespace", "uid", "resourceVersion"].contains(&field.as_str()));
            }
        }
        None if call.kind.has_status => drop(map.remove("status")),
        None => {}
    }
}

/// The status endpoint changes nothing but the status; the other one changes all but that.
fn restrict(call: &Call<'_>, old: &Value, object: &mut Value) {
    match call.subresource {
        Some(subresource) => {
            let given = object.as_object_mut().and_then(|map| map.remove(subresource));
            let uid = object["metadata"]["uid"].take();
            *object = event::served(call.kind, old.clone());
            if uid.is_string() {
                object["metadata"]["uid"] = uid;
            }
            put_or_remove(object, subresource, given);
        }
        None if call.kind.has_status => put_or_remove(object, "status", old.get("status").cloned()),
        None => {}
    }
}

fn put_or_remove(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(map) = object.as_object_mut() else { return };
    match value {
        Some(value) => drop(map.insert(field.to_owned(), value)),
        None => drop(map.remove(field)),
    }
}

/// What of the metadata only the server sets.
fn restore_metadata(old: &Value, object: &mut Value) {
    let old = &old["metadata"];
    for field in
        ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "resourceVersion", "name", "namespace"]
    {
        put_or_remove(&mut object["metadata"], field, old.get(field).cloned());
    }
    if object["metadata"]["uid"].as_str().unwrap_or_default().is_empty() {
        object["metadata"]["uid"] = old["uid"].clone();
    }
}

fn same_but_metadata_and_status(kind: &Kind, old: &Value, new: &Value) -> bool {
    let counts = |field: &str| field != "metadata" && !(field == "status" && kind.has_status);
    let part = |object: &Value| -> Vec<(String, Value)> {
        let fields = object.as_object().into_iter().flatten();
        fields.filter(|(field, _)| counts(field)).map(|(field, value)| (field.clone(), value.clone())).collect()
    };
    part(old) == part(new)
}

fn patch_json(object: &mut Value, patch: Value) -> Result<(), Failure> {
    let patch: json_patch::Patch =
        serde_json::from_value(patch).map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
    json_patch::patch(object, &patch)
        .map_err(|_| Failure::new(422, "Invalid", "the server rejected our request due to an error in our request"))
}

/// A strategic merge patch is taken as a merge patch: lists are replaced, `$patch` and the like ignored.
fn without_directives(patch: Value) -> Value {
    match patch {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(key, _)| !key.starts_with('$'));
            Value::Object(kept.map(|(key, value)| (key, without_directives(value))).collect())
        }
        other => other,
    }
}
