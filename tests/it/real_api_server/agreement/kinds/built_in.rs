//! Kinds that every API server has.

use serde_json::{Value, json};

use super::{Kind, field};

pub(super) fn secret() -> Kind {
    let data = [json!({"a": "MQ=="}), json!({"a": "Mg==", "b": ""}), json!({"tls.crt": "MQ==", "tls.key": "Mg=="}), json!({})];
    let bad = [
        json!({"a": "*"}),
        json!({"a": "MQ"}),
        json!({"a": 5}),
        json!({"a": null}),
        json!({"a/b": "MQ=="}),
        json!({"..": "MQ=="}),
        json!([]),
        json!("x"),
    ];
    Kind {
        version: "v1",
        kind: "Secret",
        plural: "secrets",
        namespaced: true,
        content: vec![
            field("data", 0.7, &data, &bad),
            field("stringData", 0.2, &[json!({"a": "1"}), json!({"c": "ü"})], &[json!({"a": 1}), json!({"a/b": ""}), Value::Null]),
            field(
                "type",
                0.2,
                &[json!("Opaque"), json!("kubernetes.io/tls"), json!("example.com/x"), json!("")],
                &[
                    json!(5),
                    json!("kubernetes.io/service-account-token"),
                    json!("kubernetes.io/basic-auth"),
                    json!("kubernetes.io/dockerconfigjson"),
                ],
            ),
            field("immutable", 0.15, &[json!(true), json!(true), json!(false)], &[json!("yes"), Value::Null]),
            field("datum", 0.04, &[json!({"a": "MQ=="}), json!(1)], &[]),
        ],
        fields: &["data", "type", "immutable"],
        pointers: &["/data", "/data/a", "/data/b", "/stringData", "/immutable", "/type"],
        values: vec![json!("Mw=="), json!({"a": "NA=="}), json!(true), json!("*")],
        status_field: "phase",
        status_values: vec![json!("x")],
        selectors: &["type=Opaque", "type!=Opaque"],
        ..Kind::default()
    }
}

pub(super) fn config_map() -> Kind {
    let bad = [json!({"a": 1}), json!({"a": null}), json!({"a b": ""}), json!(["a"]), json!({"": "x"})];
    Kind {
        version: "v1",
        kind: "ConfigMap",
        plural: "configmaps",
        namespaced: true,
        content: vec![
            field("data", 0.7, &[json!({"a": "1"}), json!({"a": "2", "b": ""}), json!({"c": "ü\n"}), json!({})], &bad),
            field("binaryData", 0.2, &[json!({"x": "MQ=="}), json!({"y": ""})], &[json!({"a": "MQ=="}), json!({"x": "?"})]),
            field("immutable", 0.15, &[json!(true), json!(false)], &[json!(1)]),
            field("datum", 0.04, &[json!(1)], &[]),
        ],
        fields: &["data", "binaryData", "immutable"],
        pointers: &["/data", "/data/a", "/data/b", "/binaryData/x", "/immutable"],
        values: vec![json!("3"), json!({"a": "4"}), json!(true), json!("MQ==")],
        status_field: "phase",
        status_values: vec![json!("x")],
        ..Kind::default()
    }
}

pub(super) fn lease() -> Kind {
    let at = "2026-01-01T00:00:00.000000Z";
    let good = [
        json!({"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": at, "acquireTime": at, "leaseTransitions": 0}),
        json!({"holderIdentity": "you", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:05.123456Z"}),
        json!({"holderIdentity": "", "renewTime": "2026-01-01T01:00:00+01:00"}),
        json!({"leaseTransitions": 3}),
        json!({}),
    ];
    let bad = [
        json!({"leaseDurationSeconds": 0}),
        json!({"leaseDurationSeconds": -5}),
        json!({"leaseTransitions": -1}),
        json!({"leaseDurationSeconds": "15"}),
        json!({"leaseDurationSeconds": 2_147_483_648_u64}),
        json!({"renewTime": "now"}),
        json!({"renewTime": 5}),
        json!({"holderIdentity": null, "renewTime": null}),
        json!({"holder": "me"}),
        Value::Null,
        json!([]),
    ];
    Kind {
        group: "coordination.k8s.io",
        version: "v1",
        kind: "Lease",
        plural: "leases",
        namespaced: true,
        content: vec![field("spec", 0.9, &good, &bad)],
        fields: &["spec"],
        pointers: &["/spec", "/spec/holderIdentity", "/spec/leaseDurationSeconds", "/spec/renewTime"],
        values: vec![json!("them"), json!(30), json!({"holderIdentity": "them"}), json!(at)],
        status_field: "phase",
        status_values: vec![json!("x")],
        ..Kind::default()
    }
}

pub(super) fn event() -> Kind {
    let about = |namespace: &str| json!({"kind": "ConfigMap", "namespace": namespace, "name": "owner", "uid": "${owner}"});
    Kind {
        version: "v1",
        kind: "Event",
        plural: "events",
        namespaced: true,
        content: vec![
            field("involvedObject", 0.95, &[about("${ns}")], &[about(""), about("default"), json!({}), json!("x")]),
            field("reason", 0.8, &[json!("Made"), json!("Lost")], &[json!(""), json!(5), json!("R".repeat(129))]),
            field("message", 0.8, &[json!("one"), json!("two")], &[json!("m".repeat(1025)), Value::Null]),
            field("type", 0.6, &[json!("Normal"), json!("Warning")], &[json!("Other"), json!("")]),
            field("count", 0.4, &[json!(1), json!(2)], &[json!(-1), json!("1")]),
            field("firstTimestamp", 0.4, &[json!("2026-01-01T00:00:00Z")], &[json!("x"), Value::Null]),
            field("lastTimestamp", 0.4, &[json!("2026-01-01T00:00:00Z"), json!("2026-01-01T00:01:00Z")], &[json!(1)]),
            field("source", 0.3, &[json!({"component": "c"})], &[json!("c")]),
            field("eventTime", 0.15, &[json!("2026-01-01T00:00:00.000000Z")], &[json!("2026-01-01T00:00:00Z"), Value::Null]),
            field("action", 0.2, &[json!("Do")], &[json!("")]),
            field("reportingComponent", 0.2, &[json!("example.com/c")], &[json!("a b")]),
            field("reportingInstance", 0.2, &[json!("i")], &[json!("i".repeat(129))]),
        ],
        fields: &["message", "reason", "count"],
        pointers: &["/message", "/count", "/reason", "/involvedObject/name"],
        values: vec![json!("three"), json!(3)],
        status_field: "phase",
        status_values: vec![json!("x")],
        selectors: &["involvedObject.name=owner", "reason=Made", "type!=Normal"],
        ..Kind::default()
    }
}

pub(super) fn new_event() -> Kind {
    let about = |namespace: &str| json!({"kind": "ConfigMap", "namespace": namespace, "name": "owner", "uid": "${owner}"});
    let series = |count: i64| json!({"count": count, "lastObservedTime": "2026-01-01T00:05:00.000000Z"});
    Kind {
        group: "events.k8s.io",
        version: "v1",
        kind: "Event",
        plural: "events",
        namespaced: true,
        content: vec![
            field("eventTime", 0.97, &[json!("2026-01-01T00:00:00.000000Z")], &[Value::Null, json!("2026-01-01T00:00:00Z"), json!("x")]),
            field("type", 0.97, &[json!("Normal"), json!("Warning")], &[json!("Other"), json!("")]),
            field("reason", 0.97, &[json!("Made"), json!("Lost")], &[json!(""), json!("R".repeat(129))]),
            field("action", 0.97, &[json!("Do")], &[json!(""), json!("A".repeat(129))]),
            field("reportingController", 0.97, &[json!("example.com/c")], &[json!(""), json!("a b")]),
            field("reportingInstance", 0.97, &[json!("i")], &[json!(""), json!("i".repeat(129))]),
            field("regarding", 0.9, &[about("${ns}")], &[about(""), about("default"), json!({}), json!("x")]),
            field("related", 0.2, &[about("${ns}"), json!({"kind": "Secret", "name": "s"})], &[json!(1)]),
            field("note", 0.7, &[json!("one"), json!("two")], &[json!("m".repeat(1025)), json!(1)]),
            field("series", 0.15, &[series(2), series(3)], &[series(1), series(0), json!({}), json!({"count": 2})]),
            field("deprecatedCount", 0.05, &[json!(1)], &[]),
            field("deprecatedSource", 0.05, &[json!({"component": "c"}), json!({})], &[]),
        ],
        fields: &["note", "series", "related"],
        pointers: &["/note", "/series", "/series/count", "/reason"],
        values: vec![json!("three"), series(4), json!(5)],
        status_field: "phase",
        status_values: vec![json!("x")],
        selectors: &["reason=Made", "regarding.name=owner"],
        ..Kind::default()
    }
}

/// Never deleted for good: when a terminating namespace is empty is for a controller to see.
pub(super) fn namespace() -> Kind {
    Kind {
        version: "v1",
        kind: "Namespace",
        plural: "namespaces",
        has_status: true,
        content: vec![
            field("spec", 0.2, &[json!({}), json!({"finalizers": ["kubernetes"]})], &[json!({"finalizers": ["example.com/x"]}), json!([])]),
            field("datum", 0.05, &[json!(1)], &[]),
        ],
        fields: &["spec", "status"],
        pointers: &["/metadata/annotations", "/metadata/labels/kubernetes.io~1metadata.name", "/spec/finalizers"],
        values: vec![json!("x"), json!({"a": "1"}), json!([])],
        status_field: "phase",
        status_values: vec![json!("Active"), json!("Terminating"), json!("")],
        ..Kind::default()
    }
}
