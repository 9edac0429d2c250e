//! The promises, checked before and after every effect and as time goes by.
//!
//! What is checked is named as in the invariants S1 to S10: a gap (S1), what is published belongs together (S2), removals (S3), foreign credentials (S4),
//! how many there are (S5, S6), licences (S7), and that the end of what is published never comes nearer by itself (S10).

mod entra;
mod output;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use entra_emulator::{Emulator, Registered};
use entra_types::ObjectId;
use kube_sim::KubeSim;
use serde_json::Value;

use self::output::Shown;
pub use self::output::{certificates, text};
use crate::effects::{self, Moment};
use crate::setup::Kind;
use crate::strangers::Strangers;
use crate::world::{NAME, NAMESPACE, OUTPUT, Skewed, World, credentials};

/// The resource by which everything is licensed.
pub const RESOURCE: &str = "serviceprincipalcredentials.entra-rotator.io";

/// Checks a world whenever something in it changed.
#[derive(Clone)]
pub struct Oracle {
    cluster: KubeSim,
    neighbour: Option<KubeSim>,
    entra: Emulator,
    operator: Registered,
    target: Registered,
    object: ObjectId,
    kind: Kind,
    strangers: Arc<Strangers>,
    shown: Arc<Mutex<Shown>>,
    removals: Arc<Mutex<BTreeSet<String>>>,
    rhythm: Arc<Mutex<Rhythm>>,
    clock: Arc<Skewed>,
    late: TimeDelta,
}

/// Where nothing happens, time alone changes little: an hour after the last change it is enough to look every hour.
#[derive(Default)]
struct Rhythm {
    changed: DateTime<Utc>,
    judged: DateTime<Utc>,
}

impl Rhythm {
    const SLOW: TimeDelta = TimeDelta::hours(1);

    /// Whether to look now, at a moment at which nothing happened.
    fn is_due(&mut self, now: DateTime<Utc>) -> bool {
        let is_due = now - self.changed <= Self::SLOW || now - self.judged >= Self::SLOW;
        if is_due {
            self.judged = now;
        }
        is_due
    }
}

impl Oracle {
    /// Watches the world's effects from now on.
    pub fn watch(world: &World) -> Self {
        let oracle = Self::of(world);
        oracle.resume(world);
        let (watching, effects) = (oracle.clone(), world.effects.clone());
        world.entra.observe(move |mutation| {
            watching.rhythm.lock().unwrap().changed = mutation.at;
            if let Err(fault) = watching.may_remove(mutation) {
                effects.find_fault(fault);
            }
        });
        oracle
    }

    /// Watches again, after somebody else did.
    pub fn resume(&self, world: &World) {
        let watching = self.clone();
        world.effects.watch(move |moment, name| match moment {
            Moment::Before => watching.is_licensed(name).and_then(|()| watching.is_allowed(name)),
            Moment::After if watching.is_idle(name) => Ok(()),
            Moment::After => watching.judge(name),
        });
    }

    fn is_idle(&self, name: &str) -> bool {
        // What is late is applied as somebody asks, and then observed: that asks for the same lock.
        let now = self.entra.now();
        let mut rhythm = self.rhythm.lock().unwrap();
        if name != effects::TIME && !effects::is_beside(name) {
            rhythm.changed = now;
        }
        name == effects::TIME && !rhythm.is_due(now)
    }

    fn of(world: &World) -> Self {
        let strangers = Arc::new(Strangers::default());
        for object in [world.target.application, world.target.service_principal] {
            for entry in credentials(&world.entra.object(object).expect("the target")) {
                strangers.hold(object, entry, world.now() - TimeDelta::days(1));
            }
        }
        Self {
            cluster: world.cluster.clone(),
            neighbour: world.neighbour.clone(),
            entra: world.entra.clone(),
            operator: world.operator,
            target: world.target,
            object: world.object,
            kind: world.kind,
            strangers,
            shown: Arc::default(),
            removals: Arc::default(),
            rhythm: Arc::default(),
            clock: Arc::clone(&world.clock),
            late: world.late(),
        }
    }

    /// What others hold, for those who change it.
    pub fn strangers(&self) -> &Arc<Strangers> {
        &self.strangers
    }

    /// # Panics
    /// If a promise is broken now.
    pub fn check(&self, after: &str) {
        // What was published while nobody looked was not seen to begin.
        *self.shown.lock().unwrap() = Shown::default();
        self.judge(after).unwrap();
    }

    fn judge(&self, after: &str) -> Result<(), String> {
        let verdict = self.strangers_are_untouched().and_then(|()| self.signer_stays()).and_then(|()| self.newer_status_stays());
        let verdict = verdict.and_then(|()| self.is_readable()).and_then(|()| self.is_published_well());
        verdict.map_err(|what| format!("{what}, after {after} at {}", self.entra.now()))
    }

    /// A status that says more than this version knows is read all the same.
    fn is_readable(&self) -> Result<(), String> {
        if !*self.strangers.says_more.lock().unwrap() {
            return Ok(());
        }
        let resource = self.resource().unwrap_or_default();
        let mut conditions = resource["status"]["conditions"].as_array().into_iter().flatten();
        let unread = conditions.find(|condition| condition["reason"] == "UnreadableStatus");
        unread.map_or(Ok(()), |condition| Err(format!("a status is not read: {}", condition["message"])))
    }

    /// The resource, if it is there.
    fn resource(&self) -> Option<Arc<Value>> {
        self.cluster.shared(RESOURCE, NAMESPACE, NAME)
    }

    /// The ledgers' entries of every cluster.
    fn all_entries(&self) -> Vec<Value> {
        std::iter::once(&self.cluster).chain(&self.neighbour).flat_map(entries_in).collect()
    }

    /// The output, as long as its resource stands for it.
    fn published(&self) -> Option<Arc<Value>> {
        published_in(&self.cluster)
    }

    /// # Panics
    /// Unless everything came to rest: one published credential, nothing given up or unrecorded, conditions that say so.
    pub fn has_settled(&self, world: &World) {
        let resource = world.resource();
        let entries = entries(&resource);
        let used = |name: &str| entries.iter().filter(|entry| entry["use"] == name).count();
        assert_eq!((used("Current"), used("Abandoned")), (1, 0), "{:#}", resource["status"]);
        assert!(world.condition("Ready").starts_with("True/"), "{:#}", resource["status"]);
        let told = resource["status"]["foreignCredentials"]["unrecorded"].as_array().cloned().unwrap_or_default();
        if resource["spec"]["clientCertificate"]["signInAs"] == "Self" {
            // Entra's names for its certificates are not all known to it.
            return;
        }
        let all = self.all_entries();
        let recorded: BTreeSet<&str> =
            all.iter().flat_map(|entry| entry["keyIDs"].as_array().into_iter().flatten()).filter_map(Value::as_str).collect();
        for entry in self.ours() {
            let id = entry["keyId"].as_str().unwrap_or_default();
            let is_told = told.iter().any(|one| *one == entry["keyId"]);
            assert!(
                recorded.contains(id) || is_told || used("Next") > 0,
                "Entra lists {id}, which no entry knows: {:#}",
                resource["status"]
            );
        }
    }

    /// What the object holds besides what others have, and another cluster's operator.
    pub fn ours(&self) -> Vec<Value> {
        let strangers = self.strangers.held();
        let neighbours: Vec<Value> = self.neighbour.iter().flat_map(entries_in).collect();
        let foreign = |entry: &Value| {
            strangers.iter().any(|held| held.object == self.object && held.entry == *entry)
                || neighbours.iter().any(|one| one["keyIDs"].as_array().is_some_and(|ids| ids.contains(&entry["keyId"])))
        };
        let object = self.entra.object(self.object).expect("the target");
        credentials(&object).into_iter().filter(|entry| !foreign(entry)).collect()
    }
}

fn published_in(cluster: &KubeSim) -> Option<Arc<Value>> {
    let resource = cluster.shared(RESOURCE, NAMESPACE, NAME)?;
    let secret = cluster.shared("secrets", NAMESPACE, OUTPUT).or_else(|| cluster.shared("configmaps", NAMESPACE, OUTPUT))?;
    let is_ours = !annotation(&secret, "entry").is_null();
    (resource["metadata"]["deletionTimestamp"].is_null() && is_ours).then_some(secret)
}

/// The entries of every ledger in one cluster.
fn entries_in(cluster: &KubeSim) -> Vec<Value> {
    cluster.list(RESOURCE, Some(NAMESPACE)).iter().flat_map(entries).collect()
}

/// What an output tells by an annotation of ours.
fn annotation<'a>(output: &'a Value, name: &str) -> &'a Value {
    &output["metadata"]["annotations"][format!("entra-rotator.io/{name}")]
}

/// The ledger's entries.
pub(crate) fn entries(resource: &Value) -> Vec<Value> {
    resource["status"]["credentials"].as_array().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests;
