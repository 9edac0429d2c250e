//! What tenants allow credentials to be.

use chrono::TimeDelta;
use entra::{Category, Detail, Graph, Limits, Operation};
use entra_emulator::{NewSecret, Registration};
use rstest::rstest;
use serde_json::{Value, json};

use crate::emulator::{Tenant, graph, secret_of, tenant};
use crate::stand_in::{OBJECT, Reply, StandIn, TENANT, application, object, refusal, reply, service_principal, start};

const OWN: &str = "55555555-5555-4555-8555-555555555555";

fn days(days: i64) -> Option<TimeDelta> {
    Some(TimeDelta::days(days))
}

fn restrictions(passwords: &Value, keys: &Value) -> Value {
    json!({"passwordCredentials": passwords, "keyCredentials": keys})
}

fn restriction(kind: &str, lifetime: Option<&str>) -> Value {
    json!({"restrictionType": kind, "state": "enabled", "maxLifetime": lifetime, "restrictForAppsCreatedAfterDateTime": null, "excludeActors": null})
}

fn default_policy(enabled: bool) -> Value {
    let applications = restrictions(
        &json!([
            restriction("passwordAddition", None),
            restriction("passwordLifetime", Some("P90D")),
            restriction("symmetricKeyAddition", None)
        ]),
        &json!([restriction("asymmetricKeyLifetime", Some("P180D"))]),
    );
    let principals = restrictions(&json!([restriction("passwordLifetime", Some("P4DT12H"))]), &json!(null));
    json!({
        "@odata.context": "x", "id": "00000000-0000-0000-0000-000000000000", "displayName": "Default", "isEnabled": enabled,
        "applicationRestrictions": applications, "servicePrincipalRestrictions": principals,
    })
}

fn own_policies(policies: &[Value]) -> Reply {
    reply(200, json!({"@odata.context": "x", "value": policies}).to_string())
}

fn json_reply(body: &Value) -> Reply {
    reply(200, body.to_string())
}

async fn limits(replies: impl IntoIterator<Item = Reply>) -> (Limits, Vec<String>) {
    let stand_in = StandIn::answering(replies);
    let limits = stand_in.graph().app_management_policy(&application()).await.unwrap().unwrap();
    (limits, stand_in.graph_requests().into_iter().map(|seen| seen.uri).collect())
}

#[tokio::test]
async fn the_default_policy_counts_for_its_kind_of_object_where_there_is_no_own_one() {
    let (limits, uris) = limits([own_policies(&[]), json_reply(&default_policy(true))]).await;
    let expected = Limits {
        passwords_forbidden: true,
        max_password_lifetime: days(90),
        max_key_lifetime: days(180),
        policy: Some("00000000-0000-0000-0000-000000000000".to_owned()),
    };
    assert_eq!(limits, expected);
    let own = format!("https://graph.example/v1.0/applications/{OBJECT}/appManagementPolicies");
    assert_eq!(uris, [own, "https://graph.example/v1.0/policies/defaultAppManagementPolicy".to_owned()]);

    let stand_in = StandIn::answering([own_policies(&[]), json_reply(&default_policy(true))]);
    let limits = stand_in.graph().app_management_policy(&service_principal()).await.unwrap().unwrap();
    assert_eq!(
        (limits.passwords_forbidden, limits.max_password_lifetime, limits.max_key_lifetime),
        (false, Some(TimeDelta::hours(108)), None)
    );
}

#[tokio::test]
async fn a_policy_that_is_switched_off_restricts_nothing() {
    let (unrestricted, _) = limits([own_policies(&[]), json_reply(&default_policy(false))]).await;
    assert_eq!(unrestricted, Limits::default());
    let mut off = restriction("passwordLifetime", Some("P1D"));
    off["state"] = json!("disabled");
    let own = json!({"id": OWN, "isEnabled": true, "restrictions": restrictions(&json!([off]), &json!([]))});
    let (limits, _) = limits([own_policies(&[own])]).await;
    assert_eq!(limits, Limits { policy: Some(OWN.to_owned()), ..Limits::default() });
}

#[tokio::test]
async fn an_own_policy_wins_as_a_whole_if_it_is_enabled() {
    let own = |enabled: bool| {
        let passwords = json!([restriction("passwordLifetime", Some("P30D"))]);
        json!({"id": OWN, "isEnabled": enabled, "restrictions": {"passwordCredentials": passwords}})
    };
    let (by_own, uris) = limits([own_policies(&[own(true)])]).await;
    assert_eq!(by_own, Limits { max_password_lifetime: days(30), policy: Some(OWN.to_owned()), ..Limits::default() });
    assert_eq!(uris.len(), 1, "the default is of no interest then");
    let (by_default, _) = limits([own_policies(&[own(false)]), json_reply(&default_policy(true))]).await;
    assert_eq!(by_default.max_password_lifetime, days(90));
}

#[rstest]
#[case::younger(Some("2025-01-01T00:00:00Z"), days(30))]
#[case::of_that_moment(Some("2024-06-01T00:00:00Z"), days(30))]
#[case::older(Some("2024-05-31T23:59:59Z"), days(365))]
#[case::of_unknown_age(None, days(30))]
#[tokio::test]
async fn a_restriction_of_young_objects_spares_old_ones(#[case] created: Option<&str>, #[case] longest: Option<TimeDelta>) {
    let mut young = restriction("asymmetricKeyLifetime", Some("P30D"));
    young["restrictForAppsCreatedAfterDateTime"] = json!("2024-06-01T00:00:00Z");
    let keys = json!([young, restriction("asymmetricKeyLifetime", Some("P365D"))]);
    let own = json!({"id": OWN, "isEnabled": true, "restrictions": restrictions(&json!([]), &keys)});
    let mut dated = object();
    dated["createdDateTime"] = json!(created);
    let (limits, uris) = limits([own_policies(&[own]), json_reply(&dated)]).await;
    assert_eq!(limits.max_key_lifetime, longest);
    assert_eq!(uris[1], format!("https://graph.example/v1.0/applications/{OBJECT}?$select=id,createdDateTime"));
}

#[tokio::test]
async fn policies_that_we_may_not_read_are_no_failure() {
    let denied = || refusal(403, "Authorization_RequestDenied");
    let stand_in = StandIn::answering([denied(), own_policies(&[]), denied()]);
    let graph = stand_in.graph();
    for _ in 0..2 {
        assert_eq!(graph.app_management_policy(&application()).await, Ok(None));
        stand_in.advance(TimeDelta::minutes(10));
    }
    assert_eq!(stand_in.token_requests().len(), 1, "the token is not to blame");
}

#[rstest]
#[case::gone(refusal(404, "Request_ResourceNotFound"), Category::TargetNotFound)]
#[case::down(reply(503, ""), Category::Unavailable)]
#[case::proxy(reply(403, "<html>"), Category::InvalidAnswer)]
#[case::garbage(reply(200, "[]"), Category::InvalidAnswer)]
#[case::nothing(reply(200, ""), Category::InvalidAnswer)]
#[tokio::test]
async fn anything_else_is_a_failure_that_names_the_object(#[case] answer: Reply, #[case] category: Category) {
    let failure = StandIn::answering([answer]).graph().app_management_policy(&application()).await.unwrap_err();
    assert_eq!((failure.operation, failure.category, failure.settled), (Operation::ReadPolicies, category, true));
    assert!(failure.to_string().starts_with(&format!("cannot read the app management policies of application {OBJECT}: ")), "{failure}");
}

#[tokio::test]
async fn a_lifetime_that_cannot_be_read_is_not_taken_for_none() {
    for lifetime in [json!("P1Y"), json!("soon"), json!(90)] {
        let mut own = json!({"id": OWN, "isEnabled": true, "restrictions": restrictions(&json!([restriction("passwordLifetime", None)]), &json!([]))});
        own["restrictions"]["passwordCredentials"][0]["maxLifetime"] = lifetime;
        let failure = StandIn::answering([own_policies(&[own])]).graph().app_management_policy(&application()).await.unwrap_err();
        assert_eq!(failure.category, Category::InvalidAnswer);
    }
}

/// A client that may read policies.
fn auditor(tenant: &Tenant) -> Graph {
    let roles = Registration::named("auditor").role("Application.Read.All").role("Policy.Read.All");
    let auditor = tenant.emulator.register(TENANT.parse().unwrap(), &roles).unwrap();
    let secret = NewSecret { text: "auditor~secret".to_owned(), display_name: None, start: None, end: start() + TimeDelta::days(9) };
    tenant.emulator.add_secret(auditor.application, secret).unwrap();
    graph(&tenant.emulator, secret_of(auditor, "auditor~secret"))
}

#[tokio::test(start_paused = true)]
async fn the_emulators_policies_are_resolved_as_it_applies_them() {
    let tenant = tenant();
    let (application, id) = (tenant.application(), TENANT.parse().unwrap());
    assert_eq!(tenant.graph.app_management_policy(&application).await, Ok(None));
    let auditor = auditor(&tenant);
    let resolved = async || auditor.app_management_policy(&application).await.unwrap().unwrap();
    assert_eq!(resolved().await, Limits::default());

    let change = json!({"isEnabled": true, "applicationRestrictions": default_policy(true)["applicationRestrictions"]});
    tenant.emulator.change_default_policy(id, &change).unwrap();
    let limits = resolved().await;
    assert_eq!((limits.passwords_forbidden, limits.max_password_lifetime, limits.max_key_lifetime), (true, days(90), days(180)));

    let longer = restrictions(&json!([]), &json!([restriction("asymmetricKeyLifetime", Some("P400D"))]));
    let policy = tenant.emulator.add_policy(id, &json!({"isEnabled": true, "restrictions": longer})).unwrap();
    tenant.emulator.assign_policy(tenant.payroll.application, Some(policy)).unwrap();
    let limits = resolved().await;
    assert_eq!((limits.passwords_forbidden, limits.max_key_lifetime, limits.policy), (false, days(400), Some(policy.to_string())));
    assert!(auditor.read(&application, Detail::Plain).await.is_ok());
}
