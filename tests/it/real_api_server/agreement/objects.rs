//! Bodies for every kind: mostly good, now and then wrong in one of the ways that people and programs are wrong.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::kinds::Kind;

/// A part of a body that may be left out.
type Part = BoxedStrategy<Option<(String, Value)>>;

/// A whole object of the kind, for creation, update and apply.
pub(super) fn object(kind: &'static Kind) -> BoxedStrategy<Value> {
    let share = if kind.has_status { 0.3 } else { 0.02 };
    let whole = (identity(kind), metadata(kind), content(kind), prop::option::weighted(share, status(kind)));
    let whole = whole.prop_map(|(mut object, metadata, content, status)| {
        object.extend(content);
        object.insert("metadata".into(), Value::Object(metadata));
        object.extend(status.map(|status| ("status".to_owned(), status)));
        Value::Object(object)
    });
    prop_oneof![40 => whole, 1 => nonsense()].boxed()
}

/// A part of an object, for a merge patch: a null takes away.
pub(super) fn merge_patch(kind: &'static Kind) -> BoxedStrategy<Value> {
    let taken = prop::sample::select(kind.fields.to_vec()).prop_map(|field| (field.to_owned(), Value::Null));
    let metadata =
        prop::option::weighted(0.4, changes(kind)).prop_map(|found| found.map(|meta| ("metadata".to_owned(), Value::Object(meta))));
    let parts = (
        content(kind),
        metadata,
        prop::option::weighted(0.2, taken),
        prop::option::weighted(if kind.has_status { 0.2 } else { 0.02 }, status(kind)),
    );
    let patch = parts.prop_map(|(mut patch, metadata, taken, status)| {
        patch.extend(metadata);
        patch.extend(taken);
        patch.extend(status.map(|status| ("status".to_owned(), status)));
        Value::Object(patch)
    });
    prop_oneof![30 => patch, 1 => nonsense()].boxed()
}

/// A JSON patch.
pub(super) fn json_patch(kind: &'static Kind) -> BoxedStrategy<Value> {
    let paths = kind.pointers.iter().chain(&[
        "/metadata/labels",
        "/metadata/labels/a",
        "/metadata/resourceVersion",
        "/metadata/finalizers/-",
        "/nowhere/x",
    ]);
    let path = prop::sample::select(paths.copied().collect::<Vec<_>>());
    let from = path.clone();
    let value = prop_oneof![4 => choice(&kind.values), 1 => choice(&[Value::Null])];
    let what = choice(&[json!("add"), json!("add"), json!("replace"), json!("remove"), json!("test"), json!("copy"), json!("move")]);
    let step = (what, path, from, value).prop_map(|(what, path, from, value)| match what.as_str() {
        Some("remove") => json!({"op": what, "path": path}),
        Some("copy" | "move") => json!({"op": what, "path": path, "from": from}),
        _ => json!({"op": what, "path": path, "value": value}),
    });
    let steps = prop::collection::vec(step, 0..4).prop_map(Value::from);
    prop_oneof![20 => steps, 1 => Just(json!([{"op": "grow", "path": "/data"}])), 1 => nonsense()].boxed()
}

/// The status alone, as the operator writes it.
pub(super) fn status(kind: &'static Kind) -> BoxedStrategy<Value> {
    let condition = (
        choice(&[json!("Ready"), json!("Ready"), json!("Stalled"), Value::Null]),
        choice(&[json!("True"), json!("False"), json!("Unknown"), json!("Maybe"), json!(true)]),
        choice(&[json!("2026-01-01T00:00:00Z"), json!("2026-01-01T00:00:00Z"), json!("yesterday"), Value::Null]),
    );
    let condition = condition.prop_map(|(kind, status, at)| {
        let mut condition = json!({"type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": at});
        condition.as_object_mut().into_iter().for_each(|map| map.retain(|_, value| !value.is_null()));
        condition
    });
    let conditions = prop::collection::vec(condition, 0..3).prop_map(Value::from);
    let parts = vec![
        part("conditions", 0.7, conditions.boxed()),
        part("observedGeneration", 0.5, mostly(&[json!(1), json!(2), json!(-1)], &[json!("1"), json!(1.5), Value::Null])),
        part("unknown", 0.05, choice(&[json!(1), json!({"a": 1})])),
        part(kind.status_field, 0.3, choice(&kind.status_values)),
    ];
    gather(parts).prop_map(Value::Object).boxed()
}

fn identity(kind: &'static Kind) -> BoxedStrategy<Map<String, Value>> {
    let right = |field: &str, right: String, wrong: Value| {
        let field = field.to_owned();
        prop_oneof![60 => Just(Some(json!(right))), 1 => Just(Some(wrong)), 1 => Just(None)]
            .prop_map(move |value| value.map(|value| (field.clone(), value)))
            .boxed()
    };
    gather(vec![right("apiVersion", kind.api_version(), json!("other/v1")), right("kind", kind.kind.into(), json!("Other"))]).boxed()
}

fn metadata(kind: &'static Kind) -> BoxedStrategy<Map<String, Value>> {
    (changes(kind), preconditions(kind))
        .prop_map(|(mut meta, more)| {
            meta.extend(more);
            meta
        })
        .boxed()
}

/// What a client says of the object that it means: uid and version, right, stale, wrong or absent.
fn preconditions(kind: &'static Kind) -> BoxedStrategy<Map<String, Value>> {
    let _ = kind;
    gather(vec![
        part("uid", 0.25, mostly(&[json!("${uid}")], &[json!("00000000-0000-4000-8000-000000000000"), json!(""), json!("${other}")])),
        part("resourceVersion", 0.35, mostly(&[json!("${version}")], &[json!("1"), json!("${start}"), json!(""), json!("x"), json!(7)])),
        part("namespace", 0.015, choice(&[json!("default"), json!("${ns}"), json!(5)])),
        part("generation", 0.03, choice(&[json!(9), json!("x")])),
        part("creationTimestamp", 0.02, choice(&[json!("2020-01-01T00:00:00Z"), Value::Null, json!("then")])),
        part("deletionTimestamp", 0.03, choice(&[json!("2020-01-01T00:00:00Z")])),
        part("managedFields", 0.02, choice(&[json!([]), json!([{}]), json!([{"manager": "m", "operation": "Grab"}])])),
        part("selfLink", 0.02, choice(&[json!("/x")])),
        part("unknown", 0.02, choice(&[json!(1)])),
    ])
    .boxed()
}

/// What of the metadata may be changed.
fn changes(kind: &'static Kind) -> BoxedStrategy<Map<String, Value>> {
    let key = mostly_text(&["a", "b", "run", "example.com/c"], &["-a", "x/y/z", "Ä", "", "example.com/"]);
    let value = prop_oneof![
        20 => choice(&[json!("1"), json!("2"), json!("")]),
        1 => choice(&[json!("-"), json!("a b"), json!(5), Value::Null, json!("x".repeat(64))])
    ];
    let labels = prop::collection::vec((key.clone(), value), 0..3).prop_map(|pairs| Value::Object(pairs.into_iter().collect()));
    let note = prop_oneof![12 => choice(&[json!("1"), json!("- {a: b}\n")]), 1 => choice(&[json!(5), Value::Null])];
    let annotations = prop::collection::vec((key, note), 0..3).prop_map(|pairs| Value::Object(pairs.into_iter().collect()));
    let finalizer = mostly(
        &[json!("example.com/f"), json!("example.com/g")],
        &[json!("plain"), json!("a b/c"), json!(""), json!("foregroundDeletion")],
    );
    let finalizers = prop::collection::vec(finalizer, 0..3).prop_map(Value::from);
    let owners = prop::collection::vec(owner(), 0..3).prop_map(Value::from);
    let finalizers = prop_oneof![12 => finalizers.boxed(), 1 => choice(&[Value::Null, json!("x"), json!({})])];
    let _ = kind;
    gather(vec![
        part("labels", 0.5, prop_oneof![20 => labels.boxed(), 1 => choice(&[Value::Null, json!([])])].boxed()),
        part("annotations", 0.3, annotations.boxed()),
        part("finalizers", 0.15, finalizers.boxed()),
        part("ownerReferences", 0.15, owners.boxed()),
    ])
    .boxed()
}

/// Owners that last for the whole sequence, or that no garbage collector knows: when others are collected is not the answers' matter.
fn owner() -> BoxedStrategy<Value> {
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "${owner}"});
    let with = |field: &str, value: Value| {
        let mut owner = owner.clone();
        owner[field] = value;
        owner
    };
    mostly(
        &[
            owner.clone(),
            with("controller", json!(true)),
            with("blockOwnerDeletion", json!(true)),
            json!({"apiVersion": "unknown.example/v1", "kind": "Thing", "name": "t", "uid": "00000000-0000-4000-8000-000000000001", "controller": true}),
        ],
        &[
            with("name", json!("")),
            with("uid", json!("")),
            with("kind", json!("Event")),
            with("apiVersion", json!("a/b/c")),
            with("more", json!(1)),
            json!("x"),
        ],
    )
}

fn content(kind: &'static Kind) -> BoxedStrategy<Map<String, Value>> {
    let parts = kind.content.iter().map(|field| part(field.name, field.share, mostly(&field.good, &field.bad)));
    gather(parts.collect()).boxed()
}

/// What is no object at all. Text is sent as it is.
fn nonsense() -> BoxedStrategy<Value> {
    choice(&[json!("{"), json!([]), json!("null"), json!("7"), json!({}), json!("")])
}

pub(super) fn choice(values: &[Value]) -> BoxedStrategy<Value> {
    prop::sample::select(values.to_vec()).boxed()
}

pub(super) fn mostly(good: &[Value], bad: &[Value]) -> BoxedStrategy<Value> {
    if bad.is_empty() { choice(good) } else { prop_oneof![24 => choice(good), 1 => choice(bad)].boxed() }
}

fn mostly_text(good: &[&str], bad: &[&str]) -> BoxedStrategy<String> {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    prop_oneof![20 => prop::sample::select(owned(good)), 1 => prop::sample::select(owned(bad))].boxed()
}

fn part(name: &str, share: f64, value: BoxedStrategy<Value>) -> Part {
    let name = name.to_owned();
    prop::option::weighted(share, value).prop_map(move |value| value.map(|value| (name.clone(), value))).boxed()
}

fn gather(parts: Vec<Part>) -> impl Strategy<Value = Map<String, Value>> {
    parts.prop_map(|found| found.into_iter().flatten().collect())
}
