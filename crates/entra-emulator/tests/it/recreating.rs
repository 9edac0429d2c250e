//! Objects that are deleted and made anew: the appId stays, the id changes.

use bytes::Bytes;
use entra_emulator::Operation;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::stage::{Reply, Stage, TENANT, refused};

async fn admin(stage: &Stage, method: Method, path: &str, body: Value) -> Reply {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    stage.send(Request::builder().method(method).uri(format!("https://localhost/_emulator/{path}")).body(body).unwrap()).await
}

fn single(stage: &Stage, kind: &str) -> Value {
    json!({"tenant": TENANT, "kind": kind, "appId": stage.target.client_id, "displayName": "payroll"})
}

#[tokio::test]
async fn a_service_principal_is_made_anew_with_another_id_and_without_its_credentials() {
    let stage = Stage::new().await;
    stage.post(&format!("{}/addTokenSigningCertificate", stage.principal()), &json!({})).await;
    let (old, client) = (stage.target.service_principal, stage.target.client_id);
    assert_eq!(admin(&stage, Method::DELETE, &format!("objects/{old}"), Value::Null).await.status, 204);
    assert_eq!(stage.get(&stage.principal()).await.verdict(), refused(404, "Request_ResourceNotFound"));
    let mut wanted = single(&stage, "ServicePrincipal");
    wanted["owners"] = json!([stage.operator.client_id]);
    wanted["properties"] = json!({"preferredSingleSignOnMode": "saml"});
    let made = admin(&stage, Method::POST, "objects", wanted).await;
    assert_eq!(made.status, 200, "{:?}", made.json());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_ne!(id, old.to_string());
    let by_client = stage.get(&format!("/servicePrincipals(appId='{client}')")).await.json();
    assert_eq!((&by_client["id"], &by_client["preferredSingleSignOnMode"]), (&json!(id), &json!("saml")));
    assert_eq!(by_client["keyCredentials"], json!([]));
    assert_eq!(stage.get(&stage.principal()).await.status, 404, "the old id names nothing any more");
}

#[tokio::test]
async fn an_application_is_made_anew_while_its_service_principal_stays() {
    let stage = Stage::new().await;
    stage.secret(stage.target.application, "old~secret");
    assert!(stage.emulator.accepts_secret(stage.target.client_id, "old~secret"));
    stage.emulator.delete(stage.target.application).unwrap();
    let mut wanted = single(&stage, "Application");
    wanted["secrets"] = json!([{"secretText": "new~secret"}]);
    assert_eq!(admin(&stage, Method::POST, "objects", wanted).await.status, 200);
    assert!(!stage.emulator.accepts_secret(stage.target.client_id, "old~secret"));
    assert!(stage.emulator.accepts_secret(stage.target.client_id, "new~secret"));
    assert_eq!(stage.get(&stage.principal()).await.status, 200);
}

#[tokio::test]
async fn an_object_that_is_there_is_not_made_twice() {
    let stage = Stage::new().await;
    let reply = admin(&stage, Method::POST, "objects", single(&stage, "Application")).await;
    assert_eq!(reply.status, 400);
    assert!(reply.json()["error"].as_str().unwrap().contains("is taken"), "{}", reply.json());
    assert_eq!(admin(&stage, Method::POST, "objects", json!({"kind": "User"})).await.status, 400);
}

#[tokio::test]
async fn the_admin_api_sets_policies_issuers_and_the_identities_of_the_machine() {
    let stage = Stage::new().await;
    let policies = format!("policies/{TENANT}");
    let blocked = json!({"isEnabled": true, "applicationRestrictions": {"passwordCredentials": [{"restrictionType": "passwordAddition"}]}});
    assert_eq!(admin(&stage, Method::PATCH, &format!("{policies}/default"), blocked).await.status, 204);
    let add = async || stage.post(&format!("{}/addPassword", stage.application()), &json!({})).await.status;
    assert_eq!(add().await, 400);
    let id = admin(&stage, Method::POST, &policies, json!({"isEnabled": true})).await.json()["id"].as_str().unwrap().to_owned();
    let assignment = format!("objects/{}/policy", stage.target.application);
    assert_eq!(admin(&stage, Method::PUT, &assignment, json!({"policy": id})).await.status, 204);
    assert_eq!(add().await, 200, "a policy of its own that forbids nothing");
    let shown = admin(&stage, Method::GET, &policies, Value::Null).await.json();
    assert_eq!(shown["appManagementPolicies"][0]["appliesTo"], json!([stage.target.application]));
    assert_eq!(shown["default"]["isEnabled"], json!(true));
    assert_eq!(admin(&stage, Method::PATCH, &format!("{policies}/{id}"), json!({"isEnabled": false})).await.status, 204);
    assert_eq!(add().await, 400);
    assert_eq!(admin(&stage, Method::PUT, &assignment, json!({"policy": null})).await.status, 204);
    assert_eq!(admin(&stage, Method::DELETE, &format!("{policies}/{id}"), Value::Null).await.status, 204);
    assert_eq!(admin(&stage, Method::DELETE, &format!("{policies}/{id}"), Value::Null).await.status, 404);
    assert_eq!(admin(&stage, Method::PUT, &assignment, json!({"policy": id})).await.status, 400);
    let federated = json!({"name": "cluster", "issuer": "https://oidc.example", "subject": "s"});
    let path = format!("objects/{}/federated", stage.target.application);
    assert_eq!(admin(&stage, Method::POST, &path, federated).await.status, 204);
    assert_eq!(admin(&stage, Method::PUT, "issuers", json!({"issuer": "https://oidc.example", "keys": []})).await.status, 204);
    let machine = json!({"systemAssigned": stage.operator.client_id, "userAssigned": [{"appId": stage.target.client_id}]});
    assert_eq!(admin(&stage, Method::PUT, "managedIdentity", machine).await.status, 204);
    let url = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://graph.microsoft.com";
    let token = stage.send(Request::get(url).header("metadata", "true").body(Bytes::new()).unwrap()).await;
    assert_eq!(token.json()["client_id"], stage.operator.client_id.to_string());
    assert!(stage.emulator.calls().iter().all(|call| call.operation != Operation::Administration));
}
