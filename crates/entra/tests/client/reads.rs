//! Reading objects.

use entra::{Category, Detail, Operation};
use rstest::rstest;
use serde_json::{Value, json};

use crate::stand_in::{CLIENT, OBJECT, StandIn, application, object, reply, service_principal};

#[tokio::test]
async fn a_plain_read_selects_nothing_and_a_read_with_keys_selects_the_lists() {
    let stand_in = StandIn::answering((0..4).map(|_| reply(200, object().to_string())));
    let graph = stand_in.graph();
    for address in [application(), service_principal()] {
        for detail in [Detail::Plain, Detail::WithKeys] {
            graph.read(&address, detail).await.unwrap();
        }
    }
    let uris: Vec<_> = stand_in.graph_requests().into_iter().map(|seen| seen.uri).collect();
    let application = format!("https://graph.example/v1.0/applications/{OBJECT}");
    let principal = format!("https://graph.example/v1.0/servicePrincipals(appId='{CLIENT}')");
    let select = "?$select=id,appId,displayName,keyCredentials,passwordCredentials";
    let signing = ",preferredTokenSigningKeyThumbprint,preferredSingleSignOnMode,notificationEmailAddresses";
    assert_eq!(uris, [application.clone(), format!("{application}{select}"), principal.clone(), format!("{principal}{select}{signing}")]);
}

#[tokio::test]
async fn every_request_has_a_correlation_id_of_its_own() {
    let stand_in = StandIn::answering((0..2).map(|_| reply(200, object().to_string())));
    let graph = stand_in.graph();
    graph.read(&application(), Detail::Plain).await.unwrap();
    graph.read(&application(), Detail::Plain).await.unwrap();
    let ids: std::collections::BTreeSet<_> = stand_in.seen().iter().map(|seen| seen.header("client-request-id").to_owned()).collect();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn an_object_is_read_with_its_lists_and_graphs_clock() {
    let mut body = object();
    body["preferredTokenSigningKeyThumbprint"] = json!("da20fca696c4f83e8a9aed59be33368ed421f3c1");
    body["preferredSingleSignOnMode"] = json!("saml");
    body["keyCredentials"] = json!([{"keyId": "33333333-3333-4333-8333-333333333333", "usage": "Sign", "future": {"x": 1}}]);
    body["somethingNew"] = json!([1, 2]);
    let reading = StandIn::answering([reply(200, body.to_string())]).graph().read(&service_principal(), Detail::Plain).await.unwrap();
    assert_eq!(reading.date.unwrap().to_rfc3339(), "2026-08-20T10:00:03+00:00");
    let object = reading.object;
    assert_eq!(
        (object.id.to_string(), object.client_id.to_string(), object.display_name.as_str()),
        (OBJECT.into(), CLIENT.into(), "Payroll")
    );
    assert_eq!(object.preferred_thumbprint.unwrap().to_string(), "DA20FCA696C4F83E8A9AED59BE33368ED421F3C1");
    assert_eq!(object.preferred_raw.as_deref(), Some("da20fca696c4f83e8a9aed59be33368ed421f3c1"));
    assert_eq!(object.single_sign_on_mode.as_deref(), Some("saml"));
    assert!(object.keys.views().all(|entry| entry.is_sign()) && object.passwords.entries().is_empty());
}

#[tokio::test]
async fn a_preferred_thumbprint_that_is_none_is_kept_as_text() {
    let read = async |value: Value| {
        let mut body = object();
        body["preferredTokenSigningKeyThumbprint"] = value;
        let stand_in = StandIn::answering([reply(200, body.to_string())]);
        let object = stand_in.graph().read(&service_principal(), Detail::Plain).await.unwrap().object;
        (object.preferred_thumbprint, object.preferred_raw)
    };
    assert_eq!(read(json!("typo")).await, (None, Some("typo".to_owned())));
    assert_eq!(read(json!(null)).await, (None, None));
    assert_eq!(read(json!("")).await, (None, None));
}

#[tokio::test]
async fn a_display_name_is_cut_and_cleaned() {
    let mut body = object();
    body["displayName"] = json!(format!("a\r\n{}", "ü".repeat(300)));
    let reading = StandIn::answering([reply(200, body.to_string())]).graph().read(&application(), Detail::Plain).await.unwrap();
    assert_eq!(reading.object.display_name, format!("a {}", "ü".repeat(254)));
}

fn without(field: &str) -> String {
    let mut body = object();
    body.as_object_mut().unwrap().remove(field);
    body.to_string()
}

fn with(field: &str, value: Value) -> String {
    let mut body = object();
    body[field] = value;
    body.to_string()
}

#[rstest]
#[case::empty(String::new())]
#[case::garbage("\u{0}\u{1}garbage".to_owned())]
#[case::html("<!DOCTYPE html><html>".to_owned())]
#[case::null("null".to_owned())]
#[case::list("[]".to_owned())]
#[case::cut(object().to_string()[..60].to_owned())]
#[case::deep("[".repeat(100_000))]
#[case::without_keys(without("keyCredentials"))]
#[case::without_passwords(without("passwordCredentials"))]
#[case::keys_are_null(with("keyCredentials", json!(null)))]
#[case::one_key_instead_of_a_list(with("keyCredentials", json!({"keyId": OBJECT})))]
#[case::without_id(without("id"))]
#[case::bad_id(with("id", json!("../users")))]
#[case::another_object(with("id", json!(CLIENT)))]
#[case::ten_megabytes(format!("{}{}", object(), " ".repeat(10_000_000)))]
#[tokio::test]
async fn what_is_no_such_object_is_no_answer(#[case] body: String) {
    let stand_in = StandIn::answering([reply(200, body)]);
    let failure = stand_in.graph().read(&application(), Detail::Plain).await.unwrap_err();
    assert_eq!((failure.category, failure.operation, failure.status), (Category::InvalidAnswer, Operation::Read, Some(200)));
    assert!(failure.message.chars().count() <= 512);
}

#[tokio::test]
async fn an_object_read_by_client_must_be_of_that_client() {
    let stand_in = StandIn::answering([reply(200, with("appId", json!(OBJECT)))]);
    let failure = stand_in.graph().read(&service_principal(), Detail::Plain).await.unwrap_err();
    assert_eq!(failure.category, Category::InvalidAnswer);
}
