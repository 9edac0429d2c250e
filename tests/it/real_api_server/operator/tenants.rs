//! Tenants that cannot be signed in to.

use entra_emulator::{Call, Effect, Fault, Match, Operation, Sent};
use entra_rotator::tenant::Reason as TenantReason;
use entra_types::TenantId;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use rotation::Reason;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::{
    scene::{Scene, assert_promises, is_settled},
    stage::{OPERATOR, TEAM},
    witness::{Witness, condition, message},
};

/// A tenant that the operator cannot sign in to, and what was declared for it.
struct Shut {
    scene: Scene<'static>,
    resource: Witness,
}

impl Shut {
    /// Declares a tenant that differs from a good one, and waits until both objects say so for this reason.
    async fn new(name: &'static str, reason: TenantReason, differ: impl FnOnce(&mut Value)) -> Self {
        let scene = Scene::shared(name).await;
        let target = scene.application("Target");
        let mut tenant = scene.watch_tenant().await;
        let mut spec = scene.tenant_spec(&[&target]);
        differ(&mut spec);
        scene.create_tenant(spec).await;
        let mut resource = scene.declare(name, &target, json!({"clientCertificate": {}})).await;
        let expected = format!("False/{reason}");
        let state = tenant.until(&expected, |tenant| condition(tenant, "Ready") == expected).await;
        assert!(message(&state, "Ready").ends_with(reason.remedy()), "{state:#}");
        let stalled = format!("True/{}", Reason::TenantNotReady);
        let state = resource.until(&stalled, |state| condition(state, "Stalled") == stalled).await;
        let said = message(&state, "Stalled");
        assert!(said.contains(&format!("EntraTenant {name} is not ready ({reason})")), "{said}");
        assert!(scene.entra().calls(&target).is_empty(), "Graph was asked");
        Self { scene, resource }
    }

    fn sign_ins(&self, tenant: TenantId) -> usize {
        let is_sign_in = |call: &&Call| call.operation == Operation::Token && call.path.contains(&tenant.to_string());
        self.scene.entra().emulator().calls().iter().filter(is_sign_in).count()
    }
}

#[tokio::test]
async fn a_tenant_that_entra_does_not_know_is_named_and_not_asked_for_again_and_again() {
    let unknown = TenantId::new(Uuid::new_v4());
    let shut = Shut::new("unknown-tenant", TenantReason::TenantUnknown, |spec| spec["tenantID"] = json!(unknown)).await;
    assert_eq!(shut.sign_ins(unknown), 1);
    assert_promises(&shut.scene, &[&shut.resource]);
}

#[tokio::test]
async fn a_tenant_that_cannot_be_reached_is_reported_as_such() {
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("https://{}", reserved.local_addr().unwrap());
    drop(reserved);
    let closed = |spec: &mut Value| spec["endpoints"]["login"] = json!(nowhere);
    let shut = Shut::new("unreachable", TenantReason::Unreachable, closed).await;
    assert_promises(&shut.scene, &[&shut.resource]);
}

#[tokio::test]
async fn a_server_that_the_ca_bundle_does_not_vouch_for_learns_nothing() {
    let other = entra_emulator::Authority::new(&["localhost".to_owned()]).unwrap();
    let bundle = data_encoding::BASE64.encode(other.ca_pem().as_bytes());
    let distrusted = |spec: &mut Value| spec["endpoints"]["caBundle"] = json!(bundle);
    let shut = Shut::new("distrusted", TenantReason::Unreachable, distrusted).await;
    assert_eq!(shut.sign_ins(shut.scene.tenant.id), 0);
    assert_promises(&shut.scene, &[&shut.resource]);
}

#[tokio::test]
async fn a_wrong_secret_is_reported_and_a_right_one_taken_up_at_once() {
    let scene = Scene::shared("wrong-secret").await;
    let secrets = Api::<Secret>::namespaced(scene.client.clone(), OPERATOR);
    let put = async |text: &str| {
        let patch = Patch::Merge(json!({"stringData": {"AZURE_CLIENT_SECRET": text}}));
        secrets.patch("sign-in-wrong-secret", &PatchParams::default(), &patch).await.unwrap();
    };
    let wrong = format!("wrong-{}", Uuid::new_v4());
    put(&wrong).await;
    let target = scene.application("Target");
    let mut tenant = scene.watch_tenant().await;
    scene.admit(&[&target]).await;
    let mut resource = scene.declare("wrong-secret-payroll", &target, json!({"clientCertificate": {}})).await;
    tenant.until("the refusal", |tenant| condition(tenant, "Ready") == "False/SignInRefused").await;
    resource.until("it too", |state| condition(state, "Stalled") == "True/TenantNotReady").await;

    put(&scene.tenant.secret).await;
    tenant.until("the sign-in", |tenant| condition(tenant, "Ready").starts_with("True/")).await;
    resource.until("a credential", is_settled).await;
    assert_promises(&scene, &[&resource]);
    let log = scene.operator().log();
    let canaries = scene.leaks(&[]);
    canaries.text("the wrong secret", &wrong);
    canaries.assert_none_in("the log", &log);
}

#[tokio::test]
async fn a_page_of_html_is_no_token() {
    let scene = Scene::shared("no-token").await;
    let operator = scene.tenant.operator.client_id;
    let fault = Fault::always(Match::operation(Operation::Token).client(operator), Effect::answering(Sent::Html));
    let fault = scene.entra().emulator().inject(fault);
    let mut tenant = scene.watch_tenant().await;
    scene.admit(&[]).await;
    let state = tenant.until("the failure", |tenant| condition(tenant, "Ready") == "False/InvalidAnswer").await;
    assert!(message(&state, "Ready").ends_with(TenantReason::InvalidAnswer.remedy()), "{state:#}");
    let calls = scene.entra().emulator().calls();
    assert_eq!(calls.iter().filter(|call| call.path.contains(&scene.tenant.id.to_string())).count(), 1);
    scene.entra().emulator().withdraw(fault);
    tenant.until("the sign-in", |tenant| condition(tenant, "Ready").starts_with("True/")).await;
    assert_promises(&scene, &[]);
}

#[tokio::test]
async fn a_resource_may_come_before_its_tenant() {
    let scene = Scene::shared("before-tenant").await;
    let target = scene.application("Target");
    let mut resource = scene.declare("before-tenant-payroll", &target, json!({"clientCertificate": {}})).await;
    let state = resource.until("the refusal", |state| condition(state, "Stalled") == "True/TenantNotFound").await;
    assert!(message(&state, "Stalled").contains("EntraTenant before-tenant does not exist"), "{state:#}");
    scene.admit(&[&target]).await;
    resource.until("a credential", is_settled).await;
    assert_promises(&scene, &[&resource]);
}

#[tokio::test]
async fn a_tenant_that_is_throttled_or_cannot_be_reached_holds_up_no_other() {
    let (slow, lost, good) = (Scene::shared("two-slow").await, Scene::shared("two-lost").await, Scene::shared("two-good").await);
    let reserved = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("https://{}", reserved.local_addr().unwrap());
    drop(reserved);

    // Entra throttles all that is asked in one tenant, and the way to another ends nowhere.
    let (slow_target, lost_target) = (slow.application("Slow"), lost.application("Lost"));
    let throttle = Fault::always(Match::any().client(slow_target.client_id), Effect::throttled(Some("5")));
    let throttle = slow.entra().emulator().inject(throttle);
    slow.admit(&[&slow_target]).await;
    let mut spec = lost.tenant_spec(&[&lost_target]);
    spec["endpoints"]["login"] = json!(nowhere);
    lost.create_tenant(spec).await;
    let certificate = json!({"clientCertificate": {}});
    let mut held_up = slow.declare("two-slow-payroll", &slow_target, certificate.clone()).await;
    let mut shut_out = lost.declare("two-lost-payroll", &lost_target, certificate.clone()).await;
    shut_out.until("no way in", |state| condition(state, "Stalled") == "True/TenantNotReady").await;

    let targets: Vec<_> = (0..3).map(|number| good.application(&format!("Good {number}"))).collect();
    good.admit(&targets.iter().collect::<Vec<_>>()).await;
    for (name, target) in ["two-good-0", "two-good-1", "two-good-2"].into_iter().zip(&targets) {
        let mut resource = good.declare(name, target, certificate.clone()).await;
        resource.until("a credential", is_settled).await;
        assert_promises(&good, &[&resource]);
    }
    assert!(slow.entra().changes(&slow_target).is_empty());
    assert!(lost.entra().calls(&lost_target).is_empty());

    slow.entra().emulator().withdraw(throttle);
    held_up.until("a credential at last", is_settled).await;
    lost.tenants().delete(lost.name, &kube::api::DeleteParams::default()).await.unwrap();
    assert_promises(&slow, &[&held_up, &shut_out]);
}

#[tokio::test]
async fn a_team_has_a_grant_by_selector_as_long_as_its_namespace_has_the_label() {
    let scene = Scene::shared("by-selector").await;
    let target = scene.application("Target");
    let mut spec = scene.tenant_spec(&[&target]);
    spec["grants"][0].as_object_mut().unwrap().remove("namespaces");
    spec["grants"][0]["namespaceSelector"] = json!({"matchExpressions": [{"key": "by-selector", "operator": "In", "values": ["yes"]}]});
    scene.create_tenant(spec).await;
    let mut resource = scene.declare("by-selector-payroll", &target, json!({"clientCertificate": {}})).await;
    resource.until("the refusal", |state| condition(state, "Stalled") == "True/NotGranted").await;
    assert!(scene.entra().calls(&target).is_empty());

    scene.stage.cluster.kubectl(&["label", "namespace", TEAM, "by-selector=yes"]).await.unwrap();
    resource.until("a credential", is_settled).await;
    let calls = scene.entra().calls(&target).len();
    scene.stage.cluster.kubectl(&["label", "namespace", TEAM, "by-selector-"]).await.unwrap();
    let state = resource.until("the risk", |state| condition(state, "RotationAtRisk") == "True/NotGranted").await;
    assert_eq!(condition(&state, "Ready"), "True/Published", "{state:#}");
    assert_eq!(scene.entra().calls(&target).len(), calls);
    assert_promises(&scene, &[&resource]);
}
