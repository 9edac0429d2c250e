//! The life of a SAML token signing certificate.

use chrono::TimeDelta;
use entra_emulator::{Operation, Registered};
use entra_types::Thumbprint;
use serde_json::Value;

use super::{
    published::Published,
    scene::{Scene, assert_never_interrupted, assert_promises, is_overlapping, is_settled, token_signing},
    witness::{condition, time},
};

/// Which certificate Entra signs with.
fn signer(scene: &Scene<'_>, target: &Registered) -> Thumbprint {
    scene.entra().emulator().signer(target.service_principal).unwrap().thumbprint()
}

#[tokio::test]
async fn a_signing_certificate_is_published_before_it_signs_and_after_it_signed() {
    let scene = Scene::shared("token-signing").await;
    let target = scene.application("SAML");
    let foreign = scene.entra().entries(target.service_principal);
    scene.admit(&[&target]).await;
    let name = "token-signing-saml";
    let mut outputs = scene.watch_secret(name).await;
    let mut resource = scene.declare(name, &target, token_signing()).await;
    let issued = resource.until("its first certificate", is_settled).await;
    let first = scene.published(name).await;
    assert_eq!(first.certificate("signing.crt").thumbprint(), signer(&scene, &target));
    assert_eq!(first.text("thumbprint"), signer(&scene, &target).to_string());

    scene.renew(name, &issued).await;
    let has_next = |output: &Value| !output.is_null() && Published::read(output).text("signing-next.crt") != first.text("signing.crt");
    let announced = Published::read(&*outputs.until("the successor as the next one", has_next).await);
    assert_eq!(announced.text("signing.crt"), first.text("signing.crt"));
    let trusted = ["signing.crt", "signing-next.crt"].map(|key| announced.certificate(key).thumbprint());
    assert_eq!(announced.thumbprints("signing-bundle.crt"), trusted);

    let is_active = |output: &Value| Published::read(output).text("signing.crt") == announced.text("signing-next.crt");
    let activated = Published::read(&*outputs.until("the successor as the current one", is_active).await);
    assert_eq!(activated.text("signing-previous.crt"), first.text("signing.crt"));
    let soaking = resource.until("the soak", |state| condition(state, "Rotating") == "True/Soaking").await;
    let overlapping = resource.until("the overlap", is_overlapping).await;
    resource.until("the end of the rollover", is_settled).await;
    assert_in_time(&scene, &target, &soaking, &overlapping);
    let alone = |output: &Value| Published::read(output).thumbprints("signing-bundle.crt") == [signer(&scene, &target)];
    outputs.until("the successor alone", |output| !output.is_null() && output["metadata"]["uid"] == first.uid() && alone(output)).await;
    let left = scene.entra().entries(target.service_principal);
    // A certificate that signs stands in both lists, and once more to be verified with.
    assert_eq!(left.len(), foreign.len() + 3);
    assert!(foreign.iter().all(|entry| left.contains(entry)));
    assert_promises(&scene, &[&resource]);
    assert_never_interrupted(&resource, &issued);
    scene.events(name, &["Claimed", "Created", "Announced", "Promoted", "Published", "Retiring", "Removed"]).await;
}

/// The successor signed after its soak, and the one before it went after its overlap.
fn assert_in_time(scene: &Scene<'_>, target: &Registered, soaking: &Value, overlapping: &Value) {
    let changes = scene.entra().changes(target);
    let operations: Vec<_> = changes.iter().map(|change| change.operation).collect();
    let [made, active] = [Operation::AddTokenSigningCertificate, Operation::Patch];
    assert_eq!(operations, [made, active, made, active, Operation::Patch]);
    let entry = |state: &Value, r#use: &str| {
        let entries = state["status"]["credentials"].as_array().unwrap();
        entries.iter().find(|entry| entry["use"] == r#use).unwrap().clone()
    };
    assert!(changes[3].at >= time(&entry(soaking, "Next")["announcedAt"]) + TimeDelta::seconds(2), "it signed before its soak was over");
    let published = time(&entry(overlapping, "Current")["publishedAt"]);
    assert!(changes[4].at >= published + TimeDelta::seconds(2), "the first one was removed within its overlap");
}

#[tokio::test]
async fn a_signing_certificate_that_somebody_else_made_is_published_replaced_in_time_and_never_removed() {
    let scene = Scene::shared("foreign-signer").await;
    let target = scene.application("Foreign");
    let emulator = scene.entra().emulator();
    let made = emulator.add_signing_certificate(target.service_principal, "CN=by hand", None).unwrap();
    emulator.set_property(target.service_principal, "preferredTokenSigningKeyThumbprint", made["thumbprint"].clone()).unwrap();
    let foreign = scene.entra().entries(target.service_principal);
    scene.admit(&[&target]).await;
    let name = "foreign-signer-saml";
    let mut resource = scene.declare(name, &target, token_signing()).await;
    let found = resource.until("the certificate that is there", is_settled).await;
    assert_eq!(found["status"]["credentials"][0]["origin"], "Foreign");
    let first = scene.published(name).await;
    assert_eq!(first.text("thumbprint"), made["thumbprint"]);
    assert_eq!(scene.entra().writes(&target).len(), 0);

    scene.renew(name, &found).await;
    resource.until("a certificate of ours", is_overlapping).await;
    resource.until("the end of the rollover", is_settled).await;
    let last = scene.published(name).await;
    assert_eq!(last.certificate("signing.crt").thumbprint(), signer(&scene, &target));
    assert_ne!(last.text("signing.crt"), first.text("signing.crt"));
    // Entra could still sign with it.
    assert!(last.thumbprints("signing-bundle.crt").contains(&first.certificate("signing.crt").thumbprint()));
    let left = scene.entra().entries(target.service_principal);
    assert!(foreign.iter().all(|entry| left.contains(entry)));
    assert_promises(&scene, &[&resource]);
    assert_never_interrupted(&resource, &found);
}
