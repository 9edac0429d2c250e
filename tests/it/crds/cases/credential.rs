//! `ServicePrincipalCredential`.

use serde_json::{Value, json};

use super::{
    CLIENT_ID, Case, OBJECT_ID,
    Verdict::{self, Accepted},
    malformed, refused, with,
};

pub(super) fn cases() -> Vec<Case> {
    [names(), targets(), tenants(), kinds(), outputs(), signing(), durations(), rotations(), soaks(), bounds()].concat()
}

fn names() -> Vec<Case> {
    let long = refused("", "the name may have at most 200 characters");
    vec![
        named("a name of 200 characters is accepted", &"n".repeat(200), Accepted),
        named("a name of 201 characters is refused", &"n".repeat(201), long),
    ]
}

fn targets() -> Vec<Case> {
    let one = refused("spec.target", "name the application by clientID or the object by objectID");
    let which = refused("spec.target", "with objectID say which object it is: Application or ServicePrincipal");
    let fixed = refused("spec.target", "target cannot change: make another ServicePrincipalCredential");
    let target = |target: Value| json!({"target": target});
    let object_id = target(json!({"clientID": null, "objectID": OBJECT_ID}));
    let object = target(json!({"clientID": null, "objectID": OBJECT_ID, "object": "Application"}));
    let both = target(json!({"objectID": OBJECT_ID, "object": "Application"}));
    let more = target(json!({"object": "Application"}));
    vec![
        created("a target by clientID is accepted", json!({}), Accepted),
        created("a target by clientID may say which object it is", more.clone(), Accepted),
        created("a target by objectID that says which object it is is accepted", object, Accepted),
        created("a target by nothing is refused", target(json!({"clientID": null})), one),
        created("a target by both ids is refused", both, one),
        created("a target by objectID alone is refused", object_id, which),
        changed("another target is refused", json!({}), target(json!({"clientID": OBJECT_ID})), fixed),
        changed("a target that says only later which object it is is refused", json!({}), more, fixed),
    ]
}

fn tenants() -> Vec<Case> {
    let fixed = refused("spec.tenantRef", "tenantRef cannot change: make another ServicePrincipalCredential");
    let tenant = |name: &str| json!({"tenantRef": {"name": name}});
    vec![
        changed("another tenant is refused", json!({}), tenant("other"), fixed),
        changed("writing the default tenant out is accepted", json!({}), tenant("default"), Accepted),
        changed("leaving the default tenant out again is accepted", tenant("default"), json!({}), Accepted),
    ]
}

fn kinds() -> Vec<Case> {
    let one = refused("spec", "choose one of tokenSigningCertificate, clientCertificate ({} takes the defaults)");
    let fixed = refused("spec", "the kind of credential cannot change: make another ServicePrincipalCredential");
    vec![
        created("a client certificate with a larger key is accepted", key_of(4096), Accepted),
        created("a token signing certificate is accepted", signing_with(json!({})), Accepted),
        created("no kind of credential is refused", json!({"clientCertificate": null}), one),
        created("two kinds of credential are refused", json!({"tokenSigningCertificate": {}}), one),
        changed("another kind of credential is refused", json!({}), signing_with(json!({})), fixed),
        changed("a larger key is a change that is accepted", json!({}), key_of(4096), Accepted),
    ]
}

fn outputs() -> Vec<Case> {
    let staging = "names ending in -entra-a or -entra-b are kept for staging: choose another secretName";
    let staging = refused("spec.secretName", staging);
    let fixed = refused("spec.secretName", "where to publish cannot change: make another ServicePrincipalCredential");
    let output = |name: &str| json!({"secretName": name});
    vec![
        created("an output named like a staging Secret is refused", output("payroll-entra-a"), staging),
        created("an output named like the other staging Secret is refused", output("payroll-entra-b"), staging),
        created("an output that only resembles a staging Secret is accepted", output("a-entra-a-entra-c"), Accepted),
        created("an output with dots is accepted", output("payroll.api-1"), Accepted),
        changed("another output is refused", json!({}), output("other"), fixed),
    ]
}

fn signing() -> Vec<Case> {
    let subject = refused("spec.tokenSigningCertificate.displayName", "displayName must start with CN=, such as CN=payroll");
    let object = refused("spec", "a token signing certificate lives on the service principal: leave target.object out");
    let called = |name: &str| signing_with(json!({"displayName": name}));
    let on = |object: &str| with(signing_with(json!({})), json!({"target": {"object": object}}));
    let slower = signing_with(json!({"displayName": "CN=pay", "activation": {"soak": "1h", "metadata": "Require"}}));
    vec![
        created("a subject with CN= is accepted", called("CN=payroll"), Accepted),
        created("a subject without CN= is refused", called("payroll"), subject),
        created("a subject of nothing but CN= is refused", called("CN="), subject),
        created("a signing certificate on the service principal is accepted", on("ServicePrincipal"), Accepted),
        created("a signing certificate on the application is refused", on("Application"), object),
        changed("another subject and soak are changes that are accepted", called("CN=payroll"), slower, Accepted),
    ]
}

/// Every form of a duration at one field, and one wrong form at each of the others.
fn durations() -> Vec<Case> {
    let malformed = |path| refused(path, "write hours, minutes and seconds, at most 26280h (three years): 720h is 30 days");
    let at_validity = malformed("spec.rotation.validity");
    let valid = |text: &str| json!({"rotation": {"validity": text}});
    let renewed = json!({"rotation": {"renewBefore": "1w"}});
    let overlapping = json!({"rotation": {"overlap": "1h "}});
    let soaking = signing_with(json!({"activation": {"soak": "soon"}}));
    vec![
        created("three parts in any order are accepted", valid("5s2m1h"), Accepted),
        created("three years are accepted", valid("26280h"), Accepted),
        created("more than three years are refused", valid("26281h"), at_validity),
        created("four parts are refused", valid("1h1m1s1s"), at_validity),
        created("days are refused", valid("30d"), at_validity),
        created("a fraction is refused", valid("1.5h"), at_validity),
        created("a negative duration is refused", valid("-1h"), at_validity),
        created("an empty duration is refused", valid(""), at_validity),
        created("a renewBefore of another form is refused", renewed, malformed("spec.rotation.renewBefore")),
        created("an overlap of another form is refused", overlapping, malformed("spec.rotation.overlap")),
        created("a soak of another form is refused", soaking, malformed("spec.tokenSigningCertificate.activation.soak")),
    ]
}

fn rotations() -> Vec<Case> {
    let short = refused("spec.rotation.validity", "validity must be at least 1m");
    let late = refused("spec.rotation.renewBefore", "renewBefore must be shorter than validity");
    let long = "overlap must fit in renewBefore, or the old credential expires within its overlap";
    let long = refused("spec.rotation.overlap", long);
    let rotation = |validity: &str, renew_before: &str, overlap: &str| json!({"rotation": {"validity": validity, "renewBefore": renew_before, "overlap": overlap}});
    let since = json!({"rotation": {"notIssuedBefore": "2026-11-20T08:30:00Z"}});
    vec![
        created("durations that fit into each other are accepted", rotation("2160h", "720h", "720h"), Accepted),
        created("a validity of one minute is accepted", json!({"rotation": {"validity": "60s"}}), Accepted),
        created("a validity below one minute is refused", json!({"rotation": {"validity": "59s"}}), short),
        created("a renewBefore as long as validity is refused", rotation("1h", "60m", "1m"), late),
        created("an overlap longer than renewBefore is refused", rotation("2160h", "720h", "721h"), long),
        created("an empty rotation is accepted", json!({"rotation": {}}), Accepted),
        created("a time before which nothing counts is accepted", since, Accepted),
        changed("suspending is a change that is accepted", json!({}), json!({"suspend": true}), Accepted),
    ]
}

fn soaks() -> Vec<Case> {
    let long = refused("spec", "soak and overlap together must be shorter than renewBefore");
    let soak = |soak: &str, rotation: Value| with(signing_with(json!({"activation": {"soak": soak}})), json!({"rotation": rotation}));
    let both = json!({"renewBefore": "240h", "overlap": "168h"});
    vec![
        created("a soak and an overlap that fit are accepted", soak("71h", both.clone()), Accepted),
        created("a soak and an overlap that fill renewBefore are refused", soak("72h", both), long),
        created("a soak alone that fills renewBefore is refused", soak("24h", json!({"renewBefore": "1440m"})), long),
        created("a soak without a renewBefore is accepted", soak("26280h", json!({"overlap": "1h"})), Accepted),
    ]
}

/// What the schema refuses without a rule.
fn bounds() -> Vec<Case> {
    let no_uuid = json!({"target": {"clientID": "payroll"}});
    let since = |time: &str| json!({"rotation": {"notIssuedBefore": time}});
    let time = malformed("spec.rotation.notIssuedBefore", "should match");
    let long = json!({"rotation": {"validity": "0".repeat(19)}});
    let size = malformed("spec.clientCertificate.privateKey.size", "Unsupported value");
    let metadata = malformed("spec.tokenSigningCertificate.activation.metadata", "Unsupported value");
    let subject = malformed("spec.tokenSigningCertificate.displayName", "Too long");
    let never = signing_with(json!({"activation": {"metadata": "Never"}}));
    let wordy = signing_with(json!({"displayName": format!("CN={}", "a".repeat(46))}));
    vec![
        created("an id that is no UUID is refused", no_uuid, malformed("spec.target.clientID", "should match")),
        created("another object is refused", json!({"target": {"object": "User"}}), malformed("spec.target.object", "Unsupported value")),
        created("no target is refused", json!({"target": null}), malformed("spec.target", "Required value")),
        created("no output is refused", json!({"secretName": null}), malformed("spec.secretName", "Required value")),
        created("an output with capitals is refused", json!({"secretName": "Pay"}), malformed("spec.secretName", "should match")),
        created("an output of 246 characters is refused", json!({"secretName": "a".repeat(246)}), malformed("spec.secretName", "Too long")),
        created("a small key is refused", key_of(1024), size),
        created("a subject of 49 characters is refused", wordy, subject),
        created("another way with metadata is refused", never, metadata),
        created("a time without a zone is refused", since("2026-11-20T08:30:00"), time),
        created("a time that is a date to the API server only is refused", since("2026-11-20T08:30:00x5Z"), time),
        created("a time of an impossible zone is refused", since("2026-11-20T08:30:00+24:00"), time),
        created("a time with a fraction in the farthest zone is accepted", since("9999-12-31T23:59:59.123456789-23:59"), Accepted),
        created("a duration of 19 characters is refused", long, malformed("spec.rotation.validity", "Too long")),
    ]
}

fn key_of(bits: i32) -> Value {
    json!({"clientCertificate": {"privateKey": {"size": bits}}})
}

/// Makes a token signing certificate out of the client certificate.
fn signing_with(certificate: Value) -> Value {
    Value::from_iter([("clientCertificate", Value::Null), ("tokenSigningCertificate", certificate)])
}

fn created(name: &'static str, change: Value, verdict: Verdict) -> Case {
    Case { name, kind: "ServicePrincipalCredential", before: None, object: credential(change), verdict }
}

fn changed(name: &'static str, before: Value, after: Value, verdict: Verdict) -> Case {
    Case { before: Some(credential(before)), ..created(name, after, verdict) }
}

fn named(name: &'static str, metadata_name: &str, verdict: Verdict) -> Case {
    let object = with(credential(json!({})), json!({"metadata": {"name": metadata_name}}));
    Case { object, ..created(name, json!({}), verdict) }
}

/// A client certificate, with a change to its spec.
fn credential(change: Value) -> Value {
    let plain = json!({
        "apiVersion": "entra-rotator.io/v1alpha1",
        "kind": "ServicePrincipalCredential",
        "metadata": {"name": "payroll"},
        "spec": {"target": {"clientID": CLIENT_ID}, "clientCertificate": {}, "secretName": "payroll"},
    });
    with(plain, Value::from_iter([("spec", change)]))
}
