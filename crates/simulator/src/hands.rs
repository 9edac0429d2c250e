//! Hands that do what happens.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use entra_emulator::{Effect, Emulator, Fault, Match};
use entra_types::{KeyId, ObjectId};
use kube_sim::KubeSim;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::edit::{self, Edit, Edited};
use crate::effects::{Effects, Outage, Side};
use crate::happening::Happening;
use crate::oracle::{RESOURCE, entries};
use crate::scenario::stamp;
use crate::setup::Kind;
use crate::strangers::Strangers;
use crate::world::{NAME, NAMESPACE, OUTPUT, Skewed, World, credentials};

/// Everything that can be laid hands on.
#[derive(Clone)]
pub struct Hands {
    cluster: KubeSim,
    neighbour: Option<KubeSim>,
    entra: Emulator,
    kind: Kind,
    object: ObjectId,
    others: [ObjectId; 2],
    effects: Effects,
    clock: Arc<Skewed>,
    strangers: Arc<Strangers>,
    backup: Arc<Mutex<Option<Value>>>,
    edited: Arc<Edited>,
}

impl Hands {
    /// Hands on this world.
    pub fn on(world: &World, strangers: &Arc<Strangers>) -> Self {
        Self {
            cluster: world.cluster.clone(),
            neighbour: world.neighbour.clone(),
            entra: world.entra.clone(),
            kind: world.kind,
            object: world.object,
            others: [world.target.application, world.target.service_principal],
            effects: world.effects.clone(),
            clock: Arc::clone(&world.clock),
            strangers: Arc::clone(strangers),
            backup: Arc::default(),
            edited: Arc::clone(&world.edited),
        }
    }

    /// Keeps the status as it is now, to be restored later.
    pub fn back_up(&self) {
        *self.backup.lock().unwrap() = self.resource().map(|resource| resource["status"].clone());
    }

    /// Lets it happen, now. What lasts ends by itself.
    pub fn happen(&self, what: Happening) {
        if what.excuses_a_gap() {
            self.strangers.excuse(true);
        }
        let span = what.lasts().to_std().unwrap_or_default();
        match what {
            Happening::GraphDown => self.cut_off(Side::Graph, span, false),
            Happening::LoginDown => self.cut_off(Side::Login, span, false),
            Happening::ClusterDown => self.cut_off(Side::Cluster, span, false),
            Happening::ClusterSilent => self.cut_off(Side::Cluster, span, true),
            Happening::Storm => self.throttle(span),
            Happening::WatchesCut => {
                self.cluster.expire_history();
                self.cluster.cut_watches();
            }
            Happening::OutputDeleted => self.delete_secrets(&[OUTPUT]),
            Happening::OutputEdited => self.edit_output(),
            Happening::SlotsDeleted => self.delete_secrets(&SLOTS),
            Happening::SecretsDeleted => self.delete_secrets(&[OUTPUT, SLOTS[0], SLOTS[1]]),
            Happening::StrangerAdds => self.add(),
            Happening::StrangerRemoves => self.remove(),
            Happening::OursRemoved => self.remove_ours(),
            Happening::NextRemoved => self.remove_next(),
            Happening::AnotherSigns if self.kind == Kind::Signing => self.choose_another(),
            Happening::AnotherSigns => {}
            Happening::ClockAhead => self.set_clock(TimeDelta::minutes(5), span),
            Happening::ClockBehind => self.set_clock(TimeDelta::minutes(-5), span),
            Happening::ClockDayAhead => self.set_clock(TimeDelta::days(1), span),
            Happening::Renewed => self.edit(&json!({"rotation": {"notIssuedBefore": stamp(self.entra.now())}})),
            Happening::Suspended => {
                self.edit(&json!({"suspend": true}));
                self.later(span, |hands| hands.edit(&json!({"suspend": false})));
            }
            Happening::StatusRestored => self.restore(),
            Happening::GrantWithdrawn => self.withdraw_grant(span),
            // Nothing is written before there is a resource.
            Happening::Upgraded if self.resource().is_none() => {}
            Happening::Upgraded => {
                self.set_protocol(2);
                self.forbid(span);
                self.later(span, |hands| hands.set_protocol(1));
            }
            Happening::SaysMore => self.say_more(),
        }
    }

    /// Changes the spec, and brings back after an hour what stood there before.
    pub fn edit_for_a_while(&self, edit: Edit) {
        let Some(resource) = self.resource() else { return };
        self.edited.begin(self.entra.now(), &resource["spec"]);
        self.strangers.shorten(edit.shortens());
        self.edit(&edit.patch());
        self.later(edit::STANDS.to_std().unwrap_or_default(), move |hands| {
            let now = hands.resource().unwrap_or_default();
            hands.edit(&edit.back(&hands.edited.before(), &now["spec"]));
        });
    }

    /// From a minute from now on, when all that was on its way has arrived, nothing may be written.
    fn forbid(&self, span: Duration) {
        let from = self.entra.now() + TimeDelta::minutes(1);
        *self.strangers.forbidden.lock().unwrap() = Some((from, self.entra.now() + TimeDelta::from_std(span).unwrap_or_default()));
    }

    fn withdraw_grant(&self, span: Duration) {
        let Some(mut tenant) = self.cluster.get(TENANTS, "", "default") else { return };
        let grants = tenant["spec"]["grants"].take();
        if grants.as_array().is_none_or(Vec::is_empty) {
            // Withdrawn already.
            return;
        }
        self.set_grants(tenant, json!([]));
        self.forbid(span);
        self.later(span, move |hands| {
            let tenant = hands.cluster.get(TENANTS, "", "default").unwrap_or_default();
            hands.set_grants(tenant, grants);
        });
    }

    fn set_grants(&self, mut tenant: Value, grants: Value) {
        tenant["spec"]["grants"] = grants;
        let generation = tenant["metadata"]["generation"].as_i64().unwrap_or_default();
        tenant["metadata"]["generation"] = json!(generation + 1);
        self.cluster.put(tenant);
    }

    fn set_protocol(&self, number: u32) {
        let Some(mut resource) = self.resource() else { return };
        resource["status"]["protocol"] = json!(number);
        *self.strangers.newer.lock().unwrap() = Some(resource["status"].clone()).filter(|_| number > 1);
        self.cluster.put(resource);
    }

    /// Adds a field to the status and to every object in it.
    fn say_more(&self) {
        let Some(mut resource) = self.resource() else { return };
        add_a_field(&mut resource["status"]);
        *self.strangers.says_more.lock().unwrap() = true;
        self.cluster.put(resource);
    }

    fn later(&self, span: Duration, then: impl FnOnce(&Self) + Send + 'static) {
        let hands = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(span).await;
            then(&hands);
        });
    }

    fn cut_off(&self, side: Side, span: Duration, is_silent: bool) {
        if side == Side::Cluster {
            self.cluster.cut_watches();
        }
        self.effects.cut_off(side, Outage { until: Instant::now() + span, is_silent });
    }

    fn throttle(&self, span: Duration) {
        let fault = self.entra.inject(Fault::always(Match::any(), Effect::throttled(Some("30"))));
        self.later(span, move |hands| {
            hands.entra.withdraw(fault);
        });
    }

    fn set_clock(&self, ahead: TimeDelta, span: Duration) {
        self.clock.set(ahead);
        self.later(span, |hands| hands.clock.set(TimeDelta::zero()));
    }

    fn delete_secrets(&self, names: &[&str]) {
        for name in names {
            self.cluster.delete("secrets", NAMESPACE, name);
            self.cluster.delete("configmaps", NAMESPACE, name);
        }
    }

    fn edit_output(&self) {
        if let Some(mut output) = self.cluster.get("secrets", NAMESPACE, OUTPUT) {
            output["data"]["AZURE_CLIENT_ID"] = json!("ZWRpdGVk");
            output["data"]["added"] = json!("YWRkZWQ=");
            self.cluster.put(output);
        }
    }

    fn resource(&self) -> Option<Value> {
        self.cluster.get(RESOURCE, NAMESPACE, NAME)
    }

    /// As an apply of a changed manifest does.
    fn edit(&self, changes: &Value) {
        let Some(mut resource) = self.resource() else { return };
        json_patch::merge(&mut resource["spec"], changes);
        let generation = resource["metadata"]["generation"].as_i64().unwrap_or_default();
        resource["metadata"]["generation"] = json!(generation + 1);
        self.cluster.put(resource);
    }

    fn restore(&self) {
        let Some(mut resource) = self.resource() else { return };
        let Some(status) = self.backup.lock().unwrap().clone() else { return };
        resource["status"] = status;
        *self.strangers.newer.lock().unwrap() = None;
        self.cluster.put(resource);
        *self.strangers.restored.lock().unwrap() = Some(self.entra.now());
    }

    fn add(&self) {
        let number = self.strangers.number.fetch_add(1, Ordering::SeqCst);
        for (object, is_key) in self.others.into_iter().zip([true, false]) {
            let entry = stranger(number, is_key);
            self.entra.add_raw(object, is_key, entry.clone()).unwrap();
            let held = self.entra.object(object).map(|object| credentials(&object)).unwrap_or_default();
            let held = held.into_iter().find(|one| one["keyId"] == entry["keyId"]).unwrap();
            self.strangers.hold(object, held, self.entra.now());
        }
    }

    fn remove(&self) {
        let Some(held) = self.strangers.held().into_iter().find(|held| held.object == self.object) else { return };
        let key = held.entry["keyId"].as_str().unwrap_or_default().parse().unwrap();
        // Gone already where an update in flight took it away.
        if self.entra.remove_credential(self.object, key).is_ok() {
            self.strangers.forget(&held);
        }
    }

    fn remove_ours(&self) {
        let resource = self.resource().unwrap_or_default();
        let current = entries(&resource).into_iter().find(|entry| entry["use"] == "Current");
        let ids = current.and_then(|entry| entry["keyIDs"].as_array().cloned()).unwrap_or_default();
        for id in ids.iter().filter_map(|id| id.as_str()?.parse().ok()) {
            // It may be gone already.
            drop(self.entra.remove_credential(self.object, id));
        }
        // What signs may be what another person chose.
        for held in self.strangers.held().iter().filter(|held| ids.contains(&held.entry["keyId"])) {
            self.strangers.forget(held);
        }
    }

    /// Whatever of ours is listed that is not published, nor was.
    fn remove_next(&self) {
        let own = self.resource().unwrap_or_default();
        let clusters = std::iter::once(&self.cluster).chain(&self.neighbour);
        let resources = clusters.flat_map(|cluster| cluster.list(RESOURCE, Some(NAMESPACE)));
        let known: Vec<Value> = resources
            .flat_map(|resource| {
                let is_own = resource["metadata"]["uid"] == own["metadata"]["uid"];
                entries(&resource).into_iter().filter(move |entry| !is_own || entry["use"] != "Next")
            })
            .flat_map(|entry| entry["keyIDs"].as_array().cloned().unwrap_or_default())
            .collect();
        let strangers = self.strangers.held();
        let listed = self.entra.object(self.object).map(|object| credentials(&object)).unwrap_or_default();
        let is_next = |entry: &&Value| !known.contains(&entry["keyId"]) && !strangers.iter().any(|held| held.entry == **entry);
        let signer = self.entra.signer(self.object).map(|signer| signer.thumbprint());
        for id in listed.iter().filter(is_next).filter_map(|entry| entry["keyId"].as_str()?.parse::<KeyId>().ok()) {
            self.strangers.removed.lock().unwrap().push(json!(id.to_string()));
            // One certificate has several, which may go together.
            drop(self.entra.remove_credential(self.object, id));
        }
        if signer.is_some() && self.entra.signer(self.object).map(|signer| signer.thumbprint()) != signer {
            self.strangers.excuse(true);
        }
    }

    fn choose_another(&self) {
        let end = self.entra.now() + TimeDelta::days(3);
        let Ok(made) = self.entra.add_signing_certificate(self.object, "CN=another", Some(end)) else { return };
        self.entra.set_property(self.object, "preferredTokenSigningKeyThumbprint", made["thumbprint"].clone()).unwrap();
        let held = self.entra.object(self.object).map(|object| credentials(&object)).unwrap_or_default();
        for entry in held.into_iter().filter(|entry| entry["customKeyIdentifier"] == made["customKeyIdentifier"]) {
            self.strangers.hold(self.object, entry, self.entra.now());
        }
    }
}

const TENANTS: &str = "entratenants.entra-rotator.io";

const SLOTS: [&str; 2] = ["payroll-credential-entra-a", "payroll-credential-entra-b"];

fn stranger(number: u64, is_key: bool) -> Map<String, Value> {
    let list = if is_key { 'a' } else { 'b' };
    let mut entry = json!({"customKeyIdentifier": null, "displayName": format!("CN=stranger {number}"),
        "endDateTime": "2097-01-01T00:00:00.1234567Z", "keyId": format!("{list}bbbbbbb-0000-4000-8000-{number:012}"),
        "startDateTime": "2025-05-05T18:38:51.8100763Z", "new": {"field": [2.50, null]}});
    if is_key {
        json_patch::merge(&mut entry, &json!({"type": "AsymmetricX509Cert", "usage": "Verify"}));
    }
    entry.as_object().unwrap().clone()
}

fn add_a_field(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(add_a_field);
            fields.insert("sinceTheNextVersion".into(), json!({"colour": "red"}));
        }
        Value::Array(items) => items.iter_mut().for_each(add_a_field),
        _ => {}
    }
}
