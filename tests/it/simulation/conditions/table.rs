//! The table of conditions, row by row.

use std::time::Duration;

use chrono::TimeDelta;
use entra_emulator::{Effect, Fault, Match, Operation};
use kube_sim::{Failure, RequestInfo, Verb};
use rstest::rstest;
use serde_json::{Value, json};

use super::course::{Course, summaries};
use super::kstatus::{Verdict, condition, verdict};

fn secret() -> Value {
    json!({"clientSecret": {}, "rotation": {"validity": "96h"}})
}

fn certificate() -> Value {
    json!({"clientCertificate": {}, "rotation": {"validity": "96h"}})
}

fn signing() -> Value {
    json!({"tokenSigningCertificate": {}, "rotation": {"validity": "96h"}})
}

fn hours(h: i64) -> TimeDelta {
    TimeDelta::hours(h)
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn what_nobody_has_looked_at_is_in_progress(#[values(secret(), certificate(), signing())] spec: Value) {
    let course = Course::of(spec).await;
    let state = course.world.resource();
    assert_eq!((condition(&state, "Ready"), verdict(&state)), (None, Verdict::InProgress), "{state:#}");
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_first_issue_is_in_progress_and_then_current(#[values(secret(), certificate(), signing())] spec: Value) {
    let course = Course::of(spec).await;
    course.run(hours(2)).await;
    course.assert_had(&["Ready=False/Issuing", "Reconciling=True/Issuing", "Stalled=False"], Verdict::InProgress);
    course.assert_had(&["Ready=True/Published", "Reconciling=False", "Stalled=False", "Rotating=False/AtRest"], Verdict::Current);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_first_issue_that_is_retried_is_in_progress(#[values(secret(), certificate(), signing())] spec: Value) {
    let course = Course::of(spec).await;
    course.world.entra.inject(Fault::always(Match::operation(Operation::Get), Effect::failing(503)));
    course.run(hours(1)).await;
    course.assert_had(&["Ready=False/Issuing", "Reconciling=True/Retrying", "Stalled=False"], Verdict::InProgress);
}

/// Ready never flaps: what happens in a rotation is said by Rotating alone.
#[rstest]
#[tokio::test(start_paused = true)]
async fn a_healthy_life_becomes_ready_once_and_stays_so(#[values(secret(), certificate(), signing())] spec: Value) {
    let course = Course::of(spec).await;
    course.run(hours(24 * 9)).await;
    let states = course.states();
    let ready: Vec<bool> = states.iter().map(|state| condition(state, "Ready").is_some_and(|ready| ready["status"] == "True")).collect();
    let first = ready.iter().position(|ready| *ready).expect("it becomes ready");
    assert!(ready[first..].iter().all(|ready| *ready), "{:#?}", summaries(&states));
    assert!(states[first..].iter().all(|state| verdict(state) == Verdict::Current), "{:#?}", summaries(&states));
    let both = |state: &&Value| {
        ["Reconciling", "Stalled"].iter().all(|name| condition(state, name).is_some_and(|found| found["status"] == "True"))
    };
    assert_eq!(states.iter().find(both), None);
    let rotations = states.last().unwrap()["status"]["nextSeq"].as_u64().unwrap();
    assert!(rotations >= 3, "{rotations} credentials in nine days");
}

#[rstest]
#[case::creating(secret(), "Creating")]
#[case::proving(certificate(), "Proving")]
#[case::soaking(signing(), "Soaking")]
#[case::overlapping(certificate(), "Overlapping")]
#[case::awaiting_a_window(json!({"clientSecret": {}, "rotation": {"validity": "96h", "windows": [{"schedule": "30 3 * * *", "duration": "30m"}]}}), "AwaitingWindow")]
#[case::awaiting_metadata(json!({"tokenSigningCertificate": {"activation": {"metadata": "Require"}}, "rotation": {"validity": "96h"}}), "AwaitingMetadata")]
#[case::awaiting_approval(json!({"tokenSigningCertificate": {"activation": {"approval": "Required"}}, "rotation": {"validity": "96h"}}), "AwaitingApproval")]
#[tokio::test(start_paused = true)]
async fn a_scheduled_rotation_stays_current(#[case] spec: Value, #[case] stage: &str) {
    let course = Course::of(spec).await;
    course.world.entra.adjust(|behaviour| behaviour.metadata_active_only = true);
    course.settle().await;
    course.run(hours(24 * 4)).await;
    course.assert_had(&["Ready=True/Published", "Reconciling=False", "Stalled=False", &format!("Rotating=True/{stage}")], Verdict::Current);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_rotation_that_is_retried_stays_current(#[values(secret(), certificate(), signing())] spec: Value) {
    let course = Course::of(spec).await;
    course.settle().await;
    course.world.entra.inject(Fault::always(Match::writes(), Effect::failing(503)).times(2));
    course.run(hours(24 * 4)).await;
    course.assert_had(&["Ready=True/Published", "Reconciling=False", "Stalled=False", "Rotating=True/Retrying"], Verdict::Current);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn an_edit_that_asks_for_a_new_credential_is_in_progress_until_it_is_published(
    #[values(secret(), certificate(), signing())] spec: Value,
    #[values("notIssuedBefore", "revokeIssuedBefore")] field: &str,
) {
    let course = Course::of(spec).await;
    course.settle().await;
    let now = course.world.now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    course.world.edit(json!({"spec": {"rotation": {field: now}}})).await;
    assert_eq!(verdict(&course.world.resource()), Verdict::InProgress, "the generation was not seen yet");
    course.run(hours(24)).await;
    course.assert_had(&["Ready=True/Published", "Reconciling=True/SpecChanged", "Stalled=False"], Verdict::InProgress);
    assert_eq!(verdict(&course.world.resource()), Verdict::Current);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_refusal_while_the_credential_is_valid_is_a_risk(#[values(secret(), certificate(), signing())] spec: Value) {
    let course = Course::of(spec).await;
    course.settle().await;
    course.world.entra.inject(Fault::always(Match::writes(), Effect::failing(403)));
    course.run(hours(24 * 3)).await;
    course.assert_had(&["Ready=True/Published", "Stalled=False", "RotationAtRisk=True/PermissionDenied"], Verdict::Current);
}

#[tokio::test(start_paused = true)]
async fn a_suspension_past_the_time_of_renewal_is_a_risk_and_changes_nothing_else() {
    let course = Course::of(certificate()).await;
    course.settle().await;
    course.world.edit(json!({"spec": {"suspend": true}})).await;
    course.run(hours(24 * 3)).await;
    course.assert_had(&["Ready=True/Published", "Rotating=False/Suspended", "RotationAtRisk=False"], Verdict::Current);
    course.assert_had(&["Ready=True/Published", "Rotating=False/Suspended", "RotationAtRisk=True/Suspended"], Verdict::Current);
}

#[rstest]
#[case::approval(json!({"approval": "Required", "onDeadline": "Withdraw"}), "ApprovalOverdue")]
#[case::metadata(json!({"metadata": "Require"}), "MetadataOverdue")]
#[tokio::test(start_paused = true)]
async fn what_is_overdue_is_a_risk(#[case] activation: Value, #[case] reason: &str) {
    let course = Course::of(json!({"tokenSigningCertificate": {}, "rotation": {"validity": "96h"}})).await;
    course.world.entra.adjust(|behaviour| behaviour.metadata_active_only = true);
    course.settle().await;
    course.world.edit(json!({"spec": {"tokenSigningCertificate": {"activation": activation}}})).await;
    course.run(hours(24 * 3 + 18)).await;
    course.assert_had(&["Ready=True/Published", "Stalled=False", &format!("RotationAtRisk=True/{reason}")], Verdict::Current);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_first_issue_is_a_failure() {
    let course = Course::of(secret()).await;
    course.edit_tenant(json!({"spec": {"grants": []}})).await;
    course.run(hours(1)).await;
    course.assert_had(&["Ready=False/NotGranted", "Stalled=True/NotGranted", "Reconciling=False"], Verdict::Failed);
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_cannot_be_realised_is_a_failure_though_the_old_credential_works() {
    let course = Course::of(certificate()).await;
    course.settle().await;
    course.world.edit(json!({"spec": {"rotation": {"validity": "2h"}}})).await;
    course.run(hours(1)).await;
    course.assert_had(&["Ready=True/Published", "Stalled=True/ValidityTooShort", "Reconciling=False"], Verdict::Failed);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn what_expired_is_issued_anew(#[values(secret(), certificate())] spec: Value) {
    let course = Course::of(spec).await;
    course.settle().await;
    tokio::time::sleep(Duration::from_secs(5 * 86_400)).await;
    course.run(hours(2)).await;
    course.assert_had(&["Ready=False/Expired", "Reconciling=True/Reissuing", "Stalled=False"], Verdict::InProgress);
    assert_eq!(verdict(&course.world.resource()), Verdict::Current);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn what_was_removed_in_entra_is_issued_anew(#[values(secret(), certificate())] spec: Value) {
    let course = Course::of(spec).await;
    course.settle().await;
    let key_id = course.world.current()["keyIDs"][0].as_str().unwrap().parse().unwrap();
    course.world.entra.remove_credential(course.world.object, key_id).unwrap();
    course.run(hours(12)).await;
    course.assert_had(&["Ready=False/CredentialGone", "Reconciling=True/Reissuing", "Stalled=False"], Verdict::InProgress);
    assert_eq!(verdict(&course.world.resource()), Verdict::Current);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_output_is_in_progress_until_it_is_written_again() {
    let course = Course::of(secret()).await;
    course.settle().await;
    course.world.cluster.intercept(|request: &RequestInfo| {
        let writes = matches!(request.verb, Verb::Create | Verb::Patch) && request.resource == "secrets";
        if writes { kube_sim::Verdict::Fail(Failure::service_unavailable()) } else { kube_sim::Verdict::Pass }
    });
    course.world.cluster.delete("secrets", "payroll", "payroll-credential");
    course.run(hours(1)).await;
    course.assert_had(&["Ready=False/OutputMissing", "Reconciling=True/Republishing", "Stalled=False"], Verdict::InProgress);
    course.world.cluster.stop_intercepting();
    course.run(hours(5)).await;
    assert_eq!(verdict(&course.world.resource()), Verdict::Current);
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_revokes_is_terminating() {
    let mut spec = certificate();
    spec["deletionPolicy"] = json!("Revoke");
    let course = Course::of(spec).await;
    course.settle().await;
    course.world.entra.inject(Fault::always(Match::writes(), Effect::failing(403)).times(1));
    course.world.delete().await;
    course.run(hours(2)).await;
    course.assert_had(&["Ready=False/Revoking"], Verdict::Terminating);
    course.assert_had(&["Ready=False/RevocationBlocked"], Verdict::Terminating);
    assert_eq!(course.world.find_resource(), None);
}
