//! `EntraTenant`.

use serde_json::{Value, json};

use super::{
    CLIENT_ID, Case, OBJECT_ID,
    Verdict::{self, Accepted},
    malformed, refused, with,
};

pub(super) fn cases() -> Vec<Case> {
    [tenants(), clouds(), urls(), sign_ins(), validities(), grants(), selectors(), bounds()].concat()
}

fn tenants() -> Vec<Case> {
    let fixed = refused("spec.tenantID", "tenantID cannot change: make another EntraTenant");
    vec![
        created("a tenant with a way to sign in is accepted", json!({}), Accepted),
        changed("another tenant is refused", json!({}), json!({"tenantID": CLIENT_ID}), fixed),
        changed("another lifetime is a change that is accepted", json!({}), json!({"minimumValidity": "1h"}), Accepted),
    ]
}

fn clouds() -> Vec<Case> {
    let custom = refused("spec", "endpoints go with cloud: Custom, and only with it");
    let cloud_fixed = refused("spec.cloud", "cloud cannot change: make another EntraTenant");
    let fixed = refused("spec", "endpoints cannot change: make another EntraTenant");
    let login = at("https://login.other.example", "https://graph.example");
    let graph = at("https://login.example", "https://graph.other.example");
    let own = at("https://login.example", "https://graph.example");
    let trusting = with(own.clone(), json!({"endpoints": {"caBundle": "LS0tLS0K"}}));
    vec![
        created("a cloud of its own name is accepted", json!({"cloud": "USGovernmentL5"}), Accepted),
        created("endpoints of a Custom cloud are accepted", own.clone(), Accepted),
        created("a Custom cloud without endpoints is refused", json!({"cloud": "Custom"}), custom),
        created("endpoints of another cloud are refused", with(own.clone(), json!({"cloud": "Global"})), custom),
        changed("another cloud is refused", json!({}), json!({"cloud": "China"}), cloud_fixed),
        changed("writing the default cloud out is accepted", json!({}), json!({"cloud": "Global"}), Accepted),
        changed("another login service is refused", own.clone(), login, fixed),
        changed("another Graph is refused", own.clone(), graph, fixed),
        changed("another CA bundle is accepted", own, trusting, Accepted),
    ]
}

fn urls() -> Vec<Case> {
    let https = "give an https URL without user or query, such as https://login.example";
    let login = |name, url| created(name, at(url, "https://graph.example"), refused("spec.endpoints.login", https));
    let port = at("https://login.example:8443/tenant/", "https://127.0.0.1");
    let graph = at("https://login.example", "http://graph.example");
    vec![
        created("URLs with a port and a path are accepted", port, Accepted),
        login("a login service without TLS is refused", "http://login.example"),
        login("a login service with a user is refused", "https://user@login.example"),
        login("a login service with a query is refused", "https://login.example/?to=elsewhere"),
        login("a login service that is no URL is refused", "login.example"),
        created("a Graph without TLS is refused", graph, refused("spec.endpoints.graph", https)),
    ]
}

fn sign_ins() -> Vec<Case> {
    let one = refused("spec.signIn", "choose one of workloadIdentity, managedIdentity, clientCertificate, clientSecret");
    let certificate = json!({"clientID": CLIENT_ID, "secretRef": {"name": "operator"}});
    let by_certificate = json!({"signIn": {"clientSecret": null, "clientCertificate": certificate}});
    let by_workload = json!({"signIn": {"clientSecret": null, "workloadIdentity": {}}});
    let by_named_workload = json!({"signIn": {"clientSecret": null, "workloadIdentity": {"clientID": CLIENT_ID}}});
    let by_node = json!({"signIn": {"clientSecret": null, "managedIdentity": {"clientID": CLIENT_ID}}});
    let by_both_identities = json!({"signIn": {"clientSecret": null, "workloadIdentity": {}, "managedIdentity": {}}});
    vec![
        created("signing in by workload identity is accepted", by_workload.clone(), Accepted),
        created("signing in by workload identity of a client is accepted", by_named_workload, Accepted),
        created("signing in by managed identity is accepted", by_node, Accepted),
        created("signing in by two identities is refused", by_both_identities, one),
        created("a secret beside workload identity is refused", json!({"signIn": {"workloadIdentity": {}}}), one),
        changed("workload identity instead of a secret is a change that is accepted", json!({}), by_workload, Accepted),
        created("signing in by a certificate is accepted", by_certificate.clone(), Accepted),
        created("two ways to sign in are refused", json!({"signIn": {"clientCertificate": certificate}}), one),
        created("no way to sign in is refused", json!({"signIn": {"clientSecret": null}}), one),
        changed("another way to sign in is a change that is accepted", json!({}), by_certificate, Accepted),
    ]
}

fn validities() -> Vec<Case> {
    let form = "write hours, minutes and seconds, at most 26280h (three years): 720h is 30 days";
    let form = refused("spec.minimumValidity", form);
    vec![
        created("a minimum of one minute is accepted", json!({"minimumValidity": "1m"}), Accepted),
        created("a minimum of another form is refused", json!({"minimumValidity": "1 day"}), form),
        created("a minimum above three years is refused", json!({"minimumValidity": "99999h"}), form),
    ]
}

fn grants() -> Vec<Case> {
    let what = refused("spec.grants[0]", "say what: clientIDs, objectIDs, or both");
    let who = refused("spec.grants[0]", "say who: namespaces, namespaceSelector, or both (either suffices)");
    let by_client = grant(json!({"clientIDs": [CLIENT_ID]}));
    let by_object = grant(json!({"objectIDs": [OBJECT_ID]}));
    let by_both = grant(json!({"clientIDs": [CLIENT_ID], "objectIDs": [OBJECT_ID]}));
    let to_nobody = grant(json!({"clientIDs": [CLIENT_ID], "namespaces": null}));
    let adopting = |word: &str| grant(json!({"clientIDs": [CLIENT_ID], "allowAdoption": word}));
    let every_kind =
        grant(json!({"clientIDs": [CLIENT_ID], "credentials": ["TokenSigningCertificate", "ClientCertificate", "ClientSecret"]}));
    let word = malformed("spec.grants[0].allowAdoption", "Unsupported value");
    vec![
        created("a grant by clientIDs is accepted", granting(&[&by_client]), Accepted),
        created("a grant by objectIDs is accepted", granting(&[&by_object]), Accepted),
        created("a grant by both is accepted", granting(&[&by_both]), Accepted),
        created("a grant of every kind is accepted", granting(&[&every_kind]), Accepted),
        created("a grant of nothing is refused", granting(&[&grant(json!({}))]), what),
        created("a grant to nobody is refused", granting(&[&to_nobody]), who),
        created("a grant that allows adoption is accepted", granting(&[&adopting("Always")]), Accepted),
        created("a grant that does not allow adoption is accepted", granting(&[&adopting("Never")]), Accepted),
        created("a grant that allows adoption in other words is refused", granting(&[&adopting("Sometimes")]), word),
        changed("a grant is a change that is accepted", json!({}), granting(&[&by_client]), Accepted),
        changed("taking a grant away is accepted", granting(&[&by_client]), json!({}), Accepted),
    ]
}

fn selectors() -> Vec<Case> {
    let values =
        refused("spec.grants[0].namespaceSelector.matchExpressions[0]", "In and NotIn need values; Exists and DoesNotExist take none");
    let selecting =
        |selector: Value| granting(&[&grant(json!({"clientIDs": [CLIENT_ID], "namespaces": null, "namespaceSelector": selector}))]);
    let requiring = |requirement: Value| selecting(json!({"matchExpressions": [requirement]}));
    let labels = json!({"matchLabels": {"team": "payroll"}});
    let both = granting(&[&grant(json!({"clientIDs": [CLIENT_ID], "namespaceSelector": labels}))]);
    let (empty, at) = (malformed("spec.grants[0].namespaceSelector", "at least 1"), "spec.grants[0].namespaceSelector.matchLabels");
    let many: Value = (0..17).map(|number| (format!("key-{number}"), json!("value"))).collect();
    let operator = malformed("spec.grants[0].namespaceSelector.matchExpressions[0].operator", "Unsupported value");
    vec![
        created("a grant by labels is accepted", selecting(labels), Accepted),
        created("a grant by names and labels is accepted", both, Accepted),
        created(
            "a grant by one of several values is accepted",
            requiring(json!({"key": "team", "operator": "In", "values": ["crm"]})),
            Accepted,
        ),
        created("a grant by the absence of a label is accepted", requiring(json!({"key": "team", "operator": "DoesNotExist"})), Accepted),
        created("a grant by no values is refused", requiring(json!({"key": "team", "operator": "In"})), values),
        created(
            "a grant by an empty list of values is refused",
            requiring(json!({"key": "team", "operator": "NotIn", "values": []})),
            values,
        ),
        created("values that mean nothing are refused", requiring(json!({"key": "team", "operator": "Exists", "values": ["crm"]})), values),
        created(
            "a grant by an unknown operator is refused",
            requiring(json!({"key": "team", "operator": "Gt", "values": ["1"]})),
            operator,
        ),
        created("a grant to whoever there is is refused", selecting(json!({})), empty),
        created("a grant by no labels is refused", selecting(json!({"matchLabels": {}})), malformed(at, "at least 1")),
        created("a grant by too many labels is refused", selecting(json!({"matchLabels": many})), malformed(at, "at most 16")),
    ]
}

/// What the schema refuses without a rule.
fn bounds() -> Vec<Case> {
    let good = grant(json!({"clientIDs": [CLIENT_ID]}));
    let change = |change: Value| granting(&[&with(good.clone(), change)]);
    let twice = change(json!({"clientIDs": [CLIENT_ID, CLIENT_ID]}));
    let password = change(json!({"credentials": ["Password"]}));
    let keyless = json!({"signIn": {"clientSecret": {"secretRef": {"name": null}}}});
    let trusting = |ca: &str| with(at("https://l.example", "https://g.example"), json!({"endpoints": {"caBundle": ca}}));
    let ca = malformed("spec.endpoints.caBundle", "should match");
    let id = malformed("spec.tenantID", "should match");
    vec![
        created("a tenant by domain name is refused", json!({"tenantID": "contoso.example"}), id),
        created("an unknown cloud is refused", json!({"cloud": "Germany"}), malformed("spec.cloud", "Unsupported value")),
        created("no way to sign in at all is refused", json!({"signIn": null}), malformed("spec.signIn", "Required value")),
        created("a Secret without a name is refused", keyless, malformed("spec.signIn.clientSecret.secretRef.name", "Required value")),
        created("a CA bundle that is no base64 is refused", trusting("-----BEGIN"), ca),
        created("a CA bundle whose last bits are superfluous is refused", trusting("LS1="), ca),
        created("a CA bundle that ends within three bytes is accepted", trusting("LS0="), Accepted),
        created(
            "a grant to an empty list is refused",
            change(json!({"namespaces": []})),
            malformed("spec.grants[0].namespaces", "at least 1"),
        ),
        created("a grant of one application twice is refused", twice, malformed("spec.grants[0].clientIDs[1]", "Duplicate value")),
        created("a grant of an unknown kind is refused", password, malformed("spec.grants[0].credentials[0]", "Unsupported value")),
        created("two grants of one name are refused", granting(&[&good, &good]), malformed("spec.grants[1]", "Duplicate value")),
    ]
}

pub(in crate::crds) fn at(login: &str, graph: &str) -> Value {
    json!({"cloud": "Custom", "endpoints": {"login": login, "graph": graph}})
}

pub(in crate::crds) fn granting(grants: &[&Value]) -> Value {
    json!({"grants": grants})
}

pub(in crate::crds) fn grant(what: Value) -> Value {
    with(json!({"name": "payroll", "namespaces": ["payroll"], "credentials": ["ClientCertificate"]}), what)
}

fn created(name: &'static str, change: Value, verdict: Verdict) -> Case {
    Case { name: name.to_owned(), kind: "EntraTenant", before: None, object: tenant(change), verdict }
}

fn changed(name: &'static str, before: Value, after: Value, verdict: Verdict) -> Case {
    Case { before: Some(tenant(before)), ..created(name, after, verdict) }
}

/// A tenant in which the operator signs in with a client secret, with a change to its spec.
pub(in crate::crds) fn tenant(change: Value) -> Value {
    let plain = json!({
        "apiVersion": "entra-rotator.io/v1alpha1",
        "kind": "EntraTenant",
        "metadata": {"name": "crds-cases"},
        "spec": {
            "tenantID": "99999999-8888-7777-6666-555555555555",
            "signIn": {"clientSecret": {"clientID": CLIENT_ID, "secretRef": {"name": "operator"}}},
        },
    });
    with(plain, Value::from_iter([("spec", change)]))
}
