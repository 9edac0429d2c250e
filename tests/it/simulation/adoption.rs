//! Taking over what somebody else made: credentials, Secrets, and what a resource that is gone left behind.

use chrono::TimeDelta;
use rstest::rstest;
use serde_json::{Value, json};

use simulator::by_hand;
use simulator::oracle::Oracle;
use simulator::scenario::{at_rest, at_rest_in, certificate, secret, signing};
use simulator::world::{NAME, NAMESPACE, OUTPUT, Setup, World};

fn lists(world: &World, key_id: &str) -> bool {
    world.listed().iter().any(|entry| entry["keyId"] == key_id)
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[case::signing(signing())]
#[tokio::test(start_paused = true)]
async fn what_is_adopted_is_removed_once_ours_is_published_and_its_overlap_over(#[case] spec: Value) {
    let (world, oracle) = at_rest_in(Setup { allow_adoption: true, ..Setup::of(spec) }).await;
    let key_id = by_hand::credential(&world);
    world.edit(json!({"spec": {"adoptKeyIDs": [key_id]}})).await;
    world.run_for(TimeDelta::minutes(30)).await;
    assert!(lists(&world, &key_id), "not before its overlap");
    world.run_until(TimeDelta::hours(6), "the removal", |world| !lists(world, &key_id)).await;
    world.run_to_rest(TimeDelta::hours(6)).await;
    oracle.has_settled(&world);
    assert_eq!(world.condition("Ready"), "True/Published");
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[case::signing(signing())]
#[tokio::test(start_paused = true)]
async fn nothing_is_adopted_without_a_grant_for_it(#[case] spec: Value) {
    let (world, oracle) = at_rest(spec).await;
    let (key_id, writes) = (by_hand::credential(&world), world.writes().len());
    world.edit(json!({"spec": {"adoptKeyIDs": [key_id]}})).await;
    world.run_for(TimeDelta::hours(12)).await;
    assert_eq!(world.condition("Stalled"), "True/AdoptionNotGranted", "{:#}", world.resource()["status"]);
    assert!(lists(&world, &key_id));
    assert_eq!(world.writes().len(), writes);
    assert_eq!(world.condition("Ready"), "True/Published");
    world.edit(json!({"spec": {"adoptKeyIDs": null}})).await;
    world.run_for(TimeDelta::minutes(10)).await;
    assert_eq!(world.condition("Stalled"), "False/NotStalled");
    oracle.check("the end");
}

#[rstest]
#[case::a_secret(secret(), "Opaque")]
#[case::a_certificate(certificate(), "kubernetes.io/tls")]
#[case::signing(signing(), "Opaque")]
#[tokio::test(start_paused = true)]
async fn a_secret_that_was_there_before_is_taken_over_by_its_own_annotation(#[case] spec: Value, #[case] r#type: &str) {
    let world = World::empty(&Setup::of(spec.clone())).await;
    let theirs = json!({"apiVersion": "v1", "kind": "Secret", "type": r#type, "data": {"tls.crt": "", "tls.key": "", "mine": "bWluZQ=="},
        "metadata": {"name": OUTPUT, "namespace": NAMESPACE, "annotations": {"entra-rotator.io/adopt-by": NAME}, "labels": {"mine": "too"}}});
    let before = world.cluster.put(theirs);
    world.declare(&spec).await;
    let oracle = Oracle::watch(&world);
    world.run_for(TimeDelta::hours(3)).await;
    oracle.has_settled(&world);
    let after = world.output().unwrap();
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(after["metadata"]["labels"]["mine"], "too");
    assert!(after["data"]["mine"].is_null(), "the keys are those of the kind");
}

#[tokio::test(start_paused = true)]
async fn a_secret_meant_for_another_resource_is_not_taken() {
    let world = World::empty(&Setup::of(secret())).await;
    let theirs = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": OUTPUT, "namespace": NAMESPACE, "annotations": {"entra-rotator.io/adopt-by": "crm"}}});
    let before = world.cluster.put(theirs);
    world.declare(&secret()).await;
    world.run_for(TimeDelta::hours(12)).await;
    assert_eq!(world.condition("Stalled"), "True/OutputNotOurs");
    assert_eq!(world.output(), Some(before));
    assert!(world.writes().is_empty());
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[tokio::test(start_paused = true)]
async fn what_a_resource_that_is_gone_left_behind_is_named_and_can_be_adopted(#[case] spec: Value) {
    let (world, _) = at_rest_in(Setup { allow_adoption: true, ..Setup::of(spec.clone()) }).await;
    let left = world.current()["keyIDs"][0].as_str().unwrap().to_owned();
    world.delete().await;
    world.declare(&spec).await;
    world.run_until(TimeDelta::hours(12), "the warning", |world| !world.events("UnrecordedCredential").is_empty()).await;
    assert!(world.events("UnrecordedCredential")[0].contains(&left));
    assert_eq!(world.resource()["status"]["foreignCredentials"]["unrecorded"], json!([left]));
    assert!(lists(&world, &left), "nothing is removed on the strength of a mark");
    let oracle = Oracle::watch(&world);
    world.effects.look_away();
    world.edit(json!({"spec": {"adoptKeyIDs": [left]}})).await;
    world.run_until(TimeDelta::hours(12), "the removal", |world| !lists(world, &left)).await;
    world.run_to_rest(TimeDelta::hours(6)).await;
    oracle.has_settled(&world);
    assert_eq!(world.resource()["status"]["foreignCredentials"]["unrecorded"], Value::Null);
}
