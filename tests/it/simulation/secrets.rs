//! Client secrets: Entra tells them once.

use chrono::TimeDelta;
use entra_emulator::{Effect, Fault, Match, Operation};
use rstest::rstest;
use serde_json::{Value, json};

use simulator::oracle::Oracle;
use simulator::scenario::{at_rest, certificate, secret, secret_of_service_principal};
use simulator::world::{Setup, TENANT, World};

#[rstest]
#[case::of_the_application(secret())]
#[case::of_the_service_principal(secret_of_service_principal())]
#[tokio::test(start_paused = true)]
async fn a_client_secret_is_issued_with_one_write(#[case] spec: Value) {
    let (world, oracle) = at_rest(spec).await;
    assert_eq!(world.writes(), [Operation::AddPassword]);
    assert_eq!(world.text("AZURE_CLIENT_ID"), world.target.client_id.to_string());
    assert_eq!(world.text("AZURE_TENANT_ID"), TENANT);
    assert_eq!(world.text("AZURE_AUTHORITY_HOST"), "https://entra.example/");
    assert!(world.entra.accepts_secret_everywhere(world.target.client_id, &world.text("AZURE_CLIENT_SECRET")));
    let ours = oracle.ours();
    let resource = world.resource();
    let mark = format!("entra-rotator/{}/{}", resource["metadata"]["uid"].as_str().unwrap(), world.current()["id"].as_str().unwrap());
    assert_eq!((ours.len(), &ours[0]["displayName"]), (1, &json!(mark)));
    assert_eq!(world.current()["keyIDs"], json!([ours[0]["keyId"]]));
    assert_eq!(world.slots().len(), 1);
    assert_eq!(world.slots()[0]["immutable"], json!(true));
}

#[rstest]
#[case::of_the_application(secret())]
#[case::of_the_service_principal(secret_of_service_principal())]
#[tokio::test(start_paused = true)]
async fn a_client_secret_is_rotated_with_two_writes_and_the_old_one_works_through_the_overlap(#[case] spec: Value) {
    let (world, oracle) = at_rest(spec).await;
    let first = world.text("AZURE_CLIENT_SECRET");
    let client = world.target.client_id;
    world.run_until(TimeDelta::days(6), "the successor", |world| world.text("AZURE_CLIENT_SECRET") != first).await;
    world.run_for(TimeDelta::minutes(100)).await;
    assert!(world.entra.accepts_secret_everywhere(client, &first), "the overlap is not over");
    world.run_to_rest(TimeDelta::hours(4)).await;
    oracle.has_settled(&world);
    assert!(!world.entra.accepts_secret(client, &first));
    assert_eq!(world.writes(), [Operation::AddPassword, Operation::AddPassword, Operation::RemovePassword]);
    assert_eq!(oracle.ours().len(), 1);
    assert_eq!(world.slots().len(), 1);
}

#[rstest]
#[case::lost(Effect::answer_lost())]
#[case::an_error_after_it_was_applied(Effect::failing_after(504))]
#[case::applied_late(Effect::applied_late(std::time::Duration::from_secs(600)))]
#[tokio::test(start_paused = true)]
async fn an_answer_that_never_came_costs_one_orphan_which_is_removed(#[case] effect: Effect) {
    let world = World::begin(Setup::of(secret())).await;
    let oracle = Oracle::watch(&world);
    world.entra.inject(Fault::once(Match::operation(Operation::AddPassword), effect));
    world.run_for(TimeDelta::hours(6)).await;
    oracle.has_settled(&world);
    assert_eq!(oracle.ours().len(), 1);
    let mut writes = world.writes();
    writes.sort_unstable();
    assert_eq!(writes, [Operation::AddPassword, Operation::AddPassword, Operation::RemovePassword]);
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[tokio::test(start_paused = true)]
async fn what_somebody_does_to_the_output_is_mended_from_the_slot_without_a_call_to_graph(#[case] spec: Value) {
    let (world, oracle) = at_rest(spec).await;
    let before = world.output().unwrap()["data"].clone();
    let calls = world.entra.calls().len();
    world.delete_output();
    world.run_for(TimeDelta::minutes(2)).await;
    assert_eq!(world.output().unwrap()["data"], before);
    let mut edited = world.output().unwrap();
    edited["data"]["AZURE_CLIENT_ID"] = json!("ZWRpdGVk");
    edited["data"]["more"] = json!("bW9yZQ==");
    world.cluster.put(edited);
    world.run_for(TimeDelta::minutes(2)).await;
    assert_eq!(world.output().unwrap()["data"], before);
    assert_eq!(world.condition("Ready"), "True/Published");
    let since: Vec<_> = world.entra.calls().split_off(calls).into_iter().map(|call| call.path).collect();
    assert!(since.iter().all(|path| !path.starts_with("/v1.0/")), "{since:?}");
    oracle.has_settled(&world);
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_somebody_deletes_is_made_again_from_the_output() {
    let (world, oracle) = at_rest(secret()).await;
    let writes = world.writes().len();
    let slot = world.slots()[0].clone();
    world.delete_slot();
    // Slots are not watched: a process reads them once, and before it needs them.
    world.run_until(TimeDelta::hours(8), "the slot", |world| !world.slots().is_empty()).await;
    assert_eq!(world.slots()[0]["data"], slot["data"]);
    assert_eq!(world.writes().len(), writes);
    oracle.has_settled(&world);
}

#[rstest]
#[case::a_secret(secret(), &[Operation::AddPassword, Operation::RemovePassword])]
#[case::a_certificate(certificate(), &[Operation::AddKey, Operation::RemoveKey])]
#[tokio::test(start_paused = true)]
async fn without_its_slot_a_credential_is_rotated_as_ever(#[case] spec: Value, #[case] writes: &[Operation]) {
    let (world, oracle) = at_rest(spec).await;
    let before = world.writes().len();
    world.delete_slot();
    world.renew().await;
    world.run_for(TimeDelta::hours(6)).await;
    world.run_to_rest(TimeDelta::hours(6)).await;
    assert_eq!(&world.writes()[before..], writes);
    assert_eq!(world.slots().len(), 1);
    oracle.has_settled(&world);
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[tokio::test(start_paused = true)]
async fn a_key_that_is_lost_with_output_and_slot_is_replaced(#[case] spec: Value) {
    let (world, oracle) = at_rest(spec).await;
    let first = world.current()["id"].clone();
    world.delete_slot();
    world.delete_output();
    world.run_until(TimeDelta::hours(8), "another one", |world| world.output().is_some() && world.current()["id"] != first).await;
    world.run_to_rest(TimeDelta::hours(8)).await;
    oracle.has_settled(&world);
    assert_eq!(oracle.ours().len(), 1, "the lost one is removed");
}
