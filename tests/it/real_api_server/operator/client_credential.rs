//! The life of a client certificate and of a client secret, as far as they have it in common.

use chrono::TimeDelta;
use entra_emulator::Operation::{self, AddKey, AddPassword, Patch, RemoveKey, RemovePassword};
use rstest::rstest;
use serde_json::Value;

use super::{
    published::Published,
    scene::{Scene, assert_never_interrupted, assert_promises, client_certificate, client_secret, is_overlapping, is_settled},
    witness::{Witness, kstatus, time},
};

/// What differs from one kind to the other.
struct Kind {
    scene: &'static str,
    spec: fn() -> Value,
    /// The annotation of the output that identifies the credential, and where the status has the same.
    identity: (&'static str, &'static str),
    /// How Entra refuses one that was removed.
    unknown: &'static str,
    /// First issue, rotation, removal.
    operations: [Operation; 3],
}

const CERTIFICATE: Kind = Kind {
    scene: "client-certificate",
    spec: client_certificate,
    identity: ("thumbprint", "/status/credentials/0/thumbprint"),
    unknown: "AADSTS700027",
    operations: [Patch, AddKey, RemoveKey],
};

const SECRET: Kind = Kind {
    scene: "client-secret",
    spec: client_secret,
    identity: ("key-id", "/status/credentials/0/keyIDs/0"),
    unknown: "AADSTS7000215",
    operations: [AddPassword, AddPassword, RemovePassword],
};

#[rstest]
#[case::certificate(CERTIFICATE)]
#[case::secret(SECRET)]
#[tokio::test]
async fn is_issued_and_rotated_beside_credentials_of_somebody_else(#[case] kind: Kind) {
    let scene = Scene::shared(kind.scene).await;
    let target = scene.application("Payroll");
    let foreign = scene.entra().entries(target.application);
    scene.admit(&[&target]).await;
    let name = format!("{}-payroll", kind.scene);
    let mut outputs = scene.watch_secret(&name).await;
    let mut resource = scene.declare(&name, &target, (kind.spec)()).await;

    let issued = resource.until("its first credential", is_settled).await;
    assert_eq!(kstatus(&issued), "Current");
    let first = scene.published(&name).await;
    first.sign_in(scene.entra()).await.unwrap();
    let (annotation, place) = kind.identity;
    assert_eq!(Some(&Value::from(first.annotation(annotation))), issued.pointer(place));

    scene.renew(&name, &issued).await;
    let overlapping = resource.until("two credentials at a time", is_overlapping).await;
    let rotated = resource.until("the end of the rotation", is_settled).await;
    let second = scene.published(&name).await;
    second.sign_in(scene.entra()).await.unwrap();
    let refused = first.sign_in(scene.entra()).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some(kind.unknown), "{refused}");
    assert_eq!(second.annotation("entry"), rotated["status"]["credentials"][0]["id"]);
    let changes = scene.entra().changes(&target);
    assert_eq!(changes.iter().map(|change| change.operation).collect::<Vec<_>>(), kind.operations);
    assert!(changes[2].at >= published_at(&overlapping) + TimeDelta::seconds(2), "the first one was removed within its overlap");

    let left = scene.entra().entries(target.application);
    assert_eq!(left.len(), foreign.len() + 1);
    assert!(foreign.iter().all(|entry| left.contains(entry)));
    assert_promises(&scene, &[&resource]);
    assert_never_interrupted(&resource, &issued);
    outputs.until("the successor", |output| !output.is_null() && Published::read(output) == second).await;
    assert_eq!(outputs.all().len(), 2, "the output was written once per credential");
    assert_nothing_told(&scene, &name, &resource, &[&first, &second]).await;
}

fn published_at(state: &Value) -> chrono::DateTime<chrono::Utc> {
    let entries = state["status"]["credentials"].as_array().unwrap();
    time(&entries.iter().find(|entry| entry["use"] == "Current").unwrap()["publishedAt"])
}

/// No event, status, metric or line of the log tells a secret.
async fn assert_nothing_told(scene: &Scene<'static>, name: &str, resource: &Witness, published: &[&Published]) {
    let said = scene.events(name, &["Claimed", "Promoted", "Published", "Retiring", "Removed"]).await;
    let shown: String = resource.all().iter().map(ToString::to_string).collect();
    let metrics = scene.operator().page("/metrics").await;
    let leaks = scene.leaks(published);
    for (place, text) in [("an event", said), ("a status", shown), ("the metrics", metrics), ("the log", scene.operator().log())] {
        leaks.assert_none_in(place, &text);
    }
}
