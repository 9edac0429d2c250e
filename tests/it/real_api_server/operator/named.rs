//! With rights to single outputs only: `rbac.mode: Named`.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt as _};
use rotation::Reason;
use serde_json::{Value, json};

use super::{
    audit::Requests,
    published::Published,
    scene::{Scene, assert_promises, client_certificate, client_secret, is_settled, token_signing},
    stage::{OPERATOR, Stage, TEAM},
    witness::{condition, message},
};

const VALUES: &[&str] = &[
    "--set",
    "rbac.mode=Named",
    "--set",
    "rbac.outputs.payroll={named-secret,named-certificate,named-saml,named-map,named-revoked}",
    "--set",
    "extraArgs={--late=3s}",
];

#[tokio::test]
async fn rights_to_single_outputs_are_enough_for_every_kind_and_not_one_too_many() {
    let stage = Stage::own(VALUES).await;
    let operator = stage.operator("entra-rotator-0").await;
    let scene = Scene::new(&stage, "named").await;
    let targets = ["secret", "certificate", "saml", "map", "revoked"].map(|name| scene.application(name));
    scene.admit(&targets.iter().collect::<Vec<_>>()).await;
    let [secret, certificate, saml, map, revoked] = targets;
    let mut secret = scene.declare("named-secret", &secret, client_secret()).await;
    let mut certificate = scene.declare("named-certificate", &certificate, client_certificate()).await;
    let mut saml = scene.declare("named-saml", &saml, token_signing()).await;
    let mut into_map = token_signing();
    into_map["secretName"] = Value::Null;
    into_map["configMapName"] = json!("named-map");
    let mut map = scene.declare("named-map", &map, into_map).await;
    let mut to_revoke = client_secret();
    to_revoke["deletionPolicy"] = json!("Revoke");
    let mut revoked = scene.declare("named-revoked", &revoked, to_revoke).await;

    for (name, resource) in
        [("named-secret", &mut secret), ("named-certificate", &mut certificate), ("named-saml", &mut saml), ("named-map", &mut map)]
    {
        let issued = resource.until("its first credential", is_settled).await;
        scene.renew(name, &issued).await;
    }
    for resource in [&mut secret, &mut certificate, &mut saml, &mut map] {
        let generation = resource.now()["metadata"]["generation"].clone();
        let renewed = |state: &Value| {
            is_settled(state) && state["status"]["observedGeneration"] == generation && state["status"]["nextSeq"].as_u64() >= Some(2)
        };
        resource.until("its second credential", renewed).await;
    }

    // A watch by name shows that an output is gone.
    let first = scene.published("named-secret").await;
    let mut outputs = scene.watch_secret("named-secret").await;
    scene.secrets().delete("named-secret", &DeleteParams::default()).await.unwrap();
    outputs.until("the deletion", Value::is_null).await;
    outputs.until("the output again", |output| !output.is_null() && Published::read(output).data() == first.data()).await;

    revoked.until("its first credential", is_settled).await;
    scene.delete("named-revoked").await;
    revoked.until("nothing of it", Value::is_null).await;
    assert_promises(&scene, &[&secret, &certificate, &saml, &map]);

    let requests = Requests::all(&stage);
    assert_eq!(requests.denied(), Vec::<String>::new());
    assert!(operator.is_running());
    assert_eq!(unused(&scene, &requests).await, BTreeSet::from(RARELY_USED.map(str::to_owned)), "rights that nothing needs");
}

/// Rights that this course has no use for.
const RARELY_USED: [&str; 6] = [
    // What had to be left in Entra is listed on the EntraTenant.
    "get entra-rotator.io/entratenants",
    "patch entra-rotator.io/entratenants/status",
    // A status that cannot be read gets its conditions alone.
    "patch entra-rotator.io/serviceprincipalcredentials/status",
    // An event that repeats becomes a series.
    "patch events.k8s.io/events",
    // Grants by label.
    "list /namespaces",
    "watch /namespaces",
];

/// The rights that the operator has and did not use.
async fn unused(scene: &Scene<'_>, requests: &Requests) -> BTreeSet<String> {
    let used = requests.kinds();
    granted(scene).await.into_iter().filter(|right| !used.contains(right)).collect()
}

/// Every right in the operator's roles, as `verb group/resource`.
async fn granted(scene: &Scene<'_>) -> BTreeSet<String> {
    let ours = ListParams::default().labels("app.kubernetes.io/name=entra-rotator");
    let cluster = Api::<ClusterRole>::all(scene.client.clone()).list(&ours).await.unwrap();
    let roles = Api::<Role>::all(scene.client.clone()).list(&ours).await.unwrap();
    let of_operator = cluster.into_iter().filter(|role| role.name_any() == OPERATOR).flat_map(|role| role.rules.unwrap_or_default());
    of_operator.chain(roles.into_iter().flat_map(|role| role.rules.unwrap_or_default())).flat_map(|rule| rights(&rule)).collect()
}

fn rights(rule: &PolicyRule) -> Vec<String> {
    let groups = rule.api_groups.iter().flatten();
    let resources = groups.flat_map(|group| rule.resources.iter().flatten().map(move |resource| format!("{group}/{resource}")));
    resources.flat_map(|resource| rule.verbs.iter().map(move |verb| format!("{verb} {resource}"))).collect()
}

#[tokio::test]
async fn an_output_that_is_not_listed_is_refused_without_asking_anybody() {
    let stage = Stage::own(VALUES).await;
    let operator = stage.operator("entra-rotator-0").await;
    let scene = Scene::new(&stage, "unlisted").await;
    let target = scene.application("Target");
    scene.admit(&[&target]).await;
    let mut resource = scene.declare("unlisted-payroll", &target, client_secret()).await;
    let state = resource.until("the refusal", |state| condition(state, "Stalled") == "True/ClusterDenied").await;
    let said = message(&state, "Stalled");
    assert!(
        said.contains(&format!("Secret unlisted-payroll in namespace {TEAM}")) && said.ends_with(Reason::ClusterDenied.remedy()),
        "{said}"
    );

    // Whatever is done for another one comes after what would have been done for this one.
    let other = scene.application("Other");
    scene.edit_tenant(json!({"grants": scene.tenant_spec(&[&target, &other])["grants"]})).await;
    let mut other = scene.declare("named-secret", &other, client_secret()).await;
    other.until("a credential", is_settled).await;
    assert_eq!(condition(&resource.now(), "Stalled"), "True/ClusterDenied");
    assert!(scene.entra().calls(&target).is_empty());
    let requests = Requests::all(&stage);
    for name in ["unlisted-payroll", "unlisted-payroll-entra-a", "unlisted-payroll-entra-b"] {
        assert_eq!(requests.about("secrets", name), Vec::<String>::new());
    }
    assert_eq!(requests.about("serviceprincipalcredentials", "unlisted-payroll").len(), 1, "its status was written once");
    assert_eq!(requests.denied(), Vec::<String>::new());
    assert!(operator.is_running());
    assert_promises(&scene, &[&resource, &other]);
}
