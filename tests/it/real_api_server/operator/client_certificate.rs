//! The life of a client certificate.

use chrono::TimeDelta;
use entra_emulator::Operation;
use serde_json::json;

use super::{
    published::Published,
    scene::{Scene, assert_never_interrupted, assert_promises, client_certificate, is_overlapping, is_settled},
    witness::{kstatus, time},
};

#[tokio::test]
async fn a_client_certificate_is_issued_and_rotated_beside_credentials_of_somebody_else() {
    let scene = Scene::shared("client-certificate").await;
    let target = scene.application("Payroll");
    let foreign = scene.entra().entries(target.application);
    scene.admit(&[&target]).await;
    let name = "client-certificate-payroll";
    let mut outputs = scene.watch_secret(name).await;
    let mut resource = scene.declare(name, &target, client_certificate()).await;

    let issued = resource.until("its first credential", is_settled).await;
    assert_eq!(kstatus(&issued), "Current");
    let first = scene.published(name).await;
    first.sign_in(scene.entra()).await.unwrap();
    assert_eq!(first.annotation("thumbprint"), issued["status"]["credentials"][0]["thumbprint"]);

    scene.renew(name, &issued).await;
    let overlapping = resource.until("two credentials at a time", is_overlapping).await;
    let rotated = resource.until("the end of the rotation", is_settled).await;
    let second = scene.published(name).await;
    second.sign_in(scene.entra()).await.unwrap();
    let refused = first.sign_in(scene.entra()).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("AADSTS700027"), "{refused}");
    assert_eq!(second.annotation("entry"), rotated["status"]["credentials"][0]["id"]);
    let changes = scene.entra().changes(&target);
    let operations: Vec<_> = changes.iter().map(|change| change.operation).collect();
    assert_eq!(operations, [Operation::Patch, Operation::AddKey, Operation::RemoveKey]);
    let published = time(
        &overlapping["status"]["credentials"].as_array().unwrap().iter().find(|entry| entry["use"] == "Current").unwrap()["publishedAt"],
    );
    assert!(changes[2].at >= published + TimeDelta::seconds(2), "the first one was removed within its overlap");

    let left = scene.entra().entries(target.application);
    assert_eq!(left.len(), foreign.len() + 1);
    assert!(foreign.iter().all(|entry| left.contains(entry)));
    assert_promises(&scene, &[&resource]);
    assert_never_interrupted(&resource, &issued);
    outputs.until("the successor", |output| !output.is_null() && Published::read(output) == second).await;
    assert_eq!(outputs.all().len(), 2, "the output was written once per credential");

    let said = scene.events(name, &["Claimed", "Promoted", "Published", "Retiring", "Removed"]).await;
    let shown: String = resource.all().iter().map(ToString::to_string).collect();
    let metrics = scene.operator().page("/metrics").await;
    let leaks = scene.leaks(&[&first, &second]);
    for (place, text) in [("an event", said), ("a status", shown), ("the metrics", metrics), ("the log", scene.operator().log())] {
        leaks.assert_none_in(place, &text);
    }
}

#[tokio::test]
async fn a_client_certificate_is_rotated_when_its_time_has_come_and_the_metrics_say_so() {
    let scene = Scene::shared("schedule").await;
    let target = scene.application("Schedule");
    scene.admit(&[&target]).await;
    let name = "schedule-payroll";
    let rotation = json!({"validity": "1m", "renewBefore": "50s", "overlap": "1s"});
    let mut resource = scene.declare(name, &target, json!({"clientCertificate": {}, "rotation": rotation})).await;
    let issued = resource.until("its first credential", is_settled).await;
    let renewal = time(&issued["status"]["renewalTime"]);
    shows_time(&scene, name, "not_after", &issued["status"]["notAfter"]).await;
    shows_time(&scene, name, "renewal", &issued["status"]["renewalTime"]).await;

    let rotating = resource.until("the successor", |state| state["status"]["rotation"]["reason"] == "Schedule").await;
    assert!(time(&rotating["status"]["rotation"]["startedAt"]) >= renewal);
    resource.until("two credentials at a time", is_overlapping).await;
    let rotated = resource.until("the end of the rotation", is_settled).await;
    scene.published(name).await.sign_in(scene.entra()).await.unwrap();
    shows_time(&scene, name, "not_after", &rotated["status"]["notAfter"]).await;
    let ready = format!("entra_rotator_credential_ready{{namespace=\"payroll\",name=\"{name}\",kind=\"ClientCertificate\"}} 1\n");
    scene.operator().shows("/metrics", &ready).await;
    assert_promises(&scene, &[&resource]);
    assert_never_interrupted(&resource, &issued);
}

/// The gauge of that name comes to show this time, as soon as the operator has heard that its status was written.
async fn shows_time(scene: &Scene<'static>, name: &str, gauge: &str, expected: &serde_json::Value) {
    let labels = format!("{{namespace=\"payroll\",name=\"{name}\",kind=\"ClientCertificate\"}}");
    let line = format!("entra_rotator_credential_{gauge}_timestamp_seconds{labels} {}\n", time(expected).timestamp());
    scene.operator().shows("/metrics", &line).await;
}
