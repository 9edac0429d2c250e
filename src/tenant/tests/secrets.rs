//! Secrets to sign in with that are missing or hold the wrong things.

use rstest::rstest;
use serde_json::{Value, json};

use super::world::{CANARY, NAMESPACE, SECRET, World, certificate_pem, pass};

#[tokio::test(start_paused = true)]
async fn a_missing_secret_is_named_and_read_as_soon_as_it_is_there() {
    let world = World::new();
    world.sim.delete("secrets", NAMESPACE, SECRET);
    world.declare(&world.spec()).await;
    let message = "Cannot sign in with Secret entra-rotator/sign-in: it does not exist. Create it; it is read as soon as it is there.";
    assert_eq!(world.condition("Ready"), ("False".to_owned(), "SecretNotFound".to_owned()));
    assert_eq!(world.message("Ready"), message);
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), "SecretNotFound".to_owned()));
    pass(3598).await;
    assert_eq!((world.token_requests(), world.status_writes()), (0, 1));
    world.put_secret(&json!({"AZURE_CLIENT_SECRET": CANARY}));
    pass(1).await;
    assert_eq!(world.condition("Ready"), ("True".to_owned(), "SignedIn".to_owned()));
    assert_eq!(world.event_reasons(), ["SecretNotFound", "SignedIn"]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_deleted_takes_the_tenant_with_it() {
    let world = World::new();
    world.declare(&world.spec()).await;
    world.sim.delete("secrets", NAMESPACE, SECRET);
    pass(1).await;
    assert_eq!(world.condition("Ready"), ("False".to_owned(), "SecretNotFound".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_deleted_while_the_watch_is_cut_is_missed_too() {
    let world = World::new();
    world.declare(&world.spec()).await;
    world.sim.hold_watches(true);
    world.sim.delete("secrets", NAMESPACE, SECRET);
    world.sim.expire_history();
    world.sim.cut_watches();
    world.sim.hold_watches(false);
    pass(60).await;
    assert_eq!(world.condition("Ready"), ("False".to_owned(), "SecretNotFound".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_rotated_secret_is_picked_up_at_once_and_keeps_the_tenants_budget_and_connections() {
    let world = World::new();
    world.declare(&world.spec()).await;
    world.forget_requests();
    world.register_secret("n3w~canary.Value-of_the~rotation");
    world.put_secret(&json!({"AZURE_CLIENT_SECRET": "n3w~canary.Value-of_the~rotation"}));
    pass(1).await;
    assert_eq!((world.kube_requests(), world.token_requests()), (vec!["get secrets".to_owned()], 1));
    assert_eq!(world.condition("Ready"), ("True".to_owned(), "SignedIn".to_owned()));
    assert_eq!((world.net.opened(), world.event_reasons()), (1, vec!["SignedIn".to_owned()]));
    pass(3600).await;
    assert_eq!(world.token_requests(), 1);
    world.assert_discreet(&[CANARY, "n3w~canary"]);
}

#[tokio::test(start_paused = true)]
async fn a_corrected_secret_does_not_wait_for_the_next_attempt() {
    let world = World::new();
    world.put_secret(&json!({"AZURE_CLIENT_SECRET": "wrong"}));
    world.declare(&world.spec()).await;
    pass(600).await;
    assert_eq!(world.condition("Ready").1, "SignInRefused");
    world.put_secret(&json!({"AZURE_CLIENT_SECRET": CANARY}));
    pass(1).await;
    assert_eq!(world.condition("Ready"), ("True".to_owned(), "SignedIn".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_nobody_signs_in_with_changes_nothing() {
    let world = World::new();
    world.declare(&world.spec()).await;
    world.forget_requests();
    world.sim.put(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other", "namespace": NAMESPACE}}));
    world.sim.put(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": "default"}}));
    pass(60).await;
    assert_eq!((world.kube_requests(), world.token_requests()), (vec![], 0));
}

#[rstest]
#[case::without_its_key(json!({"other": CANARY}), "it has no key AZURE_CLIENT_SECRET")]
#[case::empty(json!({"AZURE_CLIENT_SECRET": "\n"}), "its key AZURE_CLIENT_SECRET is empty")]
#[case::far_too_long(
    json!({"AZURE_CLIENT_SECRET": CANARY.repeat(200)}), "its key AZURE_CLIENT_SECRET is longer than any client secret (4096 bytes)"
)]
#[tokio::test(start_paused = true)]
async fn a_secret_of_no_use_is_named_without_asking_entra(#[case] contents: Value, #[case] why: &str) {
    let world = World::new();
    world.put_secret(&contents);
    world.declare(&world.spec()).await;
    is_invalid(&world, why);
}

#[rstest]
#[case::without_a_certificate(json!({"tls.key": "x"}), "it has no key tls.crt")]
#[case::without_a_key(json!({"tls.crt": certificate_pem(0)}), "it has no key tls.key")]
#[case::key_for_certificate(
    json!({"tls.crt": format!("-----BEGIN {CANARY}"), "tls.key": "x"}), "its key tls.crt is no certificate in PEM, the own one first"
)]
#[case::certificate_for_key(
    json!({"tls.crt": certificate_pem(0), "tls.key": format!("{}{CANARY}", certificate_pem(0))}),
    "its key tls.key is of no use: cannot read the private key: it holds no private key; expected PEM with a section PRIVATE KEY or \
     RSA PRIVATE KEY, not encrypted, of at most 64 KiB"
)]
#[case::strangers(
    json!({"tls.crt": certificate_pem(0), "tls.key": keys::fixtures::key(1).to_pkcs8_pem().expose()}),
    "the certificate in tls.crt does not belong to the private key in tls.key"
)]
#[tokio::test(start_paused = true)]
async fn a_certificate_of_no_use_is_named_without_asking_entra(#[case] contents: Value, #[case] why: &str) {
    let world = World::new();
    world.put_secret(&contents);
    world.declare(&world.certificate_spec()).await;
    is_invalid(&world, why);
    let key = keys::fixtures::key(1).to_pkcs8_pem();
    world.assert_discreet(&key.expose().lines().collect::<Vec<_>>());
}

fn is_invalid(world: &World, why: &str) {
    let message =
        format!("Cannot sign in with Secret entra-rotator/sign-in: {why}. Correct the Secret; it is read again as soon as it changes.");
    assert_eq!(world.condition("Ready"), ("False".to_owned(), "SecretInvalid".to_owned()));
    assert_eq!(world.message("Ready"), message);
    assert_eq!(world.condition("Stalled"), ("True".to_owned(), "SecretInvalid".to_owned()));
    assert_eq!(world.token_requests(), 0);
    world.assert_discreet(&[CANARY]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_no_text_is_named() {
    let world = World::new();
    world.sim.put(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": NAMESPACE},
        "data": {"AZURE_CLIENT_SECRET": "/////w=="}}));
    world.declare(&world.spec()).await;
    is_invalid(&world, "its key AZURE_CLIENT_SECRET is no text");
}
