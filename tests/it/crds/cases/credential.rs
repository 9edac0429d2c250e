//! `ServicePrincipalCredential`.

use serde_json::{Value, json};

use super::{
    CLIENT_ID, Case, OBJECT_ID,
    Verdict::{self, Accepted},
    and, malformed, refused, with,
};

pub(super) fn cases() -> Vec<Case> {
    let what = [names(), targets(), tenants(), kinds(), outputs(), signing(), signers()].concat();
    [what, durations(), rotations(), soaks(), windows(), templates(), forms()].concat()
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
    let one = refused("spec", "choose one of tokenSigningCertificate, clientCertificate, clientSecret ({} takes the defaults)");
    let fixed = refused("spec", "the kind of credential cannot change: make another ServicePrincipalCredential");
    let two = |other: &str| json!({other: {}});
    let to_secret = changed("a secret instead of a certificate is refused", json!({}), secret_with(json!({})), fixed);
    vec![
        created("a client certificate with a larger key is accepted", key_of(4096), Accepted),
        created("a token signing certificate is accepted", signing_with(json!({})), Accepted),
        created("a client secret is accepted", secret_with(json!({})), Accepted),
        created("no kind of credential is refused", json!({"clientCertificate": null}), one),
        created("a certificate to sign in and one to sign tokens are refused", two("tokenSigningCertificate"), one),
        created("a certificate and a secret are refused", two("clientSecret"), one),
        created("all three kinds are refused", with(two("clientSecret"), two("tokenSigningCertificate")), one),
        changed("another kind of certificate is refused", json!({}), signing_with(json!({})), fixed),
        to_secret,
        changed("a certificate instead of a secret is refused", secret_with(json!({})), json!({}), fixed),
        changed("a larger key is a change that is accepted", json!({}), key_of(4096), Accepted),
        changed(
            "suspending a secret is a change that is accepted",
            secret_with(json!({})),
            secret_with(json!({"suspend": true})),
            Accepted,
        ),
    ]
}

fn outputs() -> Vec<Case> {
    let staging = refused("spec", "names ending in -entra-a or -entra-b are kept for staging: choose another secretName");
    let fixed = refused("spec", "where to publish cannot change: make another ServicePrincipalCredential");
    let one = refused("spec", "choose where to publish: secretName or configMapName");
    let public = refused("spec", "only a token signing certificate, being public, may go into a ConfigMap: use secretName");
    let output = |name: &str| json!({"secretName": name});
    let map = |name: &str| json!({"secretName": null, "configMapName": name});
    let public_map = |name: &str| and(signing_with(json!({})), map(name));
    let secret_map = secret_with(map("payroll"));
    vec![
        created("an output named like a staging Secret is refused", output("payroll-entra-a"), staging),
        created("an output named like the other staging Secret is refused", output("payroll-entra-b"), staging),
        created("an output that only resembles a staging Secret is accepted", output("a-entra-a-entra-c"), Accepted),
        created("a ConfigMap is never staged and may be named so", public_map("payroll-entra-a"), Accepted),
        created("an output with dots is accepted", output("payroll.api-1"), Accepted),
        created("no output is refused", output_of(&Value::Null), one),
        created("a Secret and a ConfigMap are refused", with(signing_with(json!({})), json!({"configMapName": "payroll"})), one),
        created("a signing certificate in a ConfigMap is accepted", public_map("payroll"), Accepted),
        created("a client certificate in a ConfigMap is refused", map("payroll"), public),
        created("a client secret in a ConfigMap is refused", secret_map, public),
        changed("another output is refused", json!({}), output("other"), fixed),
        changed("another ConfigMap is refused", public_map("payroll"), public_map("other"), fixed),
        changed("a ConfigMap instead of a Secret is refused", signing_with(json!({})), public_map("payroll"), fixed),
        changed("a Secret instead of a ConfigMap is refused", public_map("payroll"), signing_with(json!({})), fixed),
        changed("the same ConfigMap is accepted", public_map("payroll"), and(public_map("payroll"), json!({"suspend": true})), Accepted),
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

/// Who makes a key, who proves it, and as whom.
fn signers() -> Vec<Case> {
    let proof = refused("spec", "proofFrom goes with keySource: Operator; Entra needs no proof for a key that it makes");
    let on_application = refused("spec", "signInAs: Self works on the application object only");
    let own = json!({"keySource": "Operator", "proofFrom": {"name": "payroll-api"}});
    let proven = signing_with(json!({"proofFrom": {"name": "payroll-api"}}));
    let own_off = signing_with(json!({"keySource": "Entra"}));
    let itself = |target: Value| json!({"clientCertificate": {"signInAs": "Self"}, "target": target});
    let by_operator = json!({"clientCertificate": {"signInAs": "Operator"}, "target": {"object": "ServicePrincipal"}});
    vec![
        created("a key of the operator with a proof is accepted", signing_with(own.clone()), Accepted),
        created("a key of the operator without a proof is accepted", signing_with(json!({"keySource": "Operator"})), Accepted),
        created("a proof for a key of Entra is refused", proven.clone(), proof),
        created("a proof for a key that Entra is said to make is refused", and(proven, own_off.clone()), proof),
        changed("another maker of keys is a change that is accepted", own_off, signing_with(own), Accepted),
        created("an application that rolls itself is accepted", itself(json!({})), Accepted),
        created("an application that rolls itself and says so is accepted", itself(json!({"object": "Application"})), Accepted),
        created("a service principal that rolls itself is refused", itself(json!({"object": "ServicePrincipal"})), on_application),
        created("a service principal that the operator rolls is accepted", by_operator, Accepted),
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
    let nothing = "renewBefore must be longer than zero, or there is no time for a successor";
    let nothing = refused("spec.rotation.renewBefore", nothing);
    let late = refused("spec.rotation.renewBefore", "renewBefore must be shorter than validity");
    let long = "overlap must fit in renewBefore, or the old credential expires within its overlap";
    let long = refused("spec.rotation.overlap", long);
    let rotation = |validity: &str, renew_before: &str, overlap: &str| json!({"rotation": {"validity": validity, "renewBefore": renew_before, "overlap": overlap}});
    let since = json!({"rotation": {"notIssuedBefore": "2026-11-20T08:30:00Z"}});
    vec![
        created("durations that fit into each other are accepted", rotation("2160h", "720h", "720h"), Accepted),
        created("a validity of one minute is accepted", json!({"rotation": {"validity": "60s"}}), Accepted),
        created("a validity below one minute is refused", json!({"rotation": {"validity": "59s"}}), short),
        created("a renewBefore of nothing is refused", json!({"rotation": {"renewBefore": "0h0m0s"}}), nothing),
        created("a renewBefore of a second is accepted", json!({"rotation": {"renewBefore": "1s"}}), Accepted),
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

fn windows() -> Vec<Case> {
    let form = "write hours, minutes and seconds, at most 26280h (three years): 720h is 30 days";
    let form = refused("spec.rotation.windows[0].duration", form);
    let short = refused("spec.rotation.windows[0].duration", "a window must be open for at least 15m");
    let lasting = |duration: &str| json!({"rotation": {"windows": [{"schedule": "0 2 * * 6", "duration": duration}]}});
    vec![
        created("a window of a quarter of an hour is accepted", lasting("15m"), Accepted),
        created("a window below a quarter of an hour is refused", lasting("899s"), short),
        created("a window of another form is refused for its form alone", lasting("2 hours"), form),
        changed("no windows any more is a change that is accepted", lasting("4h"), json!({}), Accepted),
    ]
}

fn templates() -> Vec<Case> {
    let mut cases = secrets_of_secrets();
    for field in ["labels", "annotations"] {
        cases.extend(template_keys(field));
    }
    cases
}

/// Which keys a label or an annotation of the output may have.
fn template_keys(field: &'static str) -> Vec<Case> {
    let path = if field == "labels" { "spec.template.labels" } else { "spec.template.annotations" };
    let long = refused(path, "a key may have at most 317 characters");
    let reserved =
        "keys of Argo CD, Flux, Helm, Kubernetes and this operator would let another tool prune or take over the output: leave them out";
    let reserved = refused(path, reserved);
    let of = |key: &str| json!({"template": {field: {key: "x"}}});
    let prefixed = |length: usize| format!("{}/{}", "p".repeat(253), "k".repeat(length - 254));
    let mut cases = vec![
        created(format!("{field} with a key of 317 characters are accepted"), of(&prefixed(317)), Accepted),
        created(format!("{field} with a key of 318 characters are refused"), of(&prefixed(318)), long),
    ];
    let taken = [
        "argocd.argoproj.io/instance",
        "argoproj.io/x",
        "kustomize.toolkit.fluxcd.io/name",
        "fluxcd.io/sync",
        "helm.sh/chart",
        "meta.helm.sh/release-name",
        "entra-rotator.io/output",
        "kubernetes.io/x",
        "kubectl.kubernetes.io/last-applied-configuration",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/managed-by",
    ];
    cases.extend(taken.map(|key| created(format!("{field} with {key} are refused"), of(key), reserved)));
    let free = [
        "app.kubernetes.io/name",
        "app.kubernetes.io/part-of",
        "reloader.stakater.com/match",
        "team",
        "example.com/entra-rotator.io",
        "replicator.v1.mittwald.de/replicate-to",
    ];
    cases.extend(free.map(|key| created(format!("{field} with {key} are accepted"), of(key), Accepted)));
    cases.extend(key_forms(field, path));
    cases
}

/// What Kubernetes would not take for a key of a label or an annotation.
fn key_forms(field: &'static str, path: &'static str) -> Vec<Case> {
    let form = "write keys as Kubernetes takes them: at most 63 letters, digits, dashes, underscores and dots, after a prefix such as example.com/ or without one";
    let of = |key: String| json!({"template": {field: {key: "x"}}});
    let (long, far) = ("k".repeat(64), format!("{}/k", "p".repeat(254)));
    let wrong = ["", "my team", "team-", "_team", "/team", "example.com/", "Example.com/team", "a/b/c", "a..b/c", &long, &far];
    let right = ["T", "my_Team.1-x", "a.b/c", "1/2"];
    let refused = wrong.map(|key| created(format!("{field} with the key {key:?} are refused"), of(key.to_owned()), refused(path, form)));
    let accepted = right.map(|key| created(format!("{field} with the key {key:?} are accepted"), of(key.to_owned()), Accepted));
    refused.into_iter().chain(accepted).collect()
}

fn secrets_of_secrets() -> Vec<Case> {
    let only = refused("spec", "only a clientSecret has a ClientSecret to publish");
    let keys = |from: &str| json!({"template": {"keys": [{"name": "further", "from": from}]}});
    vec![
        created("a further key with the secret is accepted", secret_with(keys("ClientSecret")), Accepted),
        created("a further key with the secret of a certificate is refused", keys("ClientSecret"), only),
        created("a further key with the certificate is accepted", keys("Certificate"), Accepted),
    ]
}

/// What the patterns say beyond the one neighbour that `bounds` tries.
fn forms() -> Vec<Case> {
    let since = |time: &str| json!({"rotation": {"notIssuedBefore": time}});
    let time = malformed("spec.rotation.notIssuedBefore", "should match");
    let name = malformed("spec.secretName", "should match");
    let schedule = |text: &str| json!({"rotation": {"windows": [{"schedule": text, "duration": "1h"}]}});
    let fields = malformed("spec.rotation.windows[0].schedule", "should match");
    vec![
        created("an output with a dash at its end is refused", output_of(&json!("pay-")), name),
        created("an output with two dots is refused", output_of(&json!("pay..roll")), name),
        created("a time without a zone is refused", since("2026-11-20T08:30:00"), time),
        created("a time that is a date to the API server only is refused", since("2026-11-20T08:30:00x5Z"), time),
        created("a time of an impossible zone is refused", since("2026-11-20T08:30:00+24:00"), time),
        created("a time with a fraction in the farthest zone is accepted", since("9999-12-31T23:59:59.123456789-23:59"), Accepted),
        created("a schedule of four fields is refused", schedule("0 2 * 12,1"), fields),
        created("a schedule of six fields is refused", schedule("0 0 2 * * 6"), fields),
    ]
    .into_iter()
    .chain(template_forms())
    .collect()
}

fn template_forms() -> Vec<Case> {
    let label = |value: &str| json!({"template": {"labels": {"team": value}}});
    let value = malformed("spec.template.labels.team", "should match");
    let key = |name: &str| json!({"template": {"keys": [{"name": name, "from": "ClientID"}]}});
    let name = malformed("spec.template.keys[0].name", "should match");
    vec![
        created("a label without a value is accepted", label(""), Accepted),
        created("a label of one letter is accepted", label("A"), Accepted),
        created("a label with a blank is refused", label("pay roll"), value),
        created("a label with a dash at its end is refused", label("pay-"), value),
        created("a hidden key is accepted", key(".token"), Accepted),
        created("a key that is a dot is refused", key("."), name),
        created("a key that is two dots is refused", key(".."), name),
        created("a key that begins with two dots is refused", key("..data"), name),
    ]
}

fn output_of(name: &Value) -> Value {
    json!({"secretName": name})
}

fn key_of(bits: i32) -> Value {
    json!({"clientCertificate": {"privateKey": {"size": bits}}})
}

/// Makes a token signing certificate out of the client certificate.
pub(in crate::crds) fn signing_with(certificate: Value) -> Value {
    Value::from_iter([("clientCertificate", Value::Null), ("tokenSigningCertificate", certificate)])
}

/// Makes a client secret out of the client certificate.
pub(in crate::crds) fn secret_with(change: Value) -> Value {
    and(json!({"clientCertificate": null, "clientSecret": {}}), change)
}

fn created(name: impl Into<String>, change: Value, verdict: Verdict) -> Case {
    Case { name: name.into(), kind: "ServicePrincipalCredential", before: None, object: credential(change), verdict }
}

fn changed(name: &'static str, before: Value, after: Value, verdict: Verdict) -> Case {
    Case { before: Some(credential(before)), ..created(name, after, verdict) }
}

fn named(name: &'static str, metadata_name: &str, verdict: Verdict) -> Case {
    let object = with(credential(json!({})), json!({"metadata": {"name": metadata_name}}));
    Case { object, ..created(name, json!({}), verdict) }
}

/// A client certificate, with a change to its spec.
pub(in crate::crds) fn credential(change: Value) -> Value {
    let plain = json!({
        "apiVersion": "entra-rotator.io/v1alpha1",
        "kind": "ServicePrincipalCredential",
        "metadata": {"name": "payroll"},
        "spec": {"target": {"clientID": CLIENT_ID}, "clientCertificate": {}, "secretName": "payroll"},
    });
    with(plain, Value::from_iter([("spec", change)]))
}
