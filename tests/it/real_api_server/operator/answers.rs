//! Graph that answers something else, or not at all.

use std::time::Duration;

use entra_emulator::{Effect, Fault, Match, Operation, Sent};
use rotation::Reason;
use serde_json::{Value, json};

use super::{
    scene::{Scene, assert_promises, is_settled},
    witness::{condition, message},
};

fn failures(state: &Value) -> usize {
    usize::try_from(state["status"]["rotation"]["failures"].as_u64().unwrap_or_default()).unwrap()
}

/// What comes back for every read of the target until it is taken back, and what that is called.
async fn survive(name: &'static str, answer: Sent, reason: Reason) {
    let scene = Scene::shared(name).await;
    let target = scene.application("Target");
    let about = Match::operation(Operation::Get).client(target.client_id);
    let fault = scene.entra().emulator().inject(Fault::always(about, Effect::answering(answer)));
    scene.admit(&[&target]).await;
    let mut resource = scene.declare(name, &target, json!({"clientCertificate": {}})).await;
    let state = resource.until("three failures", |state| failures(state) >= 3).await;
    // Each request is followed by a longer wait.
    let asked = scene.entra().calls(&target).len();
    assert!(asked <= failures(&resource.now()) + 1, "{asked} requests for {} failures", failures(&resource.now()));
    assert_eq!(condition(&state, "Ready"), "False/Issuing");
    assert_eq!(condition(&state, "Reconciling"), "True/Retrying");
    assert_eq!(state["status"]["rotation"]["lastFailure"]["reason"], reason.as_str());
    assert!(message(&state, "Ready").contains(&target.client_id.to_string()), "{state:#}");
    assert!(message(&state, "Ready").ends_with(reason.remedy()), "{state:#}");
    assert!(!state["status"]["rotation"]["nextAttempt"].is_null());

    scene.entra().emulator().withdraw(fault);
    resource.until("a credential", is_settled).await;
    scene.published(name).await.sign_in(scene.entra()).await.unwrap();
    assert!(scene.operator().is_running());
    assert_promises(&scene, &[&resource]);
}

#[tokio::test]
async fn a_page_of_html_is_no_answer() {
    survive("html", Sent::Html, Reason::InvalidAnswer).await;
}

#[tokio::test]
async fn nothing_is_no_answer() {
    survive("empty", Sent::Empty, Reason::InvalidAnswer).await;
}

#[tokio::test]
async fn ten_megabytes_are_no_answer() {
    survive("huge", Sent::Huge, Reason::InvalidAnswer).await;
}

#[tokio::test]
async fn json_of_something_else_is_no_answer() {
    let body = r#"{"keyCredentials": "none", "id": 7}"#.to_owned();
    survive("garbage", Sent::Raw { status: 200, content_type: "application/json".to_owned(), body }, Reason::InvalidAnswer).await;
}

#[tokio::test]
async fn a_connection_that_breaks_off_is_tried_again_later() {
    survive("cut", Sent::Cut, Reason::Unavailable).await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_makes_no_second_credential() {
    let scene = Scene::shared("lost").await;
    let target = scene.application("Target");
    let emulator = scene.entra().emulator();
    for operation in [Operation::Patch, Operation::AddTokenSigningCertificate] {
        emulator.inject(Fault::once(Match::operation(operation).client(target.client_id), Effect::answer_lost()));
    }
    scene.admit(&[&target]).await;
    let mut certificate = scene.declare("lost-certificate", &target, json!({"clientCertificate": {}})).await;
    certificate.until("a credential", is_settled).await;
    let mut signing = scene.declare("lost-signing", &target, json!({"tokenSigningCertificate": {}})).await;
    signing.until("a credential", is_settled).await;

    let changes = scene.entra().changes(&target);
    let made = changes.iter().filter(|change| !change.keys_added.is_empty()).count();
    assert_eq!(made, 2, "{:#?}", changes.iter().map(|change| change.operation).collect::<Vec<_>>());
    scene.published("lost-certificate").await.sign_in(scene.entra()).await.unwrap();
    assert_promises(&scene, &[&certificate, &signing]);
}

#[tokio::test]
async fn a_throttle_is_waited_out_and_no_failure() {
    let scene = Scene::shared("throttled").await;
    let target = scene.application("Target");
    let about = Match::operation(Operation::Get).client(target.client_id);
    scene.entra().emulator().inject(Fault::once(about, Effect::throttled(Some("2"))));
    scene.admit(&[&target]).await;
    let mut resource = scene.declare("throttled-payroll", &target, json!({"clientCertificate": {}})).await;
    resource.until("a credential", is_settled).await;
    let calls = scene.entra().calls(&target);
    assert_eq!(calls[0].answered, Some(429));
    assert!((calls[1].at - calls[0].at).to_std().unwrap() >= Duration::from_secs(2), "{calls:#?}");
    assert!(resource.all().iter().all(|state| failures(state) == 0));
    assert_promises(&scene, &[&resource]);
}
