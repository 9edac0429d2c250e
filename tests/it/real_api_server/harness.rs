//! The control plane itself does what the other tests take for granted.

use std::{fs, net::TcpStream};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, api::ListParams};

use crate::control_plane::{self, ControlPlane};

#[tokio::test]
async fn a_service_account_may_do_what_a_role_binding_says_and_nothing_else() {
    let cluster = ControlPlane::shared().await.unwrap();
    cluster.kubectl(&["create", "namespace", "harness-rbac"]).await.unwrap();
    cluster.kubectl(&["create", "serviceaccount", "reader", "-n", "harness-rbac"]).await.unwrap();
    let kubeconfig = cluster.service_account_kubeconfig("harness-rbac", "reader").await.unwrap();
    let secrets = Api::<Secret>::namespaced(control_plane::client(&kubeconfig).await.unwrap(), "harness-rbac");

    let refused = secrets.list(&ListParams::default()).await.unwrap_err();
    assert!(refused.to_string().contains("forbidden"), "{refused}");

    cluster.kubectl(&["create", "role", "read", "--verb=list", "--resource=secrets", "-n", "harness-rbac"]).await.unwrap();
    let subject = "--serviceaccount=harness-rbac:reader";
    cluster.kubectl(&["create", "rolebinding", "read", "--role=read", subject, "-n", "harness-rbac"]).await.unwrap();
    cluster
        .kubectl(&["auth", "can-i", "list", "secrets", "-n", "harness-rbac", "--kubeconfig", kubeconfig.to_str().unwrap()])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_deleted_namespace_is_emptied_and_disappears() {
    let cluster = ControlPlane::shared().await.unwrap();
    cluster.kubectl(&["create", "namespace", "harness-namespace"]).await.unwrap();
    cluster.kubectl(&["create", "secret", "generic", "inside", "-n", "harness-namespace"]).await.unwrap();
    cluster.kubectl(&["delete", "namespace", "harness-namespace", "--timeout=60s"]).await.unwrap();
    let gone = cluster.kubectl(&["get", "namespace", "harness-namespace"]).await.unwrap_err();
    assert!(gone.to_string().contains("not found"), "{gone}");
}

#[tokio::test]
async fn what_a_deleted_object_owned_is_collected() {
    let cluster = ControlPlane::shared().await.unwrap();
    cluster.kubectl(&["create", "namespace", "harness-owner"]).await.unwrap();
    cluster.kubectl(&["create", "configmap", "owner", "-n", "harness-owner"]).await.unwrap();
    let uid = cluster.kubectl(&["get", "configmap", "owner", "-n", "harness-owner", "-o", "jsonpath={.metadata.uid}"]).await.unwrap();
    let owned = format!(
        "{{apiVersion: v1, kind: Secret, metadata: {{name: owned, namespace: harness-owner, \
         ownerReferences: [{{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}]}}}}"
    );
    cluster.kubectl_with_input(&["apply", "-f", "-"], &owned).await.unwrap();
    cluster.kubectl(&["delete", "configmap", "owner", "-n", "harness-owner"]).await.unwrap();
    cluster.kubectl(&["wait", "--for=delete", "secret/owned", "-n", "harness-owner", "--timeout=90s"]).await.unwrap();
}

#[tokio::test]
async fn dropping_a_control_plane_ends_its_programs_and_removes_its_files() {
    let cluster = ControlPlane::start().await.unwrap();
    let folder = cluster.kubeconfig().parent().unwrap().to_owned();
    let kubeconfig = fs::read_to_string(cluster.kubeconfig()).unwrap();
    let address = kubeconfig.split("https://").nth(1).unwrap().split('"').next().unwrap().to_owned();
    TcpStream::connect(&address).unwrap();
    drop(cluster);
    TcpStream::connect(&address).unwrap_err();
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_command_that_fails_says_what_it_said() {
    let cluster = ControlPlane::shared().await.unwrap();
    let error = cluster.helm(&["status", "nothing-installed"]).await.unwrap_err();
    assert!(error.to_string().starts_with("helm status nothing-installed ended with"), "{error}");
    assert!(error.to_string().contains("not found"), "{error}");
}
