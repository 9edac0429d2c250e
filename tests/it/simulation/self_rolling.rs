//! `signInAs: Self`: neither the operator nor the application may do anything in Graph, and the certificate is rolled all the same.

use chrono::TimeDelta;
use entra_emulator::{Effect, Fault, Match, Operation};
use keys::Certificate;
use rstest::rstest;
use serde_json::json;

use simulator::by_hand;
use simulator::oracle::Oracle;
use simulator::scenario::certificate;
use simulator::world::{Setup, World};

/// A world in which somebody has put a certificate on the application and into the Secret.
async fn handed_over(life: TimeDelta) -> (World, Certificate) {
    let setup = Setup { powerless: true, ..Setup::of(certificate()) };
    let world = World::empty(&setup).await;
    let seed = by_hand::hand_over(&world, life, &certificate()).await;
    (world, seed)
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

#[tokio::test(start_paused = true)]
async fn what_has_no_name_in_entra_is_left_to_its_end_without_looking_again_and_again() {
    let (world, seed) = handed_over(TimeDelta::days(8)).await;
    world.run_until(TimeDelta::days(8), "the first one of its own", |world| world.text("tls.crt") != seed.pem()).await;
    world.run_for(TimeDelta::hours(6)).await;
    let uses = || world.entries().iter().map(|entry| entry["use"].clone()).collect::<Vec<_>>();
    assert_eq!(uses(), ["Previous", "Current"], "{:#}", world.resource()["status"]);
    let before = world.effects.count();
    world.run_for(TimeDelta::days(1)).await;
    let sign_ins = world.effects.record().split_off(before).iter().filter(|name| name.contains("login/token")).count();
    assert!(sign_ins <= 40, "{sign_ins} sign-ins in a day");
    world.run_until(TimeDelta::days(8), "its end", |world| world.entries().len() == 1).await;
    assert!(world.writes().iter().all(|write| *write == Operation::AddKey), "{:?}", world.writes());
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
    let mut spec = certificate();
    spec["clientCertificate"]["signInAs"] = json!("Self");
    let world = World::begin(Setup { powerless: true, ..Setup::of(spec) }).await;
    world.run_for(TimeDelta::hours(6)).await;
    assert_eq!(world.condition("Stalled"), "True/SelfCredentialExpired", "{:#}", world.resource()["status"]);
    assert!(world.writes().is_empty());
}
