//! What the operator must refuse: each with a condition that names reason, object and remedy, and without harm.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use entra_emulator::{Operation, Registered, Registration};
use entra_types::{ClientId, ObjectId};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, PostParams};
use rotation::Reason;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    entra::by_client,
    scene::{Scene, assert_promises, client_certificate, credentials, is_settled, sleep_until, token_signing},
    stage::{OTHER_TEAM, TEAM, UNSERVED},
    witness::{Witness, condition, kstatus, message, time},
};

/// Waits until the resource is stalled for this reason, and holds what it says against what a person needs.
async fn stalled(resource: &mut Witness, reason: Reason, names: &str) -> Arc<Value> {
    let expected = format!("True/{reason}");
    let state = resource.until(&expected, |state| condition(state, "Stalled") == expected).await;
    let said = message(&state, "Stalled");
    assert!(said.contains(names), "{said:?} does not name {names}");
    assert!(said.ends_with(reason.remedy()), "{said:?} does not say what to do");
    assert_eq!(kstatus(&state), "Failed");
    state
}

#[tokio::test]
async fn without_a_grant_entra_is_not_asked_and_a_grant_is_enough_to_go_on() {
    let scene = Scene::shared("not-granted").await;
    let target = scene.application("Target");
    scene.admit(&[]).await;
    let mut resource = scene.declare("not-granted-payroll", &target, client_certificate()).await;
    stalled(&mut resource, Reason::NotGranted, "EntraTenant not-granted").await;
    let mut other = scene.declare_in(OTHER_TEAM, "not-granted-crm", by_client(target.client_id), client_certificate()).await;
    stalled(&mut other, Reason::NotGranted, "namespace crm").await;
    scene.events("not-granted-payroll", &["NotGranted"]).await;
    assert_eq!(scene.entra().calls(&target), []);

    scene.edit_tenant(json!({"grants": scene.tenant_spec(&[&target])["grants"]})).await;
    resource.until("a credential", is_settled).await;
    assert_eq!(condition(&other.now(), "Stalled"), "True/NotGranted");
    assert_promises(&scene, &[&resource, &other]);
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_neither_overwritten_nor_read_into_entra() {
    let scene = Scene::shared("not-ours").await;
    let target = scene.application("Target");
    scene.admit(&[&target]).await;
    let name = "not-ours-payroll";
    let theirs = json!({"metadata": {"name": name}, "stringData": {"AZURE_CLIENT_SECRET": "of another tool"}});
    let theirs: Secret = serde_json::from_value(theirs).unwrap();
    let theirs = scene.secrets().create(&PostParams::default(), &theirs).await.unwrap();
    let mut resource = scene.declare(name, &target, client_certificate()).await;
    stalled(&mut resource, Reason::OutputNotOurs, &format!("Secret {name}")).await;
    assert_eq!(scene.secrets().get(name).await.unwrap(), theirs);
    assert!(scene.entra().writes(&target).is_empty());

    scene.secrets().delete(name, &DeleteParams::default()).await.unwrap();
    resource.until("a credential", is_settled).await;
    assert_promises(&scene, &[&resource]);
}

#[tokio::test]
async fn a_target_that_does_not_exist_is_named() {
    let scene = Scene::shared("no-target").await;
    let [client_id, object] = [(); 2].map(|()| Uuid::new_v4());
    let object = ObjectId::new(object);
    let missing =
        Registered { tenant: scene.tenant.id, client_id: ClientId::new(client_id), application: object, service_principal: object };
    scene.admit(&[&missing]).await;
    let mut resource = scene.declare("no-target-payroll", &missing, client_certificate()).await;
    stalled(&mut resource, Reason::TargetNotFound, &missing.client_id.to_string()).await;
    assert!(scene.entra().calls(&missing).len() <= 2);

    let late =
        Registration { client_id: Some(missing.client_id), ..Registration::named("Late").owner(scene.tenant.operator.service_principal) };
    scene.entra().emulator().register(scene.tenant.id, &late).unwrap();
    resource.until("a credential, once it exists", is_settled).await;
    assert_promises(&scene, &[&resource]);
}

#[tokio::test]
async fn a_target_that_the_operator_does_not_own_is_left_as_it_is() {
    let scene = Scene::shared("not-owned").await;
    let target = scene.entra().emulator().register(scene.tenant.id, &Registration::named("Not ours")).unwrap();
    scene.admit(&[&target]).await;
    let mut resource = scene.declare("not-owned-payroll", &target, client_certificate()).await;
    stalled(&mut resource, Reason::PermissionDenied, &target.client_id.to_string()).await;
    assert_eq!(scene.entra().changes(&target).len(), 0);
    assert!(scene.entra().writes(&target).len() <= 1);

    for object in [target.application, target.service_principal] {
        scene.entra().emulator().add_owner(object, scene.tenant.operator.service_principal).unwrap();
    }
    resource.until("a credential, once it is owned", is_settled).await;
    assert_promises(&scene, &[&resource]);
}

#[tokio::test]
async fn the_operators_own_application_is_no_target() {
    let scene = Scene::shared("own-identity").await;
    let own = scene.tenant.operator;
    scene.admit(&[&own]).await;
    let mut resource = scene.declare("own-identity-payroll", &own, client_certificate()).await;
    stalled(&mut resource, Reason::OwnIdentity, &own.client_id.to_string()).await;
    let calls = scene.entra().calls(&own);
    assert!(calls.iter().all(|call| call.operation == Operation::Token), "{calls:#?}");
    assert_promises(&scene, &[&resource]);
}

#[tokio::test]
async fn a_status_that_cannot_be_read_has_no_effect() {
    let scene = Scene::shared("unreadable").await;
    let target = scene.application("Target");
    scene.admit(&[&target]).await;
    let name = "unreadable-payroll";
    let mut resource = scene.declare(name, &target, client_certificate()).await;
    let settled = resource.until("a credential", is_settled).await;
    let (published, asked) = (scene.published(name).await, scene.entra().calls(&target).len());

    let mut credentials = settled["status"]["credentials"].clone();
    credentials[0]["thumbprint"] = json!("not-forty-hex-digits");
    // Times have whole seconds: that of a transition which was none shows in another second only.
    sleep_until(Utc::now() + TimeDelta::seconds(1)).await;
    let patch = json!({"status": {"credentials": credentials}}).to_string();
    let arguments = ["patch", "spcred", name, "-n", TEAM, "--subresource=status", "--type=merge", "-p", &patch];
    scene.stage.cluster.kubectl(&arguments).await.unwrap();
    let state = stalled(&mut resource, Reason::UnreadableStatus, "thumbprint").await;
    assert_eq!(state["status"]["credentials"], credentials, "what stood there may still help somebody");
    assert_eq!(scene.published(name).await, published);
    assert_eq!(scene.entra().calls(&target).len(), asked);
    scene.events(name, &["UnreadableStatus"]).await;
    assert_promises(&scene, &[&resource]);
}

#[tokio::test]
async fn a_namespace_that_the_operator_does_not_serve_is_told_so() {
    let scene = Scene::shared("unserved").await;
    let target = scene.application("Target");
    let mut tenant = scene.tenant_spec(&[&target]);
    tenant["grants"][0]["namespaces"] = json!([UNSERVED]);
    scene.create_tenant(tenant).await;
    let mut resource = scene.declare_in(UNSERVED, "unserved-payroll", by_client(target.client_id), client_certificate()).await;
    let state = stalled(&mut resource, Reason::ClusterDenied, "unserved-payroll").await;
    assert!(message(&state, "Stalled").contains("it does not serve namespace elsewhere"), "{state:#}");
    assert!(scene.entra().writes(&target).is_empty());
    credentials(UNSERVED).api(scene.client.clone()).delete("unserved-payroll", &DeleteParams::default()).await.unwrap();
    assert_promises(&scene, &[&resource]);
}

#[tokio::test]
async fn a_policy_that_contradicts_the_tenant_is_refused_until_it_is_changed() {
    let scene = Scene::shared("too-short").await;
    let target = scene.application("Target");
    let mut tenant = scene.tenant_spec(&[&target]);
    tenant["minimumValidity"] = json!("24h");
    scene.create_tenant(tenant).await;
    let name = "too-short-payroll";
    let spec = json!({"clientCertificate": {}, "rotation": {"validity": "1h"}});
    let mut resource = scene.declare(name, &target, spec).await;
    stalled(&mut resource, Reason::ValidityTooShort, "24h").await;
    assert!(scene.entra().writes(&target).is_empty());
    scene.edit(name, json!({"rotation": {"validity": "48h"}})).await;
    resource.until("a credential", is_settled).await;
    assert_promises(&scene, &[&resource]);
}

#[tokio::test]
async fn of_two_that_want_to_choose_the_signing_certificate_the_older_one_does() {
    let scene = Scene::shared("claimed").await;
    let target = scene.application("Target");
    scene.admit(&[&target]).await;
    let mut older = scene.declare("claimed-older", &target, token_signing()).await;
    let first = older.until("a certificate", is_settled).await;
    // Which one is older cannot be told of two of the same second.
    sleep_until(time(&first["metadata"]["creationTimestamp"]) + TimeDelta::seconds(1)).await;
    let writes = scene.entra().writes(&target).len();
    let mut newer = scene.declare("claimed-newer", &target, token_signing()).await;
    stalled(&mut newer, Reason::TargetClaimed, "payroll/claimed-older").await;
    assert_eq!(scene.entra().writes(&target).len(), writes);
    assert!(scene.secrets().get_opt("claimed-newer").await.unwrap().is_none());

    scene.delete("claimed-older").await;
    newer.until("its turn", is_settled).await;
    assert_promises(&scene, &[&older, &newer]);
}
