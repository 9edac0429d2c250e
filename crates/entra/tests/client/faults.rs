//! What the client says of a write, against what becomes of it at an emulator that loses answers, throttles, fails and applies late.

use std::time::Duration;

use entra::{Category, Detail, NewSigning, TIMEOUT};
use entra_emulator::{Effect, Fault, Match, Operation, Policy, Sent};
use rstest::rstest;
use serde_json::json;

use crate::emulator::{Tenant, certificate, tenant};

/// A tenant whose application holds certificate 0, and whose next write meets this.
fn meeting(effect: Effect) -> Tenant {
    let tenant = tenant();
    tenant.emulator.add_certificate(tenant.payroll.application, &certificate(0)).unwrap();
    tenant.emulator.inject(Fault::once(Match::writes(), effect));
    tenant
}

fn is_applied(tenant: &Tenant) -> bool {
    tenant.emulator.accepts_certificate(tenant.payroll.client_id, &certificate(1))
}

const SECOND: Duration = Duration::from_secs(1);

#[rstest]
#[case::in_order(Effect::default(), Ok(()))]
#[case::slow(Effect::slow(20 * SECOND), Ok(()))]
#[case::html(Effect::answering(Sent::Html), Ok(()))]
#[case::empty(Effect::answering(Sent::Empty), Ok(()))]
#[case::huge(Effect::answering(Sent::Huge), Ok(()))]
#[case::cut_in_the_middle(Effect::answering(Sent::Truncated), Ok(()))]
#[case::refused(Effect::failing(400), Err((Category::InvalidRequest, true)))]
#[case::token_refused(Effect::failing(401), Err((Category::Unauthorized, true)))]
#[case::denied(Effect::failing(403), Err((Category::PermissionDenied, true)))]
#[case::not_found(Effect::failing(404), Err((Category::TargetNotFound, true)))]
#[case::conflict(Effect::conflict(), Err((Category::Conflict, false)))]
#[case::throttled(Effect::throttled(Some("10")), Err((Category::Throttled, false)))]
#[case::throttled_but_applied(Effect::throttled_but_applied(None), Err((Category::Throttled, false)))]
#[case::server_error(Effect::failing(500), Err((Category::Unavailable, false)))]
#[case::server_error_after(Effect::failing_after(500), Err((Category::Unavailable, false)))]
#[case::gateway_timeout_after(Effect::failing_after(504), Err((Category::Unavailable, false)))]
#[case::cut(Effect::cut(), Err((Category::Unavailable, false)))]
#[case::answer_lost(Effect::answer_lost(), Err((Category::Unavailable, false)))]
#[case::applied_late(Effect::applied_late(60 * SECOND), Err((Category::Unavailable, false)))]
#[case::answered_too_late(Effect::slow(40 * SECOND), Err((Category::Unavailable, false)))]
#[case::held_too_long(Effect::held(40 * SECOND), Err((Category::Unavailable, false)))]
#[tokio::test(start_paused = true)]
async fn a_write_said_to_be_applied_is_and_one_said_to_be_settled_never_will_be(
    #[case] effect: Effect,
    #[case] expected: Result<(), (Category, bool)>,
) {
    let tenant = meeting(effect);
    let result = tenant.graph.add_key(&tenant.application(), &certificate(1), &tenant.proof(0)).await;
    assert_eq!(result.map(|_| ()).map_err(|failure| (failure.category, failure.settled)), expected);
    match expected {
        Ok(()) => assert!(is_applied(&tenant)),
        Err((_, true)) => {
            tokio::time::sleep(10 * TIMEOUT).await;
            assert!(!is_applied(&tenant));
        }
        Err((_, false)) => {}
    }
    let sent = tenant.emulator.calls().iter().filter(|call| call.operation == Operation::AddKey).count();
    assert_eq!(sent, 1, "a write is sent once");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_not_settled_may_happen_after_its_failure() {
    let tenant = meeting(Effect::applied_late(60 * SECOND));
    tenant.graph.add_key(&tenant.application(), &certificate(1), &tenant.proof(0)).await.unwrap_err();
    assert!(!is_applied(&tenant));
    tokio::time::sleep(61 * SECOND).await;
    assert!(is_applied(&tenant));
}

#[rstest]
#[case(Sent::Html)]
#[case(Sent::Empty)]
#[case(Sent::Huge)]
#[case(Sent::Truncated)]
#[tokio::test(start_paused = true)]
async fn a_signing_certificate_whose_answer_is_lost_is_made_all_the_same(#[case] answer: Sent) {
    let tenant = meeting(Effect::answering(answer));
    let new = NewSigning { display_name: "CN=x".to_owned(), end_date_time: "2027-08-20T09:55:00Z".to_owned() };
    assert_eq!(tenant.graph.add_token_signing_certificate(&tenant.service_principal(), &new).await, Ok(None));
    assert!(tenant.emulator.signer(tenant.payroll.service_principal).is_some());
}

#[rstest]
#[case::html(Sent::Html, Category::InvalidAnswer)]
#[case::empty(Sent::Empty, Category::InvalidAnswer)]
#[case::huge(Sent::Huge, Category::InvalidAnswer)]
#[case::cut_in_the_middle(Sent::Truncated, Category::InvalidAnswer)]
#[case::cut(Sent::Cut, Category::Unavailable)]
#[tokio::test(start_paused = true)]
async fn a_read_token_or_metadata_that_comes_back_broken_is_told_as_such(#[case] answer: Sent, #[case] category: Category) {
    for operation in [Operation::Get, Operation::Token, Operation::Metadata] {
        let tenant = tenant();
        tenant.emulator.inject(Fault::once(Match::operation(operation), Effect::answering(answer.clone())));
        let failure = match operation {
            Operation::Metadata => tenant.graph.metadata(tenant.payroll.client_id).await.unwrap_err(),
            _ => tenant.graph.read(&tenant.application(), Detail::WithKeys).await.unwrap_err(),
        };
        assert_eq!(failure.category, category, "{failure}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_and_a_lock_are_named() {
    let tenant = meeting(Effect::default());
    let policy = Policy { max_certificate_lifetime: Some(3600 * SECOND), ..Policy::default() };
    tenant.emulator.adjust(|behaviour| behaviour.policy = policy);
    let failure = tenant.graph.add_key(&tenant.application(), &certificate(1), &tenant.proof(0)).await.unwrap_err();
    assert_eq!((failure.category, failure.settled), (Category::PolicyForbidsLifetime, true));

    let lock = json!({"isEnabled": true, "allProperties": true});
    tenant.emulator.set_property(tenant.payroll.application, "servicePrincipalLockConfiguration", lock).unwrap();
    let new = NewSigning { display_name: "CN=x".to_owned(), end_date_time: "2026-08-20T10:55:00Z".to_owned() };
    let failure = tenant.graph.add_token_signing_certificate(&tenant.service_principal(), &new).await.unwrap_err();
    assert_eq!((failure.category, failure.settled), (Category::PropertyLocked, true));
}

#[tokio::test(start_paused = true)]
async fn graphs_clock_is_handed_on_even_when_it_is_wrong() {
    let tenant = tenant();
    tenant.emulator.inject(Fault::once(Match::operation(Operation::Get), Effect::skewed_date(600)));
    let reading = tenant.graph.read(&tenant.application(), Detail::Plain).await.unwrap();
    assert_eq!(reading.date, Some(tenant.emulator.now() + Duration::from_secs(600)));
}
