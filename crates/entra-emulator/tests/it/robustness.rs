//! Whatever is sent, there is an answer, and what is refused changes nothing.

use bytes::Bytes;
use entra_emulator::Mutation;
use http::{Method, Request};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::stage::{LOGIN, Stage, TENANT, entry};

/// JSON with names that mean something to the service, so that checks beyond the first are reached.
fn body() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "keyCredentials",
        "passwordCredentials",
        "keyCredential",
        "passwordCredential",
        "proof",
        "keyId",
        "key",
        "type",
        "usage",
        "displayName",
        "endDateTime",
        "startDateTime",
        "customKeyIdentifier",
        "secretText",
        "preferredTokenSigningKeyThumbprint",
        "notificationEmailAddresses",
    ]);
    let text = prop::sample::select(vec![
        "AsymmetricX509Cert",
        "X509CertAndPassword",
        "Verify",
        "Sign",
        "CN=x",
        "2027-01-01T00:00:00Z",
        "+262143-12-31T23:59:59Z",
        "AAAA",
        "1d5d1c6e-7c0e-4a0e-9a55-5b9d0c3f7a02",
        "",
        "a.b.c",
        "e30.e30.AA",
        "\u{0}",
    ]);
    let leaf =
        prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from), text.prop_map(Value::from)];
    leaf.prop_recursive(4, 24, 6, move |inner| {
        let object = prop::collection::vec((name.clone(), inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..3).prop_map(Value::from),
            object.prop_map(|pairs| Value::Object(pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())),
        ]
    })
}

fn method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![Method::GET, Method::POST, Method::PATCH, Method::DELETE, Method::PUT])
}

fn action() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "/addKey",
        "/removeKey",
        "/addPassword",
        "/removePassword",
        "/addTokenSigningCertificate",
        "?$select=keyCredentials",
        "?$select=,",
        "/microsoft.graph.addKey",
        "/appManagementPolicies/$ref",
        "/appManagementPolicies/x/$ref",
        "/x",
        "//",
    ])
}

async fn staged() -> Stage {
    let stage = Stage::new().await;
    let (_, certificate) = stage.certificate(1);
    stage.emulator.add_certificate(stage.target.service_principal, &certificate).unwrap();
    stage.emulator.add_signing_certificate(stage.target.service_principal, "CN=x", None).unwrap();
    stage
}

fn last(stage: &Stage) -> Option<u64> {
    stage.emulator.mutations().last().map(|mutation: &Mutation| mutation.sequence)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn graph_answers_any_json_and_a_refusal_changes_nothing(calls in prop::collection::vec((method(), action(), body()), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let stage = staged().await;
            for (method, action, body) in calls {
                let before = last(&stage);
                let reply = stage.send(stage.request(method, &format!("{}{action}", stage.principal()), &body)).await;
                let refused = reply.status >= 400;
                assert!(!refused || last(&stage) == before, "{}", reply.status);
                assert!(!refused || reply.json()["error"]["code"].is_string());
            }
        });
    }

    #[test]
    fn any_path_and_any_bytes_get_an_answer(path in "[a-zA-Z0-9/._()='%$?&-]{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let stage = Stage::new().await;
            for prefix in ["", "/v1.0/", "/v1.0/applications(", &format!("/{TENANT}/"), "/v1.0/policies/", "/metadata/", "/common/discovery/", "/_emulator/", "/_emulator/objects/"] {
                let Ok(request) = Request::post(format!("https://localhost:8443{prefix}{path}")).body(Bytes::from(bytes.clone())) else { continue };
                assert!((200..600).contains(&stage.send(request).await.status));
            }
        });
    }

    #[test]
    fn any_form_gets_an_answer_of_the_token_endpoint(form in "[a-z_=&%+.A-F0-9]{0,120}", assertion in "[A-Za-z0-9_.=-]{0,80}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let stage = Stage::new().await;
            let client = stage.target.client_id.to_string();
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            let reply = stage.sign_in(&[("client_id", &client), ("client_assertion_type", kind), ("client_assertion", &assertion)]).await;
            assert!(reply.json()["error_codes"][0].is_number());
            let request = Request::post(format!("{LOGIN}/{TENANT}/oauth2/v2.0/token")).header("content-type", "application/x-www-form-urlencoded");
            assert!(stage.send(request.body(Bytes::from(form)).unwrap()).await.status >= 400);
        });
    }
}

#[tokio::test]
async fn what_was_not_sent_back_is_gone_and_what_was_stays_as_it_was() {
    let stage = staged().await;
    let before = stage.emulator.object(stage.target.service_principal).unwrap();
    let mut echo = stage.list(&stage.principal(), "keyCredentials").await;
    echo.remove(0);
    echo.push(entry(&stage.certificate(2).1));
    assert_eq!(stage.patch(&stage.principal(), &json!({"keyCredentials": echo})).await.status, 204);
    let mutation = stage.emulator.mutations_of(stage.target.service_principal).pop().unwrap();
    assert_eq!((mutation.keys_added.len(), mutation.keys_removed.len()), (1, 1));
    let after = mutation.after().unwrap();
    assert_eq!(after["keyCredentials"][0], before["keyCredentials"][1]);
    assert_eq!(after["keyCredentials"][1], before["keyCredentials"][2]);
    assert_eq!(after["passwordCredentials"], before["passwordCredentials"]);
}
