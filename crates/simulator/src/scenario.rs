//! What most scenarios do: begin, wait for something, look at what was written.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::oracle::Oracle;
use crate::world::{NAMESPACE, OUTPUT, Setup, World};

/// A client secret. Every kind here lives for ten days: due after five at the latest, replaced credentials stay for two hours.
pub fn secret() -> Value {
    json!({"clientSecret": {}, "rotation": {"validity": "240h", "renewBefore": "120h", "overlap": "2h"}})
}

/// A client secret of the service principal.
pub fn secret_of_service_principal() -> Value {
    let mut spec = secret();
    spec["target"]["object"] = json!("ServicePrincipal");
    spec
}

/// A client certificate.
pub fn certificate() -> Value {
    json!({"clientCertificate": {}, "rotation": {"validity": "240h", "renewBefore": "120h", "overlap": "2h"}})
}

/// A token signing certificate.
pub fn signing() -> Value {
    json!({"tokenSigningCertificate": {"activation": {"soak": "2h"}},
        "rotation": {"validity": "240h", "renewBefore": "120h", "overlap": "2h"}})
}

/// A world at rest: its first credential is published.
pub async fn at_rest(spec: Value) -> (World, Oracle) {
    let setup = Setup::of(spec);
    at_rest_in(setup).await
}

/// The same, with more to begin with.
pub async fn at_rest_in(setup: Setup) -> (World, Oracle) {
    let world = World::begin(setup).await;
    let oracle = Oracle::watch(&world);
    world.run_for(TimeDelta::hours(3)).await;
    oracle.has_settled(&world);
    assert_eq!(world.condition("Ready"), "True/Published", "{:#}", world.resource()["status"]);
    (world, oracle)
}

/// `later` from now on, as a manifest says it.
pub fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

impl World {
    /// Asks for a successor of everything issued until now.
    pub async fn renew(&self) {
        self.edit(json!({"spec": {"rotation": {"notIssuedBefore": stamp(self.now())}}})).await;
    }

    /// Runs until nothing is left of a rotation.
    pub async fn run_to_rest(&self, limit: TimeDelta) {
        let rests = |world: &Self| {
            world.condition("Rotating") == "False/AtRest"
                && world.condition("Reconciling").starts_with("False/")
                && world.entries().len() == 1
        };
        self.run_until(limit, "rest", rests).await;
    }

    /// The values of the published Secret or ConfigMap.
    pub fn text(&self, key: &str) -> String {
        crate::oracle::text(&self.output().expect("the output"), key)
    }

    /// Somebody deletes the output.
    pub fn delete_output(&self) {
        assert!(self.cluster.delete("secrets", NAMESPACE, OUTPUT) || self.cluster.delete("configmaps", NAMESPACE, OUTPUT));
    }

    /// Somebody deletes the one staging Secret that there is.
    pub fn delete_slot(&self) {
        assert_eq!(self.slots().len(), 1);
        assert!(self.cluster.delete("secrets", NAMESPACE, self.slots()[0]["metadata"]["name"].as_str().unwrap()));
    }

    /// The staging Secrets of the resource.
    pub fn slots(&self) -> Vec<Value> {
        ["a", "b"].iter().filter_map(|slot| self.cluster.get("secrets", NAMESPACE, &format!("{OUTPUT}-entra-{slot}"))).collect()
    }

    /// The notes of the events with this reason.
    pub fn events(&self, reason: &str) -> Vec<String> {
        let events = self.cluster.list("events", Some(NAMESPACE)).into_iter().filter(|event| event["reason"] == reason);
        events.map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Requests to Graph, sign-ins aside.
    pub fn graph_calls(&self) -> usize {
        self.entra.calls().iter().filter(|call| call.path.starts_with("/v1.0/")).count()
    }
}

/// The thumbprints in the published bundle.
pub fn certificates_of(world: &World) -> Vec<entra_types::Thumbprint> {
    crate::oracle::certificates(&world.text("signing-bundle.crt")).iter().map(keys::Certificate::thumbprint).collect()
}
