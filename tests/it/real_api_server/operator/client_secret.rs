//! The life of a client secret.

use chrono::TimeDelta;
use entra_emulator::{Operation, Registered};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{
    published::Published,
    scene::{Scene, assert_never_interrupted, assert_promises, client_secret, is_overlapping, is_settled},
    witness::{kstatus, time},
};

#[tokio::test]
async fn a_client_secret_is_issued_and_rotated_beside_credentials_of_somebody_else() {
    let scene = Scene::shared("client-secret").await;
    let target = scene.application("Payroll");
    let foreign = scene.entra().entries(target.application);
    scene.admit(&[&target]).await;
    let name = "client-secret-payroll";
    let mut outputs = scene.watch_secret(name).await;
    let mut resource = scene.declare(name, &target, client_secret()).await;

    let issued = resource.until("its first credential", is_settled).await;
    assert_eq!(kstatus(&issued), "Current");
    let first = scene.published(name).await;
    first.sign_in(scene.entra()).await.unwrap();
    assert_eq!(first.annotation("key-id"), issued["status"]["credentials"][0]["keyIDs"][0]);

    scene.renew(name, &issued).await;
    let overlapping = resource.until("two credentials at a time", is_overlapping).await;
    let rotated = resource.until("the end of the rotation", is_settled).await;
    let second = scene.published(name).await;
    second.sign_in(scene.entra()).await.unwrap();
    let refused = first.sign_in(scene.entra()).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("AADSTS7000215"), "{refused}");
    assert_eq!(second.annotation("entry"), rotated["status"]["credentials"][0]["id"]);
    let changes = scene.entra().changes(&target);
    let operations: Vec<_> = changes.iter().map(|change| change.operation).collect();
    assert_eq!(operations, [Operation::AddPassword, Operation::AddPassword, Operation::RemovePassword]);
    let entries = overlapping["status"]["credentials"].as_array().unwrap();
    let published = time(&entries.iter().find(|entry| entry["use"] == "Current").unwrap()["publishedAt"]);
    assert!(changes[2].at >= published + TimeDelta::seconds(2), "the first one was removed within its overlap");

    assert_only_one_more(&scene, &target, &foreign);
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

fn assert_only_one_more(scene: &Scene<'_>, target: &Registered, foreign: &[Value]) {
    let left = scene.entra().entries(target.application);
    assert_eq!(left.len(), foreign.len() + 1);
    assert!(foreign.iter().all(|entry| left.contains(entry)));
}

#[tokio::test]
async fn a_client_secret_that_is_deleted_or_edited_in_the_cluster_comes_back_without_a_write_to_entra() {
    let scene = Scene::shared("healing-secret").await;
    let target = scene.application("Healing");
    scene.admit(&[&target]).await;
    let name = "healing-secret-payroll";
    let mut outputs = scene.watch_secret(name).await;
    let mut resource = scene.declare(name, &target, client_secret()).await;
    resource.until("its first credential", is_settled).await;
    let first = scene.published(name).await;

    scene.secrets().delete(name, &DeleteParams::default()).await.unwrap();
    outputs.until("the deletion", Value::is_null).await;
    outputs.until("the output again", |output| !output.is_null() && Published::read(output).data() == first.data()).await;
    let edit = json!({"stringData": {"AZURE_CLIENT_SECRET": "edited", "more": "more"}});
    scene.secrets().patch(name, &PatchParams::default(), &Patch::Merge(edit)).await.unwrap();
    let is_edited = |output: &Value| !output.is_null() && Published::read(output).data().contains_key("more");
    outputs.until("the edit", is_edited).await;
    outputs.until("the output again", |output| !output.is_null() && Published::read(output).data() == first.data()).await;
    scene.published(name).await.sign_in(scene.entra()).await.unwrap();
    assert_eq!(scene.entra().writes(&target).len(), 1);
    assert_promises(&scene, &[&resource]);
}

#[tokio::test]
async fn a_client_secret_that_is_to_be_revoked_goes_with_its_resource() {
    let scene = Scene::shared("revoked-secret").await;
    let target = scene.application("Revoked");
    let foreign = scene.entra().entries(target.application);
    scene.admit(&[&target]).await;
    let name = "revoked-secret-payroll";
    let mut spec = client_secret();
    spec["deletionPolicy"] = json!("Revoke");
    let mut resource = scene.declare(name, &target, spec).await;
    let issued = resource.until("its first credential", is_settled).await;
    assert_eq!(issued["metadata"]["finalizers"], json!(["entra-rotator.io/revoke"]));
    let first = scene.published(name).await;

    scene.delete(name).await;
    let deleted = resource.until("its end", |state| state.is_null() || !state["metadata"]["deletionTimestamp"].is_null()).await;
    assert!(deleted.is_null() || kstatus(&deleted) == "Terminating");
    resource.until("nothing of it", Value::is_null).await;
    assert_eq!(scene.entra().entries(target.application), foreign);
    let refused = first.sign_in(scene.entra()).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("AADSTS7000215"), "{refused}");
    assert_promises(&scene, &[&resource]);
}
