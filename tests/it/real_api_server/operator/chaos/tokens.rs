//! Tokens of the operator's service account that live for a minute, and are renewed in their file as kubelet does it.

use std::{fs, time::Duration};

use chrono::Utc;
use data_encoding::BASE64URL_NOPAD;
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::sleep;

use super::{scenario::Stage, supervisor::Complaint, world::World};
use crate::control_plane::{self, Issuer};

/// Longer than a client may go on with a token that it has read, which is a minute, and the time between two renewals.
const LIFE: i64 = 75;
/// An API server accepts a token for so long after its end, as clocks differ.
const LEEWAY: i64 = 60;
const RENEWED_EVERY: Duration = Duration::from_secs(10);
/// By then the first tokens are accepted no more, from memory neither, which an API server has for ten seconds.
const RENEWALS: u32 = 10;
const POD: &str = "entra-rotator-a";

/// The operator begins with such a token, and works until long after it has expired.
pub(super) async fn expire(stage: &Stage<'_>) {
    let file = stage.world.cluster.file(&format!("{POD}.token"));
    let whole = fs::read_to_string(&file).unwrap();
    let first = short_lived(&whole);
    fs::write(&file, &first).unwrap();
    let exits = stage.supervisor.exits();
    stage.leader().await.1.send(Signal::KILL);
    while stage.supervisor.exits() == exits {
        sleep(Duration::from_millis(10)).await;
    }
    stage.supervisor.autopsy().await;
    for _ in 0..RENEWALS {
        sleep(RENEWED_EVERY).await;
        fs::write(&file, short_lived(&whole)).unwrap();
    }
    assert_expired(stage.world, &first).await;
    assert!(!stage.supervisor.has_heard(Complaint::Unauthorized), "a token was used that had not been renewed in time");
}

async fn assert_expired(world: &World, token: &str) {
    let file = world.cluster.file("expired.token");
    fs::write(&file, token).unwrap();
    let kubeconfig = world.cluster.token_file_kubeconfig("expired", world.cluster.address(), Issuer::First, &file).unwrap();
    let refused = control_plane::client(&kubeconfig).await.unwrap().list_api_groups().await.unwrap_err();
    assert!(matches!(&refused, kube::Error::Api(status) if status.code == 401), "{refused}");
}

/// The same token but for its life, signed by the key of the cluster's service accounts.
fn short_lived(token: &str) -> String {
    let (header, rest) = token.trim().split_once('.').unwrap();
    let mut claims: Value = serde_json::from_slice(&BASE64URL_NOPAD.decode(rest.split('.').next().unwrap().as_bytes()).unwrap()).unwrap();
    let now = Utc::now().timestamp();
    for (claim, time) in [("iat", now), ("nbf", now), ("exp", now + LIFE - LEEWAY)] {
        claims[claim] = time.into();
    }
    let signed = format!("{header}.{}", BASE64URL_NOPAD.encode(claims.to_string().as_bytes()));
    let signature = control_plane::service_account_key().sign_rs256(signed.as_bytes()).unwrap();
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}
