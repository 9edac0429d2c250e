//! What stays and what goes when something is deleted.

use entra_emulator::Operation;
use kube::api::{DeleteParams, Patch, PatchParams};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{
    entra::by_client,
    published::Published,
    scene::{Scene, assert_promises, client_certificate, is_settled},
    stage::{OTHER_TEAM, Stage, TEAM},
    witness::Witness,
};

#[tokio::test]
async fn a_deleted_resource_leaves_its_output_and_its_slots_are_collected() {
    let scene = Scene::shared("deleted").await;
    let target = scene.application("Deleted");
    scene.admit(&[&target]).await;
    let name = "deleted-payroll";
    let mut resource = scene.declare(name, &target, client_certificate()).await;
    resource.until("its first credential", is_settled).await;
    let mut slot = scene.watch_secret("deleted-payroll-entra-a").await;
    assert!(!slot.now().is_null());
    let published = scene.published(name).await;

    scene.delete(name).await;
    resource.until("its end", Value::is_null).await;
    slot.until("its end", Value::is_null).await;
    let left = scene.published(name).await;
    assert_eq!(left, published);
    left.sign_in(scene.entra()).await.unwrap();
    assert_eq!(scene.entra().writes(&target).len(), 1);
    assert_promises(&scene, &[&resource]);
}

#[tokio::test]
async fn a_resource_made_anew_takes_its_output_back_without_a_gap() {
    let scene = Scene::shared("anew").await;
    let target = scene.application("Anew");
    scene.admit(&[&target]).await;
    let name = "anew-payroll";
    let mut outputs = scene.watch_secret(name).await;
    let mut resource = scene.declare(name, &target, client_certificate()).await;
    resource.until("its first credential", is_settled).await;
    scene.delete(name).await;
    resource.until("its end", Value::is_null).await;

    let mut anew = scene.declare(name, &target, client_certificate()).await;
    let settled = anew.until("a credential of its own", is_settled).await;
    let is_owned = |output: &Value| output["metadata"]["labels"]["entra-rotator.io/output"] == settled["metadata"]["uid"];
    outputs.until("the new owner", is_owned).await;
    assert_no_gap(&scene, &outputs).await;
    // The key in the output proved that it is the operator who asks.
    let operations: Vec<_> = scene.entra().changes(&target).iter().map(|change| change.operation).collect();
    assert_eq!(operations, [Operation::Patch, Operation::AddKey]);
    assert_promises(&scene, &[&resource, &anew]);
}

/// The output was there all the time, and whatever it held signs in.
async fn assert_no_gap(scene: &Scene<'_>, outputs: &Witness) {
    for output in outputs.all() {
        assert!(!output.is_null(), "the output was gone");
        Published::read(&output).sign_in(scene.entra()).await.unwrap();
    }
}

#[tokio::test]
async fn an_output_that_was_deleted_or_edited_is_written_again_without_asking_entra() {
    let scene = Scene::shared("healed").await;
    let target = scene.application("Healed");
    scene.admit(&[&target]).await;
    let name = "healed-payroll";
    let mut outputs = scene.watch_secret(name).await;
    let mut resource = scene.declare(name, &target, client_certificate()).await;
    resource.until("its first credential", is_settled).await;
    let published = scene.published(name).await;
    let asked = scene.entra().calls(&target).len();

    scene.secrets().delete(name, &DeleteParams::default()).await.unwrap();
    outputs.until("its deletion", Value::is_null).await;
    let again = outputs.until("it again", |output| !output.is_null()).await;
    assert_eq!(Published::read(&again).data(), published.data());

    let edit = Patch::Merge(json!({"stringData": {"tls.crt": "", "AZURE_TENANT_ID": "another"}}));
    scene.secrets().patch(name, &PatchParams::default(), &edit).await.unwrap();
    outputs.until("the edit", |output| Published::read(output).data() != published.data()).await;
    let again = outputs.until("it as it was", |output| Published::read(output).data() == published.data()).await;
    assert_eq!(Published::read(&again).annotation("entry"), published.annotation("entry"));
    assert_eq!(scene.entra().calls(&target).len(), asked);
    assert_promises(&scene, &[&resource]);
}

#[tokio::test]
async fn a_team_that_leaves_with_its_namespace_stops_nobody_else() {
    let stage = Stage::alone().await;
    let operator = stage.operator("entra-rotator-0").await;
    let scene = Scene::new(&stage, "leaving").await;
    let (leaving, staying) = (scene.application("Leaving"), scene.application("Staying"));
    let mut tenant = scene.tenant_spec(&[&leaving, &staying]);
    tenant["grants"][0]["namespaces"] = json!([TEAM, OTHER_TEAM]);
    scene.create_tenant(tenant).await;
    let mut resource = scene.declare_in(OTHER_TEAM, "leaving-crm", by_client(leaving.client_id), client_certificate()).await;
    resource.until("a credential", is_settled).await;
    stage.cluster.kubectl(&["delete", "namespace", OTHER_TEAM, "--timeout=90s"]).await.unwrap();
    resource.until("its end", Value::is_null).await;
    assert_eq!(scene.entra().writes(&leaving).len(), 1);

    operator.send(Signal::TERM);
    assert_eq!(operator.exit_code().await, Some(0));
    let operator = stage.operator("entra-rotator-1").await;
    let mut resource = scene.declare("leaving-payroll", &staying, client_certificate()).await;
    resource.until("a credential", is_settled).await;
    operator.shows("/readyz", "HTTP/1.1 200").await;
    assert_promises(&scene, &[&resource]);
    scene.leave(&["leaving-payroll"]).await;
    stage.restore(OTHER_TEAM).await;
}
