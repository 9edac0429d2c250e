//! How a resource ends, and what of it stays.

use chrono::TimeDelta;
use entra_emulator::{Effect, Fault, Match, Operation};
use rstest::rstest;
use serde_json::{Value, json};

use simulator::oracle::Oracle;
use simulator::scenario::{at_rest, at_rest_in, certificate, secret, secret_of_service_principal, signing};
use simulator::world::{Kind, Setup, World};

const FINALIZER: &str = "entra-rotator.io/revoke";

fn revoking(mut spec: Value) -> Value {
    spec["deletionPolicy"] = json!("Revoke");
    spec
}

fn is_gone(world: &World) -> bool {
    world.find_resource().is_none()
}

fn abandoned(world: &World) -> Vec<Value> {
    world.tenant_status()["abandoned"].as_array().cloned().unwrap_or_default()
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[case::signing(signing())]
#[tokio::test(start_paused = true)]
async fn what_is_retained_stays_and_a_resource_made_anew_takes_its_output_back(#[case] spec: Value) {
    let (world, oracle) = at_rest(spec.clone()).await;
    let (output, listed, writes) = (world.output().unwrap(), world.listed(), world.writes().len());
    assert_eq!(world.resource()["metadata"]["finalizers"], Value::Null);
    world.delete().await;
    assert!(is_gone(&world));
    world.run_for(TimeDelta::hours(7)).await;
    assert_eq!((world.output(), world.listed(), world.writes().len()), (Some(output.clone()), listed, writes));
    assert!(world.slots().is_empty());
    world.declare(&spec).await;
    world.run_for(TimeDelta::hours(9)).await;
    oracle.check("the return");
    assert_eq!(world.condition("Ready"), "True/Published");
    assert_eq!(world.output().unwrap()["metadata"]["uid"], output["metadata"]["uid"]);
    if world.kind == Kind::Signing {
        // It signs as before, and is recorded as somebody else's.
        assert_eq!((world.current()["origin"].as_str(), world.writes().len()), (Some("Foreign"), writes));
    } else {
        // The one that the deleted resource made is named, with what would take it over.
        let status = &world.resource()["status"]["foreignCredentials"];
        assert_eq!(status["unrecorded"].as_array().map(Vec::len), Some(1), "{status:#}");
        assert_ne!(world.output().unwrap()["data"], output["data"]);
    }
}

#[rstest]
#[case::a_secret(secret(), 1)]
#[case::a_secret_of_the_service_principal(secret_of_service_principal(), 1)]
#[case::a_certificate(certificate(), 1)]
#[tokio::test(start_paused = true)]
async fn what_is_revoked_leaves_nothing_behind(#[case] spec: Value, #[case] removals: usize) {
    let (world, oracle) = at_rest(revoking(spec)).await;
    assert_eq!(world.resource()["metadata"]["finalizers"], json!([FINALIZER]));
    let writes = world.writes().len();
    world.delete().await;
    world.run_until(TimeDelta::hours(2), "the end", is_gone).await;
    assert_eq!(oracle.ours(), Vec::<Value>::new());
    assert_eq!(world.writes().len(), writes + removals);
    assert_eq!(abandoned(&world), Vec::<Value>::new());
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[case::signing(signing())]
#[tokio::test(start_paused = true)]
async fn what_is_revoked_in_the_middle_of_a_rotation_leaves_only_what_signs(#[case] spec: Value) {
    let is_signing = spec.get("tokenSigningCertificate").is_some();
    let (world, oracle) = at_rest(revoking(spec)).await;
    world.renew().await;
    world.run_until(TimeDelta::hours(4), "two credentials", |world| world.entries().len() == 2).await;
    world.run_for(TimeDelta::minutes(1)).await;
    world.delete().await;
    world.run_until(TimeDelta::hours(3), "the end", is_gone).await;
    let left = oracle.ours();
    if is_signing {
        // Its two entries and its password, and nothing of the successor.
        let signer = world.entra.signer(world.object).unwrap().thumbprint();
        assert!(!left.is_empty() && left.iter().all(|entry| entry["customKeyIdentifier"] == left[0]["customKeyIdentifier"]), "{left:#?}");
        let named = abandoned(&world);
        assert_eq!(named.len(), 1, "{signer} goes on signing, and is named: {named:#?}");
    } else {
        assert_eq!(left, Vec::<Value>::new());
    }
}

#[rstest]
#[case::a_secret(secret(), 1)]
#[case::a_certificate(certificate(), 1)]
#[case::signing(signing(), 2)]
#[tokio::test(start_paused = true)]
async fn where_entra_cannot_be_reached_the_resource_is_let_go_and_what_stays_is_named(#[case] spec: Value, #[case] keys: usize) {
    let (world, _) = at_rest(revoking(spec)).await;
    let ids = world.current()["keyIDs"].clone();
    world.entra.inject(Fault::always(Match::any(), Effect::cut()));
    world.delete().await;
    world.run_for(TimeDelta::minutes(25)).await;
    assert_eq!(world.condition("Ready"), "False/RevocationBlocked", "{:#}", world.resource()["status"]);
    world.run_until(TimeDelta::minutes(60), "the end", is_gone).await;
    let named = abandoned(&world);
    assert_eq!(named.len(), 1, "{named:#?}");
    assert_eq!((&named[0]["name"], &named[0]["keyIDs"]), (&json!("payroll"), &ids));
    assert_eq!(ids.as_array().unwrap().len(), keys);
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[tokio::test(start_paused = true)]
async fn whoever_changes_his_mind_while_it_is_deleted_keeps_the_credential(#[case] spec: Value) {
    let (world, _) = at_rest(revoking(spec)).await;
    let (listed, writes) = (world.listed(), world.writes().len());
    let removal = [Operation::RemovePassword, Operation::RemoveKey, Operation::Patch];
    for operation in removal {
        world.entra.inject(Fault::always(Match::operation(operation), Effect::failing(503)));
    }
    world.delete().await;
    world.run_for(TimeDelta::minutes(5)).await;
    assert!(!is_gone(&world));
    world.edit(json!({"spec": {"deletionPolicy": "Retain"}})).await;
    world.run_until(TimeDelta::minutes(20), "the end", is_gone).await;
    world.entra.withdraw_all();
    world.run_for(TimeDelta::hours(1)).await;
    assert_eq!(world.listed(), listed);
    let refused = world.writes().len() - writes;
    assert!(refused <= 3, "{refused} attempts");
    assert_eq!(abandoned(&world), Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn a_secret_whose_answer_was_lost_is_awaited_before_the_resource_goes() {
    let world = World::begin(Setup::of(revoking(secret()))).await;
    let oracle = Oracle::watch(&world);
    let late = Effect::applied_late(std::time::Duration::from_secs(600));
    world.entra.inject(Fault::once(Match::operation(Operation::AddPassword), late));
    world.run_until(TimeDelta::minutes(30), "the request", |world| !world.writes().is_empty()).await;
    world.delete().await;
    world.run_until(TimeDelta::hours(2), "the end", is_gone).await;
    assert_eq!(oracle.ours(), Vec::<Value>::new(), "the late one is not left behind");
}

#[rstest]
#[case::retain("Retain", None)]
#[case::revoke("Revoke", Some(FINALIZER))]
#[tokio::test(start_paused = true)]
async fn the_finalizer_stands_exactly_while_the_policy_is_to_revoke(#[case] policy: &str, #[case] finalizer: Option<&str>) {
    let other = if policy == "Retain" { "Revoke" } else { "Retain" };
    let mut spec = secret();
    spec["deletionPolicy"] = json!(other);
    let (world, _) = at_rest_in(Setup::of(spec)).await;
    world.edit(json!({"spec": {"deletionPolicy": policy}})).await;
    world.run_for(TimeDelta::minutes(5)).await;
    let stands = world.resource()["metadata"]["finalizers"].as_array().and_then(|all| all.first()?.as_str().map(str::to_owned));
    assert_eq!(stands.as_deref(), finalizer);
}
