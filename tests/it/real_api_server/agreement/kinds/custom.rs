//! Kinds that somebody defines: ours, and one whose schema has everything.

use serde_json::{Value, json};

use super::{Kind, field};

pub(super) fn widget() -> Kind {
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

pub(super) fn credential() -> Kind {
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

pub(super) fn tenant() -> Kind {
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
