//! Signing certificates in full: approval, withdrawal, pins, addresses, and keys of one's own.

use chrono::TimeDelta;
use entra_emulator::Operation;
use rstest::rstest;
use serde_json::{Value, json};

use simulator::effects::Moment;
use simulator::oracle::Oracle;
use simulator::scenario::{at_rest, certificates_of, signing};
use simulator::world::{NAMESPACE, Setup, World};

fn approved(on_deadline: &str) -> Value {
    let mut spec = signing();
    spec["tokenSigningCertificate"]["activation"] = json!({"soak": "2h", "approval": "Required", "onDeadline": on_deadline});
    spec
}

fn next(world: &World) -> Value {
    world.entries().into_iter().find(|entry| entry["use"] == "Next").unwrap_or_default()
}

async fn approve(world: &World, id: &Value) {
    world.edit(json!({"metadata": {"annotations": {"entra-rotator.io/approve": id}}})).await;
}

#[tokio::test(start_paused = true)]
async fn a_successor_signs_once_it_is_approved_by_its_id() {
    let (world, oracle) = at_rest(approved("Activate")).await;
    let first = world.entra.signer(world.object);
    world.run_until(TimeDelta::days(6), "a wait for approval", |world| world.condition("Rotating") == "True/AwaitingApproval").await;
    let id = next(&world)["id"].clone();
    assert!(world.message("Rotating").contains(id.as_str().unwrap()));
    approve(&world, &json!("aaaaaaaaaa")).await;
    world.run_for(TimeDelta::hours(12)).await;
    assert_eq!(world.entra.signer(world.object), first, "an approval is for one entry");
    approve(&world, &id).await;
    world.run_until(TimeDelta::minutes(30), "the successor", |world| world.current()["id"] == id).await;
    assert_ne!(world.entra.signer(world.object), first);
    // The approval is latched: whoever takes it away takes nothing back.
    approve(&world, &Value::Null).await;
    world.run_to_rest(TimeDelta::hours(8)).await;
    oracle.has_settled(&world);
}

#[rstest]
#[case::that_is_late("Activate", true)]
#[case::that_is_required("Withdraw", false)]
#[tokio::test(start_paused = true)]
async fn at_the_deadline_an_approval_is_waived_or_the_successor_withdrawn(#[case] on_deadline: &str, #[case] activates: bool) {
    // Under Withdraw the very first one waits for a person as well.
    let (world, oracle) = at_rest(signing()).await;
    world.edit(json!({"spec": approved(on_deadline)})).await;
    let first = world.entra.signer(world.object);
    world.run_until(TimeDelta::days(6), "a wait for approval", |world| world.condition("Rotating") == "True/AwaitingApproval").await;
    let id = next(&world)["id"].clone();
    world.run_until(TimeDelta::days(4), "the alarm", |world| world.condition("RotationAtRisk") == "True/ApprovalOverdue").await;
    assert_eq!(world.condition("Ready"), "True/Published");
    if activates {
        world.run_until(TimeDelta::days(4), "the successor", |world| world.current()["id"] == id).await;
        world.run_to_rest(TimeDelta::hours(8)).await;
        assert_ne!(world.entra.signer(world.object), first);
    } else {
        world.run_until(TimeDelta::days(9), "the withdrawal", |world| world.entries().len() == 1).await;
        assert_eq!(world.entra.signer(world.object), first);
        assert_eq!(world.condition("RotationAtRisk"), "True/ApprovalOverdue");
        assert_eq!(oracle.ours().len(), 3, "nothing of the successor is left");
    }
    oracle.check("the deadline");
}

/// The thumbprint of an entry of ours.
fn thumbprint(entry: &Value) -> String {
    entry["thumbprint"].as_str().unwrap().to_owned()
}

async fn pin(world: &World, thumbprint: Option<&str>) {
    world.edit(json!({"spec": {"tokenSigningCertificate": {"pinnedThumbprint": thumbprint}}})).await;
}

#[tokio::test(start_paused = true)]
async fn a_pin_takes_the_old_one_back_and_without_it_a_fresh_one_is_made() {
    let mut spec = signing();
    spec["rotation"]["overlap"] = json!("72h");
    let (world, oracle) = at_rest(spec).await;
    let first = world.current();
    world.renew().await;
    world.run_until(TimeDelta::hours(8), "the successor", |world| world.current()["id"] != first["id"]).await;
    world.run_for(TimeDelta::hours(1)).await;

    pin(&world, Some(&thumbprint(&first))).await;
    world.run_until(TimeDelta::hours(1), "the way back", |world| world.current()["id"] == first["id"]).await;
    let signer = world.entra.signer(world.object).unwrap();
    assert_eq!(signer.thumbprint().to_string(), thumbprint(&first));
    assert_eq!(world.text("signing.crt"), signer.pem());
    world.run_for(TimeDelta::days(2)).await;
    assert_eq!(world.current()["id"], first["id"], "nothing is begun while it is pinned");

    pin(&world, None).await;
    world.run_until(TimeDelta::days(2), "a fresh one", |world| world.current()["seq"].as_u64() >= Some(2)).await;
    world.run_for(TimeDelta::days(4)).await;
    oracle.has_settled(&world);
}

#[tokio::test(start_paused = true)]
async fn a_pin_to_what_is_not_there_is_refused_and_nothing_is_written() {
    let (world, oracle) = at_rest(signing()).await;
    let writes = world.writes().len();
    pin(&world, Some(&"0".repeat(40))).await;
    world.run_for(TimeDelta::hours(12)).await;
    assert_eq!(world.condition("Stalled"), "True/PinNotUsable", "{:#}", world.resource()["status"]);
    assert_eq!((world.writes().len(), world.condition("Ready").as_str()), (writes, "True/Published"));
    pin(&world, None).await;
    world.run_for(TimeDelta::hours(1)).await;
    oracle.has_settled(&world);
}

#[tokio::test(start_paused = true)]
async fn a_pin_is_set_again_once_and_then_contested() {
    let (world, oracle) = at_rest(signing()).await;
    let first = thumbprint(&world.current());
    pin(&world, Some(&first)).await;
    world.run_for(TimeDelta::hours(1)).await;
    let end = world.now() + TimeDelta::days(300);
    let theirs = world.entra.add_signing_certificate(world.object, "CN=theirs", Some(end)).unwrap()["thumbprint"].clone();
    let signs = |world: &World| world.entra.object(world.object).unwrap()["preferredTokenSigningKeyThumbprint"].clone();
    world.run_for(TimeDelta::hours(8)).await;
    // By somebody who does not know of the pin, and does it again as soon as it is undone.
    let (entra, object, again) = (world.entra.clone(), world.object, theirs.clone());
    world.effects.watch(move |moment, name| {
        if moment == Moment::After && name.starts_with("PATCH v1.0/") {
            entra.set_property(object, "preferredTokenSigningKeyThumbprint", again.clone()).unwrap();
        }
        Ok(())
    });
    world.entra.set_property(world.object, "preferredTokenSigningKeyThumbprint", theirs.clone()).unwrap();
    let writes = world.writes().len();
    world.run_until(TimeDelta::hours(12), "the quarrel", |world| world.condition("Stalled") == "True/SignerContested").await;
    world.run_for(TimeDelta::hours(12)).await;
    assert!(world.writes().len() <= writes + 2, "once, and once more by a process that cannot know of the first time");
    assert_eq!(signs(&world), theirs, "nobody fights");
    oracle.check("the quarrel");
}

#[tokio::test(start_paused = true)]
async fn whom_entra_warns_is_set_and_left_alone_where_nobody_asks() {
    let (world, oracle) = at_rest(signing()).await;
    let addresses = |world: &World| world.entra.object(world.object).unwrap()["notificationEmailAddresses"].clone();
    let writes = world.writes().len();
    world.edit(json!({"spec": {"tokenSigningCertificate": {"notificationEmailAddresses": ["a@example.org", "b@example.org"]}}})).await;
    world.run_until(TimeDelta::hours(8), "the addresses", |world| addresses(world) == json!(["a@example.org", "b@example.org"])).await;
    assert_eq!(world.writes().len(), writes + 1);
    world.edit(json!({"spec": {"tokenSigningCertificate": {"notificationEmailAddresses": null}}})).await;
    world.run_for(TimeDelta::days(1)).await;
    assert_eq!(addresses(&world), json!(["a@example.org", "b@example.org"]));
    assert_eq!(world.writes().len(), writes + 1);
    oracle.has_settled(&world);
}

fn own_key(proof: Option<&str>) -> Value {
    let mut spec = signing();
    spec["tokenSigningCertificate"]["keySource"] = json!("Operator");
    if let Some(name) = proof {
        spec["tokenSigningCertificate"]["proofFrom"] = json!({"name": name});
    }
    spec
}

#[tokio::test(start_paused = true)]
async fn a_key_of_our_own_is_brought_by_an_update_and_is_nowhere_in_the_cluster() {
    let (world, oracle) = at_rest(own_key(None)).await;
    assert_eq!(world.writes(), [Operation::Patch, Operation::Patch]);
    signs_with_what_is_published(&world);
    world.run_until(TimeDelta::days(6), "a successor", |world| world.current()["seq"] == 1).await;
    world.run_to_rest(TimeDelta::hours(8)).await;
    signs_with_what_is_published(&world);
    oracle.has_settled(&world);
    assert_eq!(oracle.ours().len(), 3, "Sign, Verify and password: {:#?}", oracle.ours());
    keeps_no_key(&world);
}

fn signs_with_what_is_published(world: &World) {
    let signer = world.entra.signer(world.object).expect("a signer");
    assert_eq!(world.text("signing.crt"), signer.pem());
    assert!(certificates_of(world).contains(&signer.thumbprint()));
}

fn keeps_no_key(world: &World) {
    for secret in world.cluster.list("secrets", Some(NAMESPACE)) {
        let values = secret["data"].as_object().into_iter().flatten().map(|(_, value)| value.as_str().unwrap_or_default());
        let texts = values.map(|value| data_encoding::BASE64.decode(value.as_bytes()).unwrap());
        assert!(texts.map(|text| String::from_utf8_lossy(&text).into_owned()).all(|text| !text.contains("PRIVATE KEY")), "{secret:#}");
    }
}

/// A client certificate of the same service principal, which proves what the key of one's own needs.
async fn sibling(world: &World, name: &str) {
    world
        .create(json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential",
            "metadata": {"name": name, "namespace": NAMESPACE}, "spec": {
                "target": {"objectID": world.target.service_principal.to_string(), "object": "ServicePrincipal"}, "secretName": name,
                "clientCertificate": {}}}))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_key_of_our_own_is_brought_with_the_proof_of_a_sibling() {
    let spec = own_key(Some("prover"));
    let world = World::empty(&Setup::of(spec.clone())).await;
    sibling(&world, "prover").await;
    world.run_for(TimeDelta::hours(2)).await;
    world.declare(&spec).await;
    let before = world.writes().len();
    let oracle = Oracle::watch(&world);
    world.run_for(TimeDelta::hours(4)).await;
    assert_eq!(world.condition("Ready"), "True/Published", "{:#}", world.resource()["status"]);
    assert_eq!(world.writes()[before], Operation::AddKey);
    signs_with_what_is_published(&world);
    world.run_until(TimeDelta::days(6), "a successor", |world| world.current()["seq"] == 1).await;
    world.run_to_rest(TimeDelta::hours(8)).await;
    oracle.check("the rotation");
    signs_with_what_is_published(&world);
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_does_not_exist_is_named() {
    let (world, oracle) = {
        let world = World::begin(Setup::of(own_key(Some("nobody")))).await;
        let oracle = Oracle::watch(&world);
        (world, oracle)
    };
    world.run_for(TimeDelta::hours(6)).await;
    assert_eq!(world.condition("Stalled"), "True/ProofNotUsable", "{:#}", world.resource()["status"]);
    assert!(world.writes().is_empty());
    world.edit(json!({"spec": {"tokenSigningCertificate": {"proofFrom": null}}})).await;
    world.run_for(TimeDelta::hours(6)).await;
    oracle.has_settled(&world);
}

#[tokio::test(start_paused = true)]
async fn a_world_that_is_pinned_from_the_start_signs_with_that() {
    let setup = Setup::of(signing());
    let world = World::empty(&setup).await;
    let end = world.now() + TimeDelta::days(300);
    let theirs = world.entra.add_signing_certificate(world.object, "CN=theirs", Some(end)).unwrap()["thumbprint"].clone();
    let mut spec = setup.spec.clone();
    spec["tokenSigningCertificate"]["pinnedThumbprint"] = theirs.clone();
    world.declare(&spec).await;
    let oracle = Oracle::watch(&world);
    world.run_for(TimeDelta::hours(6)).await;
    assert_eq!(world.current()["thumbprint"], theirs, "{:#}", world.resource()["status"]);
    assert_eq!(world.text("thumbprint"), theirs.as_str().unwrap());
    oracle.check("the first day");
}
