//! The kinds that the generated requests are about, and what their objects may hold: good values, and bad ones.

use std::sync::LazyLock;

use serde_json::{Value, json};

/// A kind, and what is worth trying with it.
#[derive(Debug, Default)]
pub(super) struct Kind {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    plural: &'static str,
    pub(super) namespaced: bool,
    pub(super) has_status: bool,
    pub(super) content: Vec<Field>,
    /// Top-level fields that a merge patch may take away.
    pub(super) fields: &'static [&'static str],
    /// Where a JSON patch may act.
    pub(super) pointers: &'static [&'static str],
    /// What a JSON patch may put there.
    pub(super) values: Vec<Value>,
    /// A field of the status that only this kind has.
    pub(super) status_field: &'static str,
    pub(super) status_values: Vec<Value>,
    /// Field selectors, besides those by name and namespace.
    pub(super) selectors: &'static [&'static str],
}

/// A top-level field and how often it is there.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) share: f64,
    pub(super) good: Vec<Value>,
    pub(super) bad: Vec<Value>,
}

/// All of them.
pub(super) static KINDS: LazyLock<Vec<Kind>> =
    LazyLock::new(|| vec![secret(), config_map(), lease(), event(), new_event(), namespace(), widget(), credential(), tenant()]);

impl Kind {
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The path of all objects within reach of a sequence.
    pub(super) fn path(&self) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let home = if self.namespaced { "/namespaces/${ns}" } else { "" };
        format!("{root}/{}{home}/{}", self.api_version(), self.plural)
    }

    /// Cluster-scoped objects are told from those of other sequences by their names.
    pub(super) fn named(&self, name: &str) -> String {
        if self.namespaced { name.to_owned() } else { format!("${{ns}}-{name}") }
    }
}

fn field(name: &'static str, share: f64, good: &[Value], bad: &[Value]) -> Field {
    Field { name, share, good: good.to_vec(), bad: bad.to_vec() }
}

fn secret() -> Kind {
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

fn config_map() -> Kind {
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

fn lease() -> Kind {
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

fn event() -> Kind {
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

fn new_event() -> Kind {
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
fn namespace() -> Kind {
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

fn widget() -> Kind {
    let good = [
        json!({"owner": "me"}),
        json!({"owner": "me", "color": "blue", "size": 7}),
        json!({"owner": "me", "ports": [{"name": "x", "port": 1}, {"name": "y"}], "tags": ["t"]}),
        json!({"owner": "me", "ports": [{"name": "y", "port": 2}], "tags": ["u", "t"], "steps": ["one"]}),
        json!({"owner": "me", "labels": {"a": "1"}, "policy": {"mode": "Hard"}, "steps": ["one", "two"]}),
        json!({"owner": "me", "since": "2026-01-01T00:00:00Z", "color": "green", "labels": {"b": "2"}}),
        json!({"owner": "me", "policy": {}, "ports": [], "tags": []}),
    ];
    let bad = [
        json!({}),
        json!({"owner": "you"}),
        json!({"owner": "M"}),
        json!({"owner": "me", "color": "pink", "size": 10}),
        json!({"owner": "me", "size": 7}),
        json!({"owner": "me", "size": 1.5}),
        json!({"owner": "me", "size": 2.0}),
        json!({"owner": "me", "color": null, "size": null}),
        json!({"owner": "me", "ports": [{"name": "x"}, {"name": "x", "port": 2}]}),
        json!({"owner": "me", "ports": [{"port": 2}]}),
        json!({"owner": "me", "tags": ["t", "t"]}),
        json!({"owner": "me", "tags": [null]}),
        json!({"owner": "me", "steps": "one"}),
        json!({"owner": "me", "since": "2019-01-01T00:00:00Z"}),
        json!({"owner": "me", "since": "then"}),
        json!({"owner": "me", "labels": {"a": "1", "b": "2", "c": "3"}}),
        json!({"owner": "me", "labels": {"a": "123456"}}),
        json!({"owner": "me", "more": 1, "policy": {"mode": "Soft", "other": {"a": []}}}),
        Value::Null,
        json!("x"),
    ];
    Kind {
        group: "test.example",
        version: "v1",
        kind: "Widget",
        plural: "widgets",
        has_status: true,
        namespaced: true,
        content: vec![field("spec", 0.95, &good, &bad), field("more", 0.03, &[json!(1), json!({})], &[])],
        fields: &["spec", "status"],
        pointers: &[
            "/spec/color",
            "/spec/size",
            "/spec/ports/0",
            "/spec/ports/-",
            "/spec/ports/0/port",
            "/spec/tags/-",
            "/spec/labels",
            "/spec/labels/a",
            "/spec/policy",
            "/spec/policy/mode",
            "/spec/owner",
            "/status/observedGeneration",
        ],
        values: vec![json!("blue"), json!(3), json!({"name": "z"}), json!("t"), json!({"a": "5"}), json!("Hard"), json!({"mode": "Hard"})],
        status_field: "extra",
        status_values: vec![json!(1)],
        selectors: &["spec.color=red", "spec.color!=blue", "spec.size=3"],
    }
}

fn credential() -> Kind {
    let spec = |more: Value| {
        let mut spec = json!({"target": {"clientID": "11111111-2222-4333-8444-555555555555"}, "secretName": "out"});
        for (name, value) in more.as_object().into_iter().flatten() {
            spec[name] = value.clone();
        }
        spec
    };
    let good = [
        spec(json!({"clientSecret": {}})),
        spec(json!({"clientSecret": {}, "rotation": {"validity": "720h", "renewBefore": "240h"}})),
        spec(json!({"clientSecret": {}, "suspend": true, "template": {"labels": {"a": "1"}, "annotations": {"b": "2"}}})),
        spec(json!({"clientCertificate": {"privateKey": {"size": 3072}}, "template": {"additionalFormats": ["PKCS12"]}})),
        spec(json!({"tokenSigningCertificate": {"displayName": "CN=x", "activation": {"soak": "72h"}}})),
        spec(
            json!({"clientSecret": {}, "rotation": {"notIssuedBefore": "2026-01-01T00:00:00Z", "windows": [{"schedule": "0 3 * * *", "duration": "2h"}]}}),
        ),
        spec(json!({"clientSecret": {}, "adoptKeyIDs": ["22222222-2222-4333-8444-555555555555"], "deletionPolicy": "Revoke"})),
    ];
    let bad = [
        spec(json!({})),
        spec(json!({"clientSecret": {}, "clientCertificate": {}})),
        spec(json!({"clientSecret": {}, "secretName": "Not A Name"})),
        spec(json!({"clientSecret": {}, "secretName": null})),
        spec(json!({"clientSecret": {}, "target": {}})),
        spec(json!({"clientSecret": {}, "target": {"clientID": "x"}})),
        spec(
            json!({"clientSecret": {}, "target": {"clientID": "11111111-2222-4333-8444-555555555555", "objectID": "11111111-2222-4333-8444-555555555555"}}),
        ),
        spec(json!({"clientSecret": {}, "tenantRef": {"name": "other"}})),
        spec(json!({"clientSecret": {}, "rotation": {"validity": "5s"}})),
        spec(json!({"clientSecret": {}, "rotation": {"validity": "3 days"}})),
        spec(json!({"clientSecret": {}, "rotation": {"validity": 5}})),
        spec(json!({"clientSecret": {}, "rotation": {"notIssuedBefore": "soon"}})),
        spec(json!({"clientSecret": {}, "deletionPolicy": "Maybe"})),
        spec(json!({"clientSecret": {"more": 1}, "more": {"a": 1}})),
        spec(json!({"clientCertificate": {"privateKey": {"size": 1024}}})),
        spec(json!({"tokenSigningCertificate": {"displayName": "x"}})),
        Value::Null,
        json!([]),
    ];
    Kind {
        group: "entra-rotator.io",
        version: "v1alpha1",
        kind: "ServicePrincipalCredential",
        plural: "serviceprincipalcredentials",
        has_status: true,
        namespaced: true,
        content: vec![field("spec", 0.97, &good, &bad)],
        fields: &["spec", "status"],
        pointers: &[
            "/spec/suspend",
            "/spec/rotation",
            "/spec/rotation/validity",
            "/spec/secretName",
            "/spec/template/labels",
            "/spec/adoptKeyIDs/-",
            "/status/nextSeq",
            "/spec/clientSecret",
        ],
        values: vec![
            json!(true),
            json!("48h"),
            json!({"validity": "96h"}),
            json!("other"),
            json!({"x": "y"}),
            json!("33333333-2222-4333-8444-555555555555"),
        ],
        status_field: "credentials",
        status_values: vec![
            json!([{"seq": 1, "id": "aaaaaaaaaa", "origin": "Made", "use": "Current"}]),
            json!([{"seq": 1, "id": "aaaaaaaaaa", "origin": "Made", "use": "Next", "keyIDs": ["33333333-2222-4333-8444-555555555555"]}, {"seq": 2, "id": "bbbbbbbbbb", "origin": "Made", "use": "Current"}]),
            json!([{"seq": "x"}]),
            json!({}),
        ],
        ..Kind::default()
    }
}

fn tenant() -> Kind {
    let spec = |more: Value| {
        let mut spec = json!({"tenantID": "8c9f3d52-1111-4222-8333-444444444444", "signIn": {"workloadIdentity": {}}});
        for (name, value) in more.as_object().into_iter().flatten() {
            spec[name] = value.clone();
        }
        spec
    };
    let grant = |name: &str| json!({"name": name, "namespaces": ["n"], "clientIDs": ["11111111-2222-4333-8444-555555555555"], "credentials": ["ClientSecret"]});
    let good = [
        spec(json!({})),
        spec(json!({"minimumValidity": "1h"})),
        spec(json!({"grants": [grant("one")]})),
        spec(json!({"grants": [grant("two"), grant("one")]})),
        spec(json!({"signIn": {"clientSecret": {"clientID": "11111111-2222-4333-8444-555555555555", "secretRef": {"name": "s"}}}})),
    ];
    let bad = [
        spec(json!({"tenantID": "x"})),
        spec(json!({"tenantID": "8c9f3d52-1111-4222-8333-444444444445"})),
        spec(json!({"cloud": "Custom"})),
        spec(json!({"cloud": "Global", "endpoints": {"login": "https://x", "graph": "https://y"}})),
        spec(json!({"cloud": "Mars"})),
        spec(json!({"signIn": {}})),
        spec(json!({"grants": [grant("one"), grant("one")]})),
        spec(json!({"grants": [{"name": "x"}]})),
        spec(json!({"grants": [{"name": "x", "namespaces": ["n"], "credentials": ["Passkey"], "clientIDs": []}]})),
        spec(json!({"minimumValidity": "-1h"})),
        json!({}),
        Value::Null,
    ];
    Kind {
        group: "entra-rotator.io",
        version: "v1alpha1",
        kind: "EntraTenant",
        plural: "entratenants",
        has_status: true,
        content: vec![field("spec", 0.97, &good, &bad)],
        fields: &["spec", "status"],
        pointers: &["/spec/grants", "/spec/grants/0", "/spec/grants/-", "/spec/minimumValidity", "/spec/tenantID", "/status/identity"],
        values: vec![json!("2h"), grant("three"), json!([]), json!([grant("four")])],
        status_field: "identity",
        status_values: vec![json!({}), json!("x")],
        ..Kind::default()
    }
}
