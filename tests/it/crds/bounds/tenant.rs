//! `EntraTenant`.

use serde_json::{Value, json};

use super::super::cases::tenant::{at, grant, granting, tenant};
use super::{Bound, Within, uuid};

pub(super) fn bounds() -> Vec<Bound> {
    [tenants(), endpoints(), identities(), secrets(), grants(), subjects(), selectors(), expressions()].concat()
}

fn within(change: Value) -> Within {
    Within("EntraTenant", tenant(change))
}

/// Within a tenant with one grant, which this is a change to.
fn within_grant(change: Value) -> Within {
    within(granting(&[&grant(change)]))
}

fn tenants() -> Vec<Bound> {
    let plain = within(json!({}));
    let custom = within(at("https://login.example", "https://graph.example"));
    let sign_in = json!({"workloadIdentity": {}});
    [
        plain.uuid("tenantID"),
        plain.required("tenantID", json!(uuid(1))),
        plain.required("signIn", sign_in),
        plain.word("cloud", &["Global", "USGovernmentL4", "USGovernmentL5", "China"]),
        custom.word("cloud", &["Custom"]),
        plain.duration("minimumValidity"),
    ]
    .concat()
}

fn endpoints() -> Vec<Bound> {
    let custom = within(at("https://login.example", "https://graph.example"));
    let url = |length: usize| json!(format!("https://{}", "h".repeat(length - 8)));
    let long = |field: &str| custom.bound(&format!("endpoints/{field}"), "maxLength", url(253), url(254));
    let ca = |length: usize| json!("A".repeat(length));
    [
        long("login"),
        long("graph"),
        custom.required("endpoints/login", json!("https://login.example")),
        custom.required("endpoints/graph", json!("https://graph.example")),
        custom.bound("endpoints/caBundle", "maxLength", ca(65_536), ca(65_537)),
        custom.bound("endpoints/caBundle", "pattern", json!("LS0="), json!("LS1=")),
        custom.bound("endpoints/caBundle", "format", json!("LS0tLS0K"), json!("-----BEGIN")),
    ]
    .concat()
}

fn identities() -> Vec<Bound> {
    let workload = within(json!({"signIn": {"clientSecret": null, "workloadIdentity": {}}}));
    let managed = within(json!({"signIn": {"clientSecret": null, "managedIdentity": {}}}));
    [workload.uuid("signIn/workloadIdentity/clientID"), managed.uuid("signIn/managedIdentity/clientID")].concat()
}

fn secrets() -> Vec<Bound> {
    let certificate = json!({"clientID": uuid(1), "secretRef": {"name": "operator"}});
    let certificate = within(json!({"signIn": {"clientSecret": null, "clientCertificate": certificate}}));
    let secret = within(json!({}));
    let shared = |within: &Within, at: &str| {
        [
            within.uuid(&format!("{at}/clientID")),
            within.required(&format!("{at}/clientID"), json!(uuid(1))),
            within.required(&format!("{at}/secretRef"), json!({"name": "operator"})),
            within.required(&format!("{at}/secretRef/name"), json!("operator")),
            within.text(&format!("{at}/secretRef/name"), 1, 253),
        ]
        .concat()
    };
    [
        shared(&certificate, "signIn/clientCertificate"),
        shared(&secret, "signIn/clientSecret"),
        secret.text("signIn/clientSecret/secretRef/key", 1, 253),
    ]
    .concat()
}

fn grants() -> Vec<Bound> {
    let plain = within(json!({}));
    let one = within_grant(json!({"clientIDs": [uuid(1)]}));
    let named = |number: usize| grant(json!({"name": format!("grant-{number}"), "clientIDs": [uuid(1)]}));
    let kinds = ["TokenSigningCertificate", "ClientCertificate", "ClientSecret"];
    let several = |kinds: &[&str]| json!(kinds);
    [
        plain.set("grants", named, 0, 512),
        plain.unique("grants", &named(1)),
        one.required("grants/0/name", json!("payroll")),
        one.text("grants/0/name", 1, 63),
        one.required("grants/0/credentials", json!(["ClientSecret"])),
        one.bound("grants/0/credentials", "maxItems", several(&kinds), several(&[kinds[0], kinds[1], kinds[2], kinds[0]])),
        one.bound("grants/0/credentials", "minItems", several(&kinds[..1]), json!([])),
        one.unique("grants/0/credentials", &json!("ClientSecret")),
        one.word("grants/0/credentials/0", &kinds),
        one.word("grants/0/allowAdoption", &["Never", "Always"]),
    ]
    .concat()
}

fn subjects() -> Vec<Bound> {
    let one = within_grant(json!({"clientIDs": [uuid(1)]}));
    let namespace = |number: usize| json!(format!("namespace-{number}"));
    let ids = |at: &str| {
        let id = |number: usize| json!(uuid(number));
        [one.set(at, id, 1, 64), one.unique(at, &id(1)), one.uuid(&format!("{at}/0"))].concat()
    };
    [
        one.set("grants/0/namespaces", namespace, 1, 64),
        one.unique("grants/0/namespaces", &namespace(1)),
        one.text("grants/0/namespaces/0", 1, 63),
        ids("grants/0/clientIDs"),
        ids("grants/0/objectIDs"),
    ]
    .concat()
}

fn selectors() -> Vec<Bound> {
    let one = within_grant(json!({"clientIDs": [uuid(1)], "namespaceSelector": {}}));
    let labels = |count: usize| (0..count).map(|number| (format!("key-{number}"), json!("x"))).collect::<Value>();
    let all = json!({"matchLabels": {"team": "payroll"}});
    [
        one.bound("grants/0/namespaceSelector", "minProperties", all, json!({})),
        one.bound("grants/0/namespaceSelector/matchLabels", "minProperties", labels(1), json!({})),
        one.bound("grants/0/namespaceSelector/matchLabels", "maxProperties", labels(16), labels(17)),
        one.text("grants/0/namespaceSelector/matchLabels/*", 0, 63),
    ]
    .concat()
}

fn expressions() -> Vec<Bound> {
    const AT: &str = "grants/0/namespaceSelector/matchExpressions";
    let here = |change: Value| within_grant(json!({"clientIDs": [uuid(1)], "namespaceSelector": change}));
    let expression = |number: usize| json!({"key": format!("key-{number}"), "operator": "Exists"});
    let exists = here(json!({"matchExpressions": [expression(0)]}));
    let of_values = here(json!({"matchExpressions": [{"key": "team", "operator": "In", "values": ["payroll"]}]}));
    let at = |field: &str| format!("{AT}/0/{field}");
    [
        here(json!({"matchLabels": {"team": "payroll"}})).set(AT, expression, 1, 16),
        exists.required(&at("key"), json!("team")),
        exists.text(&at("key"), 0, 317),
        exists.required(&at("operator"), json!("Exists")),
        exists.word(&at("operator"), &["Exists", "DoesNotExist"]),
        of_values.word(&at("operator"), &["In", "NotIn"]),
        of_values.set(&at("values"), |number| json!(format!("value-{number}")), 0, 64).into_iter().collect(),
        of_values.text(&at("values/0"), 0, 63),
    ]
    .concat()
}

/// As many grants as may be, one of them with everything in it; more would not fit into etcd.
pub(super) fn largest() -> Value {
    let grants: Vec<Value> = (0..512).map(|number| if number == 0 { large_grant() } else { small_grant(number) }).collect();
    let mut object = tenant(at(&format!("https://{}", "l".repeat(245)), &format!("https://{}", "g".repeat(245))));
    object["spec"]["endpoints"]["caBundle"] = json!("A".repeat(65_536));
    object["spec"]["minimumValidity"] = json!("00001h00000m00000s");
    object["spec"]["grants"] = json!(grants);
    object
}

fn large_grant() -> Value {
    let key = |number: usize| format!("{}/{number:063}", "p".repeat(253));
    let values: Vec<String> = (0..64).map(|number| format!("{number:063}")).collect();
    let ids: Vec<String> = (0..64).map(uuid).collect();
    let expression = |number: usize| json!({"key": key(number), "operator": "In", "values": values});
    grant(json!({
        "name": "n".repeat(63), "namespaces": values, "clientIDs": ids, "objectIDs": ids, "allowAdoption": "Always",
        "credentials": ["TokenSigningCertificate", "ClientCertificate", "ClientSecret"],
        "namespaceSelector": {
            "matchLabels": (0..16).map(|number| (key(number), json!("v".repeat(63)))).collect::<Value>(),
            "matchExpressions": (0..16).map(expression).collect::<Value>(),
        },
    }))
}

fn small_grant(number: usize) -> Value {
    grant(json!({"name": format!("{number:063}"), "clientIDs": [uuid(number)], "objectIDs": [uuid(number)]}))
}
