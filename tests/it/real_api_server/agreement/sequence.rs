//! Sequences of requests about two objects of one kind, in the form of a scenario. `${ns}` stands for the sequence's namespace.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    kinds::{KINDS, Kind},
    objects::{choice, json_patch, merge_patch, mostly, object, status},
};

/// The longest sequence.
const LONGEST: usize = 24;
/// How long a watch is listened to, in seconds. (A shorter one than two seconds sees no bookmark but that of the initial events.)
const LISTEN: u32 = 1;

/// Steps of one sequence.
pub(super) fn sequence() -> BoxedStrategy<Vec<Value>> {
    let kinds = KINDS.iter().map(|kind| (1, prop::collection::vec(step(kind), 3..LONGEST).boxed()));
    prop::strategy::Union::new_weighted(kinds.collect()).boxed()
}

/// The scenario that puts the steps to a server.
pub(super) fn scenario(namespace: &str, steps: &[Value]) -> Value {
    let mut all = vec![
        json!({"request": "POST /api/v1/namespaces", "body": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "${ns}"}}, "code": 201}),
        json!({
            "request": "POST /api/v1/namespaces/${ns}/configmaps", "keep": {"owner": "/metadata/uid", "uid": "/metadata/uid", "other": "/metadata/uid", "start": "/metadata/resourceVersion", "version": "/metadata/resourceVersion"}, "code": 201,
            "body": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}},
        }),
    ];
    all.extend(steps.iter().cloned());
    for (index, step) in all.iter_mut().enumerate() {
        step["name"] = json!(format!("{}. {}", index + 1, step["request"].as_str().unwrap_or_default()));
    }
    let text = json!({"name": namespace, "steps": all}).to_string().replace("${ns}", namespace);
    serde_json::from_str(&text).expect("a name is no more than letters and digits")
}

fn step(kind: &'static Kind) -> BoxedStrategy<Value> {
    prop_oneof![
        6 => create(kind),
        3 => get(kind),
        3 => list(kind),
        1 => watch(kind),
        3 => update(kind),
        6 => apply(kind),
        4 => patch(kind),
        3 => on_status(kind),
        3 => delete(kind),
    ]
    .boxed()
}

fn create(kind: &'static Kind) -> BoxedStrategy<Value> {
    let naming = (
        name(kind),
        choice(&[json!("name"), json!("name"), json!("name"), json!("name"), json!("name"), json!("generateName"), json!("none")]),
    );
    (object(kind), naming, query(kind))
        .prop_map(|(mut body, (name, how), query)| {
            match (body.is_object(), how.as_str()) {
                (true, Some("name")) => body["metadata"]["name"] = json!(name),
                (true, Some("generateName")) => body["metadata"]["generateName"] = json!(format!("{name}-")),
                _ => {}
            }
            // Otherwise hardly any creation would be accepted.
            if let Some(meta) = body.get_mut("metadata").and_then(Value::as_object_mut).filter(|_| name.ends_with('a')) {
                meta.remove("resourceVersion");
            }
            changing(json!({"request": format!("POST {}{query}", kind.path()), "body": body}))
        })
        .boxed()
}

fn get(kind: &'static Kind) -> BoxedStrategy<Value> {
    // What a read may take from a cache depends on how far that has come.
    let query = prop_oneof![8 => Just(""), 1 => Just("?resourceVersion=x")];
    (name(kind), query, view(""), below(kind))
        .prop_map(|(name, query, view, below)| viewed(json!({"request": format!("GET {}/{name}{below}{query}", kind.path())}), view))
        .boxed()
}

fn list(kind: &'static Kind) -> BoxedStrategy<Value> {
    (selector(kind), view("List"))
        .prop_map(|(selector, view)| viewed(json!({"request": format!("GET {}?{selector}", kind.path())}), view))
        .boxed()
}

fn watch(kind: &'static Kind) -> BoxedStrategy<Value> {
    let from = prop_oneof![
        6 => Just("&resourceVersion=${start}"),
        1 => Just(""),
        1 => Just("&resourceVersion=x"),
        1 => Just("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"),
        1 => Just("&sendInitialEvents=true"),
        1 => Just("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"),
        1 => Just("&resourceVersion=${start}&resourceVersionMatch=NotOlderThan"),
    ];
    (from, selector(kind), view(""), any::<bool>())
        .prop_map(|(from, selector, view, bookmarks)| {
            let bookmarks = if bookmarks && !from.contains("Bookmarks") { "&allowWatchBookmarks=true" } else { "" };
            let request = format!("GET {}?watch=true&timeoutSeconds={LISTEN}{from}{bookmarks}&{selector}", kind.path());
            viewed(json!({"request": request}), view)
        })
        .boxed()
}

fn update(kind: &'static Kind) -> BoxedStrategy<Value> {
    (object(kind), name(kind), name(kind), 0..12_u8, query(kind))
        .prop_map(|(mut body, name, other, naming, query)| {
            match naming {
                _ if !body.is_object() => {}
                0 => {}
                1 => body["metadata"]["name"] = json!(other),
                _ => body["metadata"]["name"] = json!(name),
            }
            changing(json!({"request": format!("PUT {}/{name}{query}", kind.path()), "body": body}))
        })
        .boxed()
}

fn apply(kind: &'static Kind) -> BoxedStrategy<Value> {
    let force = prop_oneof![2 => Just(""), 1 => Just("&force=true"), 1 => Just("&force=false")];
    let manager = prop_oneof![8 => Just("one"), 8 => Just("two"), 4 => Just("three"), 1 => Just("")];
    (object(kind), name(kind), manager, force, prop_oneof![12 => Just(""), 1 => Just("&dryRun=All"), 1 => Just("&fieldValidation=Strict")])
        .prop_map(|(mut body, name, manager, force, more)| {
            if body.is_object() {
                body["metadata"]["name"] = json!(name);
                if let Some(meta) = body["metadata"].as_object_mut() {
                    meta.remove("managedFields");
                }
            }
            let request = format!("PATCH {}/{name}?fieldManager={manager}{force}{more}", kind.path());
            changing(json!({"request": request, "type": "application/apply-patch+yaml", "body": body}))
        })
        .boxed()
}

fn patch(kind: &'static Kind) -> BoxedStrategy<Value> {
    let merge = merge_patch(kind).prop_map(|body| ("application/merge-patch+json", body));
    let json = json_patch(kind).prop_map(|body| ("application/json-patch+json", body));
    let other = merge_patch(kind).prop_map(|body| ("application/x-patch", body));
    (prop_oneof![8 => merge, 6 => json, 1 => other], name(kind), query(kind))
        .prop_map(|((how, body), name, query)| {
            changing(json!({"request": format!("PATCH {}/{name}{query}", kind.path()), "type": how, "body": body}))
        })
        .boxed()
}

fn on_status(kind: &'static Kind) -> BoxedStrategy<Value> {
    let whole = (object(kind), status(kind), name(kind)).prop_map(|(mut object, status, name)| {
        if object.is_object() {
            object["metadata"]["name"] = json!(name);
            object["status"] = status;
        }
        ("PUT", "application/json", name, "", object)
    });
    let merge = (status(kind), name(kind))
        .prop_map(|(status, name)| ("PATCH", "application/merge-patch+json", name, "", json!({"status": status})));
    let applied =
        (status(kind), name(kind), prop::bool::weighted(0.5), prop::bool::weighted(0.1)).prop_map(|(status, name, force, more)| {
            let mut body = json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"name": name}, "status": status});
            if more {
                body["metadata"]["labels"] = json!({"a": "9"});
                body["spec"] = json!({});
            }
            let query = if force { "?fieldManager=status&force=true" } else { "?fieldManager=other" };
            ("PATCH", "application/apply-patch+yaml", name, query, body)
        });
    prop_oneof![2 => whole, 2 => merge, 3 => applied]
        .prop_map(|(method, how, name, query, body)| {
            changing(json!({"request": format!("{method} {}/{name}/status{query}", kind.path()), "type": how, "body": body}))
        })
        .boxed()
}

fn delete(kind: &'static Kind) -> BoxedStrategy<Value> {
    let uid = prop::option::weighted(0.4, mostly(&[json!("${uid}")], &[json!("00000000-0000-4000-8000-000000000000"), json!("${other}")]));
    let version = prop::option::weighted(0.4, mostly(&[json!("${version}")], &[json!("1"), json!("${start}")]));
    let options = prop_oneof![
        4 => (uid, version).prop_map(|(uid, version)| {
            let mut preconditions = json!({});
            for (field, value) in [("uid", uid), ("resourceVersion", version)] {
                value.into_iter().for_each(|value| preconditions[field] = value);
            }
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions})
        }),
        4 => Just(Value::Null),
        1 => choice(&[json!({"propagationPolicy": "Sometimes"}), json!({"dryRun": ["All"]}), json!({"dryRun": ["Some"]}), json!({"gracePeriodSeconds": 0}), json!({"kind": "Secret", "apiVersion": "v1"}), json!("{")]),
    ];
    // What becomes of a namespace is for a controller to say, and objects of other sequences are none of ours.
    let query = if kind.namespaced { vec!["", "", "", "", "?dryRun=All"] } else { vec!["?dryRun=All"] };
    let one = (options, name(kind), prop::sample::select(query))
        .prop_map(|(options, name, query)| changing(json!({"request": format!("DELETE {}/{name}{query}", kind.path()), "body": options})));
    if !kind.namespaced {
        let harmless = kind.kind == "Namespace";
        return if harmless { one.prop_map(dry).boxed() } else { one.prop_map(without_dry_run).boxed() };
    }
    let all = selector(kind).prop_map(|selector| json!({"request": format!("DELETE {}?{selector}", kind.path())}));
    prop_oneof![8 => one, 1 => all].boxed()
}

/// A body takes the place of the query.
fn dry(mut step: Value) -> Value {
    if step["body"].is_object() {
        step["body"]["dryRun"] = json!(["All"]);
    }
    step
}

fn without_dry_run(mut step: Value) -> Value {
    let request = step["request"].as_str().unwrap_or_default().trim_end_matches("?dryRun=All").to_owned();
    step["request"] = json!(request);
    step
}

fn name(kind: &'static Kind) -> BoxedStrategy<String> {
    prop_oneof![12 => Just(kind.named("a")), 4 => Just(kind.named("b")), 1 => Just(kind.named("absent"))].boxed()
}

/// What a step keeps of the object it got: uid and version of the last one seen, and another object's uid.
fn changing(mut step: Value) -> Value {
    let first = step["request"].as_str().is_some_and(|request| request.contains("/b"));
    step["keep"] =
        if first { json!({"other": "/metadata/uid"}) } else { json!({"uid": "/metadata/uid", "version": "/metadata/resourceVersion"}) };
    step
}

fn query(kind: &'static Kind) -> BoxedStrategy<String> {
    let _ = kind;
    let manager = prop_oneof![3 => Just(""), 2 => Just("&fieldManager=one"), 2 => Just("&fieldManager=person")];
    let more = prop_oneof![
        16 => Just(""), 1 => Just("&dryRun=All"), 1 => Just("&fieldValidation=Strict"), 1 => Just("&fieldValidation=Ignore"),
        1 => Just("&fieldValidation=Maybe"), 1 => Just("&dryRun=Some"), 1 => Just("&force=true"), 1 => Just("&force=maybe")
    ];
    (manager, more).prop_map(|(manager, more)| format!("?pretty=false{manager}{more}")).boxed()
}

fn below(kind: &'static Kind) -> BoxedStrategy<&'static str> {
    let _ = kind;
    prop_oneof![12 => Just(""), 1 => Just("/status"), 1 => Just("/scale")].boxed()
}

fn selector(kind: &'static Kind) -> BoxedStrategy<String> {
    let mut fields = vec![format!("metadata.name={}", kind.named("a")), format!("metadata.name%3D%3D{}", kind.named("b"))];
    if !kind.namespaced {
        return prop::sample::select(fields).prop_map(|fields| format!("fieldSelector={fields}")).boxed();
    }
    fields.extend(
        [
            "metadata.name!=a",
            "metadata.namespace=${ns}",
            "metadata.namespace=default",
            "metadata.name=a,metadata.name!=b",
            "spec.nothing=x",
            "metadata.name",
        ]
        .map(str::to_owned),
    );
    fields.extend(kind.selectors.iter().map(|field| (*field).to_owned()));
    let labels =
        ["a", "!a", "a=1", "a!=1", "a%20in%20(1,2)", "a%20notin%20(1)", "a=1,b", "a%20in%20(", "-a=1", "a=b%20c", "a%3E1", "example.com/c"];
    prop_oneof![
        3 => Just(String::new()),
        2 => prop::sample::select(labels.to_vec()).prop_map(|labels| format!("labelSelector={labels}")),
        2 => prop::sample::select(fields).prop_map(|fields| format!("fieldSelector={fields}")),
    ]
    .boxed()
}

/// The Accept header: the object, or its metadata alone.
fn view(list: &'static str) -> BoxedStrategy<Option<String>> {
    let metadata = format!("application/json;as=PartialObjectMetadata{list};g=meta.k8s.io;v=v1");
    prop_oneof![4 => Just(None), 2 => Just(Some(metadata)), 1 => Just(Some("text/html".to_owned()))].boxed()
}

fn viewed(mut step: Value, view: Option<String>) -> Value {
    if let Some(view) = view {
        step["accept"] = json!(view);
    }
    step
}
