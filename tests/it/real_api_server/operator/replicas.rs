//! Two replicas take turns by a Lease.

use std::{
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use chrono::TimeDelta;
use entra_emulator::Operation;
use rustix::process::{Signal, kill_process};
use serde_json::Value;

use super::{
    process::Operator,
    scene::{Scene, assert_never_interrupted, assert_promises, client_certificate, is_settled},
    stage::{OPERATOR, Stage},
    witness::{Place, Witness, time},
};

const LEASES: Place<'_> = Place { group: "coordination.k8s.io", version: "v1", kind: "Lease", namespace: Some(OPERATOR) };

async fn lease(stage: &Stage) -> Witness {
    Witness::of(stage.cluster.client().await.unwrap(), &LEASES, "metadata.name=entra-rotator").await
}

fn is_held_by(lease: &Value, pod: &str) -> bool {
    lease["spec"]["holderIdentity"] == pod
}

#[tokio::test]
async fn a_second_replica_waits_and_takes_over_as_soon_as_the_first_is_told_to_stop() {
    let stage = Stage::alone().await;
    let scene = Scene::new(&stage, "told-to-stop").await;
    let target = scene.application("Target");
    scene.admit(&[&target]).await;
    let mut lease = lease(&stage).await;
    let first = stage.operator("entra-rotator-a").await;
    lease.until("the first one", |lease| is_held_by(lease, "entra-rotator-a")).await;
    let second = stage.operator("entra-rotator-b").await;
    assert_eq!(second.says("standing by").await["holder"], "entra-rotator-a");
    assert!(second.page("/readyz").await.starts_with("HTTP/1.1 200"));
    for (operator, leads) in [(&first, 1), (&second, 0)] {
        let metrics = operator.page("/metrics").await;
        assert!(metrics.contains(&format!("\nentra_rotator_leader {leads}\n")), "{metrics}");
    }
    let mut resource = scene.declare("told-to-stop-payroll", &target, client_certificate()).await;
    let issued = resource.until("a credential", is_settled).await;

    first.send(Signal::TERM);
    assert_eq!(first.exit_code().await, Some(0));
    lease.until("nobody", |lease| is_held_by(lease, "")).await;
    lease.until("the second one", |lease| is_held_by(lease, "entra-rotator-b")).await;
    second.says("leading").await;
    scene.renew("told-to-stop-payroll", &issued).await;
    resource.until("a rotation", |state| !is_settled(state)).await;
    resource.until("its end", is_settled).await;
    assert_promises(&scene, &[&resource]);
    assert_never_interrupted(&resource, &issued);
    scene.leave(&["told-to-stop-payroll"]).await;
}

#[tokio::test]
async fn a_lease_of_five_minutes_that_is_given_up_is_taken_without_waiting_for_its_end() {
    let stage = Stage::alone().await;
    let mut lease = lease(&stage).await;
    let first = Operator::start_by(&mut with_long_lease(&stage, "entra-rotator-a")).await;
    lease.until("the first one", |lease| is_held_by(lease, "entra-rotator-a")).await;
    let second = Operator::start_by(&mut with_long_lease(&stage, "entra-rotator-b")).await;
    second.says("standing by").await;
    first.send(Signal::TERM);
    assert_eq!(first.exit_code().await, Some(0));
    let taken = lease.until("the second one", |lease| is_held_by(lease, "entra-rotator-b")).await;
    assert_eq!(taken["spec"]["leaseDurationSeconds"], 300);
    let mut holders: Vec<_> = lease.all().iter().map(|lease| lease["spec"]["holderIdentity"].clone()).collect();
    holders.dedup();
    assert_eq!(holders, ["entra-rotator-a", "", "entra-rotator-b"]);
}

/// What the Deployment says, with a Lease of five minutes: far longer than a test waits for anything.
fn with_long_lease(stage: &Stage, pod: &str) -> Command {
    let deployed = stage.deployed.command(pod, &stage.kubeconfig);
    let arguments = deployed.get_args().filter(|argument| !argument.to_string_lossy().starts_with("--lease-duration="));
    let mut command = Command::new(deployed.get_program());
    command.args(arguments).arg("--lease-duration=5m").env_clear();
    command.envs(deployed.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

#[tokio::test]
async fn a_replica_killed_between_a_write_and_its_answer_is_replaced_and_nothing_is_lost() {
    let stage = Stage::alone().await;
    let scene = Scene::new(&stage, "killed").await;
    let target = scene.application("Target");
    scene.admit(&[&target]).await;
    let mut lease = lease(&stage).await;
    let first = stage.operator("entra-rotator-a").await;
    lease.until("the first one", |lease| is_held_by(lease, "entra-rotator-a")).await;
    let mut resource = scene.declare("killed-payroll", &target, client_certificate()).await;
    let issued = resource.until("a credential", is_settled).await;
    let second = stage.operator("entra-rotator-b").await;
    second.says("standing by").await;

    let (victim, killed) = (first.id(), AtomicBool::new(false));
    scene.entra().emulator().observe(move |change| {
        let is_ours = change.client_id == target.client_id && change.operation == Operation::AddKey;
        if is_ours && !killed.swap(true, Ordering::SeqCst) {
            kill_process(victim, Signal::KILL).unwrap();
        }
    });
    scene.renew("killed-payroll", &issued).await;
    assert_eq!(first.exit_code().await, None);
    let taken = lease.until("the second one", |lease| is_held_by(lease, "entra-rotator-b")).await;
    let states = lease.all();
    let last = states.iter().rfind(|lease| is_held_by(lease, "entra-rotator-a")).unwrap();
    let silence = time(&taken["spec"]["acquireTime"]) - time(&last["spec"]["renewTime"]);
    assert!(silence >= TimeDelta::seconds(6), "it was taken {silence} after it had been renewed");

    resource.until("the credential that the first one made", |state| !is_settled(state)).await;
    resource.until("the end of the rotation", is_settled).await;
    scene.published("killed-payroll").await.sign_in(scene.entra()).await.unwrap();
    let operations: Vec<_> = scene.entra().changes(&target).iter().map(|change| change.operation).collect();
    assert_eq!(operations, [Operation::Patch, Operation::AddKey, Operation::RemoveKey]);
    assert_promises(&scene, &[&resource]);
    assert_never_interrupted(&resource, &issued);
    scene.leave(&["killed-payroll"]).await;
}
