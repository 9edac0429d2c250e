//! Limits as a client meets them: what a request costs, how near the limit is, and the words of 429.

use chrono::TimeDelta;
use entra_emulator::{Behaviour, TenantSize};
use http::Method;
use serde_json::{Value, json};

use crate::stage::{Reply, Stage, refused};

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn every_answer_says_what_it_cost() {
    let stage = Stage::new().await;
    let cases = [
        (stage.application(), "2"),
        (format!("{}?$select=id", stage.application()), "1"),
        (stage.principal(), "1"),
        ("/applications".to_owned(), "2"),
        ("/applications/11111111-2222-3333-4444-555555555555".to_owned(), "2"),
    ];
    for (path, units) in cases {
        let reply = stage.get(&path).await;
        assert_eq!(header(&reply, "x-ms-resource-unit"), Some(units), "{path}");
        assert_eq!(header(&reply, "x-ms-throttle-limit-percentage"), None);
    }
    let write = stage.post(&format!("{}/addPassword", stage.application()), &json!({})).await;
    assert_eq!(header(&write, "x-ms-resource-unit"), Some("1"));
    let unknown = stage.send(stage.request_with("nonsense", Method::GET, &stage.application(), &Value::Null)).await;
    assert_eq!(header(&unknown, "x-ms-resource-unit"), None);
}

#[tokio::test]
async fn above_four_fifths_of_a_limit_the_share_is_told_and_beyond_it_the_documented_429() {
    let stage = Stage::behaving(Behaviour { writes_per_window: 10, ..Behaviour::default() }).await;
    let write = async || stage.patch(&stage.application(), &json!({"notes": null})).await;
    for number in 1..=10 {
        let reply = write().await;
        assert_eq!(reply.status, 204);
        let expected = (number > 8).then(|| format!("{:.2}", f64::from(number) / 10.0));
        assert_eq!(header(&reply, "x-ms-throttle-limit-percentage").map(str::to_owned), expected, "{number}");
    }
    stage.emulator.advance(TimeDelta::seconds(100));
    let reply = write().await;
    assert_eq!(reply.verdict(), refused(429, "TooManyRequests"));
    assert_eq!(header(&reply, "retry-after"), Some("51"));
    let scope = format!("Tenant_Application/Write/{}/{}", stage.operator.client_id, stage.tenant);
    assert_eq!(header(&reply, "x-ms-throttle-scope"), Some(scope.as_str()));
    assert_eq!(header(&reply, "x-ms-throttle-information"), Some("WriteLimitExceeded"));
    assert_eq!(header(&reply, "x-ms-throttle-limit-percentage"), Some("1.10"));
    let error = reply.json()["error"].clone();
    assert_eq!(error["message"], "Please retry again later.");
    assert_eq!(
        (&error["innerError"]["code"], &error["innerError"]["status"], &error["innerError"]["message"]),
        (&json!("429"), &json!("429"), &json!("Please retry after"))
    );
    stage.emulator.advance(TimeDelta::seconds(50));
    assert_eq!(write().await.status, 204);
}

#[tokio::test]
async fn resource_units_follow_from_the_size_of_the_tenant_and_come_back_after_ten_seconds() {
    for (size, reads) in [(TenantSize::S, 1_750), (TenantSize::M, 2_500)] {
        let stage = Stage::behaving(Behaviour { tenant_size: size, ..Behaviour::default() }).await;
        for _ in 0..reads {
            assert_eq!(stage.get(&stage.application()).await.status, 200);
        }
        let reply = stage.get(&stage.application()).await;
        assert_eq!(reply.verdict(), refused(429, "TooManyRequests"), "{size:?}");
        assert_eq!(header(&reply, "x-ms-throttle-information"), Some("ResourceUnitLimitExceeded"));
        let (_, other) = stage.client(&["Application.Read.All"]).await;
        let of_other = stage.send(stage.request_with(&other, Method::GET, &stage.application(), &Value::Null)).await;
        assert_eq!(of_other.status, 200, "the limit is each application's own");
        stage.emulator.advance(TimeDelta::seconds(10));
        assert_eq!(stage.get(&stage.application()).await.status, 200);
    }
}

#[tokio::test]
async fn the_writes_of_a_tenant_are_limited_whoever_makes_them() {
    let stage = Stage::behaving(Behaviour { tenant_writes_per_window: 2, ..Behaviour::default() }).await;
    let (_, other) = stage.client(&["Application.ReadWrite.All"]).await;
    let body = json!({"notes": "x"});
    assert_eq!(stage.patch(&stage.application(), &body).await.status, 204);
    let by_other = async || stage.send(stage.request_with(&other, Method::PATCH, &stage.application(), &body)).await;
    assert_eq!(by_other().await.status, 204);
    let reply = by_other().await;
    assert_eq!(reply.status, 429);
    assert!(header(&reply, "x-ms-throttle-scope").unwrap().starts_with("Tenant/Write/"));
    assert_eq!(stage.get(&stage.application()).await.status, 200, "reads go on");
}

#[tokio::test]
async fn an_application_for_personal_accounts_takes_sixty_writes_a_minute() {
    let stage = Stage::new().await;
    stage.emulator.set_property(stage.target.application, "signInAudience", json!("AzureADandPersonalMicrosoftAccount")).unwrap();
    for _ in 0..60 {
        assert_eq!(stage.patch(&stage.application(), &json!({"notes": "x"})).await.status, 204);
    }
    assert_eq!(stage.patch(&stage.principal(), &json!({"notes": "x"})).await.status, 429, "both objects count together");
    let own = format!("/applications/{}", stage.operator.application);
    assert_eq!(stage.patch(&own, &json!({"notes": "x"})).await.status, 204, "another application is not concerned");
    stage.emulator.advance(TimeDelta::seconds(60));
    assert_eq!(stage.patch(&stage.application(), &json!({"notes": "x"})).await.status, 204);
}

#[tokio::test]
async fn both_objects_of_an_application_for_personal_accounts_hold_two_secrets_at_most() {
    let stage = Stage::new().await;
    stage.emulator.set_property(stage.target.application, "signInAudience", json!("PersonalMicrosoftAccount")).unwrap();
    for path in [stage.application(), stage.principal()] {
        let add = async || stage.post(&format!("{path}/addPassword"), &json!({})).await;
        assert_eq!((add().await.status, add().await.status), (200, 200));
        let third = add().await;
        assert_eq!(
            (third.verdict(), third.message()),
            (refused(400, "Request_BadRequest"), "You can only add a maximum of 2 encrypted credentials.".to_owned())
        );
    }
}
