//! Whatever is sent, the server answers and goes on.

use http::Request;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, client::Body};
use kube_sim::KubeSim;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::world::{WIDGETS, widget, widgets};

/// JSON made mostly of names that mean something to the server.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..6).prop_map(|pairs| Value::Object(Map::from_iter(pairs))),
        ]
    })
}

fn word() -> impl Strategy<Value = String> {
    let words = [
        "apiVersion",
        "kind",
        "metadata",
        "spec",
        "status",
        "name",
        "namespace",
        "uid",
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
        "managedFields",
        "fieldsV1",
        "f:spec",
        "k:{",
        "deletionTimestamp",
        "owner",
        "ports",
        "tags",
        "policy",
        "conditions",
        "type",
        "data",
        "stringData",
        "immutable",
        "op",
        "path",
        "/spec/owner",
        "value",
        "preconditions",
        "a",
        "v1",
        "test.example/v1",
        "Widget",
        "Secret",
        "$patch",
        "resourceVersion",
        "generateName",
        "since",
        "series",
        "regarding",
        "me",
    ];
    prop::sample::select(words.to_vec()).prop_map(str::to_owned)
}

/// A body that is about the object `a`, with anything added.
fn body() -> impl Strategy<Value = Value> {
    (value(), value(), value(), any::<bool>()).prop_map(|(meta, spec, status, whole)| {
        let mut object = json!({"apiVersion": "test.example/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": {"owner": "me"}});
        let Some(map) = object.as_object_mut().filter(|_| whole) else { return spec };
        if let Value::Object(more) = meta {
            map["metadata"].as_object_mut().into_iter().for_each(|meta| meta.extend(more.clone()));
        }
        map.extend([("spec".to_owned(), spec), ("status".to_owned(), status)]);
        object
    })
}

fn request() -> impl Strategy<Value = (String, String, String, Value)> {
    let methods = prop::sample::select(vec!["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
    let paths = prop::sample::select(vec![
        "/apis/test.example/v1/namespaces/default/widgets/a",
        "/apis/test.example/v1/namespaces/default/widgets/a/status",
        "/apis/test.example/v1/namespaces/default/widgets",
        "/apis/test.example/v1/widgets",
        "/api/v1/namespaces/default/secrets/a",
        "/api/v1/namespaces/default/events/a",
        "/apis/events.k8s.io/v1/namespaces/default/events/a",
        "/apis/events.k8s.io/v1/namespaces/default/events",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/api/v1/namespaces",
        "/api/v1/namespaces/%F0%9F/x//",
        "/",
    ]);
    let queries = prop::sample::select(vec![
        "",
        "fieldManager=m&force=true",
        "fieldManager=m&fieldValidation=Strict",
        "labelSelector=%28%29%2C!%3D&fieldSelector=%3D%3D",
        "labelSelector=a+in+(b&watch=maybe",
        "dryRun=All&fieldManager=%00",
    ]);
    let types = prop::sample::select(vec![
        "application/json",
        "application/merge-patch+json",
        "application/json-patch+json",
        "application/apply-patch+yaml",
        "application/strategic-merge-patch+json",
    ]);
    (methods, paths, queries, types, body())
        .prop_map(|(method, path, query, kind, body)| (method.to_owned(), format!("{path}?{query}"), kind.to_owned(), body))
}

async fn answer_all(requests: Vec<(String, String, String, Value)>) {
    let sim = KubeSim::builder().crd_yaml(WIDGETS).build().unwrap();
    widgets(&sim).create(&Default::default(), &widget("a", &json!({"owner": "me", "ports": [{"name": "x"}]}))).await.unwrap();
    for (method, path, kind, body) in requests {
        let request = Request::builder().method(&*method).uri(path).header("Content-Type", kind);
        let request = request.body(Body::from(body.to_string().into_bytes())).unwrap();
        let answer = sim.client().send(request).await.unwrap();
        assert!(answer.into_body().collect_bytes().await.is_ok());
    }
    let fresh: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "fresh"}})).unwrap();
    Api::default_namespaced(sim.client()).create(&Default::default(), &fresh).await.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_request_brings_the_server_down(requests in prop::collection::vec(request(), 1..12)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(answer_all(requests));
    }
}
