//! What failures say.

use entra::{Category, Detail, Operation, Outcome, Retry};
use serde_json::json;

use crate::stand_in::{
    CLIENT, OBJECT, StandIn, application, certificate, login_refusal, object, proof, refusal, reply, reply_with, secret, service_principal,
};

#[tokio::test]
async fn a_failure_names_the_act_the_object_the_reason_and_the_ids() {
    let stand_in = StandIn::answering([refusal(401, "Authentication_MissingOrMalformed")]);
    let failure = stand_in.graph().add_key(&application(), &certificate(1), &proof()).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        format!(
            "cannot add a key to application {OBJECT}: Authentication_MissingOrMalformed, in words. (status 401, \
             Authentication_MissingOrMalformed, request-id r-1)"
        )
    );
    assert_eq!(failure.date.unwrap().to_rfc3339(), "2026-08-20T10:00:03+00:00");
}

#[tokio::test]
async fn a_failed_sign_in_names_client_and_tenant_and_the_number() {
    let stand_in = StandIn::default();
    stand_in.answers_tokens([login_refusal(401, 7_000_222)]);
    let failure = stand_in.graph().sign_in(&secret("x")).await.unwrap_err();
    assert!(failure.to_string().starts_with(&format!("cannot sign in as client {CLIENT} of tenant 8c9f3d52-")), "{failure}");
    assert_eq!((failure.code.as_deref(), failure.request_id.as_deref()), (Some("AADSTS7000222"), Some("t-1")));
}

#[tokio::test]
async fn the_request_id_of_the_header_counts_before_that_of_the_body() {
    let body = json!({"error": {"code": "X", "message": "No.", "innerError": {"request-id": "body"}}});
    let stand_in = StandIn::answering([reply_with(400, "request-id", "header", body.to_string())]);
    let failure = stand_in.graph().read(&application(), Detail::Plain).await.unwrap_err();
    assert_eq!(failure.request_id.as_deref(), Some("header"));
}

#[tokio::test]
async fn hostile_text_is_cleaned_and_cut() {
    let hostile = format!("line one\r\n\u{1b}[2Jline two \u{202e}{}", "x".repeat(5000));
    let body = json!({"error": {"code": "y".repeat(5000), "message": hostile, "innerError": {"request-id": "z\n".repeat(500)}}});
    let stand_in = StandIn::answering([reply(400, body.to_string())]);
    let failure = stand_in.graph().read(&application(), Detail::Plain).await.unwrap_err();
    assert!(failure.message.starts_with("line one [2Jline two x"), "{}", failure.message);
    let lengths = [Some(&failure.message), failure.code.as_ref(), failure.request_id.as_ref()].map(|text| text.unwrap().chars().count());
    assert_eq!(lengths, [512, 128, 63]);
    assert!(!failure.to_string().chars().any(char::is_control));
}

#[tokio::test]
async fn a_proxys_page_is_told_from_a_refusal_of_graph() {
    let stand_in = StandIn::answering([reply_with(403, "content-type", "text/html", "<html>blocked</html>")]);
    let failure = stand_in.graph().read(&application(), Detail::Plain).await.unwrap_err();
    assert_eq!((failure.category, failure.retry, failure.status), (Category::InvalidAnswer, Retry::Backoff, Some(403)));
    assert!(failure.message.contains("20 bytes of text/html; a proxy may have answered instead"), "{failure}");
}

#[tokio::test]
async fn an_error_of_hundreds_of_kilobytes_is_none_of_graphs() {
    let answered = async |padding: usize| {
        let body = json!({"error": {"code": "Authorization_RequestDenied", "message": "x".repeat(padding)}});
        let stand_in = StandIn::answering([reply(403, body.to_string())]);
        stand_in.graph().read(&application(), Detail::Plain).await.unwrap_err().category
    };
    assert_eq!(answered(100_000).await, Category::PermissionDenied);
    assert_eq!(answered(300_000).await, Category::InvalidAnswer);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let stand_in = StandIn::answering([reply_with(302, "location", "https://evil.example/", "")]);
    let failure = stand_in.graph().read(&application(), Detail::Plain).await.unwrap_err();
    assert_eq!(failure.category, Category::InvalidAnswer);
    assert_eq!(stand_in.graph_requests().len(), 1);
}

#[tokio::test]
async fn the_observer_hears_of_every_request_and_its_end() {
    let stand_in = StandIn::answering([
        refusal(401, "InvalidAuthenticationToken"),
        reply(200, object().to_string()),
        reply(200, "garbage"),
        reply(503, ""),
    ]);
    let graph = stand_in.graph();
    graph.read(&application(), Detail::Plain).await.unwrap();
    graph.read(&application(), Detail::WithKeys).await.unwrap_err();
    graph.set_preferred_thumbprint(&service_principal(), certificate(0).thumbprint()).await.unwrap_err();
    graph.sign_in(&secret("x")).await.unwrap();
    assert_eq!(
        stand_in.heard(),
        [
            (Operation::GetToken, Outcome::Success),
            (Operation::Read, Outcome::Failed(Category::Unauthorized)),
            (Operation::GetToken, Outcome::Success),
            (Operation::Read, Outcome::Success),
            (Operation::ReadWithKeys, Outcome::Failed(Category::InvalidAnswer)),
            (Operation::SetPreferredThumbprint, Outcome::Failed(Category::Unavailable)),
            (Operation::SignIn, Outcome::Success),
        ]
    );
}

#[test]
fn labels_are_distinct() {
    let operations: std::collections::BTreeSet<_> = Operation::ALL.iter().map(|operation| operation.label()).collect();
    let categories: std::collections::BTreeSet<_> = Category::ALL.iter().map(|category| category.label()).collect();
    assert_eq!((operations.len(), categories.len()), (Operation::ALL.len(), Category::ALL.len()));
    assert_eq!(Category::PolicyForbidsLifetime.to_string(), "PolicyForbidsLifetime");
}
