//! What the tenant forbids: app management policies, property locks, missing rights, full objects. Each by its name, and without a storm.

use chrono::{DateTime, TimeDelta, Utc};
use entra_emulator::{Behaviour, Effect, Fault, Match, Operation};
use rstest::rstest;
use serde_json::{Value, json};

use simulator::oracle::Oracle;
use simulator::scenario::{certificate, secret, signing};
use simulator::world::{Setup, TENANT, World};

const READ_POLICIES: &[&str] = &["Policy.Read.All"];

/// The default policy of the tenant restricts passwords and keys of both kinds of object alike.
fn restrict(world: &World, passwords: &Value, keys: &Value) {
    let both = json!({"passwordCredentials": passwords, "keyCredentials": keys});
    let policy = json!({"isEnabled": true, "applicationRestrictions": both, "servicePrincipalRestrictions": both});
    world.entra.change_default_policy(TENANT.parse().unwrap(), &policy).unwrap();
}

/// Three days at most, for secrets and for certificates.
fn three_days(world: &World) {
    restrict(
        world,
        &json!([{"restrictionType": "passwordLifetime", "maxLifetime": "P3D"}]),
        &json!([{"restrictionType": "asymmetricKeyLifetime", "maxLifetime": "P3D"}]),
    );
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[case::signing(signing())]
#[tokio::test(start_paused = true)]
async fn where_the_operator_may_read_policies_it_shortens_lives_and_says_so(#[case] spec: Value) {
    let world = World::empty(&Setup { roles: READ_POLICIES, ..Setup::of(spec.clone()) }).await;
    three_days(&world);
    world.declare(&spec).await;
    let oracle = Oracle::watch(&world);
    world.run_for(TimeDelta::hours(4)).await;
    oracle.has_settled(&world);
    let policy = &world.resource()["status"]["policy"];
    // Ten minutes less than allowed, as clocks differ.
    assert_eq!(policy["validity"], "71h50m");
    assert!(policy["note"].as_str().unwrap().contains("allows less"), "{policy:#}");
    let end: DateTime<Utc> = world.current()["notAfter"].as_str().unwrap().parse().unwrap();
    assert!(end - world.now() <= TimeDelta::days(3), "{end}");
    assert_eq!(world.resource()["status"]["rotation"]["lastFailure"], Value::Null, "nothing was refused");
    // It lives on by those shorter lives.
    world.run_for(TimeDelta::days(10)).await;
    oracle.has_settled(&world);
    assert!(world.current()["seq"].as_u64().unwrap() >= 3, "{:#}", world.resource()["status"]);
}

#[rstest]
#[case::unavailable(Effect::failing(503))]
#[case::without_an_answer(Effect::cut())]
#[case::not_there(Effect::failing(404))]
#[tokio::test(start_paused = true)]
async fn policies_that_cannot_be_read_hold_nothing_up(#[case] effect: Effect) {
    let world = World::empty(&Setup { roles: READ_POLICIES, ..Setup::of(secret()) }).await;
    world.entra.inject(Fault::always(Match::operation(Operation::ReadPolicy), effect));
    world.declare(&secret()).await;
    let oracle = Oracle::watch(&world);
    world.run_for(TimeDelta::days(10)).await;
    oracle.has_settled(&world);
    assert_eq!(world.condition("Ready"), "True/Published");
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[case::signing(signing())]
#[tokio::test(start_paused = true)]
async fn where_it_may_not_graph_names_the_policy_and_a_shorter_life_is_asked_for(#[case] spec: Value) {
    let world = World::empty(&Setup::of(spec.clone())).await;
    three_days(&world);
    world.declare(&spec).await;
    let oracle = Oracle::watch(&world);
    world.run_for(TimeDelta::days(1)).await;
    assert_eq!(world.condition("Stalled"), "True/PolicyForbidsLifetime", "{:#}", world.resource()["status"]);
    assert!(world.message("Stalled").contains("spec.rotation.validity"));
    assert!(world.writes().len() <= 30, "{} writes in a day", world.writes().len());
    world.edit(json!({"spec": {"rotation": {"validity": "71h", "renewBefore": "24h"}}})).await;
    world.run_for(TimeDelta::hours(12)).await;
    oracle.has_settled(&world);
    assert_eq!(world.condition("Ready"), "True/Published");
}

#[rstest]
#[case::seen_beforehand(READ_POLICIES, 0)]
#[case::told_by_graph(&[], 30)]
#[tokio::test(start_paused = true)]
async fn where_secrets_are_forbidden_none_is_made_and_the_policy_named(#[case] roles: &'static [&'static str], #[case] attempts: usize) {
    let world = World::empty(&Setup { roles, ..Setup::of(secret()) }).await;
    restrict(&world, &json!([{"restrictionType": "passwordAddition"}]), &json!([]));
    world.declare(&secret()).await;
    let oracle = Oracle::watch(&world);
    world.run_for(TimeDelta::days(1)).await;
    assert_eq!(world.condition("Stalled"), "True/PolicyForbidsType", "{:#}", world.resource()["status"]);
    assert!(world.writes().len() <= attempts, "{} writes in a day", world.writes().len());
    assert!(oracle.ours().is_empty());
    restrict(&world, &json!([]), &json!([]));
    world.run_for(TimeDelta::days(2)).await;
    oracle.has_settled(&world);
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[case::signing(signing())]
#[tokio::test(start_paused = true)]
async fn an_object_that_is_full_is_named_and_used_again_once_there_is_room(#[case] spec: Value) {
    let world = World::begin(Setup::of(spec)).await;
    let oracle = Oracle::watch(&world);
    world.entra.adjust(|behaviour: &mut Behaviour| behaviour.max_credentials = 1);
    world.run_for(TimeDelta::days(1)).await;
    assert_eq!(world.condition("Stalled"), "True/ObjectFull", "{:#}", world.resource()["status"]);
    world.entra.adjust(|behaviour| behaviour.max_credentials = Behaviour::default().max_credentials);
    world.run_for(TimeDelta::days(2)).await;
    oracle.has_settled(&world);
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[case::signing(signing())]
#[tokio::test(start_paused = true)]
async fn whoever_may_not_write_the_target_is_told_what_is_missing(#[case] spec: Value) {
    let world = World::begin(Setup { powerless: true, ..Setup::of(spec) }).await;
    world.run_for(TimeDelta::days(1)).await;
    assert_eq!(world.condition("Stalled"), "True/PermissionDenied", "{:#}", world.resource()["status"]);
    assert!(world.message("Stalled").contains("owner of the target"));
    assert!(world.graph_calls() <= 60, "{} calls", world.graph_calls());
}
