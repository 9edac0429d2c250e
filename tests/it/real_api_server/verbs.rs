//! The optional admission policy: who may edit may not yet revoke or approve.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::CHART;
use crate::control_plane::{ControlPlane, Error};

const NAMESPACE: &str = "verbs";
/// Longer than the API server takes to take up a policy.
const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn whoever_may_edit_may_not_revoke_pin_adopt_or_approve_without_the_verbs() {
    let cluster = ControlPlane::shared().await.unwrap();
    install(cluster).await;
    let revoke = "need the verb revoke on serviceprincipalcredentials";
    let approve = "entra-rotator.io/approve needs the verb approve on serviceprincipalcredentials";
    create(cluster, "editor", "plain", &json!({})).await.unwrap();
    until_in_force(cluster, revoke).await;

    let pinned = json!({"clientCertificate": null, "tokenSigningCertificate": {"pinnedThumbprint": "A".repeat(40)}});
    let revoking = [("revoking", json!({"deletionPolicy": "Revoke"})), ("adopting", json!({"adoptKeyIDs": [KEY_ID]})), ("pinning", pinned)];
    for (name, spec) in revoking {
        let refused = create(cluster, "editor", name, &spec).await.unwrap_err().to_string();
        assert!(refused.contains(revoke), "{name}: {refused}");
        create(cluster, "revoker", name, &spec).await.unwrap();
    }
    let changes = [
        (json!({"spec": {"rotation": {"revokeIssuedBefore": "2026-11-20T00:00:00Z"}}}), revoke),
        (json!({"spec": {"deletionPolicy": "Revoke"}}), revoke),
        (json!({"metadata": {"annotations": {"entra-rotator.io/approve": "abc"}}}), approve),
    ];
    for (change, why) in changes {
        let refused = patch(cluster, "editor", &change).await.unwrap_err().to_string();
        assert!(refused.contains(why), "{change}: {refused}");
        patch(cluster, "revoker", &change).await.unwrap();
    }
    // What else there is to edit is still the editor's: also beside values that somebody with the verbs has set.
    patch(cluster, "editor", &json!({"spec": {"suspend": true}})).await.unwrap();
    let withdrawn = patch(cluster, "editor", &json!({"spec": {"deletionPolicy": "Retain"}})).await.unwrap_err().to_string();
    assert!(withdrawn.contains(revoke), "{withdrawn}");
}

const KEY_ID: &str = "12345678-1234-4234-8234-123456789abc";

/// Installs the chart with the policy, and makes an editor, and one who has the verbs as well.
async fn install(cluster: &ControlPlane) {
    let values = ["--set", "crds.enabled=false,verbsPolicy.enabled=true"];
    let install = ["install", NAMESPACE, CHART, "-n", NAMESPACE, "--create-namespace"];
    cluster.helm(&[&install[..], &values].concat()).await.unwrap();
    let edit = "verbs-entra-rotator-edit";
    for (name, role, user) in [("edit", edit, "editor"), ("edit-too", edit, "revoker"), ("verbs", "verbs-entra-rotator-verbs", "revoker")] {
        let (role, user) = (format!("--clusterrole={role}"), format!("--user={user}"));
        cluster.kubectl(&["create", "rolebinding", name, &role, &user, "-n", NAMESPACE]).await.unwrap();
    }
    let view =
        ["create", "rolebinding", "view", "--clusterrole=verbs-entra-rotator-view", "--user=editor", "--user=revoker", "-n", NAMESPACE];
    cluster.kubectl(&view).await.unwrap();
}

/// The API server takes up a policy some time after it is created.
async fn until_in_force(cluster: &ControlPlane, why: &str) {
    let deadline = Instant::now() + LONG;
    let probe = ["--dry-run=server"];
    loop {
        let change = json!({"spec": {"deletionPolicy": "Revoke"}});
        match patch_with(cluster, "editor", &change, &probe).await {
            Err(error) if error.to_string().contains(why) => return,
            other => assert!(Instant::now() < deadline, "the policy is not in force: {other:?}"),
        }
        sleep(Duration::from_millis(200)).await;
    }
}

async fn create(cluster: &ControlPlane, user: &str, name: &str, more: &Value) -> Result<String, Error> {
    let mut spec = json!({"target": {"clientID": "11111111-2222-3333-4444-555555555555"}, "clientCertificate": {}, "secretName": name});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let object = json!({
        "apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential", "metadata": {"name": name}, "spec": spec,
    });
    cluster.kubectl_with_input(&["create", "-f", "-", "-n", NAMESPACE, "--as", user], &object.to_string()).await
}

async fn patch(cluster: &ControlPlane, user: &str, change: &Value) -> Result<String, Error> {
    patch_with(cluster, user, change, &[]).await
}

async fn patch_with(cluster: &ControlPlane, user: &str, change: &Value, more: &[&str]) -> Result<String, Error> {
    let change = change.to_string();
    let patch = ["patch", "serviceprincipalcredential", "plain", "-n", NAMESPACE, "--as", user, "--type=merge", "-p", &change];
    cluster.kubectl(&[&patch[..], more].concat()).await
}
