//! Application management policies: who may read and change them, whom they bind, and what the refusals say.

use chrono::TimeDelta;
use http::Method;
use serde_json::{Value, json};

use crate::stage::{Reply, Stage, certificate, entry, refused, stamp};

const DEFAULT: &str = "/policies/defaultAppManagementPolicy";
const ALL: &str = "/policies/appManagementPolicies";
const DEFAULT_ID: &str = "00000000-0000-0000-0000-000000000000";

fn secrets(restrictions: &Value) -> Value {
    json!({"isEnabled": true, "applicationRestrictions": {"passwordCredentials": restrictions},
        "servicePrincipalRestrictions": {"passwordCredentials": restrictions}})
}

fn certificates(longest: &str) -> Value {
    let list = json!([{"restrictionType": "asymmetricKeyLifetime", "maxLifetime": longest}]);
    json!({"isEnabled": true, "applicationRestrictions": {"keyCredentials": list}, "servicePrincipalRestrictions": {"keyCredentials": list}})
}

fn set(stage: &Stage, change: &Value) {
    stage.emulator.change_default_policy(stage.tenant, change).unwrap();
}

async fn add_password(stage: &Stage, path: &str, days: i64) -> Reply {
    let end = stamp(stage.now() + TimeDelta::days(days));
    stage.post(&format!("{path}/addPassword"), &json!({"passwordCredential": {"endDateTime": end}})).await
}

/// A request of a client that has these roles and no others.
async fn with_role(stage: &Stage, role: &str, method: Method, path: &str, body: &Value) -> Reply {
    let (_, token) = stage.client(&[role]).await;
    stage.send(stage.request_with(&token, method, path, body)).await
}

#[tokio::test]
async fn a_tenant_has_a_default_policy_that_forbids_nothing() {
    let stage = Stage::new().await;
    let body = with_role(&stage, "Policy.Read.All", Method::GET, DEFAULT, &Value::Null).await.json();
    assert_eq!((&body["id"], &body["isEnabled"]), (&json!(DEFAULT_ID), &json!(false)));
    let none = json!({"passwordCredentials": [], "keyCredentials": []});
    assert_eq!((&body["applicationRestrictions"], &body["servicePrincipalRestrictions"]), (&none, &none));
    assert!(body["@odata.context"].as_str().unwrap().ends_with("/$metadata#policies/defaultAppManagementPolicy/$entity"));
    assert_eq!(add_password(&stage, &stage.application(), 3_000).await.status, 200);
}

#[tokio::test]
async fn policies_are_read_with_a_policy_role_only_and_changed_with_one_of_its_own() {
    let stage = Stage::new().await;
    let paths = [DEFAULT.to_owned(), ALL.to_owned(), format!("{}/appManagementPolicies", stage.application())];
    for path in &paths {
        assert_eq!(stage.get(path).await.verdict(), refused(403, "Authorization_RequestDenied"), "{path}");
        for role in ["Policy.Read.All", "Policy.Read.ApplicationConfiguration", "Policy.ReadWrite.ApplicationConfiguration"] {
            assert_eq!(with_role(&stage, role, Method::GET, path, &Value::Null).await.status, 200, "{role} {path}");
        }
    }
    let change = json!({"isEnabled": true});
    let by_reader = with_role(&stage, "Policy.Read.All", Method::PATCH, DEFAULT, &change).await;
    assert_eq!(by_reader.verdict(), refused(403, "Authorization_RequestDenied"));
    let by_writer = with_role(&stage, "Policy.ReadWrite.ApplicationConfiguration", Method::PATCH, DEFAULT, &change).await;
    assert_eq!(by_writer.status, 204);
    let shown = with_role(&stage, "Policy.Read.All", Method::GET, DEFAULT, &Value::Null).await.json();
    assert_eq!(shown["isEnabled"], json!(true));
}

#[tokio::test]
async fn a_blocked_type_of_credential_is_refused_on_both_objects_by_name_of_the_policy() {
    let stage = Stage::new().await;
    set(&stage, &secrets(&json!([{"restrictionType": "passwordAddition", "state": "enabled", "maxLifetime": null}])));
    for path in [stage.application(), stage.principal()] {
        let reply = add_password(&stage, &path, 1).await;
        assert_eq!(reply.verdict(), refused(400, "CredentialTypeNotAllowedAsPerAppPolicy"));
        assert_eq!(reply.message(), format!("Credential type not allowed as per assigned policy '{DEFAULT_ID}'."));
    }
    let (_, certificate) = stage.certificate(1);
    assert_eq!(stage.patch(&stage.application(), &json!({"keyCredentials": [entry(&certificate)]})).await.status, 204);
}

#[tokio::test]
async fn a_secret_that_lives_too_long_is_refused_with_details() {
    let stage = Stage::new().await;
    set(&stage, &secrets(&json!([{"restrictionType": "passwordLifetime", "maxLifetime": "P30D"}])));
    assert_eq!(add_password(&stage, &stage.application(), 30).await.status, 200);
    let reply = add_password(&stage, &stage.application(), 31).await;
    assert_eq!(reply.verdict(), refused(400, "CredentialInvalidLifetimeAsPerAppPolicy"));
    let message = format!("Credential lifetime exceeds the max value allowed as per assigned policy '{DEFAULT_ID}'.");
    assert_eq!(reply.message(), message);
    assert_eq!(reply.json()["error"]["details"], json!([{"code": "InvalidKeyEndDate", "message": message, "target": "EndDate"}]));
    let without_end = stage.post(&format!("{}/addPassword", stage.application()), &json!({})).await;
    assert_eq!(without_end.status, 400, "two years is the default life, and too long");
}

#[tokio::test]
async fn a_limit_on_certificates_binds_updates_add_key_and_signing_certificates() {
    let stage = Stage::new().await;
    let (key, old) = stage.certificate(1);
    stage.emulator.add_certificate(stage.target.application, &old).unwrap();
    set(&stage, &certificates("P90D"));
    let start = stage.now();
    let (_, long) = certificate(2, start, start + TimeDelta::days(91));
    let (_, short) = certificate(2, start, start + TimeDelta::days(90));
    let kept = stage.list(&stage.application(), "keyCredentials").await[0].clone();
    let too_long = refused(400, "CredentialInvalidLifetimeAsPerAppPolicy");
    let update = |new: &keys::Certificate| json!({"keyCredentials": [kept.clone(), entry(new)]});
    assert_eq!(stage.patch(&stage.application(), &update(&long)).await.verdict(), too_long);
    let roll = |new: &keys::Certificate| json!({"keyCredential": entry(new), "passwordCredential": null, "proof": stage.proof(stage.target.application, &key, &old)});
    let add_key = format!("{}/addKey", stage.application());
    assert_eq!(stage.post(&add_key, &roll(&long)).await.verdict(), too_long);
    assert_eq!(stage.post(&add_key, &roll(&short)).await.status, 200);
    let sign = format!("{}/addTokenSigningCertificate", stage.principal());
    let asked = |days| json!({"displayName": "CN=x", "endDateTime": stamp(start + TimeDelta::days(days))});
    assert_eq!(stage.post(&sign, &json!({"displayName": "CN=x"})).await.verdict(), too_long);
    assert_eq!(stage.post(&sign, &asked(91)).await.verdict(), too_long);
    assert_eq!(stage.list(&stage.principal(), "keyCredentials").await.len(), 0);
    assert_eq!(stage.post(&sign, &asked(90)).await.status, 200);
}

#[tokio::test]
async fn applications_and_service_principals_have_restrictions_of_their_own() {
    let stage = Stage::new().await;
    let list = json!([{"restrictionType": "passwordAddition"}]);
    set(&stage, &json!({"isEnabled": true, "servicePrincipalRestrictions": {"passwordCredentials": list}}));
    assert_eq!(add_password(&stage, &stage.application(), 1).await.status, 200);
    assert_eq!(add_password(&stage, &stage.principal(), 1).await.status, 400);
}

#[tokio::test]
async fn objects_that_are_older_than_the_restriction_and_disabled_restrictions_are_spared() {
    let stage = Stage::new().await;
    let since = |time| secrets(&json!([{"restrictionType": "passwordAddition", "restrictForAppsCreatedAfterDateTime": stamp(time)}]));
    set(&stage, &since(stage.now() + TimeDelta::seconds(1)));
    assert_eq!(add_password(&stage, &stage.application(), 1).await.status, 200);
    set(&stage, &since(stage.now()));
    assert_eq!(add_password(&stage, &stage.application(), 1).await.status, 400);
    set(&stage, &secrets(&json!([{"restrictionType": "passwordAddition", "state": "disabled"}])));
    assert_eq!(add_password(&stage, &stage.application(), 1).await.status, 200);
    set(&stage, &since(stage.now()));
    set(&stage, &json!({"isEnabled": false}));
    assert_eq!(add_password(&stage, &stage.application(), 1).await.status, 200);
}

#[tokio::test]
async fn a_policy_of_an_object_wins_over_the_default_in_both_directions_while_it_is_enabled() {
    let stage = Stage::new().await;
    set(&stage, &secrets(&json!([{"restrictionType": "passwordAddition"}])));
    let lenient = json!({"displayName": "lenient", "isEnabled": true, "restrictions": {"passwordCredentials": [{"restrictionType": "passwordLifetime", "maxLifetime": "P7D"}]}});
    let own = stage.emulator.add_policy(stage.tenant, &lenient).unwrap();
    stage.emulator.assign_policy(stage.target.application, Some(own)).unwrap();
    assert_eq!(add_password(&stage, &stage.application(), 7).await.status, 200);
    let reply = add_password(&stage, &stage.application(), 8).await;
    assert!(reply.message().ends_with(&format!("as per assigned policy '{own}'.")), "{}", reply.message());
    assert_eq!(add_password(&stage, &stage.principal(), 7).await.status, 400, "the default still binds the other object");
    let path = format!("{ALL}/{own}");
    let off = with_role(&stage, "Policy.ReadWrite.ApplicationConfiguration", Method::PATCH, &path, &json!({"isEnabled": false})).await;
    assert_eq!(off.status, 204);
    assert_eq!(add_password(&stage, &stage.application(), 7).await.code(), "CredentialTypeNotAllowedAsPerAppPolicy");
}

#[tokio::test]
async fn policies_are_made_assigned_shown_and_taken_back_through_graph() {
    let stage = Stage::new().await;
    let (_, token) = stage.client(&["Policy.ReadWrite.ApplicationConfiguration"]).await;
    let send = async |method: Method, path: &str, body: Value| stage.send(stage.request_with(&token, method, path, &body)).await;
    let body = json!({"displayName": "short", "@odata.type": "#x", "isEnabled": true, "restrictions": {"keyCredentials": [{"@odata.type": "#y", "restrictionType": "asymmetricKeyLifetime", "maxLifetime": "P90D"}]}});
    let made = send(Method::POST, ALL, body).await;
    assert_eq!(made.status, 201, "{:?}", made.json());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let of_object = format!("{}/appManagementPolicies", stage.principal());
    let reference = json!({"@odata.id": format!("https://graph.microsoft.com/v1.0{ALL}/{id}")});
    assert_eq!(send(Method::POST, &format!("{of_object}/$ref"), reference.clone()).await.status, 204);
    let shown = send(Method::GET, &of_object, Value::Null).await.json();
    assert_eq!(
        (&shown["value"][0]["id"], &shown["value"][0]["restrictions"]["keyCredentials"][0]["maxLifetime"]),
        (&json!(id), &json!("P90D"))
    );
    let objects = send(Method::GET, &format!("{ALL}/{id}/appliesTo"), Value::Null).await.json();
    assert_eq!(objects["value"][0]["id"], stage.target.service_principal.to_string());
    let second = send(Method::POST, ALL, json!({"isEnabled": true})).await.json()["id"].as_str().unwrap().to_owned();
    let other = json!({"@odata.id": format!("https://graph.microsoft.com/v1.0{ALL}/{second}")});
    assert_eq!(send(Method::POST, &format!("{of_object}/$ref"), other).await.verdict(), refused(400, "Request_BadRequest"));
    assert_eq!(send(Method::DELETE, &format!("{of_object}/{id}/$ref"), Value::Null).await.status, 204);
    assert_eq!(send(Method::DELETE, &format!("{of_object}/{id}/$ref"), Value::Null).await.status, 404);
    assert_eq!(send(Method::GET, &of_object, Value::Null).await.json()["value"], json!([]));
    assert_eq!(send(Method::DELETE, &format!("{ALL}/{id}"), Value::Null).await.status, 204);
    assert_eq!(send(Method::GET, &format!("{ALL}/{id}"), Value::Null).await.verdict(), refused(404, "Request_ResourceNotFound"));
    assert_eq!(send(Method::GET, ALL, Value::Null).await.json()["value"].as_array().unwrap().len(), 1);
    assert_eq!(send(Method::PUT, DEFAULT, json!({})).await.status, 405);
}

#[tokio::test]
async fn a_policy_that_makes_no_sense_is_refused_with_the_reason() {
    let stage = Stage::new().await;
    let cases = [
        (json!([{"restrictionType": "trustedCertificateAuthority"}]), "is not one of"),
        (json!([{"restrictionType": "passwordLifetime"}]), "needs a maxLifetime"),
        (json!([{"restrictionType": "passwordLifetime", "maxLifetime": "a month"}]), "is not an ISO 8601 duration"),
        (json!([{"restrictionType": "passwordAddition"}, {"restrictionType": "passwordAddition"}]), "is used twice"),
        (json!([{"restrictionType": "passwordAddition", "colour": "red"}]), "unknown field"),
    ];
    for (list, reason) in cases {
        let reply = with_role(&stage, "Policy.ReadWrite.ApplicationConfiguration", Method::PATCH, DEFAULT, &secrets(&list)).await;
        assert_eq!(reply.verdict(), refused(400, "Request_BadRequest"));
        assert!(reply.message().contains(reason), "{}", reply.message());
    }
    for change in [json!({"id": DEFAULT_ID}), json!({"mood": 1}), json!(7)] {
        assert!(stage.emulator.change_default_policy(stage.tenant, &change).is_err());
    }
}

#[tokio::test]
async fn the_policy_switches_are_part_of_the_default_policy_that_is_shown() {
    let stage = Stage::new().await;
    stage.emulator.adjust(|behaviour| {
        behaviour.policy.secrets_blocked = true;
        behaviour.policy.max_certificate_lifetime = Some(std::time::Duration::from_secs(90 * 86_400));
    });
    let body = with_role(&stage, "Policy.Read.All", Method::GET, DEFAULT, &Value::Null).await.json();
    assert_eq!(body["isEnabled"], json!(true));
    for list in ["applicationRestrictions", "servicePrincipalRestrictions"] {
        assert_eq!(body[list]["passwordCredentials"][0]["restrictionType"], "passwordAddition");
        assert_eq!(body[list]["keyCredentials"][0]["maxLifetime"], "P90D");
    }
}
