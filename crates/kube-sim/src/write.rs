//! Creation and change of objects.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    admission::{self, accept, keep_governed, read, refuse_unknown, restore_metadata, restrict},
    apply::{Manager, Operation, Owners},
    event,
    failure::Failure,
    kind::Kind,
    request::Query,
    store::{Key, State},
    typed,
    violation::Violation,
};

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

/// What an object shall be (in the form of the request's version), and who then owns what.
struct Change {
    object: Value,
    /// Set by an apply; other changes are noted by comparison.
    owners: Option<Owners>,
}

impl State {
    pub(crate) fn create(&mut self, call: &Call<'_>, mut body: Value) -> Result<Written, Failure> {
        self.name_it(call, &mut body)?;
        self.insert(call, Change { object: body, owners: None })
    }

    pub(crate) fn replace(&mut self, call: &Call<'_>, mut body: Value) -> Result<Written, Failure> {
        let nameless = body["metadata"]["name"].as_str().unwrap_or_default().is_empty();
        self.name_it(call, &mut body)?;
        // What cannot be read is refused before anything is looked up.
        read(call, body.clone())?;
        if nameless {
            let why = "was undeterminable: name must be provided";
            return Err(Failure::bad_request(format!("the name of the object ({} based on URL) {why}", call.key.1)));
        }
        if call.kind.put.creates() && self.get(&call.kind.table, &call.key).is_none() {
            check_uid(call, &Value::Null, &body)?;
            forget_version(call, &mut body)?;
            return self.create(call, body);
        }
        let old = self.existing(call)?;
        check_uid(call, &old, &body)?;
        if stated_version(&body)?.is_none() && call.kind.put.is_conditional() {
            let violation = Violation::invalid("metadata.resourceVersion", 0, "must be specified for an update");
            return Err(Failure::invalid_as(&call.kind.group, &call.kind.plural, &call.key.1, &[violation]));
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
            // As kube-apiserver reads it: no steps.
            PatchType::Json if patch.is_null() => {}
            PatchType::Json => patch_json(&mut object, patch)?,
            _ => json_patch::merge(&mut object, &without_directives(patch)),
        }
        self.name_it(call, &mut object)?;
        let mut read_as = object.clone();
        restrict(call, &old, &mut read_as);
        read(call, read_as).map_err(|why| unfit_patch(&why))?;
        self.update(call, &old, Change { object, owners: None })
    }

    fn apply(&mut self, call: &Call<'_>, mut config: Value) -> Result<Written, Failure> {
        check_applied_type(call, &config)?;
        if call.subresource.is_some() && self.get(&call.kind.table, &call.key).is_none() {
            return Err(Failure::not_found(call.kind, &call.key.1));
        }
        if !config["metadata"]["managedFields"].is_null() {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        let unreadable = refuse_unknown(call, &config)?;
        self.name_it(call, &mut config)?;
        keep_governed(call, &mut config);
        if call.kind.is_custom() {
            // It is not even read.
            config["metadata"].as_object_mut().and_then(|meta| meta.remove("creationTimestamp"));
        }
        let Some(old) = self.get(&call.kind.table, &call.key) else {
            return unreadable.map_or_else(|| self.apply_new(call, config), Err);
        };
        let live = event::served(call.kind, Value::clone(&old));
        let mut owners = Owners::read(&old);
        let force = call.query.flag("force");
        let object = owners.apply(&live, &config, call.kind, &call.by(Operation::Apply), force, &self.timestamp())?;
        unreadable.map_or(Ok(()), Err)?;
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
        forget_version(call, &mut config)?;
        let mut owners = Owners::default();
        let object = owners.apply(&Value::Null, &config, call.kind, &call.by(Operation::Apply), true, &self.timestamp())?;
        self.insert(call, Change { object, owners: Some(owners) })
    }

    /// Checks that the body is about what the path names, and gives it a name and namespace.
    fn name_it(&mut self, call: &Call<'_>, body: &mut Value) -> Result<(), Failure> {
        admission::check_identity(call, body)?;
        let meta = &mut body["metadata"];
        if call.kind.namespaced {
            meta["namespace"] = json!(call.key.0);
        } else if let Some(meta) = meta.as_object_mut() {
            meta.remove("namespace");
        }
        let prefix = meta["generateName"].as_str().unwrap_or_default();
        if meta["name"].as_str().unwrap_or_default().is_empty() {
            meta["name"] = match (call.key.1.as_str(), prefix) {
                ("", prefix) if !prefix.is_empty() => json!(format!("{prefix}{}", self.random.suffix())),
                (name, _) => json!(name),
            };
        }
        Ok(())
    }

    fn insert(&mut self, call: &Call<'_>, change: Change) -> Result<Written, Failure> {
        let kind = call.kind;
        let Change { object, owners } = change;
        let owners = owners.or_else(|| (!can_be_owned(kind, &object)).then(Owners::default));
        let versioned = stated_version(&object).is_ok_and(|version| version.is_some());
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.admit_to_namespace(kind, &call.key.0, &name)?;
        let (mut object, warnings) = read_new(call, object)?;
        self.stamp_new(kind, &mut object);
        let owners = owners.unwrap_or_else(|| {
            let mut owners = Owners::default();
            owners.note(&Value::Null, &object, kind, &call.by(Operation::Update), &self.timestamp());
            owners
        });
        owners.write(&mut object);
        kind.settle(&mut object, None);
        let object = event::stored(kind, object);
        accept(kind, &name, &object, None)?;
        let key = (call.key.0.clone(), name);
        if versioned && !call.query.dry_run() {
            return Err(Failure::new(500, "", "resourceVersion should not be set on objects to be created"));
        }
        if self.get(&kind.table, &key).is_some() {
            return Err(Failure::already_exists(kind, &key.1));
        }
        let object = if call.query.dry_run() { Arc::new(object) } else { self.commit_new(kind, &key, object) };
        Ok(Written { object, created: true, warnings })
    }

    fn commit_new(&mut self, kind: &Kind, key: &Key, object: Value) -> Arc<Value> {
        let object = self.commit(kind, key, object);
        if kind.is_custom() && kind.has_status && object.get("status").is_some() {
            self.note_unwritten(&object);
        }
        object
    }

    fn admit_to_namespace(&self, kind: &Kind, namespace: &str, name: &str) -> Result<(), Failure> {
        if !kind.namespaced {
            return Ok(());
        }
        match self.get("namespaces", &(String::new(), namespace.to_owned())) {
            None => {
                let message = format!("namespaces {namespace:?} not found");
                Err(Failure::new(404, "NotFound", message).with_details(json!({"name": namespace, "kind": "namespaces"})))
            }
            Some(found) if !found["metadata"]["deletionTimestamp"].is_null() => Err(Failure::terminating(kind, name, namespace)),
            Some(_) => Ok(()),
        }
    }

    fn stamp_new(&mut self, kind: &Kind, object: &mut Value) {
        let meta = &mut object["metadata"];
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "managedFields", "selfLink"] {
            meta.as_object_mut().and_then(|meta| meta.remove(field));
        }
        meta["uid"] = json!(self.random.uid());
        meta["creationTimestamp"] = self.timestamp();
        if kind.has_generation {
            meta["generation"] = json!(1);
        }
    }

    pub(crate) fn existing(&self, call: &Call<'_>) -> Result<Arc<Value>, Failure> {
        let found = self.get(&call.kind.table, &call.key);
        found.ok_or_else(|| Failure::not_found(call.kind, &call.key.1))
    }

    fn update(&mut self, call: &Call<'_>, old: &Arc<Value>, change: Change) -> Result<Written, Failure> {
        let (kind, name) = (call.kind, &call.key.1);
        let Change { mut object, owners } = change;
        if let Some(version) = stated_version(&object)?
            && old["metadata"]["resourceVersion"] != version
        {
            return Err(Failure::modified(kind, name));
        }
        let reset = (resets_owners(&object) && !resets_owners(old)) || !can_be_owned(kind, &object);
        let live = event::served(kind, Value::clone(old));
        restrict(call, &live, &mut object);
        let (mut object, warnings) = read(call, object)?;
        restore_metadata(&live, &mut object);
        if kind.has_generation && admission::is_new_generation(kind, &live, &object) {
            let generation = old["metadata"]["generation"].as_u64().unwrap_or(0);
            object["metadata"]["generation"] = json!(generation + 1);
        }
        let owners = owners.unwrap_or_else(|| if reset { Owners::default() } else { self.owners_after(call, &live, &object) });
        owners.write(&mut object);
        kind.settle(&mut object, Some(&live));
        let object = event::stored(kind, object);
        if object == **old && !self.is_unwritten(old) {
            return Ok(Written { object: old.clone(), created: false, warnings });
        }
        accept(kind, name, &object, Some(old))?;
        let object = if call.query.dry_run() { Arc::new(object) } else { self.commit(kind, &call.key, object) };
        Ok(Written { object, created: false, warnings })
    }

    fn owners_after(&self, call: &Call<'_>, live: &Value, object: &Value) -> Owners {
        let mut owners = Owners::read(live);
        // Whoever emptied the list is not asked again before the next apply.
        if !owners.is_empty() {
            owners.note(live, object, call.kind, &call.by(Operation::Update), &self.timestamp());
        }
        owners
    }

    /// Stores an object; one that was only waiting for its last finalizer goes instead, and its last state is answered under the version that it had.
    fn commit(&mut self, kind: &Kind, key: &Key, object: Value) -> Arc<Value> {
        let meta = &object["metadata"];
        let finalizers = meta["finalizers"].as_array().is_some_and(|list| !list.is_empty());
        let has_content = kind.table == "namespaces" && !self.content(&key.1).is_empty();
        if !meta["deletionTimestamp"].is_null() && !finalizers && !has_content {
            self.expunge(&kind.table, key);
            return Arc::new(object);
        }
        if kind.table == crate::crds::TABLE {
            self.define(&object);
        }
        let object = self.put(&kind.table, key, object);
        self.collect_orphan(&kind.table, key, &object);
        if kind.table == "events" {
            self.expire_events();
        }
        object
    }
}

impl Call<'_> {
    fn by(&self, operation: Operation) -> Manager {
        Manager {
            name: self.manager.clone(),
            operation,
            subresource: self.subresource.map(str::to_owned),
            api_version: self.kind.api_version(),
        }
    }
}

/// Of what does not fit its schema nobody owns anything any more, even if the misfit is dropped later.
fn can_be_owned(kind: &Kind, given: &Value) -> bool {
    !kind.is_custom() || typed::fits(kind.shape(), given)
}

/// A status is not kept; that of a built-in kind is read all the same.
fn read_new(call: &Call<'_>, mut object: Value) -> Result<(Value, Vec<String>), Failure> {
    if call.kind.has_status {
        if !call.kind.is_custom() {
            read(call, object.clone())?;
        }
        object.as_object_mut().and_then(|map| map.remove("status"));
    }
    read(call, object)
}

/// Empty managedFields ask for nobody to own anything any more.
fn resets_owners(body: &Value) -> bool {
    let given = &body["metadata"]["managedFields"];
    *given == json!([]) || *given == json!([{}])
}

/// The resourceVersion that a body insists on; none if it is left out or 0.
fn stated_version(body: &Value) -> Result<Option<String>, Failure> {
    let text = body["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    match text.parse::<u64>() {
        _ if text.is_empty() => Ok(None),
        Ok(0) => Ok(None),
        Ok(_) => Ok(Some(text.to_owned())),
        Err(_) => Err(Failure::new(500, "", format!("strconv.ParseUint: parsing {text:?}: invalid syntax"))),
    }
}

/// What is made may name any version; only a dry run shows it.
fn forget_version(call: &Call<'_>, body: &mut Value) -> Result<(), Failure> {
    stated_version(body)?;
    if !call.query.dry_run() {
        body["metadata"].as_object_mut().and_then(|meta| meta.remove("resourceVersion"));
    }
    Ok(())
}

fn check_uid(call: &Call<'_>, old: &Value, body: &Value) -> Result<(), Failure> {
    let actual = old["metadata"]["uid"].as_str().unwrap_or_default();
    let wanted = body["metadata"]["uid"].as_str().unwrap_or_default();
    if wanted.is_empty() || wanted == actual {
        return Ok(());
    }
    let (namespace, name) = &call.key;
    let key: Vec<_> = [&call.kind.group, &call.kind.plural, namespace, name].into_iter().filter(|part| !part.is_empty()).cloned().collect();
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: {actual}",
        key.join("/")
    );
    Err(Failure::conflict(call.kind, name, &why))
}

/// What is applied says of what kind it is.
fn check_applied_type(call: &Call<'_>, config: &Value) -> Result<(), Failure> {
    let text = |field: &str| config[field].as_str().unwrap_or_default();
    if !config.is_object() {
        return Err(Failure::bad_request("the body of the request is no JSON object"));
    }
    if text("kind") != call.kind.kind || text("apiVersion") != call.kind.api_version() {
        return Err(Failure::bad_request(format!("invalid object type: {}, Kind={}", text("apiVersion"), text("kind"))));
    }
    Ok(())
}

/// A patch that makes an object which cannot be read is invalid itself.
fn unfit_patch(why: &Failure) -> Failure {
    let violation = Violation::invalid("patch", "", why.message.clone());
    Failure::invalid_as("", "", "", std::slice::from_ref(&violation)).with_details(json!({"causes": [violation.cause()]}))
}

fn patch_json(object: &mut Value, patch: Value) -> Result<(), Failure> {
    let rejected =
        || Failure::new(422, "Invalid", "the server rejected our request due to an error in our request").with_details(json!({}));
    let is_list = patch.as_array().is_some_and(|steps| steps.iter().all(Value::is_object));
    let patch: json_patch::Patch = serde_json::from_value(patch).map_err(|error| match is_list {
        true => rejected(),
        false => Failure::bad_request(format!("error decoding patch: {error}")),
    })?;
    json_patch::patch(object, &patch).map_err(|_| rejected())
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
