//! A tenant that cannot be signed in to, for reasons on Entra's side.

use chrono::TimeDelta;
use http::Response;
use serde_json::json;

use super::world::{CANARY, TENANT, World, pass};
use crate::tenant::Access;

fn refused(world: &World, reason: &str, message: &str) {
    assert_eq!(world.condition("Ready"), ("False".to_owned(), reason.to_owned()), "{}", world.status());
    assert_eq!(world.message("Ready"), message);
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), reason.to_owned()));
    assert_eq!(world.message("Stalled"), message);
    assert_eq!(world.condition("Reconciling"), ("False".to_owned(), "Stalled".to_owned()));
    announced(world, reason, message);
}

fn retrying(world: &World, reason: &str, message: &str) {
    assert_eq!(world.condition("Ready"), ("False".to_owned(), reason.to_owned()), "{}", world.status());
    assert_eq!(world.message("Ready"), message);
    assert_eq!(world.condition("Reconciling"), ("True".to_owned(), "Retrying".to_owned()));
    assert_eq!(world.condition("Stalled"), ("False".to_owned(), "NotStalled".to_owned()));
    announced(world, reason, message);
}

fn announced(world: &World, reason: &str, message: &str) {
    assert_eq!(world.status()["observedGeneration"], 1);
    assert_eq!(world.events(), [("Warning".to_owned(), reason.to_owned(), message.to_owned())]);
    let Access::NotReady { reason: told, message: said } = world.tenants.get("default").unwrap().access else { panic!("ready") };
    assert_eq!((told.as_str(), said.as_str()), (reason, message));
}

/// Attempts of the first hour: after 0, 15, 45, 105, 225 and 465 s, and then every 300 s.
const ATTEMPTS_IN_AN_HOUR: usize = 16;

fn attempted_as(world: &World) -> String {
    format!("Cannot get an access token as client {} of tenant {TENANT}", world.operator.client_id)
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_cannot_be_reached_is_retried_ever_less_often_until_it_can() {
    let world = World::new();
    world.net.down(true);
    world.declare(&world.spec()).await;
    let message = format!(
        "{}: no connection: connection refused. The operator tries again; if it lasts, check the network path from the operator to Entra.",
        attempted_as(&world)
    );
    retrying(&world, "Unreachable", &message);
    pass(3598).await;
    assert_eq!(world.token_requests(), ATTEMPTS_IN_AN_HOUR);
    assert_eq!(world.status_writes(), 1);
    retrying(&world, "Unreachable", &message);
    world.net.down(false);
    pass(300).await;
    assert_eq!(world.condition("Ready"), ("True".to_owned(), "SignedIn".to_owned()));
    assert_eq!(world.net.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_secret_is_refused_and_tried_again_now_and_then() {
    let world = World::new();
    world.put_secret(&json!({"AZURE_CLIENT_SECRET": "wr0ng~canary.that-is_not~valid"}));
    world.declare(&world.spec()).await;
    let message = format!(
        "{}: AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not \
         the client secret ID, for a secret added to app '{}' (status 401). Put a valid credential of that application into the Secret: \
         for a client secret its value, not its ID.",
        attempted_as(&world),
        world.operator.client_id
    );
    refused(&world, "SignInRefused", &message);
    pass(3598).await;
    assert_eq!(world.token_requests(), ATTEMPTS_IN_AN_HOUR);
    assert_eq!(world.status_writes(), 1, "each attempt has ids of its own, which the status must not repeat");
    world.assert_discreet(&["wr0ng~canary"]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_secret_is_refused() {
    let world = World::new();
    world.emulator.advance(TimeDelta::days(400));
    world.declare(&world.spec()).await;
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), "SignInRefused".to_owned()));
    assert!(world.message("Ready").contains("AADSTS7000222: The provided client secret keys"), "{}", world.message("Ready"));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_tenant_is_named() {
    const UNKNOWN: &str = "99999999-0b1e-4c55-9d0e-6a2f6c1e7b10";
    let world = World::new();
    let mut spec = world.spec();
    spec["tenantID"] = json!(UNKNOWN);
    world.declare(&spec).await;
    let message = format!(
        "Cannot get an access token as client {} of tenant {UNKNOWN}: AADSTS90002: Tenant '{UNKNOWN}' not found. Check to make sure you \
         have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen \
         if there are no active subscriptions for the tenant (status 400). Check spec.tenantID and spec.cloud, and make another \
         EntraTenant if one is wrong: they cannot change.",
        world.operator.client_id
    );
    refused(&world, "TenantUnknown", &message);
    pass(3598).await;
    assert_eq!(world.token_requests(), ATTEMPTS_IN_AN_HOUR);
}

#[tokio::test(start_paused = true)]
async fn an_application_that_the_tenant_does_not_know_is_named() {
    let world = World::new();
    let mut spec = world.spec();
    spec["signIn"]["clientSecret"]["clientID"] = json!("77777777-0b1e-4c55-9d0e-6a2f6c1e7b10");
    world.declare(&spec).await;
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), "ApplicationUnknown".to_owned()));
    assert!(world.message("Ready").contains("AADSTS700016"), "{}", world.message("Ready"));
    assert!(world.message("Ready").ends_with("by granting admin consent."), "{}", world.message("Ready"));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_behind_is_told_from_a_wrong_credential() {
    let world = World::new();
    world.use_certificate(0);
    world.net.skew(TimeDelta::minutes(-180));
    world.declare(&world.certificate_spec()).await;
    let message = format!(
        "{}: the operator's clock is 180 min behind Entra's (status 401). Set the clock of the node that runs the operator.",
        attempted_as(&world)
    );
    refused(&world, "ClockSkew", &message);
    pass(3598).await;
    assert_eq!((world.token_requests(), world.status_writes()), (ATTEMPTS_IN_AN_HOUR, 1));
    world.net.skew(TimeDelta::zero());
    pass(300).await;
    assert_eq!(world.condition("Ready").1, "SignedIn");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_ahead_is_told_as_well() {
    let world = World::new();
    world.use_certificate(0);
    world.net.skew(TimeDelta::minutes(90));
    world.declare(&world.certificate_spec()).await;
    assert_eq!(world.condition("Stalled").1, "ClockSkew");
    assert!(world.message("Ready").contains("the operator's clock is 90 min ahead of Entra's"), "{}", world.message("Ready"));
}

#[tokio::test(start_paused = true)]
async fn a_request_to_wait_is_obeyed_even_when_the_spec_changes() {
    for status in [429, 503] {
        let world = World::new();
        let answer = Response::builder().status(status).header("retry-after", "1200").body("{}".into()).unwrap();
        world.net.answer(answer);
        world.declare(&world.spec()).await;
        assert_eq!(world.condition("Reconciling"), ("True".to_owned(), "Retrying".to_owned()), "{status}");
        assert_eq!(world.condition("Ready").1, if status == 429 { "Throttled" } else { "Unreachable" });
        world.change(&json!({"spec": {"minimumValidity": "2h"}})).await;
        pass(1197).await;
        assert_eq!(world.token_requests(), 1, "{status}");
        pass(2).await;
        assert_eq!(world.token_requests(), 2, "{status}");
        assert_eq!(world.condition("Ready"), ("True".to_owned(), "SignedIn".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_of_a_proxy_is_no_refusal() {
    let world = World::new();
    let page = Response::builder().status(403).header("content-type", "text/html").body("<html>blocked</html>".into()).unwrap();
    world.net.answer(page);
    world.declare(&world.spec()).await;
    let message = format!(
        "{}: the answer is no error of Entra's but 20 bytes of text/html; a proxy may have answered instead (status 403). The operator \
         tries again; if it lasts, look for a proxy that answers in place of Entra.",
        attempted_as(&world)
    );
    retrying(&world, "InvalidAnswer", &message);
}

#[tokio::test(start_paused = true)]
async fn a_routine_sign_in_that_fails_once_changes_nothing() {
    let world = World::new();
    world.declare(&world.spec()).await;
    let before = world.status();
    world.net.down(true);
    pass(6 * 3600 + 5).await;
    assert_eq!(world.token_requests(), 2);
    world.net.down(false);
    pass(30).await;
    assert_eq!(world.token_requests(), 3);
    assert_eq!((world.status(), world.event_reasons()), (before, vec!["SignedIn".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn a_routine_sign_in_that_goes_on_failing_makes_the_tenant_not_ready() {
    let world = World::new();
    world.declare(&world.spec()).await;
    world.net.down(true);
    pass(6 * 3600 + 30).await;
    assert_eq!(world.condition("Ready"), ("False".to_owned(), "Unreachable".to_owned()));
    assert_eq!(world.whole_condition("Ready")["lastTransitionTime"], "2026-11-21T16:00:15Z");
    assert!(world.status()["identity"].is_object(), "as whom it was signed in still says who must be reached");
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_is_taken_away_in_entra_is_noticed_by_the_next_routine_sign_in() {
    let world = World::new();
    world.declare(&world.spec()).await;
    let keys = world.emulator.object(world.operator.application).unwrap()["passwordCredentials"].clone();
    world.emulator.remove_credential(world.operator.application, keys[0]["keyId"].as_str().unwrap().parse().unwrap()).unwrap();
    pass(6 * 3600 + 5).await;
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), "SignInRefused".to_owned()));
    world.assert_discreet(&[CANARY]);
}
