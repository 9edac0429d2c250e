//! GET, access tokens, permissions, headers, errors and the record.

use bytes::Bytes;
use chrono::TimeDelta;
use entra_emulator::Operation;
use http::{Method, Request};
use serde_json::{Value, json};

use crate::stage::{GRAPH, Stage, refused, watch};

const DENIED: (u16, &str) = (403, "Authorization_RequestDenied");

#[tokio::test]
async fn an_object_is_found_by_its_id_and_by_its_app_id() {
    let stage = Stage::new().await;
    for (kind, id) in [("applications", stage.target.application), ("servicePrincipals", stage.target.service_principal)] {
        for path in [format!("/{kind}/{id}"), format!("/{kind}(appId='{}')", stage.target.client_id)] {
            let object = stage.get(&path).await.json();
            assert_eq!(object["id"], id.to_string());
            assert_eq!(object["appId"], stage.target.client_id.to_string());
            assert_eq!(object["displayName"], "payroll");
            assert_eq!(object["@odata.context"], format!("{GRAPH}/v1.0/$metadata#{kind}/$entity"));
        }
    }
}

#[tokio::test]
async fn the_bytes_of_a_certificate_come_only_with_select_on_one_object() {
    let stage = Stage::new().await;
    let (_, certificate) = stage.certificate(1);
    stage.emulator.add_certificate(stage.target.application, &certificate).unwrap();
    let key = |object: &Value| object["keyCredentials"][0]["key"].clone();
    assert_eq!(key(&stage.get(&stage.application()).await.json()), Value::Null);
    let selected = stage.get(&format!("{}?$select=id,keyCredentials", stage.application())).await.json();
    assert!(key(&selected).is_string());
    assert_eq!(selected.get("displayName"), None);
    let path = format!("/applications?$filter=appId%20eq%20'{}'&$select=keyCredentials", stage.target.client_id);
    let list = stage.get(&path).await.json();
    assert_eq!((list["value"].as_array().unwrap().len(), key(&list["value"][0])), (1, Value::Null));
}

#[tokio::test]
async fn an_uploaded_certificate_is_identified_by_its_thumbprint_as_text() {
    let stage = Stage::new().await;
    let (_, certificate) = stage.certificate(1);
    stage.emulator.add_certificate(stage.target.application, &certificate).unwrap();
    let entry = &stage.list(&stage.application(), "keyCredentials").await[0];
    assert_eq!(entry["customKeyIdentifier"], certificate.thumbprint().to_string());
    assert_eq!(entry["displayName"], "CN=client 1");
    assert_eq!(entry["endDateTime"], "2027-11-21T09:55:00Z");
}

#[tokio::test]
async fn reads_of_certificates_are_throttled_per_minute() {
    let stage = Stage::new().await;
    stage.emulator.adjust(|behaviour| behaviour.key_reads_per_minute = 2);
    let path = format!("{}?$select=keyCredentials", stage.application());
    let mut last = stage.get(&path).await;
    for _ in 0..2 {
        last = stage.get(&path).await;
    }
    assert_eq!(last.verdict(), refused(429, "TooManyRequests"));
    assert_eq!(last.headers["retry-after"], "61");
    assert_eq!(last.json()["error"]["innerError"]["code"], "429");
    assert_eq!(stage.get(&stage.application()).await.status, 200);
    stage.emulator.advance(TimeDelta::seconds(60));
    assert_eq!(stage.get(&path).await.status, 200);
}

#[tokio::test]
async fn an_unknown_object_id_path_property_or_method_is_refused_by_name() {
    let stage = Stage::new().await;
    let missing = "/applications/11111111-2222-3333-4444-555555555555";
    let reply = stage.get(missing).await;
    assert_eq!(reply.verdict(), refused(404, "Request_ResourceNotFound"));
    assert_eq!(
        reply.message(),
        "Resource '11111111-2222-3333-4444-555555555555' does not exist or one of its queried reference-property objects are not present."
    );
    assert_eq!(stage.get("/applications/x").await.verdict(), refused(400, "Request_BadRequest"));
    assert_eq!(stage.get("/things").await.verdict(), refused(400, "BadRequest"));
    assert_eq!(stage.get(&format!("{}/things", stage.application())).await.verdict(), refused(400, "BadRequest"));
    assert_eq!(stage.get(&format!("{}?$select=thing", stage.application())).await.verdict(), refused(400, "BadRequest"));
    assert_eq!(stage.get(&format!("{}?$top=3", stage.application())).await.verdict(), refused(400, "BadRequest"));
    let reply = stage.send(stage.request(Method::DELETE, &stage.application(), &Value::Null)).await;
    assert_eq!(reply.verdict(), refused(405, "Request_BadRequest"));
    assert_eq!(reply.message(), "Specified HTTP method is not allowed for the request target.");
    assert_eq!(stage.get(&format!("{}/addKey", stage.application())).await.status, 405);
}

#[tokio::test]
async fn a_bad_access_token_is_named_for_what_is_wrong_with_it() {
    let stage = Stage::new().await;
    let get = async |authorization: Option<&str>, root: &str| {
        let builder = Request::builder().uri(format!("{root}/v1.0{}", stage.application()));
        let builder = authorization.into_iter().fold(builder, |builder, value| builder.header("authorization", value));
        stage.send(builder.body(Bytes::new()).unwrap()).await
    };
    let (_, token) = stage.client(&["Application.Read.All"]).await;
    let bearer = format!("Bearer {token}");
    assert_eq!(get(Some(&bearer), GRAPH).await.status, 200);
    let forged = format!("{}x", bearer.trim_end_matches('x'));
    let cases = [
        (None, GRAPH, "Access token is empty."),
        (Some("Bearer "), GRAPH, "Access token is empty."),
        (Some("Basic eDp5"), GRAPH, "Access token is empty."),
        (Some("Bearer nonsense"), GRAPH, "IDX14100"),
        (Some(bearer.as_str()), "https://graph.microsoft.us", "Access token validation failure. Invalid audience."),
    ];
    for (authorization, root, message) in cases {
        let reply = get(authorization, root).await;
        assert_eq!(reply.verdict(), refused(401, "InvalidAuthenticationToken"), "{authorization:?}");
        assert!(reply.message().starts_with(message), "{}", reply.message());
    }
    assert_eq!(get(Some(&forged), GRAPH).await.verdict(), refused(401, "InvalidAuthenticationToken"));
    stage.emulator.advance(TimeDelta::seconds(3599));
    let reply = get(Some(&bearer), GRAPH).await;
    assert_eq!(reply.message(), "Lifetime validation failed, the token is expired.");
}

#[tokio::test]
async fn a_token_of_one_tenant_finds_nothing_in_another() {
    let stage = Stage::new().await;
    let other = "11111111-2222-3333-4444-555555555555".parse().unwrap();
    stage.emulator.add_tenant(other);
    let foreign = stage.emulator.register(other, &entra_emulator::Registration::named("foreign")).unwrap();
    assert_eq!(stage.get(&format!("/applications/{}", foreign.application)).await.status, 404);
}

#[tokio::test]
async fn ownership_reaches_owned_objects_only_and_reading_roles_only_read() {
    let stage = Stage::new().await;
    let (owner, owning) = stage.client(&["Application.ReadWrite.OwnedBy"]).await;
    let (_, reading) = stage.client(&["Directory.Read.All"]).await;
    let (_, nothing) = stage.client(&[]).await;
    let call = async |token: &str, method: Method, path: &str, body: Value| {
        stage.send(stage.request_with(token, method, path, &body)).await.verdict()
    };
    let (denied, path) = (refused(DENIED.0, DENIED.1), stage.application());
    assert_eq!(call(&owning, Method::GET, &path, Value::Null).await, denied);
    stage.emulator.add_owner(stage.target.application, owner.service_principal).unwrap();
    assert_eq!(call(&owning, Method::GET, &path, Value::Null).await.0, 200);
    assert_eq!(call(&owning, Method::POST, &format!("{path}/addPassword"), json!({})).await.0, 200);
    assert_eq!(call(&owning, Method::GET, &stage.principal(), Value::Null).await, denied);
    assert_eq!(call(&owning, Method::GET, "/applications", Value::Null).await, denied);
    assert_eq!(call(&reading, Method::GET, &path, Value::Null).await.0, 200);
    assert_eq!(call(&reading, Method::PATCH, &path, json!({"notes": "x"})).await, denied);
    assert_eq!(call(&nothing, Method::GET, &path, Value::Null).await, denied);
    let missing = "/applications/11111111-2222-3333-4444-555555555555";
    assert_eq!(call(&nothing, Method::GET, missing, Value::Null).await, denied);
    assert_eq!(call(&owning, Method::GET, missing, Value::Null).await.0, 404);
}

#[tokio::test]
async fn answers_carry_the_headers_of_graph_and_the_emulators_own_date() {
    let stage = Stage::new().await;
    let id = "4f0b0b33-1d71-4883-8f98-567911bfdca6";
    let mut request = stage.request(Method::GET, &stage.application(), &Value::Null);
    request.headers_mut().insert("client-request-id", id.parse().unwrap());
    let reply = stage.send(request).await;
    assert_eq!(reply.headers["date"], "Sat, 21 Nov 2026 10:00:00 GMT");
    assert_eq!(reply.headers["client-request-id"], id);
    assert_eq!(reply.headers["odata-version"], "4.0");
    assert!(reply.headers["content-type"].to_str().unwrap().starts_with("application/json;odata.metadata=minimal"));
    stage.emulator.advance(TimeDelta::days(1));
    stage.emulator.adjust(|behaviour| behaviour.date_skew = -60);
    let refusal = stage.get("/applications/x").await;
    assert_eq!(refusal.headers["date"], "Sun, 22 Nov 2026 09:59:00 GMT");
    let inner = refusal.json()["error"]["innerError"].clone();
    assert_eq!(inner["date"], "2026-11-22T10:00:00");
    assert_eq!(inner["request-id"], refusal.headers["request-id"].to_str().unwrap());
    let done = stage.patch(&stage.application(), &json!({"notes": "x"})).await;
    assert_eq!(done.status, 401);
}

#[tokio::test]
async fn a_204_has_neither_body_nor_content_type() {
    let stage = Stage::new().await;
    let done = stage.patch(&stage.application(), &json!({"notes": "x"})).await;
    assert_eq!((done.status, done.body.len(), done.headers.get("content-type")), (204, 0, None));
    assert!(done.headers.contains_key("request-id"));
}

#[tokio::test]
async fn every_call_is_on_record_with_what_it_changed() {
    let stage = Stage::new().await;
    let seen = watch(&stage.emulator);
    stage.get(&stage.application()).await;
    let added = stage.post(&format!("{}/addPassword", stage.application()), &json!({})).await.json();
    stage.patch(&stage.application(), &json!({})).await;
    let calls = stage.emulator.calls();
    let summary: Vec<_> = calls.iter().map(|call| (call.operation, call.handled, call.answered, call.changed)).collect();
    assert_eq!(
        summary,
        [
            (Operation::Get, Some(200), Some(200), false),
            (Operation::AddPassword, Some(200), Some(200), true),
            (Operation::Patch, Some(204), Some(204), false)
        ]
    );
    assert!(calls.iter().all(|call| call.caller == Some(stage.operator.client_id) && call.object == Some(stage.target.application)));
    assert_eq!(calls[1].keys_added, [added["keyId"].as_str().unwrap().parse().unwrap()]);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].before().unwrap()["passwordCredentials"], json!([]));
    assert_eq!(seen[0].after(), stage.emulator.object(stage.target.application));
}

#[tokio::test]
async fn an_observer_may_ask_the_emulator() {
    let stage = Stage::new().await;
    let (emulator, client) = (stage.emulator.clone(), stage.target.client_id);
    let accepted = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = std::sync::Arc::clone(&accepted);
    stage.emulator.observe(move |_| log.lock().unwrap().push(emulator.accepts_secret(client, "asked~secret")));
    stage.secret(stage.target.application, "asked~secret");
    assert_eq!(*accepted.lock().unwrap(), [true]);
}
