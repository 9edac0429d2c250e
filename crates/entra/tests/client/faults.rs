//! What the client says of a write, against what becomes of it at an emulator that loses answers, throttles, fails and applies late.

use std::time::Duration;

use chrono::TimeDelta;
use entra::{Category, Detail, Failure, NewPassword, NewSigning, TIMEOUT};
use entra_emulator::{Effect, Fault, Match, NewSecret, Operation, Policy, Sent};
use entra_types::CredentialList;
use rstest::rstest;
use serde_json::json;

use crate::emulator::{Tenant, certificate, tenant};
use crate::signing_keys::signing_key;
use crate::stand_in::start;

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

/// Every kind of write there is.
const WRITES: [&str; 9] = [
    "add password",
    "remove password",
    "add key",
    "add signing key",
    "remove key",
    "add signing certificate",
    "replace",
    "prefer",
    "notify",
];

/// Sends one write; its answer, if it has one, is of no interest here.
async fn write(tenant: &Tenant, kind: &str) -> Result<(), Failure> {
    let (graph, application, principal) = (&tenant.graph, tenant.application(), tenant.service_principal());
    let end = "2026-12-20T09:55:00Z".to_owned();
    let listed = tenant.emulator.object(tenant.payroll.application).unwrap();
    let id = |list: &str| listed[list][0]["keyId"].as_str().unwrap().parse().unwrap();
    match kind {
        "add password" => {
            let new = NewPassword { display_name: "one".to_owned(), end_date_time: end };
            graph.add_password(&application, &new).await.map(drop)
        }
        "remove password" => graph.remove_password(&application, id("passwordCredentials")).await,
        "add key" => graph.add_key(&application, &certificate(1), &tenant.proof(0)).await.map(|_| ()),
        "add signing key" => graph.add_signing_key(&application, &signing_key(4), &tenant.proof(0)).await.map(|_| ()),
        "remove key" => graph.remove_key(&application, id("keyCredentials"), &tenant.proof(0)).await,
        "add signing certificate" => {
            let new = NewSigning { display_name: "CN=one".to_owned(), end_date_time: end };
            graph.add_token_signing_certificate(&principal, &new).await.map(drop)
        }
        "replace" => graph.replace_credentials(&application, Some(&CredentialList::default()), None).await,
        "prefer" => graph.set_preferred_thumbprint(&principal, certificate(0).thumbprint()).await,
        _ => graph.set_notification_addresses(&principal, &["a@example.com".to_owned()]).await,
    }
}

#[tokio::test(start_paused = true)]
async fn what_every_write_says_of_itself_is_what_became_of_it() {
    let effects = [
        ("in order", Effect::default()),
        ("html", Effect::answering(Sent::Html)),
        ("truncated", Effect::answering(Sent::Truncated)),
        ("denied", Effect::failing(403)),
        ("token refused", Effect::failing(401)),
        ("not found", Effect::failing(404)),
        ("conflict", Effect::conflict()),
        ("throttled but applied", Effect::throttled_but_applied(None)),
        ("failing", Effect::failing(500)),
        ("failing after", Effect::failing_after(503)),
        ("cut", Effect::cut()),
        ("lost", Effect::answer_lost()),
        ("late", Effect::applied_late(60 * SECOND)),
    ];
    let (mut applied, mut settled, mut open) = (0, 0, 0);
    for kind in WRITES {
        for (name, effect) in &effects {
            let tenant = meeting(effect.clone());
            let secret = NewSecret { text: "old~secret".to_owned(), display_name: None, start: None, end: start() + TimeDelta::days(9) };
            tenant.emulator.add_secret(tenant.payroll.application, secret).unwrap();
            let before = tenant.emulator.mutations().len();
            let result = write(&tenant, kind).await;
            tokio::time::sleep(10 * TIMEOUT).await;
            let changes = tenant.emulator.mutations().len() - before;
            match &result {
                Ok(()) => assert_eq!(changes, 1, "{kind}, {name}: said to be applied"),
                Err(failure) if failure.settled => assert_eq!(changes, 0, "{kind}, {name}: said never to be applied: {failure}"),
                Err(_) => assert!(changes <= 1, "{kind}, {name}"),
            }
            applied += usize::from(changes == 1 && result.is_ok());
            settled += usize::from(result.as_ref().is_err_and(|failure| failure.settled));
            open += usize::from(result.is_err_and(|failure| !failure.settled));
        }
    }
    println!("{} writes under {} faults: {applied} applied, {settled} refused for good, {open} open", WRITES.len(), effects.len());
    assert_eq!((applied, settled, open), (9 * 3, 9 * 3, 9 * 7));
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
