//! A Kubernetes API server that refuses, loses or delays.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kube_sim::{Failure, RequestInfo, Verb, Verdict};
use serde_json::json;

use super::world::{World, pass};
use crate::tenant::Access;

fn reads_secret(request: &RequestInfo) -> bool {
    request.resource == "secrets" && request.verb == Verb::Get
}

fn writes_status(request: &RequestInfo) -> bool {
    request.resource == "entratenants" && request.subresource.is_some()
}

fn once(matches: fn(&RequestInfo) -> bool, verdict: Verdict) -> impl Fn(&RequestInfo) -> Verdict + Send + Sync {
    let left = AtomicU32::new(1);
    move |request| {
        let is_hit = matches(request) && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if is_hit { verdict.clone() } else { Verdict::Pass }
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_may_not_be_read_needs_a_person() {
    let world = World::new();
    let forbidden = "secrets \"sign-in\" is forbidden";
    world.sim.intercept(
        move |request: &RequestInfo| {
            if reads_secret(request) { Verdict::Fail(Failure::forbidden(forbidden)) } else { Verdict::Pass }
        },
    );
    world.declare(&world.spec()).await;
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), "ClusterDenied".to_owned()));
    assert_eq!(
        world.message("Ready"),
        "Cannot read Secret entra-rotator/sign-in: secrets \"sign-in\" is forbidden. Give the operator's service account the right to \
         read Secrets in its own namespace, as the chart does."
    );
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_never_answers_holds_a_pass_for_twenty_seconds_only() {
    let world = World::new();
    world.sim.intercept(once(reads_secret, Verdict::Delay(Duration::from_secs(3600))));
    world.declare(&world.spec()).await;
    pass(21).await;
    assert_eq!(world.condition("Reconciling"), ("True".to_owned(), "Retrying".to_owned()));
    assert_eq!(
        world.message("Ready"),
        "Cannot read Secret entra-rotator/sign-in: the Kubernetes API server did not answer within 20 s. The operator tries again."
    );
    pass(15).await;
    assert_eq!(world.condition("Ready").1, "SignedIn");
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_fails_for_hours_leaves_a_signed_in_tenant_usable() {
    let world = World::new();
    world.declare(&world.spec()).await;
    world.sim.intercept(
        |request: &RequestInfo| {
            if reads_secret(request) { Verdict::Fail(Failure::service_unavailable()) } else { Verdict::Pass }
        },
    );
    pass(9 * 3600).await;
    assert!(matches!(world.tenants.get("default").unwrap().access, Access::Ready(_)));
    assert_eq!(world.condition("Ready"), ("True".to_owned(), "SignedIn".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_status_that_could_not_be_written_is_written_later_without_signing_in_again() {
    for verdict in [Verdict::Fail(Failure::service_unavailable()), Verdict::Drop, Verdict::Fail(Failure::new(409, "Conflict", "modified"))]
    {
        let world = World::new();
        world.sim.intercept(once(writes_status, verdict.clone()));
        world.declare(&world.spec()).await;
        pass(20).await;
        assert_eq!(world.condition("Ready"), ("True".to_owned(), "SignedIn".to_owned()), "{verdict:?}");
        assert_eq!((world.token_requests(), world.event_reasons()), (1, vec!["SignedIn".to_owned()]), "{verdict:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_lost_changes_nothing() {
    let world = World::new();
    world.sim.intercept(|request: &RequestInfo| {
        if request.resource == "events" { Verdict::Fail(Failure::forbidden("events is forbidden")) } else { Verdict::Pass }
    });
    world.declare(&world.spec()).await;
    pass(3600).await;
    assert_eq!(world.condition("Ready").1, "SignedIn");
    assert_eq!((world.token_requests(), world.status_writes()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn conditions_of_others_stay_and_a_status_that_nobody_understands_is_replaced() {
    let world = World::new();
    world.declare(&world.spec()).await;
    let mut object = world.sim.get("entratenants.entra-rotator.io", "", "default").unwrap();
    let foreign =
        json!({"type": "Audited", "status": "True", "reason": "ByHand", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    object["status"]["conditions"].as_array_mut().unwrap().push(foreign.clone());
    object["status"]["observedGeneration"] = json!(0);
    world.sim.put(object.clone());
    // Who writes after us has the last word for a minute.
    pass(61).await;
    assert_eq!(world.status()["observedGeneration"], 1);
    assert_eq!(world.status()["conditions"][3], foreign);
    object["status"] = json!({"conditions": "none"});
    world.sim.put(object);
    pass(1).await;
    assert_eq!(world.condition("Ready").1, "SignedIn");
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_is_asked_to_end_finishes_the_pass_under_way() {
    let world = World::new();
    world.net.hold(true);
    world.declare(&world.spec()).await;
    world.stop();
    pass(5).await;
    assert!(!world.has_ended());
    world.net.hold(false);
    pass(1).await;
    assert!(world.has_ended());
    assert_eq!(world.condition("Ready").1, "SignedIn");
}

#[tokio::test(start_paused = true)]
async fn a_controller_at_rest_ends_at_once() {
    let world = World::new();
    world.declare(&world.spec()).await;
    world.stop();
    pass(1).await;
    assert!(world.has_ended());
}
