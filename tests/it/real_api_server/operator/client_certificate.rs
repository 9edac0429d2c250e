//! Client certificates when their time has come.

use serde_json::json;

use super::{
    scene::{Scene, assert_never_interrupted, assert_promises, is_overlapping, is_settled},
    witness::time,
};

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
