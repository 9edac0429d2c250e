//! When things happen: windows, bounds on the time of issue, and standing still.

use chrono::{DateTime, Datelike as _, TimeDelta, Timelike as _, Utc, Weekday};
use rstest::rstest;
use serde_json::{Value, json};

use simulator::scenario::{at_rest, certificate, secret, signing, stamp};
use simulator::world::World;

/// Four hours on Saturdays, which in Berlin begin an hour before they do in Greenwich.
fn with_window(mut spec: Value) -> Value {
    spec["rotation"]["windows"] = json!([{"schedule": "0 2 * * 6", "timeZone": "Europe/Berlin", "duration": "4h"}]);
    spec["rotation"]["validity"] = json!("720h");
    spec["rotation"]["renewBefore"] = json!("360h");
    spec
}

fn is_in_window(at: DateTime<Utc>) -> bool {
    at.weekday() == Weekday::Sat && (1..5).contains(&at.hour())
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[case::signing(signing())]
#[tokio::test(start_paused = true)]
async fn a_successor_is_made_when_it_is_due_and_takes_over_in_a_window(#[case] spec: Value) {
    let (world, oracle) = at_rest(with_window(spec)).await;
    let first = world.current()["id"].clone();
    world.run_until(TimeDelta::days(20), "a wait for the window", |world| world.condition("Rotating") == "True/AwaitingWindow").await;
    assert!(!is_in_window(world.now()));
    assert_eq!(world.condition("Ready"), "True/Published");
    world.run_until(TimeDelta::days(8), "the successor", |world| world.current()["id"] != first).await;
    world.run_to_rest(TimeDelta::hours(6)).await;
    let published: DateTime<Utc> = world.current()["publishedAt"].as_str().unwrap().parse().unwrap();
    assert!(is_in_window(published), "published on {published}");
    oracle.has_settled(&world);
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[case::signing(signing())]
#[tokio::test(start_paused = true)]
async fn a_bound_in_the_future_does_nothing_until_then(
    #[case] spec: Value,
    #[values("notIssuedBefore", "revokeIssuedBefore")] bound: &str,
) {
    let (world, oracle) = at_rest(spec).await;
    let (first, writes) = (world.current()["id"].clone(), world.writes().len());
    world.edit(json!({"spec": {"rotation": {bound: stamp(world.now() + TimeDelta::hours(24))}}})).await;
    world.run_for(TimeDelta::hours(23)).await;
    assert_eq!((&world.current()["id"], world.writes().len()), (&first, writes));
    assert_eq!(world.condition("Reconciling"), "False/Realised");
    world.run_for(TimeDelta::hours(6)).await;
    assert_ne!(world.current()["id"], first);
    world.run_to_rest(TimeDelta::hours(6)).await;
    oracle.has_settled(&world);
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[case::signing(signing())]
#[tokio::test(start_paused = true)]
async fn what_is_revoked_goes_at_once_and_not_before_its_successor_is_accepted(#[case] mut spec: Value) {
    spec["rotation"]["overlap"] = json!("72h");
    let (world, oracle) = at_rest(with_window(spec)).await;
    let first = world.current();
    world.edit(json!({"spec": {"rotation": {"revokeIssuedBefore": stamp(world.now())}}})).await;
    // The oracle has seen that there was no moment without an accepted one; neither window, nor soak, nor overlap is waited for.
    world.run_until(TimeDelta::minutes(90), "the end of the old one", |world| !holds(world, &first)).await;
    assert_ne!(world.current()["id"], first["id"]);
    world.run_to_rest(TimeDelta::hours(3)).await;
    oracle.has_settled(&world);
}

fn holds(world: &World, entry: &Value) -> bool {
    let ids = entry["keyIDs"].as_array().unwrap();
    world.listed().iter().any(|listed| ids.contains(&listed["keyId"]))
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[case::signing(signing())]
#[tokio::test(start_paused = true)]
async fn a_suspended_one_is_mended_and_not_rotated(#[case] spec: Value) {
    let (world, oracle) = at_rest(spec).await;
    let (first, writes) = (world.current()["id"].clone(), world.writes().len());
    world.edit(json!({"spec": {"suspend": true}})).await;
    world.run_for(TimeDelta::days(6)).await;
    assert_eq!(world.condition("Rotating"), "False/Suspended");
    assert_eq!(world.condition("RotationAtRisk"), "True/Suspended");
    assert_eq!((&world.current()["id"], world.writes().len()), (&first, writes));
    let data = world.output().unwrap()["data"].clone();
    world.delete_output();
    world.run_for(TimeDelta::minutes(10)).await;
    assert_eq!(world.output().unwrap()["data"], data);
    world.edit(json!({"spec": {"suspend": null}})).await;
    world.run_until(TimeDelta::hours(8), "the successor", |world| world.current()["id"] != first).await;
    world.run_to_rest(TimeDelta::hours(8)).await;
    oracle.has_settled(&world);
}

#[rstest]
#[case::a_schedule_that_is_none(json!({"schedule": "61 2 * * 6", "duration": "4h"}))]
#[case::a_place_that_is_none(json!({"schedule": "0 2 * * 6", "timeZone": "Europe/Atlantis", "duration": "4h"}))]
#[tokio::test(start_paused = true)]
async fn a_window_that_is_none_is_refused_and_nothing_is_made(#[case] window: Value) {
    let mut spec = secret();
    spec["rotation"]["windows"] = json!([window]);
    let world = World::begin(simulator::world::Setup::of(spec)).await;
    world.run_for(TimeDelta::hours(6)).await;
    assert_eq!(world.condition("Stalled"), "True/InvalidSchedule");
    assert!(world.writes().is_empty());
    world.edit(json!({"spec": {"rotation": {"windows": null}}})).await;
    world.run_to_rest(TimeDelta::hours(2)).await;
    assert_eq!(world.condition("Ready"), "True/Published");
}
