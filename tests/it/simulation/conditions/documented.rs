//! `docs/states`: the status of a resource in each state, as it really looked.

use std::fs;
use std::path::PathBuf;

use chrono::TimeDelta;
use entra_emulator::{Effect, Fault, Match, Operation};
use serde_json::{Value, json};

use super::course::Course;

/// Set, the pages are written; else they are compared.
const UPDATE: &str = "UPDATE_DOCS";

fn show(page: &str, title: &str, about: &str, state: &Value) {
    let shown =
        json!({"metadata": {"name": state["metadata"]["name"], "generation": state["metadata"]["generation"]}, "status": state["status"]});
    let yaml = serde_saphyr::to_string(&shown).unwrap();
    let text = format!("# {title}\n\n{about}\n\n```yaml\n{}\n```\n", yaml.trim_end());
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/states").join(format!("{page}.md"));
    if std::env::var_os(UPDATE).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        return fs::write(path, text).unwrap();
    }
    let present = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        present == text,
        "docs/states/{page}.md is not what the status says: run the test with {UPDATE}=1, and read the difference\n{text}"
    );
}

fn hours(h: i64) -> TimeDelta {
    TimeDelta::hours(h)
}

#[tokio::test(start_paused = true)]
async fn a_client_secret_at_rest() {
    let course = Course::of(json!({"clientSecret": {}})).await;
    course.settle().await;
    show("at-rest", "At rest", "A client secret with the defaults, two hours after it was declared.", &course.world.resource());
}

#[tokio::test(start_paused = true)]
async fn a_client_certificate_in_its_overlap() {
    let course = Course::of(json!({"clientCertificate": {}})).await;
    course.settle().await;
    course.run(hours(24 * 156)).await;
    let about = "A client certificate with the defaults whose successor was published days ago; the one before is still accepted.";
    show("overlapping", "Overlapping", about, &course.world.resource());
}

#[tokio::test(start_paused = true)]
async fn a_signing_certificate_that_waits_for_approval() {
    let spec = json!({"tokenSigningCertificate": {"activation": {"approval": "Required"}}, "rotation": {"validity": "2160h"}});
    let course = Course::of(spec).await;
    course.settle().await;
    course.run(hours(24 * 72)).await;
    let about =
        "A signing certificate with `approval: Required`. To approve it: `kubectl annotate spcred payroll entra-rotator.io/approve=<id>`.";
    show("awaiting-approval", "Awaiting approval", about, &course.world.resource());
}

#[tokio::test(start_paused = true)]
async fn a_first_issue_that_nobody_granted() {
    let course = Course::of(json!({"clientSecret": {}})).await;
    course.edit_tenant(json!({"spec": {"grants": []}})).await;
    course.run(hours(1)).await;
    show("stalled", "Stalled", "No grant covers the resource; nothing was asked of Entra.", &course.world.resource());
}

#[tokio::test(start_paused = true)]
async fn a_rotation_at_risk() {
    let course = Course::of(json!({"clientSecret": {}, "rotation": {"validity": "720h"}})).await;
    course.settle().await;
    course.world.entra.inject(Fault::always(Match::writes(), Effect::failing(403)));
    course.run(hours(24 * 24)).await;
    let about = "Somebody took the operator's rights on the application away. The published secret still works.";
    show("at-risk", "At risk", about, &course.world.resource());
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_is_suspended() {
    let course = Course::of(json!({"clientCertificate": {}})).await;
    course.settle().await;
    course.world.edit(json!({"spec": {"suspend": true}})).await;
    course.run(hours(24 * 153)).await;
    show("suspended", "Suspended", "`suspend: true` stands in the spec although a rotation is due.", &course.world.resource());
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_is_being_revoked() {
    let course = Course::of(json!({"clientCertificate": {}, "deletionPolicy": "Revoke"})).await;
    course.settle().await;
    course.world.entra.inject(Fault::always(Match::writes(), Effect::failing(403)));
    course.world.delete().await;
    course.run(TimeDelta::minutes(20)).await;
    let about = "Deleted with `deletionPolicy: Revoke`, and Entra denies it. After half an hour the resource is let go, and what remains is listed in `status.abandoned` of the EntraTenant.";
    show("revocation-blocked", "Revocation blocked", about, &course.world.resource());
}

#[tokio::test(start_paused = true)]
async fn a_first_issue_that_is_retried() {
    let course = Course::of(json!({"clientSecret": {}})).await;
    course.world.entra.inject(Fault::always(Match::operation(Operation::Get), Effect::failing(503)));
    course.run(TimeDelta::minutes(10)).await;
    show("retrying", "Retrying", "Microsoft Graph fails, and nothing was issued yet.", &course.world.resource());
}

#[tokio::test(start_paused = true)]
async fn a_signing_certificate_that_soaks() {
    let course = Course::of(json!({"tokenSigningCertificate": {}, "rotation": {"validity": "2160h"}})).await;
    course.settle().await;
    course.run(hours(24 * 61)).await;
    let about = "The next signing certificate stands in the output beside the present one, for relying parties to take it up.";
    show("soaking", "Soaking", about, &course.world.resource());
}

#[tokio::test(start_paused = true)]
async fn a_successor_that_waits_for_its_window() {
    let windows = json!([{"schedule": "0 3 * * 6", "timeZone": "Europe/Berlin", "duration": "2h"}]);
    let course = Course::of(json!({"clientSecret": {}, "rotation": {"windows": windows}})).await;
    course.settle().await;
    course.run(hours(24 * 90)).await;
    let about = "The next client secret is made and proven, and waits for Saturday morning.";
    show("awaiting-window", "Awaiting a window", about, &course.state_with(&["Rotating=True/AwaitingWindow"]));
}

#[tokio::test(start_paused = true)]
async fn an_approval_that_is_overdue() {
    let spec = json!({"tokenSigningCertificate": {"activation": {"approval": "Required", "onDeadline": "Withdraw"}}, "rotation": {"validity": "2160h"}});
    let course = Course::of(spec).await;
    course.world.edit(json!({"spec": {"tokenSigningCertificate": {"activation": {"approval": "NotRequired"}}}})).await;
    course.settle().await;
    course.world.edit(json!({"spec": {"tokenSigningCertificate": {"activation": {"approval": "Required"}}}})).await;
    course.run(hours(24 * 85)).await;
    let about = "Nobody approved the next signing certificate, and `onDeadline: Withdraw` will take it away.";
    show("approval-overdue", "Approval overdue", about, &course.state_with(&["RotationAtRisk=True/ApprovalOverdue"]));
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_asks_for_another_credential() {
    let course = Course::of(json!({"clientCertificate": {}})).await;
    course.settle().await;
    course.world.edit(json!({"spec": {"clientCertificate": {"privateKey": {"size": 3072}}}})).await;
    course.world.edit(json!({"spec": {"rotation": {"revokeIssuedBefore": "2026-01-01T01:00:00Z"}}})).await;
    course.run(hours(1)).await;
    let about = "`revokeIssuedBefore` asks for another credential at once; the present one works until that is published.";
    show("spec-changed", "Spec changed", about, &course.state_with(&["Reconciling=True/SpecChanged"]));
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_expired() {
    let course = Course::of(json!({"clientSecret": {}, "rotation": {"validity": "96h"}})).await;
    course.settle().await;
    tokio::time::sleep(std::time::Duration::from_secs(5 * 86_400)).await;
    course.run(hours(1)).await;
    let about = "The operator did not run for so long that the credential expired. It issues another one at once.";
    show("expired", "Expired", about, &course.state_with(&["Ready=False/Expired"]));
}
