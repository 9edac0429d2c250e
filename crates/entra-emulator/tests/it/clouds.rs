//! Four national clouds: each answers under its own names, and knows nothing of the others.

use bytes::Bytes;
use chrono::TimeDelta;
use entra_emulator::{Cloud, Emulator, Federated, NewSecret, Registered, Registration, Seed, parse_cloud};
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::stage::TENANT;

/// Name, Graph root, login root and audience of federated tokens, from Microsoft's page on national clouds.
const CLOUDS: [(&str, &str, &str, &str); 4] = [
    ("Global", "https://graph.microsoft.com", "https://login.microsoftonline.com", "api://AzureADTokenExchange"),
    ("USGovernmentL4", "https://graph.microsoft.us", "https://login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
    ("USGovernmentL5", "https://dod-graph.microsoft.us", "https://login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
    ("China", "https://microsoftgraph.chinacloudapi.cn", "https://login.partner.microsoftonline.cn", "api://AzureADTokenExchangeChina"),
];

fn cloud(name: &str) -> (Emulator, Registered) {
    let emulator = Emulator::builder().cloud(parse_cloud(name).unwrap()).build().unwrap();
    let tenant = TENANT.parse().unwrap();
    emulator.add_tenant(tenant);
    let registration = Registration::named("operator").role("Application.ReadWrite.All");
    let operator = emulator.register(tenant, &registration).unwrap();
    let end = emulator.now() + TimeDelta::days(1);
    emulator.add_secret(operator.application, NewSecret { text: "s~ecret".to_owned(), display_name: None, start: None, end }).unwrap();
    (emulator, operator)
}

async fn send(emulator: &Emulator, request: Request<Bytes>) -> (u16, Value) {
    let (head, body) = emulator.service().oneshot(request).await.unwrap().into_parts();
    (head.status.as_u16(), serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn sign_in(emulator: &Emulator, client: &Registered, login: &str, resource: &str) -> (u16, Value) {
    let id = client.client_id.to_string();
    let scope = format!("{resource}/.default");
    let fields = [("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", "s~ecret"), ("scope", &scope)];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = Request::post(format!("{login}/{TENANT}/oauth2/v2.0/token")).header("content-type", "application/x-www-form-urlencoded");
    send(emulator, request.body(Bytes::from(body)).unwrap()).await
}

async fn read(emulator: &Emulator, root: &str, token: &str) -> (u16, Value) {
    let request = Request::get(format!("{root}/v1.0/applications")).header("authorization", format!("Bearer {token}"));
    send(emulator, request.body(Bytes::new()).unwrap()).await
}

#[tokio::test]
async fn each_cloud_signs_in_and_reads_under_its_own_host_names() {
    for (name, graph, login, _) in CLOUDS {
        let (emulator, operator) = cloud(name);
        let (status, token) = sign_in(&emulator, &operator, login, graph).await;
        assert_eq!(status, 200, "{name}: {token}");
        let (status, list) = read(&emulator, graph, token["access_token"].as_str().unwrap()).await;
        assert_eq!((status, list["value"].as_array().unwrap().len()), (200, 1), "{name}");
        assert_eq!(list["@odata.context"], format!("{graph}/v1.0/$metadata#applications"));
    }
}

#[tokio::test]
async fn tokens_and_federation_metadata_name_the_issuer_of_their_cloud() {
    for (name, graph, login, _) in CLOUDS {
        let (emulator, operator) = cloud(name);
        let host = if name == "China" { "sts.chinacloudapi.cn" } else { "sts.windows.net" };
        let issuer = format!("https://{host}/{TENANT}/");
        let (_, token) = sign_in(&emulator, &operator, login, graph).await;
        let claims = token["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap();
        assert_eq!((&claims["iss"], &claims["idp"]), (&json!(issuer), &json!(issuer)), "{name}");
        let path = format!("{login}/{TENANT}/federationmetadata/2007-06/federationmetadata.xml");
        let answer = emulator.service().oneshot(Request::get(path).body(Bytes::new()).unwrap()).await.unwrap();
        let document = String::from_utf8(answer.into_body().to_vec()).unwrap();
        assert!(document.contains(&format!("entityID=\"{issuer}\"")), "{name}: {document}");
    }
}

#[tokio::test]
async fn no_cloud_gives_tokens_for_the_graph_of_another() {
    for (name, _, login, _) in CLOUDS {
        let (emulator, operator) = cloud(name);
        for (other, graph, _, _) in CLOUDS.into_iter().filter(|(other, ..)| *other != name) {
            let (status, body) = sign_in(&emulator, &operator, login, graph).await;
            assert_eq!((status, &body["error_codes"]), (400, &json!([500_011])), "{other} in {name}");
        }
    }
}

#[tokio::test]
async fn a_token_of_one_cloud_is_refused_by_the_graph_of_every_other_whatever_its_audience() {
    for (name, graph, login, _) in CLOUDS {
        let (emulator, operator) = cloud(name);
        for resource in [graph, "00000003-0000-0000-c000-000000000000"] {
            let (_, token) = sign_in(&emulator, &operator, login, resource).await;
            let token = token["access_token"].as_str().unwrap();
            for (other, elsewhere, _, _) in CLOUDS.into_iter().filter(|(other, ..)| *other != name) {
                let (emulator, _) = cloud(other);
                for root in [elsewhere, "https://localhost:8443"] {
                    let (status, body) = read(&emulator, root, token).await;
                    assert_eq!((status, &body["error"]["code"]), (401, &json!("InvalidAuthenticationToken")), "{name} at {other}");
                }
            }
            let (status, body) = read(&emulator, if name == "China" { CLOUDS[0].1 } else { CLOUDS[3].1 }, token).await;
            assert_eq!((status, &body["error"]["message"]), (401, &json!("Access token validation failure. Invalid audience.")));
        }
    }
}

#[tokio::test]
async fn the_login_host_of_another_cloud_does_not_know_the_tenant() {
    let (emulator, operator) = cloud("China");
    let (status, body) = sign_in(&emulator, &operator, "https://login.microsoftonline.com", CLOUDS[3].1).await;
    assert_eq!((status, &body["error_codes"]), (400, &json!([90_002])));
    assert!(body["error_description"].as_str().unwrap().contains("signing into the correct cloud"));
    assert_eq!(body["error_uri"], "https://login.partner.microsoftonline.cn/error?code=90002");
    let (status, _) = sign_in(&emulator, &operator, "https://login.chinacloudapi.cn", CLOUDS[3].1).await;
    assert_eq!(status, 200, "the older name of the login host");
}

#[tokio::test]
async fn graph_does_not_sign_in_and_the_login_host_is_no_graph() {
    let (emulator, operator) = cloud("Global");
    let (_, graph, login, _) = CLOUDS[0];
    assert_eq!(sign_in(&emulator, &operator, graph, graph).await.0, 401);
    let (_, token) = sign_in(&emulator, &operator, login, graph).await;
    assert_eq!(read(&emulator, login, token["access_token"].as_str().unwrap()).await.0, 404);
    assert_eq!(read(&emulator, "https://localhost:8443", token["access_token"].as_str().unwrap()).await.0, 200);
}

#[tokio::test]
async fn a_federated_credential_without_audience_expects_that_of_its_cloud() {
    for (name, _, _, audience) in CLOUDS {
        let (emulator, operator) = cloud(name);
        let federated = Federated { name: "c".to_owned(), issuer: "https://x".to_owned(), subject: "s".to_owned(), audiences: vec![] };
        emulator.add_federated(operator.application, federated).unwrap();
        let objects = emulator.state()["tenants"][0]["objects"].as_array().unwrap().clone();
        assert!(objects.iter().any(|object| object["federated"][0]["audiences"] == json!([audience])), "{name}");
    }
}

#[test]
fn a_seed_says_which_cloud_it_is_for() {
    let emulator = Emulator::builder().build().unwrap();
    emulator.load(Seed::parse("cloud: USGovernmentL5").unwrap()).unwrap();
    assert_eq!(emulator.cloud(), Cloud::UsGovernmentL5);
    emulator.load(Seed::parse("tenants: []").unwrap()).unwrap();
    assert_eq!(emulator.cloud(), Cloud::UsGovernmentL5);
    assert!(Seed::parse("cloud: Moon").unwrap_err().to_string().contains("it must be one of Global"));
}
