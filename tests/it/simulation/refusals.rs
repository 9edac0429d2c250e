//! Bad input and bad answers: a clear condition, nothing lost, no storm, and recovery once the cause is gone.

use chrono::TimeDelta;
use entra_emulator::{Effect, Fault, Match, Operation, Sent};
use rstest::rstest;
use serde_json::{Value, json};

use simulator::effects::Effects;
use simulator::oracle::Oracle;
use simulator::world::{NAME, NAMESPACE, World};

/// Requests about credentials in a day of failure: every hour once, and some more at first.
const ATTEMPTS_A_DAY: usize = 40;

async fn world() -> (World, Oracle) {
    let world = World::new(&json!({"clientCertificate": {}}), Effects::default()).await;
    let oracle = Oracle::watch(&world);
    (world, oracle)
}

#[rstest]
#[case::a_page_of_html(Effect::answering(Sent::Html), "InvalidAnswer")]
#[case::an_empty_body(Effect::answering(Sent::Empty), "InvalidAnswer")]
#[case::ten_megabytes(Effect::answering(Sent::Huge), "InvalidAnswer")]
#[case::half_an_answer(Effect::answering(Sent::Truncated), "InvalidAnswer")]
#[case::an_outage(Effect::failing(503), "Unavailable")]
#[case::cut_connections(Effect::cut(), "Unavailable")]
#[case::a_refusal(Effect::failing(403), "PermissionDenied")]
#[tokio::test(start_paused = true)]
async fn when_graph_answers_with(#[case] effect: Effect, #[case] reason: &str) {
    let (world, oracle) = world().await;
    world.entra.inject(Fault::always(Match::operation(Operation::Get), effect));
    world.run_for(TimeDelta::days(1)).await;
    let failure = &world.resource()["status"]["rotation"]["lastFailure"];
    assert_eq!(failure["reason"], reason, "{:#}", world.resource()["status"]);
    assert!(failure["message"].as_str().unwrap().starts_with("Cannot read"), "{failure:#}");
    assert!(world.output().is_none());
    assert!(graph_calls(&world) <= ATTEMPTS_A_DAY, "{} calls", graph_calls(&world));
    world.entra.withdraw_all();
    world.run_for(TimeDelta::hours(2)).await;
    oracle.has_settled(&world);
    assert_eq!(world.resource()["status"]["rotation"]["lastFailure"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_while_the_clocks_differ() {
    let (world, oracle) = world().await;
    world.entra.inject(Fault::always(Match::any(), Effect::skewed_date(600)));
    world.run_for(TimeDelta::days(1)).await;
    assert_stalled(&world, "ClockSkew");
    assert_eq!(world.entra.calls().iter().filter(|call| call.operation.is_write()).count(), 0);
    world.entra.withdraw_all();
    world.run_for(TimeDelta::hours(2)).await;
    oracle.has_settled(&world);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_does_not_exist_is_named() {
    let (world, _) = world().await;
    world.effects.look_away();
    world.entra.delete(world.target.application).unwrap();
    world.run_for(TimeDelta::days(1)).await;
    assert_stalled(&world, "TargetNotFound");
    assert!(graph_calls(&world) <= ATTEMPTS_A_DAY);
}

#[tokio::test(start_paused = true)]
async fn without_a_grant_graph_is_not_asked_at_all() {
    let (world, oracle) = world().await;
    let mut tenant = world.cluster.get("entratenants.entra-rotator.io", "", "default").unwrap();
    let grants = tenant["spec"]["grants"].take();
    tenant["spec"]["grants"] = json!([]);
    world.cluster.put(tenant.clone());
    world.run_for(TimeDelta::days(1)).await;
    assert_stalled(&world, "NotGranted");
    assert_eq!(graph_calls(&world), 0);
    tenant["spec"]["grants"] = grants;
    world.cluster.put(tenant);
    world.run_for(TimeDelta::hours(2)).await;
    oracle.has_settled(&world);
}

#[tokio::test(start_paused = true)]
async fn a_secret_of_somebody_else_stays_as_it_is_until_it_is_gone() {
    let (world, oracle) = world().await;
    world.effects.look_away();
    let theirs = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "payroll-credential", "namespace": NAMESPACE}, "data": {"key": "dmFsdWU="}});
    let before = world.cluster.put(theirs);
    world.run_for(TimeDelta::days(1)).await;
    assert_stalled(&world, "OutputNotOurs");
    assert_eq!(world.output(), Some(before));
    assert_eq!(graph_calls(&world), 0, "nothing is made that could not be published");
    world.cluster.delete("secrets", NAMESPACE, "payroll-credential");
    world.run_for(TimeDelta::hours(2)).await;
    oracle.has_settled(&world);
}

#[tokio::test(start_paused = true)]
async fn a_status_that_cannot_be_read_stalls_the_resource_and_has_no_effect() {
    let (world, oracle) = world().await;
    world.run_for(TimeDelta::hours(2)).await;
    let sound = world.resource();
    let mut corrupt = sound.clone();
    corrupt["status"]["credentials"][0]["thumbprint"] = json!("not a thumbprint");
    world.cluster.put(corrupt.clone());
    let writes = world.entra.mutations().len();
    world.run_for(TimeDelta::days(1)).await;
    assert_stalled(&world, "UnreadableStatus");
    assert_eq!(world.entra.mutations().len(), writes);
    assert_eq!(world.resource()["status"]["credentials"], corrupt["status"]["credentials"], "what cannot be read is kept");
    oracle.check("the corruption");
    let mut repaired = world.resource();
    repaired["status"] = sound["status"].clone();
    world.cluster.put(repaired);
    world.run_for(TimeDelta::hours(2)).await;
    oracle.has_settled(&world);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_output_is_written_again_without_a_call_to_graph() {
    let (world, oracle) = world().await;
    world.run_for(TimeDelta::hours(2)).await;
    world.entra.clear_calls();
    let before = world.output().unwrap();
    world.cluster.delete("secrets", NAMESPACE, "payroll-credential");
    world.run_for(TimeDelta::minutes(10)).await;
    assert_eq!(world.output().unwrap()["data"], before["data"]);
    assert_eq!(world.entra.calls().iter().filter(|call| call.operation.is_write()).count(), 0);
    oracle.has_settled(&world);
}

fn assert_stalled(world: &World, reason: &str) {
    let status = &world.resource()["status"];
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let of = |name: &str| conditions.iter().find(|condition| condition["type"] == name).cloned().unwrap_or_default();
    assert_eq!((&of("Stalled")["status"], &of("Stalled")["reason"]), (&json!("True"), &json!(reason)), "{NAME}: {status:#}");
    assert_eq!(of("Reconciling")["status"], "False", "{status:#}");
    assert!(of("Stalled")["message"].as_str().unwrap_or_default().len() > 60, "a message says what to do: {status:#}");
}

/// Requests about the target: not those of the sign-in.
fn graph_calls(world: &World) -> usize {
    world.entra.calls().iter().filter(|call| call.path.starts_with("/v1.0/")).count()
}
