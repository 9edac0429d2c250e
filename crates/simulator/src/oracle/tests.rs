use chrono::TimeDelta;
use rstest::rstest;

use super::*;
use crate::scenario::{at_rest, certificate, secret, signing};

fn remove(world: &World, key_id: &Value) {
    world.entra.remove_credential(world.object, key_id.as_str().unwrap().parse().unwrap()).unwrap();
}

#[rstest]
#[case::a_secret(secret())]
#[case::a_certificate(certificate())]
#[tokio::test(start_paused = true)]
async fn a_published_credential_that_is_not_accepted_is_a_gap(#[case] spec: Value) {
    let (world, oracle) = at_rest(spec).await;
    assert_eq!(oracle.judge("nothing"), Ok(()));
    remove(&world, &world.current()["keyIDs"][0]);
    assert!(oracle.judge("a removal").unwrap_err().contains("not accepted"));
}

#[tokio::test(start_paused = true)]
async fn a_possible_signer_that_is_not_published_is_a_gap() {
    let (world, oracle) = at_rest(signing()).await;
    let end = world.now() + TimeDelta::days(300);
    let theirs = world.entra.add_signing_certificate(world.object, "CN=theirs", Some(end)).unwrap()["thumbprint"].clone();
    assert_eq!(oracle.judge("one that is not preferred"), Ok(()));
    world.entra.set_property(world.object, "preferredTokenSigningKeyThumbprint", theirs).unwrap();
    assert!(oracle.judge("a choice").unwrap_err().contains("may sign with"));
}

#[tokio::test(start_paused = true)]
async fn a_credential_of_others_that_is_missing_is_noticed() {
    let (world, oracle) = at_rest(secret()).await;
    remove(&world, &"dddddddd-0000-4000-8000-000000000002".into());
    assert!(oracle.judge("a removal").unwrap_err().contains("foreign entry"));
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_called_unreadable_is_noticed() {
    let (world, oracle) = at_rest(secret()).await;
    let mut resource = world.resource();
    resource["status"]["conditions"][0]["reason"] = "UnreadableStatus".into();
    world.cluster.put(resource);
    assert_eq!(oracle.judge("a damaged status"), Ok(()));
    *oracle.strangers().says_more.lock().unwrap() = true;
    assert!(oracle.judge("a refusal").unwrap_err().contains("not read"));
}

#[rstest]
#[case::creation("POST applications(appId='x')/addPassword")]
#[case::removal("POST applications(appId='x')/removePassword")]
#[case::update("PATCH v1.0/applications(appId='x')")]
#[tokio::test(start_paused = true)]
async fn a_write_that_nothing_licenses_is_noticed(#[case] name: &str) {
    let (_, oracle) = at_rest(secret()).await;
    assert_eq!(oracle.is_licensed("PUT payroll/status"), Ok(()));
    assert!(oracle.is_licensed(name).unwrap_err().contains("without a licence"));
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "found by a watcher")]
async fn what_is_found_within_a_pass_ends_the_test() {
    let (world, _) = at_rest(secret()).await;
    world.effects.watch(|_, name| if name.ends_with("addPassword") { Err("found by a watcher".to_owned()) } else { Ok(()) });
    world.renew().await;
    world.run_for(TimeDelta::hours(2)).await;
}
