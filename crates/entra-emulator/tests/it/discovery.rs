//! What client libraries ask before they sign in.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::stage::{LOGIN, Reply, Stage, TENANT};

async fn get(stage: &Stage, url: &str) -> Reply {
    stage.send(Request::get(url).body(Bytes::new()).unwrap()).await
}

async fn instance(stage: &Stage, root: &str, query: &str) -> Reply {
    get(stage, &format!("{root}/common/discovery/instance?{query}")).await
}

#[tokio::test]
async fn the_openid_document_has_the_fields_of_the_real_one() {
    let stage = Stage::new().await;
    let body = get(&stage, &format!("{LOGIN}/{TENANT}/v2.0/.well-known/openid-configuration")).await.json();
    let fields = "issuer authorization_endpoint token_endpoint jwks_uri userinfo_endpoint device_authorization_endpoint end_session_endpoint \
        response_types_supported response_modes_supported subject_types_supported scopes_supported id_token_signing_alg_values_supported \
        token_endpoint_auth_methods_supported claims_supported tenant_region_scope cloud_instance_name cloud_graph_host_name msgraph_host \
        rbac_url http_logout_supported frontchannel_logout_supported request_uri_parameter_supported kerberos_endpoint";
    let mut expected: Vec<_> = fields.split_whitespace().collect();
    expected.sort_unstable();
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, expected);
    assert_eq!((&body["msgraph_host"], &body["cloud_instance_name"]), (&json!("graph.microsoft.com"), &json!("microsoftonline.com")));
    assert_eq!(body["issuer"], format!("{LOGIN}/{TENANT}/v2.0"));
}

#[tokio::test]
async fn the_document_of_any_tenant_names_its_issuer_by_a_placeholder() {
    let stage = Stage::new().await;
    let body = get(&stage, "https://localhost:8443/common/v2.0/.well-known/openid-configuration").await.json();
    assert_eq!(body["issuer"], "https://localhost:8443/{tenantid}/v2.0");
    assert_eq!(body["token_endpoint"], "https://localhost:8443/common/oauth2/v2.0/token");
    assert_eq!(body["msgraph_host"], "localhost:8443");
    let unknown = get(&stage, &format!("{LOGIN}/nobody/v2.0/.well-known/openid-configuration")).await;
    assert_eq!((unknown.status, &unknown.json()["error_codes"]), (400, &json!([90_002])));
}

#[tokio::test]
async fn instance_discovery_knows_its_clouds_hosts_and_the_name_it_is_asked_under() {
    let stage = Stage::new().await;
    let asked = |host: &str| format!("authorization_endpoint=https://{host}/{TENANT}/oauth2/v2.0/authorize");
    let plain = instance(&stage, LOGIN, &format!("api-version=1.0&{}", asked("login.windows.net"))).await.json();
    let document = format!("https://login.windows.net/{TENANT}/v2.0/.well-known/openid-configuration");
    assert_eq!(plain, json!({"tenant_discovery_endpoint": document}));
    let full = instance(&stage, LOGIN, &format!("api-version=1.1&{}", asked("login.microsoftonline.com"))).await.json();
    assert_eq!(full["api-version"], "1.1");
    assert_eq!(full["metadata"].as_array().unwrap().len(), 1);
    let network = &full["metadata"][0];
    assert_eq!(
        (&network["preferred_network"], &network["preferred_cache"]),
        (&json!("login.microsoftonline.com"), &json!("login.windows.net"))
    );
    assert!(network["aliases"].as_array().unwrap().contains(&json!("sts.windows.net")));
    let local = instance(&stage, "https://localhost:8443", &format!("api-version=1.1&{}", asked("localhost"))).await.json();
    assert_eq!(local["metadata"][0]["aliases"], json!(["localhost:8443"]));
    let by_issuer = instance(&stage, LOGIN, &format!("api-version=1.1&issuer={LOGIN}/{TENANT}/v2.0")).await;
    assert_eq!(by_issuer.status, 200);
}

#[tokio::test]
async fn instance_discovery_refuses_each_wrong_question_with_its_number() {
    let stage = Stage::new().await;
    let good = format!("authorization_endpoint={LOGIN}/common/oauth2/v2.0/authorize");
    let cases = [
        (good.clone(), "invalid_request", 500_501),
        (format!("api-version=9.9&{good}"), "invalid_request", 500_501),
        ("api-version=1.1".to_owned(), "invalid_request", 500_502),
        (format!("api-version=1.1&{good}&issuer={LOGIN}/x"), "invalid_request", 500_502),
        ("api-version=1.1&authorization_endpoint=http://login.microsoftonline.com/x".to_owned(), "invalid_request", 50_050),
        ("api-version=1.0&issuer=https:///x".to_owned(), "invalid_request", 50_050),
        ("api-version=1.0&authorization_endpoint=https://other.example/x/y".to_owned(), "invalid_instance", 50_049),
        ("api-version=1.0&authorization_endpoint=https://login.microsoftonline.us/x/y".to_owned(), "invalid_instance", 50_049),
    ];
    for (query, error, number) in cases {
        let reply = instance(&stage, LOGIN, &query).await;
        let body: Value = reply.json();
        assert_eq!((reply.status, &body["error"], &body["error_codes"]), (400, &json!(error), &json!([number])), "{query}");
    }
}
