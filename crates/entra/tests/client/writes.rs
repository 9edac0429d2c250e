//! What is sent to change Entra, and what is made of the answers.

use bytes::Bytes;
use data_encoding::BASE64;
use entra::{Category, Detail, Failure, NewSigning, TIMEOUT, Wire, WireError, certificate_entry, in_process};
use entra_types::RawCredential;
use http::{Request, Response, StatusCode};
use rstest::rstest;
use serde_json::{Value, json};
use tower::util::{BoxCloneSyncService, service_fn};

use crate::stand_in::{KEY, OBJECT, Reply, StandIn, application, certificate, object, proof, reply, secret, service_principal};

fn new_signing() -> NewSigning {
    NewSigning { display_name: "CN=payroll-abc".to_owned(), end_date_time: "2029-08-20T09:55:00Z".to_owned() }
}

fn signing_answer() -> Value {
    let certificate = certificate(4);
    json!({
        "@odata.context": "https://graph.example/v1.0/$metadata#microsoft.graph.selfSignedCertificate",
        "customKeyIdentifier": BASE64.encode(certificate.thumbprint().as_bytes()), "displayName": "CN=payroll-abc",
        "endDateTime": "2029-08-20T09:55:00Z", "key": BASE64.encode(certificate.der()), "keyId": KEY,
        "startDateTime": "2026-08-20T10:00:00.8100763Z", "thumbprint": certificate.thumbprint().to_string(),
        "type": "AsymmetricX509Cert", "usage": "Verify",
    })
}

#[tokio::test]
async fn a_signing_certificate_is_asked_for_with_the_two_documented_fields_only() {
    let stand_in = StandIn::answering([reply(200, signing_answer().to_string())]);
    let made = stand_in.graph().add_token_signing_certificate(&service_principal(), &new_signing()).await.unwrap().unwrap();
    let [sent] = &stand_in.graph_requests()[..] else { panic!("one request") };
    assert!(sent.uri.ends_with("')/addTokenSigningCertificate") && sent.method == "POST", "{}", sent.uri);
    assert_eq!(sent.json(), json!({"displayName": "CN=payroll-abc", "endDateTime": "2029-08-20T09:55:00Z"}));
    assert_eq!(sent.header("content-type"), "application/json");
    assert_eq!(
        (made.key_id.to_string(), made.thumbprint, made.certificate),
        (KEY.to_owned(), certificate(4).thumbprint(), Some(certificate(4)))
    );
    assert_eq!(made.custom_key_identifier, BASE64.encode(certificate(4).thumbprint().as_bytes()));
    assert_eq!((made.start.unwrap().timestamp(), made.end.unwrap().timestamp()), (1_787_220_000, 1_881_914_100));
}

#[tokio::test]
async fn a_certificate_that_is_not_the_one_of_the_thumbprint_is_not_believed() {
    for key in [json!(BASE64.encode(certificate(5).der())), json!("%%%"), json!(null)] {
        let mut body = signing_answer();
        body["key"] = key;
        let stand_in = StandIn::answering([reply(200, body.to_string())]);
        let made = stand_in.graph().add_token_signing_certificate(&service_principal(), &new_signing()).await.unwrap().unwrap();
        assert_eq!((made.thumbprint, made.certificate), (certificate(4).thumbprint(), None));
    }
}

#[rstest]
#[case::empty("".to_owned())]
#[case::html("<html>".to_owned())]
#[case::cut(signing_answer().to_string()[..40].to_owned())]
#[case::nothing_in_it(r#"{"@odata.context":"x"}"#.to_owned())]
#[case::no_thumbprint(json!({"keyId": KEY, "customKeyIdentifier": "x", "thumbprint": "none"}).to_string())]
#[case::ten_megabytes(" ".repeat(10_000_000))]
#[tokio::test]
async fn a_success_with_an_unreadable_answer_is_applied_with_its_answer_lost(#[case] body: String) {
    let stand_in = StandIn::answering([reply(200, body)]);
    assert_eq!(stand_in.graph().add_token_signing_certificate(&service_principal(), &new_signing()).await, Ok(None));
    assert_eq!(stand_in.graph_requests().len(), 1);
}

#[tokio::test]
async fn a_key_is_added_and_removed_with_the_documented_bodies() {
    let stand_in = StandIn::answering([reply(200, "\u{0}garbage"), reply(204, "")]);
    let graph = stand_in.graph();
    assert_eq!(graph.add_key(&application(), &certificate(1), &proof()).await, Ok(None));
    graph.remove_key(&application(), KEY.parse().unwrap(), &proof()).await.unwrap();
    let sent = stand_in.graph_requests();
    let (mut add, mut remove) = (sent[0].json(), sent[1].json());
    assert!(add["proof"].take().is_string() && remove["proof"].take().is_string());
    let key = BASE64.encode(certificate(1).der());
    let entry = json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": key});
    assert_eq!(add, json!({"keyCredential": entry, "passwordCredential": null, "proof": null}));
    assert_eq!(remove, json!({"keyId": KEY, "proof": null}));
    assert_eq!(sent[0].uri, format!("https://graph.example/v1.0/applications/{OBJECT}/addKey"));
    assert_eq!(sent[1].uri, format!("https://graph.example/v1.0/applications/{OBJECT}/removeKey"));
}

#[rstest]
#[case::full(json!({"@odata.context": "x", "keyId": KEY, "usage": "Verify", "key": null}).to_string(), Some(KEY))]
#[case::context_only(r#"{"@odata.context":"x"}"#.to_owned(), None)]
#[case::no_guid(r#"{"keyId":"none"}"#.to_owned(), None)]
#[case::nothing(String::new(), None)]
#[tokio::test]
async fn the_key_id_of_an_added_key_is_known_where_the_answer_says_it(#[case] body: String, #[case] key_id: Option<&str>) {
    let stand_in = StandIn::answering([reply(200, body)]);
    let added = stand_in.graph().add_key(&application(), &certificate(1), &proof()).await.unwrap();
    assert_eq!(added, key_id.map(|id| id.parse().unwrap()));
}

#[tokio::test]
async fn kept_entries_go_back_to_the_last_digit_beside_a_new_one() {
    const KEPT: &str = r#"{"future":{"x":[1.0,1e2]},"key":null,"keyId":"44444444-4444-4444-8444-444444444444","startDateTime":"2021-05-05T18:38:51.8100763Z"}"#;
    let body = format!(r#"{{"id":"{OBJECT}","appId":"{OBJECT}","keyCredentials":[{KEPT}],"passwordCredentials":[]}}"#);
    let stand_in = StandIn::answering([reply(200, body), reply(204, "")]);
    let graph = stand_in.graph();
    let read = graph.read(&application(), Detail::WithKeys).await.unwrap().object;
    let entry = certificate_entry(KEY.parse().unwrap(), &"n".repeat(200), &certificate(1));
    graph.replace_credentials(&application(), Some(&read.keys.with(entry)), None).await.unwrap();
    let sent = stand_in.graph_requests().pop().unwrap();
    assert_eq!((sent.method.as_str(), sent.uri.as_str()), ("PATCH", format!("https://graph.example/v1.0/applications/{OBJECT}").as_str()));
    assert!(sent.body.contains(KEPT), "{}", sent.body);
    assert_eq!(sent.json().as_object().unwrap().keys().collect::<Vec<_>>(), ["keyCredentials"]);
    let new = &sent.json()["keyCredentials"][1];
    let key = BASE64.encode(certificate(1).der());
    assert_eq!(*new, json!({"keyId": KEY, "type": "AsymmetricX509Cert", "usage": "Verify", "displayName": "n".repeat(90), "key": key}));
}

#[tokio::test]
async fn both_lists_go_in_one_request_and_none_goes_in_none() {
    let stand_in = StandIn::default();
    let graph = stand_in.graph();
    let empty = Vec::<RawCredential>::new().into();
    graph.replace_credentials(&application(), Some(&empty), Some(&empty)).await.unwrap();
    assert_eq!(stand_in.graph_requests()[0].json(), json!({"keyCredentials": [], "passwordCredentials": []}));
    let failure = graph.replace_credentials(&application(), None, None).await.unwrap_err();
    assert_eq!((failure.category, failure.settled), (Category::InvalidRequest, true));
    assert_eq!(stand_in.graph_requests().len(), 1);
}

#[tokio::test]
async fn the_preferred_thumbprint_goes_out_in_upper_case() {
    let stand_in = StandIn::default();
    let thumbprint = "da20fca696c4f83e8a9aed59be33368ed421f3c1".parse().unwrap();
    stand_in.graph().set_preferred_thumbprint(&service_principal(), thumbprint).await.unwrap();
    let sent = stand_in.graph_requests().pop().unwrap();
    assert_eq!(
        (sent.method.as_str(), sent.json()),
        ("PATCH", json!({"preferredTokenSigningKeyThumbprint": "DA20FCA696C4F83E8A9AED59BE33368ED421F3C1"}))
    );
}

/// The failure of one write, with this answer.
async fn write_answered(answer: Reply) -> Failure {
    let stand_in = StandIn::answering([answer]);
    let failure = stand_in.graph().set_preferred_thumbprint(&service_principal(), certificate(0).thumbprint()).await.unwrap_err();
    assert_eq!(stand_in.graph_requests().len(), 1, "a write is sent once");
    failure
}

#[rstest]
#[case(400, true)]
#[case(401, true)]
#[case(403, true)]
#[case(404, true)]
#[case(405, true)]
#[case(302, false)]
#[case(408, false)]
#[case(409, false)]
#[case(412, false)]
#[case(424, false)]
#[case(429, false)]
#[case(500, false)]
#[case(502, false)]
#[case(503, false)]
#[case(504, false)]
#[tokio::test]
async fn a_write_is_settled_by_these_statuses_and_open_after_all_others(#[case] status: u16, #[case] settled: bool) {
    for body in ["", "<html>", r#"{"error":{"code":"X","message":"No."}}"#] {
        let failure = write_answered(reply(status, body)).await;
        assert_eq!((failure.status, failure.settled), (Some(status), settled), "{body}");
    }
}

#[tokio::test]
async fn a_write_whose_connection_is_cut_is_open() {
    let failure = write_answered(Err(std::io::ErrorKind::ConnectionReset.into())).await;
    assert_eq!((failure.category, failure.settled, failure.status), (Category::Unavailable, false, None));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_not_answered_in_time_is_open() {
    let stand_in = StandIn::default();
    let entra = stand_in.wire();
    let silent = in_process(service_fn(move |request: Request<Bytes>| {
        let entra = entra.clone();
        async move {
            if request.uri().path().ends_with("/token") {
                tower::ServiceExt::oneshot(entra, request).await
            } else {
                std::future::pending().await
            }
        }
    }));
    let before = tokio::time::Instant::now();
    let graph = stand_in.graph_over(silent, secret("s"));
    let failure = graph.set_preferred_thumbprint(&service_principal(), certificate(0).thumbprint()).await.unwrap_err();
    assert_eq!((failure.category, failure.settled), (Category::Unavailable, false));
    assert_eq!(before.elapsed(), TIMEOUT);
}

/// A wire that breaks at Graph, with tokens from the stand-in.
fn broken(stand_in: &StandIn, error: &WireError) -> Wire {
    let (entra, error) = (stand_in.wire(), error.clone());
    BoxCloneSyncService::new(service_fn(move |request: Request<Bytes>| {
        let (entra, error) = (entra.clone(), error.clone());
        async move {
            if request.uri().path().ends_with("/token") {
                tower::ServiceExt::oneshot(entra, request).await
            } else {
                Err::<Response<Bytes>, _>(error)
            }
        }
    }))
}

#[tokio::test]
async fn a_write_without_a_connection_is_settled_and_one_that_broke_after_its_success_is_applied() {
    let stand_in = StandIn::default();
    let set = async |error: WireError| {
        let graph = stand_in.graph_over(broken(&stand_in, &error), secret("s"));
        let result = graph.set_preferred_thumbprint(&service_principal(), certificate(0).thumbprint()).await;
        result.map_err(|failure| (failure.category, failure.settled))
    };
    assert_eq!(set(WireError::Connect("refused".into())).await, Err((Category::Unavailable, true)));
    assert_eq!(set(WireError::Body(StatusCode::OK, "cut".into())).await, Ok(()));
    assert_eq!(set(WireError::TooLarge(StatusCode::OK)).await, Ok(()));
    assert_eq!(set(WireError::Body(StatusCode::FORBIDDEN, "cut".into())).await, Err((Category::InvalidAnswer, true)));
    assert_eq!(set(WireError::Body(StatusCode::BAD_GATEWAY, "cut".into())).await, Err((Category::Unavailable, false)));
}

#[tokio::test]
async fn a_read_that_breaks_off_is_unavailable() {
    let stand_in = StandIn::answering([reply(200, object().to_string())]);
    let graph = stand_in.graph_over(broken(&stand_in, &WireError::Body(StatusCode::OK, "cut".into())), secret("s"));
    let failure = graph.read(&application(), Detail::Plain).await.unwrap_err();
    assert_eq!((failure.category, failure.settled), (Category::Unavailable, true));
}
