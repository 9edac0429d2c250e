//! A tenant that can be signed in to.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::world::{CANARY, TENANT, World, pass};
use crate::tenant::Access;

#[tokio::test(start_paused = true)]
async fn a_tenant_is_signed_in_to_and_says_as_whom() {
    let world = World::new();
    world.credentials.store(7, Ordering::SeqCst);
    world.declare(&world.spec()).await;
    let client = world.operator.client_id;
    let message = format!("The operator is signed in to tenant {TENANT} as client {client}.");
    let status = world.status();
    assert_eq!(status["observedGeneration"], 1);
    assert_eq!(status["credentials"], 7);
    assert_eq!(
        status["identity"],
        json!({"clientID": client, "objectID": world.operator.service_principal, "roles": ["Application.ReadWrite.OwnedBy"]})
    );
    assert_eq!(
        status["conditions"],
        json!([
            {"type": "Ready", "status": "True", "reason": "SignedIn", "message": message,
             "observedGeneration": 1, "lastTransitionTime": "2026-11-21T10:00:00Z"},
            {"type": "Reconciling", "status": "False", "reason": "Realised", "message": "The spec is realised.",
             "observedGeneration": 1, "lastTransitionTime": "2026-11-21T10:00:00Z"},
            {"type": "Stalled", "status": "False", "reason": "NotStalled", "message": "Nobody needs to act.",
             "observedGeneration": 1, "lastTransitionTime": "2026-11-21T10:00:00Z"},
        ])
    );
    assert_eq!(world.events(), [("Normal".to_owned(), "SignedIn".to_owned(), message)]);
    let tenant = world.tenants.get("default").unwrap();
    assert_eq!(tenant.tenant_id, Some(TENANT.parse().unwrap()));
    let Access::Ready(signed_in) = tenant.access else { panic!("{tenant:?}") };
    assert_eq!((signed_in.client_id, signed_in.object_id), (client, Some(world.operator.service_principal)));
    assert_eq!(world.token_requests(), 1);
    world.assert_discreet(&[CANARY]);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_at_rest_costs_one_sign_in_every_six_hours_and_nothing_else() {
    let world = World::new();
    world.declare(&world.spec()).await;
    let first = ["create entratenants", "get secrets", "update entratenants/status", "create events"];
    assert_eq!(world.kube_requests(), first);
    world.forget_requests();
    pass(6 * 3600 - 10).await;
    assert_eq!((world.kube_requests(), world.token_requests()), (vec![], 0));
    pass(20).await;
    assert_eq!((world.kube_requests(), world.token_requests()), (vec!["get secrets".to_owned()], 1));
    pass(18 * 3600).await;
    assert_eq!((world.kube_requests().len(), world.token_requests()), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn the_count_of_credentials_is_kept_up_to_date_without_signing_in() {
    let world = World::new();
    world.declare(&world.spec()).await;
    world.forget_requests();
    world.credentials.store(3, Ordering::SeqCst);
    pass(301).await;
    assert_eq!(world.status()["credentials"], 3);
    assert_eq!((world.kube_requests(), world.token_requests()), (vec!["update entratenants/status".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_restarted_operator_signs_in_and_leaves_a_status_that_is_still_true_alone() {
    let mut world = World::new();
    world.declare(&world.spec()).await;
    let before = world.status();
    world.forget_requests();
    pass(60).await;
    world.restart().await;
    assert!(matches!(world.tenants.get("default").unwrap().access, Access::Ready(_)));
    assert_eq!((world.kube_requests(), world.token_requests()), (vec!["get secrets".to_owned()], 1));
    assert_eq!(world.status(), before);
    assert_eq!(world.event_reasons(), ["SignedIn"]);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_is_signed_in_to_with_a_certificate() {
    let world = World::new();
    world.use_certificate(0);
    world.declare(&world.certificate_spec()).await;
    assert_eq!(world.condition("Ready"), ("True".to_owned(), "SignedIn".to_owned()), "{}", world.status());
    let key = keys::fixtures::key(0).to_pkcs8_pem();
    world.assert_discreet(&key.expose().lines().collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_secret_with_a_line_end_signs_in() {
    let world = World::new();
    world.put_secret(&json!({"AZURE_CLIENT_SECRET": format!("{CANARY}\r\n")}));
    world.declare(&world.spec()).await;
    assert_eq!(world.condition("Ready").1, "SignedIn");
}

#[tokio::test(start_paused = true)]
async fn another_key_of_the_secret_can_be_named() {
    let world = World::new();
    world.put_secret(&json!({"password": CANARY}));
    let mut spec = world.spec();
    spec["signIn"]["clientSecret"]["secretRef"]["key"] = json!("password");
    world.declare(&spec).await;
    assert_eq!(world.condition("Ready").1, "SignedIn");
}

#[tokio::test(start_paused = true)]
async fn a_token_without_any_sufficient_permission_leaves_the_tenant_ready_and_says_what_is_missing() {
    let world = World::new();
    world.emulator.set_roles(world.operator.service_principal, &["Application.Read.All"]).unwrap();
    world.declare(&world.spec()).await;
    assert_eq!(world.condition("Ready"), ("True".to_owned(), "SignedIn".to_owned()));
    let expected = format!(
        "The operator is signed in to tenant {TENANT} as client {}. Its token holds none of the application permissions \
         Application.ReadWrite.OwnedBy, Application.ReadWrite.All, Directory.ReadWrite.All, so Entra will refuse to let it rotate \
         anything: grant Application.ReadWrite.OwnedBy with admin consent, and make it an owner of the applications.",
        world.operator.client_id
    );
    assert_eq!(world.message("Ready"), expected);
    world.emulator.set_roles(world.operator.service_principal, &["Directory.ReadWrite.All"]).unwrap();
    pass(6 * 3600).await;
    assert!(!world.message("Ready").contains("none of"), "{}", world.message("Ready"));
}

#[tokio::test(start_paused = true)]
async fn an_opaque_token_says_nothing_of_permissions() {
    let world = World::new();
    let body = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "opaque"}).to_string();
    world.net.answer(http::Response::new(body.into()));
    world.declare(&world.spec()).await;
    let expected = format!("The operator is signed in to tenant {TENANT} as client {}.", world.operator.client_id);
    assert_eq!(world.message("Ready"), expected);
    assert_eq!(world.status()["identity"], json!({"clientID": world.operator.client_id}));
}
