//! Signing in without a Secret.

use std::fs;

use entra_emulator::{AssignedIdentity, Federated};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    process::Operator,
    scene::{Scene, assert_promises, client_certificate, is_settled},
    stage::{OPERATOR, Stage},
    witness::condition,
};

const AUDIENCE: &str = "api://AzureADTokenExchange";

#[tokio::test]
async fn the_token_of_the_operators_own_service_account_signs_it_in() {
    let stage = Stage::alone().await;
    let scene = Scene::new(&stage, "workload").await;
    let target = scene.application("Target");
    let token = service_account_token(&scene.client, stage.deployed.service_account()).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &token).unwrap();
    let mut command = stage.deployed.command("entra-rotator-0", &stage.kubeconfig);
    let operator = Operator::start_by(command.env("AZURE_FEDERATED_TOKEN_FILE", file.path())).await;

    let mut tenant = scene.watch_tenant().await;
    let mut spec = scene.tenant_spec(&[&target]);
    spec["signIn"] = json!({"workloadIdentity": {"clientID": scene.tenant.operator.client_id}});
    scene.create_tenant(spec).await;
    tenant.until("the refusal", |tenant| condition(tenant, "Stalled") == "True/FederationRefused").await;
    trust(&scene, &token).await;
    tenant.until("the sign-in", |tenant| condition(tenant, "Ready") == "True/SignedIn").await;
    let mut resource = scene.declare("workload-payroll", &target, client_certificate()).await;
    resource.until("a credential", is_settled).await;
    assert_promises(&scene, &[&resource]);
    let canaries = scene.leaks(&[]);
    canaries.token("the federated token", &token);
    canaries.assert_none_in("the log", operator.log());
    scene.leave(&["workload-payroll"]).await;
}

#[tokio::test]
async fn the_identity_of_the_machine_signs_the_operator_in_whatever_proxy_is_set() {
    let stage = Stage::alone().await;
    let scene = Scene::new(&stage, "machine").await;
    let target = scene.application("Target");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("--imds-endpoint=http://{}", listener.local_addr().unwrap());
    let (emulator, graph) = (scene.entra().emulator().clone(), scene.entra().url());
    emulator.adjust(|behaviour| behaviour.audiences.push(graph));
    let serving = tokio::spawn(async move { emulator.serve_instance_metadata(listener).await });
    let mut command = stage.deployed.command("entra-rotator-0", &stage.kubeconfig);
    command.arg(root).env("HTTP_PROXY", "http://127.0.0.1:9");
    let _operator = Operator::start_by(&mut command).await;

    let mut tenant = scene.watch_tenant().await;
    let mut spec = scene.tenant_spec(&[&target]);
    spec["signIn"] = json!({"managedIdentity": {"clientID": scene.tenant.operator.client_id}});
    scene.create_tenant(spec).await;
    tenant.until("the refusal", |tenant| condition(tenant, "Stalled") == "True/IdentityNotAssigned").await;
    let identity = AssignedIdentity { app_id: scene.tenant.operator.client_id, resource_id: None };
    scene.entra().emulator().assign_identity(identity);
    tenant.until("the sign-in", |tenant| condition(tenant, "Ready") == "True/SignedIn").await;
    let mut resource = scene.declare("machine-payroll", &target, client_certificate()).await;
    resource.until("a credential", is_settled).await;
    assert_promises(&scene, &[&resource]);
    scene.leave(&["machine-payroll"]).await;
    serving.abort();
}

/// What the kubelet would put into the projected volume that the chart asks for.
async fn service_account_token(client: &Client, name: &str) -> String {
    let spec = TokenRequestSpec { audiences: vec![AUDIENCE.to_owned()], expiration_seconds: Some(3600), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), OPERATOR);
    accounts.create_token_request(name, &PostParams::default(), &request).await.unwrap().status.unwrap().token
}

/// Gives the operator's application a federated credential, as a person would; and publishes the keys of the cluster, which are at its
/// issuer in production.
async fn trust(scene: &Scene<'_>, token: &str) {
    let claims = data_encoding::BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let issuer = claims["iss"].as_str().unwrap().to_owned();
    let keys = http::Request::get("/openid/v1/jwks").body(Vec::new()).unwrap();
    let keys: Value = scene.client.request(keys).await.unwrap();
    let emulator = scene.entra().emulator();
    emulator.set_issuer(&issuer, keys);
    let subject = format!("system:serviceaccount:{OPERATOR}:{}", scene.stage.deployed.service_account());
    let federated = Federated { name: "cluster".to_owned(), issuer, subject, audiences: vec![AUDIENCE.to_owned()] };
    emulator.add_federated(scene.tenant.operator.application, federated).unwrap();
}
