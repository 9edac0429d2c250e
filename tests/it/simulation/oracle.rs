//! The promises, checked after every effect.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64;
use entra_emulator::Emulator;
use entra_types::Thumbprint;
use keys::Certificate;
use kube_sim::KubeSim;
use serde_json::Value;

use super::effects::Moment;
use super::world::{NAME, NAMESPACE, World};

/// Checks a world whenever something in it changed.
#[derive(Clone)]
pub(super) struct Oracle {
    cluster: KubeSim,
    entra: Emulator,
    target: entra_emulator::Registered,
    signing: bool,
    foreign: Value,
}

impl Oracle {
    /// Watches the world's effects from now on.
    pub(super) fn watch(world: &World) -> Self {
        let oracle = Self {
            cluster: world.cluster.clone(),
            entra: world.entra.clone(),
            target: world.target,
            signing: world.signing,
            foreign: world.foreign.clone(),
        };
        let watching = oracle.clone();
        world.effects.watch(move |moment, name| match moment {
            Moment::Before => watching.is_licensed(name),
            Moment::After => watching.check(name),
        });
        oracle
    }

    /// No gap, and nothing foreign touched.
    pub(super) fn check(&self, after: &str) {
        let object = self.entra.object(self.object()).expect("the target");
        assert!(listed(&object, "keyCredentials").contains(&self.foreign), "a foreign entry changed by {after}");
        let Some(output) = self.cluster.get("secrets", NAMESPACE, "payroll-credential") else { return };
        if self.signing {
            let bundle = certificates(&text(&output, "signing-bundle.crt"));
            let signers: BTreeSet<Thumbprint> = self.entra.possible_signers(self.object()).iter().map(Certificate::thumbprint).collect();
            let trusted: BTreeSet<Thumbprint> = bundle.iter().map(Certificate::thumbprint).collect();
            assert!(
                signers.is_subset(&trusted),
                "Entra may sign with {signers:?}, the output shows {trusted:?}, after {after} at {}",
                self.entra.now()
            );
        } else {
            let certificate = Certificate::from_pem(&text(&output, "tls.crt")).expect("a certificate in the output");
            let accepted = self.entra.accepts_certificate_everywhere(self.target.client_id, &certificate);
            assert!(accepted, "the published certificate is not accepted after {after} at {}", self.entra.now());
        }
    }

    /// Every write to Entra was licensed in the ledger within the last ten seconds, and by the holder of the Lease.
    fn is_licensed(&self, name: &str) {
        let Some(kind) = graph_write(name) else { return };
        let resource = self.cluster.get("serviceprincipalcredentials.entra-rotator.io", NAMESPACE, NAME).expect("the resource");
        let now = self.entra.now();
        let entries = resource["status"]["credentials"].as_array().cloned().unwrap_or_default();
        let licensed = entries.iter().any(|entry| {
            let at: Option<DateTime<Utc>> = entry["op"]["at"].as_str().and_then(|at| at.parse().ok());
            let fits = kind.contains(&entry["op"]["kind"].as_str().unwrap_or_default()) && entry["op"]["outcome"].is_null();
            fits && at.is_some_and(|at| now - at <= TimeDelta::seconds(11))
        });
        assert!(licensed, "{name} without a licence at {now}: {entries:#?}");
    }

    fn object(&self) -> entra_types::ObjectId {
        if self.signing { self.target.service_principal } else { self.target.application }
    }

    /// Whether everything came to rest: one published credential, nothing given up or unrecorded, conditions that say so.
    pub(super) fn has_settled(&self, world: &World) {
        let status = &world.resource()["status"];
        let entries = status["credentials"].as_array().cloned().unwrap_or_default();
        let used = |name: &str| entries.iter().filter(|entry| entry["use"] == name).count();
        assert_eq!((used("Current"), used("Abandoned")), (1, 0), "{status:#}");
        let ready = status["conditions"].as_array().and_then(|conditions| conditions.iter().find(|condition| condition["type"] == "Ready"));
        assert_eq!(ready.map(|ready| &ready["status"]), Some(&"True".into()), "{status:#}");
        let recorded: BTreeSet<&str> =
            entries.iter().flat_map(|entry| entry["keyIDs"].as_array().into_iter().flatten()).filter_map(Value::as_str).collect();
        let object = self.entra.object(self.object()).expect("the target");
        for entry in listed(&object, "keyCredentials").iter().filter(|entry| **entry != self.foreign) {
            let id = entry["keyId"].as_str().unwrap_or_default();
            let upcoming = used("Next") > 0;
            assert!(recorded.contains(id) || upcoming, "Entra lists {id}, which no entry knows: {status:#}");
        }
    }
}

fn graph_write(name: &str) -> Option<&'static [&'static str]> {
    match name.rsplit('/').next()? {
        "addKey" => Some(&["AddKey"]),
        "removeKey" => Some(&["RemoveKey"]),
        "addTokenSigningCertificate" => Some(&["AddTokenSigningCertificate"]),
        _ if name.starts_with("PATCH v1.0/") => Some(&["AddByUpdate", "RemoveByUpdate", "Activate"]),
        _ => None,
    }
}

/// The entries of a list, without the bytes of certificates, as Graph shows them.
fn listed(object: &Value, list: &str) -> Vec<Value> {
    object[list].as_array().cloned().unwrap_or_default()
}

pub(super) fn text(secret: &Value, key: &str) -> String {
    let encoded = secret["data"][key].as_str().unwrap_or_default();
    String::from_utf8(BASE64.decode(encoded.as_bytes()).unwrap()).unwrap()
}

fn certificates(pem: &str) -> Vec<Certificate> {
    pem.split_inclusive("-----END CERTIFICATE-----")
        .filter(|block| block.contains("BEGIN"))
        .map(|block| Certificate::from_pem(block).unwrap())
        .collect()
}
