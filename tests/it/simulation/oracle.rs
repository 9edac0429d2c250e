//! The promises, checked before and after every effect and as time goes by.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64;
use entra_emulator::Emulator;
use entra_types::{ObjectId, Thumbprint};
use keys::Certificate;
use kube_sim::KubeSim;
use serde_json::Value;

use super::effects::Moment;
use super::world::{Kind, NAME, NAMESPACE, OUTPUT, World, credentials};

/// The resource by which everything is licensed.
const RESOURCE: &str = "serviceprincipalcredentials.entra-rotator.io";

/// Checks a world whenever something in it changed.
#[derive(Clone)]
pub(super) struct Oracle {
    cluster: KubeSim,
    entra: Emulator,
    target: entra_emulator::Registered,
    object: ObjectId,
    kind: Kind,
    /// What others had on both objects when the watch began.
    foreign: [(ObjectId, Vec<Value>); 2],
}

impl Oracle {
    /// Watches the world's effects from now on.
    pub(super) fn watch(world: &World) -> Self {
        let oracle = Self::of(world);
        oracle.resume(world);
        oracle
    }

    /// Watches again, after somebody else did.
    pub(super) fn resume(&self, world: &World) {
        let watching = self.clone();
        world.effects.watch(move |moment, name| match moment {
            Moment::Before => watching.is_licensed(name),
            Moment::After => watching.judge(name),
        });
    }

    fn of(world: &World) -> Self {
        let held = |object| (object, credentials(&world.entra.object(object).expect("the target")));
        Self {
            cluster: world.cluster.clone(),
            entra: world.entra.clone(),
            target: world.target,
            object: world.object,
            kind: world.kind,
            foreign: [world.target.application, world.target.service_principal].map(held),
        }
    }

    pub(super) fn check(&self, after: &str) {
        self.judge(after).unwrap();
    }

    /// No gap, and nothing foreign touched.
    fn judge(&self, after: &str) -> Result<(), String> {
        let fault = |what: String| Err(format!("{what}, after {after} at {}", self.entra.now()));
        for (object, foreign) in &self.foreign {
            let held = self.entra.object(*object).map(|object| credentials(&object)).unwrap_or_default();
            if !foreign.iter().all(|entry| held.contains(entry)) {
                return fault(format!("a foreign entry is not what it was: {held:#?}"));
            }
        }
        match self.published().map(|output| self.works(&output)) {
            Some(Err(gap)) => fault(gap),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// The output, as long as its resource stands for it.
    fn published(&self) -> Option<Value> {
        let resource = self.cluster.get(RESOURCE, NAMESPACE, NAME)?;
        let secret = self.cluster.get("secrets", NAMESPACE, OUTPUT).or_else(|| self.cluster.get("configmaps", NAMESPACE, OUTPUT))?;
        let is_ours = !secret["metadata"]["annotations"]["entra-rotator.io/entry"].is_null();
        (resource["metadata"]["deletionTimestamp"].is_null() && is_ours).then_some(secret)
    }

    /// Whether Entra accepts what is published, or signs with nothing else.
    fn works(&self, output: &Value) -> Result<(), String> {
        let client = self.target.client_id;
        let accepted = match self.kind {
            Kind::ClientCertificate => {
                let certificate = Certificate::from_pem(&text(output, "tls.crt")).map_err(|error| error.to_string())?;
                self.entra.accepts_certificate_everywhere(client, &certificate)
            }
            Kind::ClientSecret => self.entra.accepts_secret_everywhere(client, &text(output, "AZURE_CLIENT_SECRET")),
            Kind::Signing => {
                let signers: BTreeSet<Thumbprint> = self.entra.possible_signers(self.object).iter().map(Certificate::thumbprint).collect();
                let trusted: BTreeSet<Thumbprint> =
                    certificates(&text(output, "signing-bundle.crt")).iter().map(Certificate::thumbprint).collect();
                if !signers.is_subset(&trusted) {
                    return Err(format!("Entra may sign with {signers:?}, the output shows {trusted:?}"));
                }
                true
            }
        };
        if accepted { Ok(()) } else { Err("what is published is not accepted everywhere".to_owned()) }
    }

    /// Every write to Entra was licensed in a ledger within the last ten seconds.
    fn is_licensed(&self, name: &str) -> Result<(), String> {
        let Some(kinds) = graph_write(name) else { return Ok(()) };
        let now = self.entra.now();
        let entries: Vec<Value> = self.cluster.list(RESOURCE, Some(NAMESPACE)).iter().flat_map(entries).collect();
        let licensed = entries.iter().any(|entry| {
            let at: Option<DateTime<Utc>> = entry["op"]["at"].as_str().and_then(|at| at.parse().ok());
            let fits = kinds.contains(&entry["op"]["kind"].as_str().unwrap_or_default()) && entry["op"]["outcome"].is_null();
            fits && at.is_some_and(|at| now - at <= TimeDelta::seconds(11))
        });
        if licensed { Ok(()) } else { Err(format!("{name} without a licence at {now}: {entries:#?}")) }
    }

    /// Whether everything came to rest: one published credential, nothing given up or unrecorded, conditions that say so.
    pub(super) fn has_settled(&self, world: &World) {
        let resource = world.resource();
        let entries = entries(&resource);
        let used = |name: &str| entries.iter().filter(|entry| entry["use"] == name).count();
        assert_eq!((used("Current"), used("Abandoned")), (1, 0), "{:#}", resource["status"]);
        assert!(world.condition("Ready").starts_with("True/"), "{:#}", resource["status"]);
        if resource["spec"]["clientCertificate"]["signInAs"] == "Self" {
            // Entra's names for its certificates are not all known to it.
            return;
        }
        let recorded: BTreeSet<&str> =
            entries.iter().flat_map(|entry| entry["keyIDs"].as_array().into_iter().flatten()).filter_map(Value::as_str).collect();
        for entry in self.ours() {
            let id = entry["keyId"].as_str().unwrap_or_default();
            assert!(recorded.contains(id) || used("Next") > 0, "Entra lists {id}, which no entry knows: {:#}", resource["status"]);
        }
    }

    /// What the object holds besides what others had.
    pub(super) fn ours(&self) -> Vec<Value> {
        let foreign = |entry: &Value| self.foreign.iter().any(|(object, held)| *object == self.object && held.contains(entry));
        let object = self.entra.object(self.object).expect("the target");
        credentials(&object).into_iter().filter(|entry| !foreign(entry)).collect()
    }
}

fn entries(resource: &Value) -> Vec<Value> {
    resource["status"]["credentials"].as_array().cloned().unwrap_or_default()
}

fn graph_write(name: &str) -> Option<&'static [&'static str]> {
    match name.rsplit('/').next()? {
        "addKey" => Some(&["AddKey", "AddSigningKey"]),
        "removeKey" => Some(&["RemoveKey"]),
        "addPassword" => Some(&["AddPassword"]),
        "removePassword" => Some(&["RemovePassword"]),
        "addTokenSigningCertificate" => Some(&["AddTokenSigningCertificate"]),
        _ if name.starts_with("PATCH v1.0/") => {
            Some(&["AddByUpdate", "AddSigningByUpdate", "AddVerifyByUpdate", "RemoveByUpdate", "Activate", "SetNotificationAddresses"])
        }
        _ => None,
    }
}

/// A value of a Secret or a ConfigMap.
pub(super) fn text(output: &Value, key: &str) -> String {
    let value = output["data"][key].as_str().unwrap_or_default();
    if output["kind"] == "ConfigMap" { value.to_owned() } else { String::from_utf8(BASE64.decode(value.as_bytes()).unwrap()).unwrap() }
}

pub(super) fn certificates(pem: &str) -> Vec<Certificate> {
    pem.split_inclusive("-----END CERTIFICATE-----")
        .filter(|block| block.contains("BEGIN"))
        .map(|block| Certificate::from_pem(block).unwrap())
        .collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use rstest::rstest;

    use super::super::scenario::{at_rest, certificate, secret, signing};
    use super::*;

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
}
