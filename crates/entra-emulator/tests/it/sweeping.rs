//! Reading many objects: pages, changes since the last look, and several requests in one.

use entra_emulator::{Behaviour, Operation, Registration};
use http::Method;
use serde_json::{Value, json};

use crate::stage::{Reply, Stage, refused};

/// A stage with so many applications in all.
async fn with_applications(count: usize) -> Stage {
    let stage = Stage::new().await;
    for number in 2..count {
        stage.emulator.register(stage.tenant, &Registration::named(&format!("app {number}"))).unwrap();
    }
    stage
}

/// What follows a link that Graph gave.
async fn follow(stage: &Stage, link: &Value) -> Reply {
    let path = link.as_str().unwrap().strip_prefix("https://graph.microsoft.com/v1.0").unwrap();
    stage.get(path).await
}

fn ids(reply: &Reply) -> Vec<String> {
    reply.json()["value"].as_array().unwrap().iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_long_collection_comes_in_pages_of_a_hundred_without_gap_or_repetition() {
    let stage = with_applications(205).await;
    let (mut seen, mut sizes) = (Vec::new(), Vec::new());
    let mut reply = stage.get("/applications?$select=id,displayName").await;
    loop {
        sizes.push(ids(&reply).len());
        seen.extend(ids(&reply));
        let next = reply.json()["@odata.nextLink"].clone();
        if next.is_null() {
            break;
        }
        reply = follow(&stage, &next).await;
        assert_eq!(reply.json()["value"][0].as_object().unwrap().len(), 2, "the selection goes on");
    }
    assert_eq!(sizes, [100, 100, 5]);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 205);
}

#[tokio::test]
async fn the_size_of_a_page_is_between_one_and_999() {
    let stage = with_applications(5).await;
    let first = stage.get("/applications?$top=2").await;
    assert_eq!((ids(&first).len(), first.headers["x-ms-resource-unit"].to_str().unwrap()), (2, "1"));
    assert!(first.json()["@odata.nextLink"].as_str().unwrap().contains("top=2"));
    assert_eq!(ids(&follow(&stage, &first.json()["@odata.nextLink"]).await).len(), 2);
    assert!(stage.get("/applications?$top=5").await.json()["@odata.nextLink"].is_null());
    for top in ["0", "1000", "x"] {
        assert_eq!(stage.get(&format!("/applications?$top={top}")).await.verdict(), refused(400, "Request_BadRequest"), "{top}");
    }
    assert_eq!(stage.get("/applications?$skiptoken=nonsense!").await.status, 400);
}

#[tokio::test]
async fn changes_since_the_last_look_are_told_and_deletions_too() {
    let stage = with_applications(103).await;
    let first = stage.get("/applications/delta").await;
    assert_eq!(ids(&first).len(), 100);
    let second = follow(&stage, &first.json()["@odata.nextLink"]).await;
    assert_eq!(ids(&second).len(), 3);
    let link = second.json()["@odata.deltaLink"].clone();
    assert_eq!(ids(&follow(&stage, &link).await).len(), 0);
    stage.post(&format!("{}/addPassword", stage.application()), &json!({"passwordCredential": {"displayName": "new"}})).await;
    stage.post(&format!("{}/addPassword", stage.principal()), &json!({})).await;
    stage.emulator.delete(stage.operator.application).unwrap();
    let changes = follow(&stage, &link).await;
    let body = changes.json();
    let of = |id: &str| body["value"].as_array().unwrap().iter().find(|object| object["id"] == id).cloned().unwrap();
    assert_eq!(ids(&changes).len(), 2);
    assert_eq!(of(&stage.target.application.to_string())["passwordCredentials"][0]["displayName"], "new");
    assert_eq!(of(&stage.operator.application.to_string())["@removed"], json!({"reason": "deleted"}));
    assert_eq!(ids(&follow(&stage, &body["@odata.deltaLink"]).await).len(), 0);
    assert_eq!(ids(&follow(&stage, &link).await).len(), 2, "an old link tells the same again");
}

#[tokio::test]
async fn a_look_can_begin_now_and_needs_the_right_to_list() {
    let stage = Stage::new().await;
    let now = stage.get("/servicePrincipals/delta()?$deltatoken=latest&$select=displayName").await;
    assert_eq!(ids(&now).len(), 0);
    stage.patch(&stage.principal(), &json!({"notes": "x"})).await;
    let changed = follow(&stage, &now.json()["@odata.deltaLink"]).await;
    assert_eq!(ids(&changed), [stage.target.service_principal.to_string()]);
    assert_eq!(changed.json()["value"][0].as_object().unwrap().len(), 2, "the selection, and the id");
    assert_eq!(stage.get("/applications/delta?$deltatoken=x").await.status, 400);
    let (_, token) = stage.client(&["Application.ReadWrite.OwnedBy"]).await;
    let reply = stage.send(stage.request_with(&token, Method::GET, "/applications/delta", &Value::Null)).await;
    assert_eq!(reply.verdict(), refused(403, "Authorization_RequestDenied"));
}

async fn batch(stage: &Stage, requests: Value) -> Reply {
    stage.post("/$batch", &json!({"requests": requests})).await
}

fn response(reply: &Reply, id: &str) -> Value {
    reply.json()["responses"].as_array().unwrap().iter().find(|response| response["id"] == id).cloned().unwrap()
}

#[tokio::test]
async fn a_batch_carries_several_requests_each_with_an_answer_of_its_own() {
    let stage = Stage::new().await;
    let json_type = json!({"Content-Type": "application/json"});
    let reply = batch(
        &stage,
        json!([
            {"id": "late", "method": "GET", "url": stage.application(), "dependsOn": ["add"]},
            {"id": "add", "method": "POST", "url": format!("{}/addPassword", stage.application()), "headers": json_type, "body": {}},
            {"id": "untyped", "method": "POST", "url": format!("{}/addPassword", stage.application()), "body": {}},
            {"id": "missing", "method": "GET", "url": "/applications/11111111-2222-3333-4444-555555555555"},
            {"id": "after", "method": "GET", "url": stage.principal(), "dependsOn": ["missing"]},
            {"id": "patch", "method": "PATCH", "url": stage.principal(), "headers": json_type, "body": {"notes": "x"}},
        ]),
    )
    .await;
    assert_eq!(reply.status, 200);
    let statuses = ["late", "add", "untyped", "missing", "after", "patch"].map(|id| response(&reply, id)["status"].as_u64().unwrap());
    assert_eq!(statuses, [200, 200, 400, 404, 424, 204]);
    assert_eq!(response(&reply, "late")["body"]["passwordCredentials"].as_array().unwrap().len(), 1, "it came after what it depends on");
    assert_eq!(response(&reply, "missing")["body"]["error"]["code"], "Request_ResourceNotFound");
    assert!(response(&reply, "patch").get("body").is_none());
    assert_eq!(response(&reply, "add")["headers"]["x-ms-resource-unit"], "1");
    let operations: Vec<_> = stage.emulator.calls().iter().map(|call| call.operation).collect();
    assert_eq!(operations.len(), 6, "the batch and five requests; the one that was not made is not on record");
    assert_eq!(operations[0], Operation::Batch);
}

#[tokio::test]
async fn each_request_of_a_batch_is_throttled_by_itself() {
    let stage = Stage::behaving(Behaviour { writes_per_window: 1, ..Behaviour::default() }).await;
    let write = |id: &str| json!({"id": id, "method": "PATCH", "url": stage.principal(), "headers": {"content-type": "application/json"}, "body": {"notes": id}});
    let reply = batch(&stage, json!([write("1"), write("2")])).await;
    assert_eq!((reply.status, response(&reply, "1")["status"].clone()), (200, json!(204)));
    let second = response(&reply, "2");
    assert_eq!((&second["status"], &second["headers"]["retry-after"]), (&json!(429), &json!("151")));
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_as_a_whole() {
    let stage = Stage::new().await;
    let get = |id: &str| json!({"id": id, "method": "GET", "url": "/applications"});
    let cases = [
        json!([]),
        json!([get("1"), get("1")]),
        json!((0..21).map(|number| get(&number.to_string())).collect::<Vec<_>>()),
        json!([{"id": "1", "method": "GET", "url": "/applications", "dependsOn": ["2"]}]),
        json!([{"id": "1", "method": "POST", "url": "/$batch", "body": {}}]),
        json!([{"id": "1", "method": "GET"}]),
        json!([{"id": "1", "method": "", "url": "/applications"}]),
        json!("x"),
    ];
    for requests in cases {
        assert_eq!(batch(&stage, requests.clone()).await.verdict(), refused(400, "BadRequest"), "{requests}");
    }
    let write = json!({"id": "w", "method": "PATCH", "url": stage.principal(), "headers": {"content-type": "application/json"}, "body": {"notes": "x"}});
    let unmet = json!({"id": "2", "method": "GET", "url": "/applications", "dependsOn": ["3"]});
    let nested = json!({"id": "2", "method": "POST", "url": "/$batch", "body": {}});
    for bad in [unmet, nested] {
        assert_eq!(batch(&stage, json!([write, bad])).await.status, 400);
    }
    assert!(stage.get(&stage.principal()).await.json()["notes"].is_null(), "nothing of such a batch was carried out");
    assert_eq!(stage.get("/$batch").await.status, 405);
    let anonymous = stage.send(stage.request_with("", Method::POST, "/$batch", &json!({"requests": [get("1")]}))).await;
    assert_eq!(anonymous.verdict(), refused(401, "InvalidAuthenticationToken"));
}
