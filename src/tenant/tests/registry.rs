//! What others see of the tenants.

use entra::{Category, Details, Graph, Operation, Retry};
use futures::{FutureExt as _, StreamExt as _};
use serde_json::json;

use super::world::{CANARY, World, pass};
use crate::tenant::{Access, Reason};

fn graph(world: &World) -> Graph {
    match world.tenants.get("default").unwrap().access {
        Access::Ready(signed_in) => signed_in.graph.clone(),
        access => panic!("{access:?}"),
    }
}

fn reason(world: &World) -> Option<Reason> {
    match world.tenants.get("default").unwrap().access {
        Access::NotReady { reason, .. } => Some(reason),
        Access::Ready(_) | Access::Unknown => None,
    }
}

/// A failure of the operator's own sign-in, as a reconciler of credentials meets it.
async fn failure(world: &World) -> entra::Failure {
    let client_id = world.operator.client_id;
    let secret = keys::Sensitive::new("wrong".to_owned());
    graph(world).signed_in_as(entra::SignIn::ClientSecret { client_id, secret }).identity().await.unwrap_err()
}

#[tokio::test(start_paused = true)]
async fn tenants_are_known_once_they_are_listed_and_gone_once_they_are_deleted() {
    let world = World::new();
    assert!(world.tenants.listed().now_or_never().is_none());
    world.tenants.listed().await;
    assert!(world.tenants.get("default").is_none());
    world.declare(&world.spec()).await;
    assert!(world.tenants.get("default").is_some());
    world.delete().await;
    assert!(world.tenants.get("default").is_none());
    world.forget_requests();
    pass(3 * 3600).await;
    assert_eq!((world.token_requests(), world.kube_requests()), (0, vec![]));
    assert!(!world.metrics.encode().contains("tenant=\"default\""), "{}", world.metrics.encode());
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_unknown_until_the_first_sign_in_and_another_object_of_its_name_is_another_tenant() {
    let world = World::new();
    world.net.hold(true);
    world.declare(&world.spec()).await;
    assert!(matches!(world.tenants.get("default").unwrap().access, Access::Unknown));
    world.net.hold(false);
    pass(1).await;
    graph(&world);
    world.net.hold(true);
    world.delete().await;
    world.declare(&world.spec()).await;
    assert!(matches!(world.tenants.get("default").unwrap().access, Access::Unknown));
    world.net.hold(false);
    pass(1).await;
    graph(&world);
}

#[tokio::test(start_paused = true)]
async fn a_suspicion_closes_the_tenant_at_once_and_one_sign_in_settles_it() {
    let world = World::new();
    world.declare(&world.spec()).await;
    pass(3600).await;
    let failure = failure(&world).await;
    world.forget_requests();
    let mut changes = world.tenants.changes().boxed();
    assert!(changes.next().now_or_never().is_none());
    for _ in 0..100 {
        world.tenants.suspect("default", &failure);
    }
    assert_eq!(reason(&world), Some(Reason::SignInRefused));
    assert!(changes.next().now_or_never().is_some());
    pass(1).await;
    assert_eq!((reason(&world), world.token_requests(), world.status_writes()), (None, 1, 0));
    assert!(changes.next().now_or_never().is_some());
    assert!(changes.next().now_or_never().is_none());
    graph(&world);
}

#[tokio::test(start_paused = true)]
async fn a_suspicion_that_is_right_is_reported() {
    let world = World::new();
    world.declare(&world.spec()).await;
    pass(600).await;
    let failure = failure(&world).await;
    let keys = world.emulator.object(world.operator.application).unwrap()["passwordCredentials"].clone();
    world.emulator.remove_credential(world.operator.application, keys[0]["keyId"].as_str().unwrap().parse().unwrap()).unwrap();
    world.tenants.suspect("default", &failure);
    pass(1).await;
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), "SignInRefused".to_owned()));
    assert_eq!(world.event_reasons(), ["SignedIn", "SignInRefused"]);
    world.assert_discreet(&[CANARY]);
}

#[tokio::test(start_paused = true)]
async fn suspicions_do_not_lead_to_more_than_one_sign_in_a_minute() {
    let world = World::new();
    world.declare(&world.spec()).await;
    let failure = failure(&world).await;
    world.forget_requests();
    for _ in 0..3600 {
        world.tenants.suspect("default", &failure);
        pass(1).await;
    }
    assert!((55..=61).contains(&world.token_requests()), "{}", world.token_requests());
    assert_eq!(world.status_writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn other_calls_outages_and_unknown_tenants_raise_no_suspicion() {
    let world = World::new();
    world.declare(&world.spec()).await;
    let refused = failure(&world).await;
    let other_call = Details { operation: Operation::Read, ..Details::from(refused.clone()) };
    let outage = Details { category: Category::Unavailable, code: None, retry: Retry::Backoff, ..Details::from(refused.clone()) };
    world.forget_requests();
    world.tenants.suspect("default", &other_call.into());
    world.tenants.suspect("default", &outage.into());
    world.tenants.suspect("other", &refused);
    assert_eq!(reason(&world), None);
    pass(120).await;
    assert_eq!((reason(&world), world.token_requests()), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn others_hear_of_a_tenant_that_becomes_ready_and_of_one_that_ceases_to_be() {
    let world = World::new();
    let mut changes = world.tenants.changes().boxed();
    world.declare(&world.spec()).await;
    assert!(changes.next().now_or_never().is_some());
    pass(3600).await;
    assert!(changes.next().now_or_never().is_none());
    world.put_secret(&json!({"AZURE_CLIENT_SECRET": "wrong"}));
    pass(1).await;
    assert!(changes.next().now_or_never().is_some());
    pass(3600).await;
    assert!(changes.next().now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn metrics_tell_whether_a_tenant_is_ready() {
    let world = World::new();
    world.declare(&world.spec()).await;
    assert!(world.metrics.encode().contains("entra_rotator_tenant_ready{tenant=\"default\"} 1"), "{}", world.metrics.encode());
    world.put_secret(&json!({"AZURE_CLIENT_SECRET": "wrong"}));
    pass(1).await;
    assert!(world.metrics.encode().contains("entra_rotator_tenant_ready{tenant=\"default\"} 0"), "{}", world.metrics.encode());
}
