//! Client secrets that are healed, and that go with their resource.

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::{
    published::Published,
    scene::{Scene, assert_promises, client_secret, is_settled},
    witness::kstatus,
};

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
