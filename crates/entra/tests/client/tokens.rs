//! How access tokens are got, held and forgotten.

use chrono::TimeDelta;
use entra::{Category, Detail, Operation, Retry};
use rstest::rstest;
use serde_json::json;

use crate::stand_in::{
    CLIENT, OBJECT, StandIn, TENANT, application, certificate, certificate_sign_in, login_refusal, object, proof, refusal, reply, secret,
    service_principal, token,
};

fn objects(count: usize) -> impl Iterator<Item = crate::stand_in::Reply> {
    (0..count).map(|_| reply(200, object().to_string()))
}

#[tokio::test]
async fn a_secret_goes_out_as_a_form_to_the_tenants_token_endpoint() {
    let stand_in = StandIn::answering(objects(1));
    stand_in.graph().read(&application(), Detail::Plain).await.unwrap();
    let [asked] = &stand_in.token_requests()[..] else { panic!("one token request") };
    assert_eq!((asked.method.as_str(), asked.uri.as_str()), ("POST", format!("https://login.example/{TENANT}/oauth2/v2.0/token").as_str()));
    assert_eq!(asked.header("content-type"), "application/x-www-form-urlencoded");
    let fields = ["grant_type", "client_id", "client_secret", "scope"].map(|name| asked.form(name).unwrap());
    assert_eq!(fields, ["client_credentials", CLIENT, "s3cret~value", "https://graph.example/.default"]);
}

#[tokio::test]
async fn characters_with_a_meaning_in_forms_arrive_as_they_are() {
    let stand_in = StandIn::default();
    stand_in.graph_as(secret("a+b/c=d&e~.f%_g ")).identity().await.unwrap();
    assert_eq!(stand_in.token_requests()[0].form("client_secret").unwrap(), "a+b/c=d&e~.f%_g ");
}

#[tokio::test]
async fn one_token_serves_until_five_minutes_before_its_end() {
    let stand_in = StandIn::answering(objects(4));
    let graph = stand_in.graph();
    for (step, tokens) in [(0, 1), (3598 - 300, 1), (1, 2), (3600, 3)] {
        stand_in.advance(TimeDelta::seconds(step));
        graph.read(&application(), Detail::Plain).await.unwrap();
        assert_eq!(stand_in.token_requests().len(), tokens, "after {step} s more");
    }
    assert_eq!(stand_in.graph_requests().last().unwrap().header("authorization"), "Bearer token-3");
}

#[tokio::test]
async fn a_token_of_a_minute_serves_half_a_minute() {
    let stand_in = StandIn::default();
    stand_in.answers_tokens([token("short", 60), token("next", 60)]);
    let graph = stand_in.graph();
    for (step, tokens) in [(0, 1), (29, 1), (1, 2)] {
        stand_in.advance(TimeDelta::seconds(step));
        graph.identity().await.unwrap();
        assert_eq!(stand_in.token_requests().len(), tokens);
    }
}

#[rstest]
#[case::number(json!(3600), 3300)]
#[case::text(json!("3600"), 3300)]
#[case::fraction(json!(3600.5), 3300)]
#[case::beyond_belief(json!(i64::MAX), 86_100)]
#[case::negative(json!(-7), 0)]
#[case::garbage(json!({}), 0)]
#[tokio::test]
async fn the_life_of_a_token_is_read_within_reason(#[case] expires_in: serde_json::Value, #[case] usable: i64) {
    let stand_in = StandIn::default();
    stand_in.answers_tokens([reply(200, json!({"access_token": "a", "expires_in": expires_in}).to_string())]);
    let graph = stand_in.graph();
    graph.identity().await.unwrap();
    stand_in.advance(TimeDelta::seconds((usable - 1).max(0)));
    graph.identity().await.unwrap();
    assert_eq!(stand_in.token_requests().len() == 1, usable > 0);
    stand_in.advance(TimeDelta::seconds(1));
    graph.identity().await.unwrap();
    assert_eq!(stand_in.token_requests().len(), 2);
}

#[tokio::test]
async fn calls_at_the_same_time_share_one_token_request() {
    let stand_in = StandIn::answering(objects(3));
    let graph = stand_in.graph();
    let (application, other) = (application(), service_principal());
    let results = tokio::join!(graph.read(&application, Detail::Plain), graph.read(&other, Detail::Plain), graph.identity());
    assert!(results.0.is_ok() && results.1.is_ok() && results.2.is_ok());
    assert_eq!(stand_in.token_requests().len(), 1);
}

#[tokio::test]
async fn calls_at_the_same_time_share_a_refusal_too_and_the_next_call_tries_again() {
    let stand_in = StandIn::default();
    stand_in.answers_tokens([login_refusal(401, 7_000_215)]);
    let graph = stand_in.graph();
    let (first, second) = tokio::join!(graph.identity(), graph.identity());
    assert_eq!(first.unwrap_err(), second.unwrap_err());
    assert_eq!(stand_in.token_requests().len(), 1);
    assert!(graph.identity().await.is_ok());
}

#[tokio::test]
async fn a_flight_that_is_given_up_does_not_hold_up_the_next() {
    let stand_in = StandIn::default();
    let graph = stand_in.graph();
    let mut abandoned = Box::pin(graph.identity());
    assert!(is_pending(&mut abandoned).await);
    drop(abandoned);
    assert!(graph.identity().await.is_ok());
}

/// Polls once.
async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending())).await
}

#[tokio::test]
async fn a_read_whose_token_graph_refuses_is_repeated_once_with_a_fresh_one() {
    let stand_in = StandIn::answering([refusal(401, "InvalidAuthenticationToken"), reply(200, object().to_string())]);
    assert!(stand_in.graph().read(&application(), Detail::Plain).await.is_ok());
    let sent: Vec<_> = stand_in.graph_requests().iter().map(|seen| seen.header("authorization").to_owned()).collect();
    assert_eq!(sent, ["Bearer token-1", "Bearer token-2"]);
}

#[tokio::test]
async fn reads_refused_at_the_same_time_share_the_fresh_token() {
    let refused = || refusal(401, "InvalidAuthenticationToken");
    let stand_in = StandIn::answering([refused(), refused()].into_iter().chain(objects(2)));
    let (graph, address) = (stand_in.graph(), application());
    let (first, second) = tokio::join!(graph.read(&address, Detail::Plain), graph.read(&address, Detail::Plain));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(stand_in.token_requests().len(), 2);
}

#[tokio::test]
async fn refused_again_and_again_a_read_costs_one_token_each_and_no_loop() {
    let refusals = (0..4).map(|_| refusal(401, "InvalidAuthenticationToken"));
    let stand_in = StandIn::answering(refusals);
    let graph = stand_in.graph();
    let failure = graph.read(&application(), Detail::Plain).await.unwrap_err();
    assert_eq!((failure.category, failure.retry, failure.status), (Category::Unauthorized, Retry::Backoff, Some(401)));
    assert_eq!((stand_in.graph_requests().len(), stand_in.token_requests().len()), (2, 2));
    graph.read(&application(), Detail::Plain).await.unwrap_err();
    assert_eq!((stand_in.graph_requests().len(), stand_in.token_requests().len()), (4, 3));
}

#[tokio::test]
async fn a_write_whose_token_graph_refuses_is_not_repeated_but_the_next_one_has_a_fresh_token() {
    let stand_in = StandIn::answering([refusal(401, "InvalidAuthenticationToken")]);
    let graph = stand_in.graph();
    let failure = graph.add_key(&application(), &certificate(1), &proof()).await.unwrap_err();
    assert_eq!((failure.category, failure.settled), (Category::Unauthorized, true));
    assert_eq!(stand_in.graph_requests().len(), 1);
    graph.add_key(&application(), &certificate(1), &proof()).await.unwrap();
    assert_eq!(stand_in.graph_requests()[1].header("authorization"), "Bearer token-2");
}

#[tokio::test]
async fn a_refused_proof_does_not_cost_the_token() {
    let stand_in = StandIn::answering([refusal(401, "Authentication_MissingOrMalformed")]);
    let graph = stand_in.graph();
    let failure = graph.remove_key(&application(), OBJECT.parse().unwrap(), &proof()).await.unwrap_err();
    assert_eq!((failure.category, failure.settled), (Category::ProofRefused, true));
    graph.remove_key(&application(), OBJECT.parse().unwrap(), &proof()).await.unwrap();
    assert_eq!(stand_in.token_requests().len(), 1);
}

#[tokio::test]
async fn roles_granted_after_a_refusal_are_seen_by_a_fresh_token_at_most_every_five_minutes() {
    let denied = || refusal(403, "Authorization_RequestDenied");
    let stand_in = StandIn::answering([denied(), denied(), denied()]);
    let graph = stand_in.graph();
    for (step, tokens) in [(0, 1), (300, 1), (1, 2), (1, 2)] {
        stand_in.advance(TimeDelta::seconds(step));
        let _ = graph.read(&application(), Detail::Plain).await;
        assert_eq!(stand_in.token_requests().len(), tokens, "after {step} s more");
    }
}

#[tokio::test]
async fn the_identity_is_what_the_token_says() {
    let stand_in = StandIn::default();
    let claims = json!({"oid": OBJECT, "appid": "not looked at", "roles": ["Application.ReadWrite.OwnedBy"]});
    let jwt = format!("e30.{}.c2ln", data_encoding::BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
    stand_in.answers_tokens([token(&jwt, 3599)]);
    let identity = stand_in.graph().identity().await.unwrap();
    assert_eq!(identity.client_id.to_string(), CLIENT);
    assert_eq!((identity.object_id, identity.roles), (Some(OBJECT.parse().unwrap()), vec!["Application.ReadWrite.OwnedBy".to_owned()]));
}

#[rstest]
#[case::empty("")]
#[case::html("<html>sign in to the Wi-Fi</html>")]
#[case::no_token(r#"{"token_type":"Bearer"}"#)]
#[case::empty_token(r#"{"access_token":"","expires_in":3599}"#)]
#[case::header_injection("{\"access_token\":\"a\\r\\nX-Evil: 1\",\"expires_in\":3599}")]
#[case::number(r#"{"access_token":7}"#)]
#[tokio::test]
async fn an_answer_without_a_usable_token_is_no_answer(#[case] body: &'static str) {
    let stand_in = StandIn::default();
    stand_in.answers_tokens([reply(200, body)]);
    let failure = stand_in.graph().identity().await.unwrap_err();
    assert_eq!((failure.category, failure.operation), (Category::InvalidAnswer, Operation::GetToken));
}

#[rstest]
#[case::wrong_secret(login_refusal(401, 7_000_215), Category::TokenRefused)]
#[case::no_tenant(login_refusal(400, 90_002), Category::TenantNotFound)]
#[case::clock(login_refusal(401, 700_024), Category::ClockSkew)]
#[case::down(reply(503, ""), Category::Unavailable)]
#[case::cut(Err(std::io::ErrorKind::ConnectionReset.into()), Category::Unavailable)]
#[tokio::test]
async fn a_write_without_a_token_is_settled_because_it_was_never_sent(#[case] answer: crate::stand_in::Reply, #[case] category: Category) {
    let stand_in = StandIn::default();
    stand_in.answers_tokens([answer]);
    let failure = stand_in.graph().add_key(&application(), &certificate(1), &proof()).await.unwrap_err();
    assert_eq!((failure.operation, failure.category, failure.settled), (Operation::GetToken, category, true));
    assert!(stand_in.graph_requests().is_empty());
}

#[tokio::test]
async fn a_trial_neither_uses_nor_touches_the_held_token() {
    let stand_in = StandIn::default();
    let graph = stand_in.graph();
    graph.identity().await.unwrap();
    graph.sign_in(&certificate_sign_in(0)).await.unwrap();
    graph.sign_in(&certificate_sign_in(0)).await.unwrap();
    graph.identity().await.unwrap();
    assert_eq!(stand_in.token_requests().len(), 3);
}

#[rstest]
#[case::refused(login_refusal(401, 7_000_215), Category::CredentialRefused)]
#[case::expired(login_refusal(401, 7_000_222), Category::CredentialRefused)]
#[case::unknown_certificate(login_refusal(401, 700_027), Category::CredentialRefused)]
#[case::conditional_access(login_refusal(400, 53_003), Category::CannotProve)]
#[case::no_principal(login_refusal(400, 7_000_229), Category::CannotProve)]
#[case::clock(login_refusal(401, 700_024), Category::ClockSkew)]
#[case::throttled(reply(429, ""), Category::Throttled)]
#[case::proxy(reply(403, "<html>"), Category::InvalidAnswer)]
#[tokio::test]
async fn a_trial_tells_a_bad_credential_from_one_that_could_not_be_tried(
    #[case] answer: crate::stand_in::Reply,
    #[case] category: Category,
) {
    let stand_in = StandIn::default();
    stand_in.answers_tokens([answer]);
    let failure = stand_in.graph().sign_in(&secret("new")).await.unwrap_err();
    assert_eq!((failure.operation, failure.category), (Operation::SignIn, category));
}

#[tokio::test]
async fn another_identity_of_the_tenant_has_a_token_of_its_own() {
    let stand_in = StandIn::default();
    let graph = stand_in.graph();
    graph.identity().await.unwrap();
    graph.signed_in_as(certificate_sign_in(0)).identity().await.unwrap();
    let forms: Vec<_> = stand_in.token_requests().iter().map(|seen| seen.form("client_assertion").is_some()).collect();
    assert_eq!(forms, [false, true]);
}
