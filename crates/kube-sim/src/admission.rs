//! What stands between a request's body and the store.

use serde_json::{Value, json};

use crate::{checks, event, failure::Failure, kind::Kind, schema::lost, typed, violation::Violation, write::Call};

/// The largest object that is stored (etcd's limit for a request).
const MAX_OBJECT: usize = 1_572_864;

/// Checks that the body is about what the path names; what it does not say is taken from there.
pub(crate) fn check_identity(call: &Call<'_>, body: &mut Value) -> Result<(), Failure> {
    if !body.is_object() {
        return Err(Failure::bad_request("the body of the request is no JSON object"));
    }
    check_type(call.kind, body)?;
    let (namespace, name) = &call.key;
    if body["metadata"].is_null() {
        body["metadata"] = json!({});
    }
    let meta = &body["metadata"];
    if !meta.is_object() || !(meta["name"].is_null() || meta["name"].is_string()) {
        return Err(cannot_read(call.kind, "metadata must be an object, and its name a string"));
    }
    if !(meta["namespace"].is_null() || meta["namespace"].is_string()) {
        return Err(cannot_read(call.kind, "metadata.namespace must be a string"));
    }
    if call.kind.namespaced && meta["namespace"].as_str().unwrap_or(namespace) != namespace {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Failure::bad_request(message));
    }
    let given = meta["name"].as_str().unwrap_or_default();
    if !name.is_empty() && !given.is_empty() && given != name {
        let message = format!("the name of the object ({given}) does not match the name on the URL ({name})");
        return Err(Failure::bad_request(message));
    }
    Ok(())
}

fn check_type(kind: &Kind, body: &mut Value) -> Result<(), Failure> {
    let expected = kind.api_version();
    if kind.is_custom() && (body["kind"].is_null() || body["apiVersion"].is_null()) {
        let what = if body["kind"].is_null() { "Kind" } else { "apiVersion" };
        let message = format!("the object provided is unrecognized (must be of type {}): Object '{what}' is missing", kind.kind);
        return Err(Failure::bad_request(message));
    }
    let version = body["apiVersion"].as_str().unwrap_or(&expected).to_owned();
    let name = body["kind"].as_str().unwrap_or(&kind.kind).to_owned();
    for (what, given, expected) in [("API version", &version, &expected), ("kind", &name, &kind.kind)] {
        // That a custom resource says it is of another kind is found later.
        if given != expected && (what != "kind" || !kind.is_custom()) {
            let message = format!("the {what} in the data ({given}) does not match the expected {what} ({expected})");
            return Err(Failure::bad_request(message));
        }
    }
    body["apiVersion"] = json!(version);
    body["kind"] = json!(name);
    Ok(())
}

fn cannot_read(kind: &Kind, why: &str) -> Failure {
    let message = format!("{} in version {:?} cannot be handled as a {}: {why}", kind.kind, kind.version, kind.kind);
    Failure::bad_request(message)
}

/// Of what is applied, only what this endpoint governs counts.
pub(crate) fn keep_governed(call: &Call<'_>, config: &mut Value) {
    let Some(map) = config.as_object_mut() else { return };
    match call.subresource {
        Some(subresource) => {
            map.retain(|field, _| field == subresource || ["apiVersion", "kind", "metadata"].contains(&field.as_str()));
            let meta = map.get_mut("metadata").filter(|_| call.kind.status_spares_metadata());
            if let Some(meta) = meta.and_then(Value::as_object_mut) {
                meta.retain(|field, _| ["name", "namespace", "uid", "resourceVersion"].contains(&field.as_str()));
            }
        }
        None if call.kind.has_status => drop(map.remove("status")),
        None => {}
    }
}

/// Apply takes no field that the schema does not know, whatever the field validation. A value that fits the schema but cannot be read is told
/// apart: conflicts come before it.
pub(crate) fn refuse_unknown(call: &Call<'_>, config: &Value) -> Result<Option<Failure>, Failure> {
    let namespace = config["metadata"]["namespace"].as_str().unwrap_or_default();
    let refuse = |why: String| {
        let (version, kind) = (call.kind.api_version(), &call.kind.kind);
        Failure::new(500, "", format!("failed to create typed patch object ({namespace}/{}; {version}, Kind={kind}): {why}", call.key.1))
    };
    if let Some(why) = typed::misfit(call.kind.shape(), config) {
        return Err(refuse(why));
    }
    let kept = match call.kind.coerce(config.clone()) {
        Ok(kept) => kept,
        Err(_) if call.kind.is_custom() => return Ok(None),
        Err(why) => return Ok(Some(refuse(why))),
    };
    match unknown(call.kind, config, &kept).into_iter().next() {
        Some(field) => Err(refuse(format!(".{field}: field not declared in schema"))),
        None => Ok(None),
    }
}

/// The status endpoint changes nothing but the status; the other one changes all but that.
pub(crate) fn restrict(call: &Call<'_>, live: &Value, object: &mut Value) {
    match call.subresource {
        Some(_) if !call.kind.status_spares_metadata() => set(object, "spec", live.get("spec").cloned()),
        Some(subresource) => {
            let given = object.as_object_mut().and_then(|map| map.remove(subresource));
            let uid = object["metadata"]["uid"].take();
            *object = live.clone();
            if uid.is_string() {
                object["metadata"]["uid"] = uid;
            }
            set(object, subresource, given);
        }
        None if call.kind.has_status => set(object, "status", live.get("status").cloned()),
        None => {}
    }
}

fn set(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(map) = object.as_object_mut() else { return };
    match value {
        Some(value) => drop(map.insert(field.to_owned(), value)),
        None => drop(map.remove(field)),
    }
}

/// Brings a body into the form in which it is kept, and says or refuses what was unknown in it.
pub(crate) fn read(call: &Call<'_>, given: Value) -> Result<(Value, Vec<String>), Failure> {
    let kind = call.kind;
    let refuse = |why: String| cannot_read(kind, &why);
    let validation = call.query.text("fieldValidation").unwrap_or("Warn");
    if validation == "Ignore" {
        return Ok((kind.coerce(given).map_err(refuse)?, Vec::new()));
    }
    let kept = kind.coerce(given.clone()).map_err(refuse)?;
    let unknown: Vec<_> = unknown(kind, &given, &kept).iter().map(|field| format!("unknown field {field:?}")).collect();
    if validation == "Strict" && !unknown.is_empty() {
        return Err(refuse(format!("strict decoding error: {}", unknown.join(", "))));
    }
    Ok((kept, unknown))
}

/// The fields of a body that are not kept. (`stringData` is: as data.)
fn unknown(kind: &Kind, given: &Value, kept: &Value) -> Vec<String> {
    let mut fields = lost(given, kept, kind.is_custom().then(|| kind.shape()));
    fields.retain(|field| field != "stringData");
    fields
}

/// What of the metadata only the server sets.
pub(crate) fn restore_metadata(live: &Value, object: &mut Value) {
    let live = &live["metadata"];
    for field in ["creationTimestamp", "deletionGracePeriodSeconds", "generation", "resourceVersion", "selfLink"] {
        set(&mut object["metadata"], field, live.get(field).cloned());
    }
    // One that is given is compared, and refused if it differs.
    if object["metadata"]["deletionTimestamp"].is_null() {
        set(&mut object["metadata"], "deletionTimestamp", live.get("deletionTimestamp").cloned());
    }
    if object["metadata"]["uid"].as_str().unwrap_or_default().is_empty() {
        object["metadata"]["uid"] = live["uid"].clone();
    }
}

/// Whether anything but metadata and status differs.
pub(crate) fn is_new_generation(kind: &Kind, old: &Value, new: &Value) -> bool {
    let counts = |field: &str| field != "metadata" && !(field == "status" && kind.has_status);
    let part = |object: &Value| -> Vec<(String, Value)> {
        let fields = object.as_object().into_iter().flatten();
        fields.filter(|(field, _)| counts(field)).map(|(field, value)| (field.clone(), value.clone())).collect()
    };
    part(old) != part(new)
}

/// Everything that makes an object unacceptable.
fn violations(kind: &Kind, object: &Value, old: Option<&Value>) -> Vec<Violation> {
    let mut found: Vec<_> = kind.misnamed(object).into_iter().collect();
    // The metadata of something new is not looked at where its kind is wrong, and that of an event of the older form only if all else is right.
    let later = old.is_none() && (kind.plural == "events" && kind.group.is_empty() || !found.is_empty());
    if !later {
        found.extend(checks::metadata(kind, object, old));
    }
    kind.check(object, old, &mut found);
    if later && found.is_empty() {
        found = checks::metadata(kind, object, old);
    }
    found
}

/// Refuses an object, as it is to be stored, if it violates anything.
pub(crate) fn accept(kind: &Kind, name: &str, object: &Value, old: Option<&Value>) -> Result<(), Failure> {
    let found = violations(kind, object, old);
    if !found.is_empty() {
        let group = if event::is_translated(kind) { "" } else { &kind.group };
        return Err(Failure::invalid_as(group, object["kind"].as_str().unwrap_or(&kind.kind), name, &found));
    }
    if size(object) > MAX_OBJECT {
        return Err(Failure::new(413, "RequestEntityTooLarge", "etcdserver: request is too large"));
    }
    Ok(())
}

/// About as many bytes as the JSON text has.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(list) => list.iter().map(|item| size(item) + 1).sum::<usize>() + 1,
        Value::Object(map) => map.iter().map(|(name, value)| name.len() + size(value) + 4).sum::<usize>() + 1,
        _ => 4,
    }
}
