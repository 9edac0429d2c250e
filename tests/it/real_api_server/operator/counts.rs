//! What a credential costs, counted by the API server itself and by Entra.

use std::io::Write as _;

use chrono::{DateTime, Utc};
use entra_emulator::{Call, Registered};
use rustix::process::Signal;
use serde_json::Value;

use super::{
    audit::{Requests, watching},
    scene::{Scene, assert_promises, client_certificate, client_secret, is_settled, token_signing},
    stage::Stage,
    witness::{Witness, condition},
};

/// What happens in a span of an undisturbed run, and the most that it may cost in requests to the API server and in writes to Graph.
struct Promise(&'static str, usize, usize);

/// Of each kind, what the first one may cost, and its replacement. A key of one's own costs another licence for the quiet time before its list update.
fn promises() -> [(&'static str, Value, [Promise; 2]); 4] {
    [
        ("certificate", client_certificate(), [Promise("new client certificate", 9, 1), Promise("client certificate rotation", 14, 2)]),
        ("secret", client_secret(), [Promise("new client secret", 9, 1), Promise("client secret rotation", 14, 2)]),
        ("signing", token_signing(), [Promise("new signing certificate", 10, 2), Promise("signing rollover", 17, 3)]),
        ("own-key", own_key(), [Promise("new signing certificate, own key", 11, 2), Promise("signing rollover, own key", 18, 3)]),
    ]
}

fn own_key() -> Value {
    let mut spec = token_signing();
    spec["tokenSigningCertificate"]["keySource"] = "Operator".into();
    spec
}

#[tokio::test]
async fn a_credential_costs_no_more_requests_than_promised() {
    let stage = Stage::alone().await;
    let started = Utc::now();
    let operator = stage.operator("entra-rotator-0").await;
    let scene = Scene::new(&stage, "counts").await;
    let targets = promises().map(|(name, ..)| scene.application(name));
    let mut tenant = scene.watch_tenant().await;
    scene.admit(&targets.each_ref()).await;
    tenant.until("a sign-in", |tenant| condition(tenant, "Ready").starts_with("True/")).await;
    watching(&stage, started).await;

    let (mut spans, mut names) = (Vec::new(), Vec::new());
    for ((name, spec, promises), target) in promises().into_iter().zip(&targets) {
        let name = format!("counts-{name}");
        let begins = issue_and_rotate(&scene, &name, target, spec).await;
        spans.extend(promises.into_iter().zip(begins));
        names.push(name);
    }
    scene.leave(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    // Whatever it still meant to ask has been asked once it has ended.
    operator.send(Signal::TERM);
    assert_eq!(operator.exit_code().await, Some(0));

    // Each span ends where the next one begins.
    let ends: Vec<_> = spans.iter().skip(1).map(|(_, begin)| *begin).chain([Utc::now()]).collect();
    let rows = spans.into_iter().zip(ends).map(|((promise, begin), end)| Row::count(&scene, promise, (begin, end)));
    let rows: Vec<_> = rows.collect();
    print(&rows);
    assert_promises(&scene, &[]);
    let broken: Vec<_> =
        rows.iter().filter(|row| !row.is_kept()).map(|row| format!("{}:\n{}", row.promise.0, row.requests.list())).collect();
    assert!(broken.is_empty(), "promises that were not kept:\n{}", broken.join("\n"));
}

/// When the issue began, and when the rotation did.
async fn issue_and_rotate(scene: &Scene<'_>, name: &str, target: &Registered, spec: Value) -> [DateTime<Utc>; 2] {
    let begun = Utc::now();
    let mut resource: Witness = scene.declare(name, target, spec).await;
    let issued = resource.until("its first credential", is_settled).await;
    let issue_over = Utc::now();
    scene.renew(name, &issued).await;
    resource.until("the rotation", |state| !is_settled(state)).await;
    resource.until("the end of the rotation", is_settled).await;
    [begun, issue_over]
}

/// What a span did cost.
struct Row {
    promise: Promise,
    requests: Requests,
    writes: usize,
    seconds: f64,
}

impl Row {
    fn count(scene: &Scene<'_>, promise: Promise, (since, until): (DateTime<Utc>, DateTime<Utc>)) -> Self {
        let is_within = |call: &Call| call.operation.is_write() && since <= call.at && call.at < until;
        let writes = scene.entra().emulator().calls().into_iter().filter(is_within).count();
        let seconds = (until - since).as_seconds_f64();
        Self { promise, requests: Requests::between(scene.stage, since, until), writes, seconds }
    }

    fn total(&self) -> usize {
        self.requests.by_purpose().values().sum()
    }

    fn is_kept(&self) -> bool {
        let Promise(_, requests, writes) = self.promise;
        self.total() <= requests && self.writes <= writes
    }
}

/// Past the capture of the test's output: the figures are of interest when all is well.
fn print(rows: &[Row]) {
    let mut table =
        format!("\n{:34} {:>8} {:>6} {:>7}  made of (beside: events, watches, renewals, the tenant)\n", "", "requests", "Graph", "seconds");
    for row in rows {
        let Promise(what, requests, writes) = row.promise;
        let (requests, writes) = (format!("{}≤{requests}", row.total()), format!("{}≤{writes}", row.writes));
        let parts: Vec<_> = row.requests.by_purpose().iter().map(|(purpose, count)| format!("{count} {purpose}")).collect();
        let (parts, beside) = (parts.join(", "), row.requests.beside());
        table += &format!("{what:34} {requests:>8} {writes:>6} {:>7.1}  {parts} (beside: {beside})\n", row.seconds);
    }
    std::io::stderr().write_all(table.as_bytes()).unwrap();
}
