//! `signInAs: Self`: neither the operator nor the application may do anything in Graph, and the certificate is rolled all the same.

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64;
use entra_emulator::{Effect, Fault, Match, Operation};
use keys::{Certificate, CertificateRequest};
use rstest::rstest;
use serde_json::{Value, json};

use simulator::oracle::Oracle;
use simulator::world::{NAME, NAMESPACE, OUTPUT, Setup, World};

fn spec(world: &World) -> Value {
    json!({"clientCertificate": {"signInAs": "Self"}, "rotation": {"validity": "240h", "renewBefore": "120h", "overlap": "2h"},
        "target": {"objectID": world.target.application.to_string(), "object": "Application"}})
}

/// A world in which somebody has put a certificate on the application and into the Secret.
async fn handed_over(life: TimeDelta) -> (World, Certificate) {
    let setup = Setup { powerless: true, ..Setup::of(json!({"clientCertificate": {}})) };
    let world = World::empty(&setup).await;
    let seed = seed(world.now(), life);
    world.entra.add_certificate(world.object, &seed).unwrap();
    let encoded = |text: &str| BASE64.encode(text.as_bytes());
    let key = keys::fixtures::key(6).to_pkcs8_pem();
    world.cluster.put(json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": OUTPUT, "namespace": NAMESPACE, "annotations": {"entra-rotator.io/adopt-by": NAME}},
        "data": {"tls.crt": encoded(&seed.pem()), "tls.key": encoded(key.expose()),
            "AZURE_CLIENT_ID": encoded(&world.target.client_id.to_string())}}));
    world.declare(&spec(&world)).await;
    (world, seed)
}

fn seed(now: DateTime<Utc>, life: TimeDelta) -> Certificate {
    let (not_before, not_after) = (now - TimeDelta::hours(1), now + life);
    let request = CertificateRequest { common_name: "by hand".to_owned(), san_uris: vec![], not_before, not_after, serial: [7; 16] };
    Certificate::self_signed(&keys::fixtures::key(6), &request).unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_application_rolls_its_own_certificate_without_any_permission() {
    let (world, seed) = handed_over(TimeDelta::days(8)).await;
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(world.condition("Ready"), "True/Published", "{:#}", world.resource()["status"]);
    assert_eq!(world.text("tls.crt"), seed.pem());
    let oracle = Oracle::watch(&world);
    world.run_until(TimeDelta::days(8), "the first one of its own", |world| world.text("tls.crt") != seed.pem()).await;
    world.run_for(TimeDelta::days(20)).await;
    assert!(world.current()["seq"].as_u64() >= Some(3), "{:#}", world.resource()["status"]);
    oracle.check("three rotations");
    assert!(world.writes().iter().all(|write| [Operation::AddKey, Operation::RemoveKey].contains(write)), "{:?}", world.writes());
}

#[rstest]
#[case::failing(Effect::failing(503))]
#[case::refused(Effect::failing(403))]
#[tokio::test(start_paused = true)]
async fn being_locked_out_is_foreseen_and_told_and_mended_by_a_person(#[case] effect: Effect) {
    let (world, _) = handed_over(TimeDelta::days(2)).await;
    world.entra.inject(Fault::always(Match::operation(Operation::AddKey), effect));
    world.run_until(TimeDelta::days(2), "the alarm", |world| world.condition("RotationAtRisk").starts_with("True/")).await;
    assert_eq!(world.condition("Ready"), "True/Published");
    world.run_until(TimeDelta::days(3), "the end", |world| world.condition("Stalled") == "True/SelfCredentialExpired").await;
    assert!(world.message("Stalled").contains("adopt-by"));
}

#[tokio::test(start_paused = true)]
async fn without_a_certificate_to_begin_with_a_person_is_asked_for_one() {
    let setup = Setup { powerless: true, ..Setup::of(json!({"clientCertificate": {}})) };
    let world = World::empty(&setup).await;
    let mut spec = spec(&world);
    spec["target"] = json!({"clientID": world.target.client_id.to_string()});
    world.declare(&spec).await;
    world.run_for(TimeDelta::hours(6)).await;
    assert_eq!(world.condition("Stalled"), "True/SelfCredentialExpired", "{:#}", world.resource()["status"]);
    assert!(world.writes().is_empty());
}
