//! What most scenarios do: begin, wait for something, look at what was written.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::oracle::Oracle;
use super::world::{NAMESPACE, OUTPUT, Setup, World};

/// Every kind with lives of ten days: due after five at the latest, replaced credentials stay for two hours.
pub(super) fn secret() -> Value {
    json!({"clientSecret": {}, "rotation": {"validity": "240h", "renewBefore": "120h", "overlap": "2h"}})
}

pub(super) fn secret_of_service_principal() -> Value {
    let mut spec = secret();
    spec["target"]["object"] = json!("ServicePrincipal");
    spec
}

pub(super) fn certificate() -> Value {
    json!({"clientCertificate": {}, "rotation": {"validity": "240h", "renewBefore": "120h", "overlap": "2h"}})
}

pub(super) fn signing() -> Value {
    json!({"tokenSigningCertificate": {"activation": {"soak": "2h"}},
        "rotation": {"validity": "240h", "renewBefore": "120h", "overlap": "2h"}})
}

/// A world at rest: its first credential is published.
pub(super) async fn at_rest(spec: Value) -> (World, Oracle) {
    let setup = Setup::of(spec);
    at_rest_in(setup).await
}

pub(super) async fn at_rest_in(setup: Setup) -> (World, Oracle) {
    let world = World::begin(setup).await;
    let oracle = Oracle::watch(&world);
    world.run_for(TimeDelta::hours(3)).await;
    oracle.has_settled(&world);
    assert_eq!(world.condition("Ready"), "True/Published", "{:#}", world.resource()["status"]);
    (world, oracle)
}

/// `later` from now on, as a manifest says it.
pub(super) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

impl World {
    /// Asks for a successor of everything issued until now.
    pub(super) async fn renew(&self) {
        self.edit(json!({"spec": {"rotation": {"notIssuedBefore": stamp(self.now())}}})).await;
    }

    /// Runs until nothing is left of a rotation.
    pub(super) async fn run_to_rest(&self, limit: TimeDelta) {
        let rests = |world: &Self| {
            world.condition("Rotating") == "False/AtRest"
                && world.condition("Reconciling").starts_with("False/")
                && world.entries().len() == 1
        };
        self.run_until(limit, "rest", rests).await;
    }

    /// The values of the published Secret or ConfigMap.
    pub(super) fn text(&self, key: &str) -> String {
        super::oracle::text(&self.output().expect("the output"), key)
    }

    /// Somebody deletes the output.
    pub(super) fn delete_output(&self) {
        assert!(self.cluster.delete("secrets", NAMESPACE, OUTPUT) || self.cluster.delete("configmaps", NAMESPACE, OUTPUT));
    }

    /// Somebody deletes the one staging Secret that there is.
    pub(super) fn delete_slot(&self) {
        assert_eq!(self.slots().len(), 1);
        assert!(self.cluster.delete("secrets", NAMESPACE, self.slots()[0]["metadata"]["name"].as_str().unwrap()));
    }

    /// The staging Secrets of the resource.
    pub(super) fn slots(&self) -> Vec<Value> {
        ["a", "b"].iter().filter_map(|slot| self.cluster.get("secrets", NAMESPACE, &format!("{OUTPUT}-entra-{slot}"))).collect()
    }

    /// The notes of the events with this reason.
    pub(super) fn events(&self, reason: &str) -> Vec<String> {
        let events = self.cluster.list("events", Some(NAMESPACE)).into_iter().filter(|event| event["reason"] == reason);
        events.map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Requests to Graph, sign-ins aside.
    pub(super) fn graph_calls(&self) -> usize {
        self.entra.calls().iter().filter(|call| call.path.starts_with("/v1.0/")).count()
    }
}

/// The thumbprints in the published bundle.
pub(super) fn certificates_of(world: &World) -> Vec<entra_types::Thumbprint> {
    super::oracle::certificates(&world.text("signing-bundle.crt")).iter().map(keys::Certificate::thumbprint).collect()
}
