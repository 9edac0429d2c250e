//! `ServicePrincipalCredential`.

use serde_json::{Value, json};

use super::super::cases::credential::{credential, secret_with, signing_with};
use super::{Bound, LONG_HOUR, Within, uuid};

pub(super) fn bounds() -> Vec<Bound> {
    [targets(), outputs(), certificates(), signing(), activation(), rotations(), windows(), templates(), template_keys()].concat()
}

fn within(change: Value) -> Within {
    Within("ServicePrincipalCredential", credential(change))
}

fn targets() -> Vec<Bound> {
    let plain = within(json!({}));
    let by_object = within(json!({"target": {"clientID": null, "objectID": uuid(1), "object": "Application"}}));
    let adopted = |number: usize| json!(uuid(number));
    [
        plain.required("target", json!({"clientID": uuid(1)})),
        plain.uuid("target/clientID"),
        by_object.uuid("target/objectID"),
        plain.word("target/object", &["Application", "ServicePrincipal"]),
        plain.text("tenantRef/name", 1, 253),
        within(json!({"tenantRef": {}})).required("tenantRef/name", json!("default")),
        plain.set("adoptKeyIDs", adopted, 0, 16),
        plain.unique("adoptKeyIDs", &json!(uuid(1))),
        plain.uuid("adoptKeyIDs/0"),
        plain.word("deletionPolicy", &["Retain", "Revoke"]),
    ]
    .concat()
}

fn outputs() -> Vec<Bound> {
    let named = |within: Within, at: &str| {
        let pattern = within.bound(at, "pattern", json!("payroll.api-1"), json!("Payroll"));
        [within.text(at, 1, 245), pattern].concat()
    };
    let map = signing_with(json!({}));
    let mut map = within(map);
    map.1["spec"].as_object_mut().unwrap().remove("secretName");
    [named(within(json!({})), "secretName"), named(map, "configMapName")].concat()
}

fn certificates() -> Vec<Bound> {
    let plain = within(json!({}));
    [
        plain.choice("clientCertificate/privateKey/size", "enum", vec![json!(2048), json!(3072), json!(4096)], json!(1024)),
        plain.word("clientCertificate/signInAs", &["Operator", "Self"]),
    ]
    .concat()
}

fn signing() -> Vec<Bound> {
    let plain = within(signing_with(json!({})));
    let own = within(signing_with(json!({"keySource": "Operator", "proofFrom": {}})));
    let name = |length: usize| json!(format!("CN={}", "n".repeat(length - 3)));
    let thumbprint = "0123456789abcdefABCDEF0123456789abcdefAB";
    let address = |number: usize| json!(format!("payroll-{number}@example.com"));
    [
        plain.bound("tokenSigningCertificate/displayName", "maxLength", name(48), name(49)),
        plain.word("tokenSigningCertificate/keySource", &["Entra", "Operator"]),
        own.text("tokenSigningCertificate/proofFrom/name", 1, 253),
        own.required("tokenSigningCertificate/proofFrom/name", json!("payroll-api")),
        plain.bound("tokenSigningCertificate/pinnedThumbprint", "maxLength", json!(thumbprint), json!(format!("{thumbprint}0"))),
        plain.bound("tokenSigningCertificate/pinnedThumbprint", "pattern", json!(thumbprint), json!(thumbprint.replace('a', "g"))),
        plain.set("tokenSigningCertificate/notificationEmailAddresses", address, 0, 5),
        plain.unique("tokenSigningCertificate/notificationEmailAddresses", &address(1)),
        plain.text("tokenSigningCertificate/notificationEmailAddresses/0", 3, 254),
    ]
    .concat()
}

fn activation() -> Vec<Bound> {
    let plain = within(signing_with(json!({})));
    [
        plain.duration("tokenSigningCertificate/activation/soak"),
        plain.word("tokenSigningCertificate/activation/metadata", &["Ignore", "Observe", "Require"]),
        plain.word("tokenSigningCertificate/activation/approval", &["NotRequired", "Required"]),
        plain.word("tokenSigningCertificate/activation/onDeadline", &["Activate", "Withdraw"]),
    ]
    .concat()
}

fn rotations() -> Vec<Bound> {
    let plain = within(json!({}));
    let time = |digits: usize| json!(format!("2026-11-20T08:30:00.{}Z", "0".repeat(digits)));
    let instant = |at: &str| {
        [
            plain.bound(at, "maxLength", time(19), time(20)),
            plain.bound(at, "pattern", json!("2026-11-20T08:30:00+01:00"), json!("2026-11-20")),
            plain.bound(at, "format", json!("2026-12-31T23:59:59Z"), json!("2026-13-31T23:59:59Z")),
        ]
        .concat()
    };
    [
        plain.duration("rotation/validity"),
        plain.duration("rotation/renewBefore"),
        plain.duration("rotation/overlap"),
        instant("rotation/notIssuedBefore"),
        instant("rotation/revokeIssuedBefore"),
    ]
    .concat()
}

fn windows() -> Vec<Bound> {
    let window = |number: usize| json!({"schedule": format!("{number} 2 * * 6"), "duration": "1h"});
    let plain = within(json!({}));
    let one = within(json!({"rotation": {"windows": [window(0)]}}));
    let minutes = |length: usize| json!(format!("{} 2 * * 6", "1".repeat(length - 8)));
    [
        plain.set("rotation/windows", window, 0, 8),
        one.required("rotation/windows/0/schedule", json!("0 2 * * 6")),
        one.bound("rotation/windows/0/schedule", "minLength", json!("* * * * *"), json!("* * * * ")),
        one.bound("rotation/windows/0/schedule", "maxLength", minutes(128), minutes(129)),
        one.bound("rotation/windows/0/schedule", "pattern", json!("0 2 * * mon-fri"), json!("0\t2 * * mon-fri")),
        one.text("rotation/windows/0/timeZone", 1, 64),
        one.required("rotation/windows/0/duration", json!("1h")),
        one.duration("rotation/windows/0/duration"),
    ]
    .concat()
}

fn templates() -> Vec<Bound> {
    let plain = within(json!({}));
    let entries = |count: usize| (0..count).map(|number| (format!("key-{number}"), json!("x"))).collect::<Value>();
    let pkcs12 = json!("PKCS12");
    [
        plain.bound("template/labels", "maxProperties", entries(32), entries(33)),
        plain.text("template/labels/*", 0, 63),
        plain.bound("template/labels/*", "pattern", json!("Pay_roll.1-x"), json!("-payroll")),
        plain.bound("template/annotations", "maxProperties", entries(32), entries(33)),
        plain.text("template/annotations/*", 0, 4096),
        plain.bound("template/additionalFormats", "maxItems", json!([pkcs12]), json!([pkcs12, pkcs12, pkcs12, pkcs12, pkcs12])),
        plain.unique("template/additionalFormats", &pkcs12),
        plain.word("template/additionalFormats/0", &["PKCS12"]),
    ]
    .concat()
}

const SOURCES: [&str; 9] = [
    "ClientID",
    "TenantID",
    "ClientSecret",
    "AuthorityHost",
    "Certificate",
    "PrivateKey",
    "CombinedPEM",
    "SigningBundle",
    "SigningBundleBase64",
];

fn template_keys() -> Vec<Bound> {
    let key = |number: usize| json!({"name": format!("key-{number}"), "from": "ClientID"});
    let plain = within(json!({}));
    let one = within(secret_with(json!({"template": {"keys": [key(0)]}})));
    [
        plain.set("template/keys", key, 0, 16),
        plain.unique("template/keys", &key(0)),
        one.required("template/keys/0/name", json!("tenant")),
        one.text("template/keys/0/name", 1, 253),
        one.bound("template/keys/0/name", "pattern", json!("Tenant_ID.txt-1"), json!("tenant/id")),
        one.required("template/keys/0/from", json!("TenantID")),
        one.word("template/keys/0/from", &SOURCES),
    ]
    .concat()
}

/// One of each kind, with everything in it as long as may be.
pub(super) fn largest() -> Vec<Value> {
    let signing = signing_with(json!({
        "displayName": format!("CN={}", "n".repeat(45)), "keySource": "Operator", "proofFrom": {"name": "p".repeat(253)},
        "activation": {"soak": LONG_HOUR, "metadata": "Require", "approval": "Required", "onDeadline": "Withdraw"},
        "pinnedThumbprint": "A".repeat(40),
        "notificationEmailAddresses": (0..5).map(|number| format!("{number}{}@example.com", "a".repeat(241))).collect::<Vec<_>>(),
    }));
    let certificate = json!({"clientCertificate": {"privateKey": {"size": 4096}, "signInAs": "Self"}});
    [certificate, secret_with(json!({})), signing].map(large).into()
}

fn large(kind: Value) -> Value {
    let mut object = credential(kind);
    object["metadata"]["name"] = json!("n".repeat(200));
    let spec = &mut object["spec"];
    spec["tenantRef"] = json!({"name": "t".repeat(253)});
    spec["secretName"] = json!("s".repeat(245));
    spec["adoptKeyIDs"] = (0..16).map(uuid).collect();
    spec["template"] = template();
    let window = json!({"schedule": format!("{} 2 * * 6", "1".repeat(120)), "timeZone": "z".repeat(64), "duration": LONG_HOUR});
    let times = "2026-11-20T08:30:00.0000000000000000000Z";
    spec["rotation"] = json!({
        "validity": "00009h00059m00060s", "renewBefore": "00008h00059m00060s", "overlap": LONG_HOUR, "windows": vec![window; 8],
        "notIssuedBefore": times, "revokeIssuedBefore": times,
    });
    object
}

fn template() -> Value {
    let key = |number: usize| format!("{}/{number:063}", "p".repeat(253));
    let entries = |length: usize| (0..32).map(|number| (key(number), json!("v".repeat(length)))).collect::<Value>();
    let keys: Value = (0..16).map(|number| json!({"name": format!("{number:0253}"), "from": "ClientID"})).collect();
    json!({"labels": entries(63), "annotations": entries(4096), "keys": keys, "additionalFormats": ["PKCS12"]})
}
