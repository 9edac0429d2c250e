//! Client secrets and who is mailed: what is sent, what is made of the answers, and the emulator's opinion.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entra::{Category, Detail, NewPassword, Retry, SignIn};
use keys::Sensitive;
use rstest::rstest;
use serde_json::{Value, json};

use crate::emulator::{Tenant, tenant};
use crate::stand_in::{KEY, OBJECT, StandIn, application, object, refusal, reply, service_principal, start};

const SECRET: &str = "c4n4ry~s3cret.value_with-all~kinds";

fn new_password() -> NewPassword {
    NewPassword { display_name: "entra-rotator/payroll/1".to_owned(), end_date_time: "2026-11-18T10:00:00Z".to_owned() }
}

fn answer() -> Value {
    json!({
        "@odata.context": "https://graph.example/v1.0/$metadata#microsoft.graph.passwordCredential",
        "customKeyIdentifier": null, "displayName": "entra-rotator/payroll/1", "endDateTime": "2026-11-18T10:00:00Z", "hint": "c4n",
        "keyId": KEY, "secretText": SECRET, "startDateTime": "2026-08-20T10:00:00.1234567Z",
    })
}

#[tokio::test]
async fn a_secret_is_asked_for_and_removed_with_the_documented_bodies() {
    let stand_in = StandIn::answering([reply(200, answer().to_string()), reply(204, "")]);
    let graph = stand_in.graph();
    let made = graph.add_password(&application(), &new_password()).await.unwrap().unwrap();
    graph.remove_password(&service_principal(), made.key_id).await.unwrap();
    assert_eq!((made.key_id.to_string().as_str(), made.secret.expose().as_str()), (KEY, SECRET));
    assert_eq!((made.start.unwrap().timestamp(), made.end.unwrap().to_rfc3339().as_str()), (1_787_220_000, "2026-11-18T10:00:00+00:00"));
    let [add, remove] = &stand_in.graph_requests()[..] else { panic!("two requests") };
    assert_eq!((add.method.as_str(), &add.uri), ("POST", &format!("https://graph.example/v1.0/applications/{OBJECT}/addPassword")));
    let entry = json!({"displayName": "entra-rotator/payroll/1", "endDateTime": "2026-11-18T10:00:00Z"});
    assert_eq!(add.json(), json!({"passwordCredential": entry}));
    assert!(remove.uri.ends_with("')/removePassword"), "{}", remove.uri);
    assert_eq!(remove.json(), json!({"keyId": KEY}));
}

#[rstest]
#[case::empty(String::new())]
#[case::garbage("<html>".to_owned())]
#[case::cut(answer().to_string()[..150].to_owned())]
#[case::context_only(r#"{"@odata.context":"x"}"#.to_owned())]
#[case::no_value(answer().to_string().replace(&format!("\"{SECRET}\""), "null"))]
#[case::empty_value(answer().to_string().replace(SECRET, ""))]
#[case::endless_value(answer().to_string().replace(SECRET, &SECRET.repeat(50)))]
#[case::number(answer().to_string().replace(&format!("\"{SECRET}\""), "7"))]
#[tokio::test]
async fn a_success_whose_answer_cannot_be_read_is_a_secret_that_was_made_and_lost(#[case] body: String) {
    let stand_in = StandIn::answering([reply(200, body)]);
    assert!(stand_in.graph().add_password(&application(), &new_password()).await.unwrap().is_none());
    assert_eq!(stand_in.graph_requests().len(), 1);
}

#[tokio::test]
async fn the_value_of_a_new_secret_is_never_printed() {
    let stand_in = StandIn::answering([reply(200, answer().to_string()), reply(400, answer().to_string())]);
    let graph = stand_in.graph();
    let made = graph.add_password(&application(), &new_password()).await.unwrap();
    let failure = graph.add_password(&application(), &new_password()).await.unwrap_err();
    let shown = format!("{made:?} {made:#?} {failure} {failure:?} {graph:?}");
    assert!(!shown.contains(&SECRET[..8]), "{shown}");
    assert!(shown.contains("[redacted]"), "{shown}");
}

#[tokio::test]
async fn a_secret_that_is_unknown_may_be_unknown_for_the_moment_only() {
    let message = format!("No password credential found with keyId '{KEY}'.");
    let body = json!({"error": {"code": "Request_BadRequest", "message": message}});
    let stand_in = StandIn::answering([reply(400, body.to_string()), refusal(400, "Request_BadRequest")]);
    let remove = async || stand_in.graph().remove_password(&application(), KEY.parse().unwrap()).await.unwrap_err();
    let (unknown, other) = (remove().await, remove().await);
    assert_eq!((unknown.category, unknown.retry, unknown.settled), (Category::InvalidRequest, Retry::Backoff, true));
    assert_eq!((other.category, other.retry), (Category::InvalidRequest, Retry::OnChange));
}

#[tokio::test]
async fn notification_addresses_replace_the_list_and_are_read_back_whole() {
    let addresses: Vec<String> = (0..5).map(|number| format!("team-{number}@{}.example", "x".repeat(300))).collect();
    let mut with_addresses = object();
    with_addresses["notificationEmailAddresses"] = json!(addresses);
    let replies = [reply(204, ""), reply(204, ""), reply(200, with_addresses.to_string()), reply(200, object().to_string())];
    let stand_in = StandIn::answering(replies);
    let graph = stand_in.graph();
    graph.set_notification_addresses(&service_principal(), &addresses).await.unwrap();
    graph.set_notification_addresses(&service_principal(), &[]).await.unwrap();
    assert_eq!(graph.read(&service_principal(), Detail::WithKeys).await.unwrap().object.notification_addresses, addresses);
    assert_eq!(graph.read(&service_principal(), Detail::Plain).await.unwrap().object.notification_addresses, Vec::<String>::new());
    let sent = stand_in.graph_requests();
    assert_eq!((sent[0].method.as_str(), sent[0].json()), ("PATCH", json!({"notificationEmailAddresses": addresses})));
    assert_eq!(sent[1].json(), json!({"notificationEmailAddresses": []}));
    assert!(sent[2].uri.contains(",notificationEmailAddresses"), "{}", sent[2].uri);
}

fn sign_in(tenant: &Tenant, secret: &Sensitive<String>) -> SignIn {
    SignIn::ClientSecret { client_id: tenant.payroll.client_id, secret: secret.clone() }
}

#[tokio::test(start_paused = true)]
async fn the_emulator_makes_a_secret_that_signs_in_until_it_is_removed() {
    let tenant = tenant();
    for address in [tenant.application(), tenant.service_principal()] {
        let made = tenant.graph.add_password(&address, &new_password()).await.unwrap().unwrap();
        assert_eq!((made.start, made.end), (Some(start()), Some(start() + TimeDelta::days(90))));
        tenant.graph.sign_in(&sign_in(&tenant, &made.secret)).await.unwrap();
        let listed = tenant.graph.read(&address, Detail::Plain).await.unwrap().object.passwords;
        assert_eq!(listed.key_ids(), BTreeSet::from([made.key_id]));
        assert_eq!(listed.views().next().unwrap().display_name.as_deref(), Some("entra-rotator/payroll/1"));

        tenant.graph.remove_password(&address, made.key_id).await.unwrap();
        let refused = tenant.graph.sign_in(&sign_in(&tenant, &made.secret)).await.unwrap_err();
        assert_eq!((refused.category, refused.code.as_deref()), (Category::CredentialRefused, Some("AADSTS7000215")));
        let unknown = tenant.graph.remove_password(&address, made.key_id).await.unwrap_err();
        assert_eq!((unknown.category, unknown.retry, unknown.status), (Category::InvalidRequest, Retry::Backoff, Some(400)));
    }
}

#[tokio::test(start_paused = true)]
async fn the_emulators_policies_and_limits_on_secrets_are_told_apart() {
    let tenant = tenant();
    tenant.emulator.adjust(|behaviour| behaviour.policy.max_secret_lifetime = Some(std::time::Duration::from_secs(86_400)));
    let add = async || tenant.graph.add_password(&tenant.application(), &new_password()).await.unwrap_err();
    let failure = add().await;
    assert_eq!((failure.category, failure.retry, failure.settled), (Category::PolicyForbidsLifetime, Retry::OnChange, true));
    tenant.emulator.adjust(|behaviour| behaviour.policy.secrets_blocked = true);
    assert_eq!(add().await.category, Category::PolicyForbidsType);
    tenant.emulator.adjust(|behaviour| {
        behaviour.policy = entra_emulator::Policy::default();
        behaviour.max_credentials = 0;
    });
    assert_eq!(add().await.category, Category::ObjectFull);
}

#[tokio::test(start_paused = true)]
async fn the_emulator_keeps_the_notification_addresses() {
    let tenant = tenant();
    let addresses = ["a@example.com".to_owned(), "b@example.com".to_owned()];
    tenant.graph.set_notification_addresses(&tenant.service_principal(), &addresses).await.unwrap();
    for detail in [Detail::Plain, Detail::WithKeys] {
        assert_eq!(tenant.graph.read(&tenant.service_principal(), detail).await.unwrap().object.notification_addresses, addresses);
    }
}
