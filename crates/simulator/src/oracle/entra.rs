//! What is written to Entra: under a licence, and never to what others hold.

use chrono::{DateTime, TimeDelta, Utc};
use entra::Clock as _;
use entra_emulator::{Mutation, Operation};
use serde_json::Value;

use super::{Oracle, RESOURCE, entries};
use crate::happening::Held;
use crate::world::{NAMESPACE, credentials};

/// The writes that replace whole lists, as the ledger names them.
const WHOLE_LIST: [&str; 4] = ["AddByUpdate", "AddSigningByUpdate", "AddVerifyByUpdate", "RemoveByUpdate"];

/// Ours on one object: one in use, one to come or to go, and three that were given up.
const MOST: usize = 5;

impl Oracle {
    /// S4, with the exception of section 7: what was written within LATE and fifteen seconds before a whole list was sent, or after, can be lost with it.
    pub(super) fn strangers_are_untouched(&self) -> Result<(), String> {
        for held in self.strangers.held() {
            let listed = self.entra.object(held.object).map(|object| credentials(&object)).unwrap_or_default();
            if listed.contains(&held.entry) {
                continue;
            }
            if !self.is_unpreventable(&held) {
                return Err(format!("a foreign entry is not what it was: {} among {listed:#?}", held.entry));
            }
            self.strangers.forget(&held);
        }
        self.signer_stays()
    }

    fn is_unpreventable(&self, held: &Held) -> bool {
        let id = held.entry["keyId"].as_str().unwrap_or_default();
        let mutations = self.entra.mutations_of(held.object);
        let by = mutations.iter().rev().find(|mutation| mutation.keys_removed.iter().any(|removed| removed.to_string() == id));
        let Some(by) = by.filter(|by| by.operation == Operation::Patch && by.caller == Some(self.operator.client_id)) else { return false };
        let licensed = self.licences(&WHOLE_LIST).into_iter().filter(|at| *at <= by.at).max();
        licensed.is_some_and(|sent| held.since >= sent - self.late - TimeDelta::seconds(15))
    }

    /// When writes of these kinds were licensed, as far as the ledgers know still.
    fn licences(&self, kinds: &[&str]) -> Vec<DateTime<Utc>> {
        let entries: Vec<Value> = self.cluster.list(RESOURCE, Some(NAMESPACE)).iter().flat_map(entries).collect();
        let fits = |entry: &&Value| kinds.contains(&entry["op"]["kind"].as_str().unwrap_or_default());
        entries.iter().filter(fits).filter_map(|entry| entry["op"]["at"].as_str()?.parse().ok()).collect()
    }

    /// S7: every write to Entra was licensed in a ledger within the last ten seconds.
    pub(super) fn is_licensed(&self, name: &str) -> Result<(), String> {
        let Some(kinds) = graph_write(name) else { return Ok(()) };
        let now = self.clock.now();
        let entries: Vec<Value> = self.cluster.list(RESOURCE, Some(NAMESPACE)).iter().flat_map(entries).collect();
        let licensed = entries.iter().any(|entry| {
            let at: Option<DateTime<Utc>> = entry["op"]["at"].as_str().and_then(|at| at.parse().ok());
            let fits = kinds.contains(&entry["op"]["kind"].as_str().unwrap_or_default()) && entry["op"]["outcome"].is_null();
            fits && at.is_some_and(|at| now - at <= TimeDelta::seconds(11))
        });
        if licensed || self.strangers.was_restored_before(self.entra.now()) {
            Ok(())
        } else {
            Err(format!("{name} without a licence at {now}: {entries:#?}"))
        }
    }

    /// S3 and S5: the operator removes only what a ledger holds and has passed the one-way door, never what is published, and leaves no heap behind.
    pub(super) fn may_remove(&self, mutation: &Mutation) -> Result<(), String> {
        let is_operator = mutation.caller == Some(self.operator.client_id) || mutation.caller == Some(self.target.client_id);
        if !is_operator || self.strangers.was_restored_before(mutation.at) {
            return Ok(());
        }
        let context = |what: String| format!("{what}, by {:?} at {}", mutation.operation, mutation.at);
        for removed in mutation.keys_removed.iter().map(ToString::to_string) {
            if self.strangers.held().iter().any(|held| held.object == mutation.object && held.entry["keyId"] == removed.as_str()) {
                // Judged as a foreign one.
                continue;
            }
            self.has_passed_the_door(&removed).map_err(context)?;
        }
        match self.ours_on(mutation) {
            many if many > MOST => Err(context(format!("{many} credentials of ours"))),
            _ => Ok(()),
        }
    }

    fn has_passed_the_door(&self, key: &str) -> Result<(), String> {
        let names = |entry: &Value| entry["keyIDs"].as_array().into_iter().flatten().any(|id| id == key);
        let resources = self.cluster.list(RESOURCE, Some(NAMESPACE));
        let found = resources.iter().find_map(|resource| Some((resource, entries(resource).into_iter().find(names)?)));
        let Some((resource, entry)) = found else { return Err(format!("{key} was removed, which no entry names")) };
        if entry["use"] != "Retiring" {
            return Err(format!("{key} was removed while it was {}", entry["use"]));
        }
        let output = resource["spec"]["secretName"].as_str().and_then(|name| self.cluster.get("secrets", NAMESPACE, name));
        let output = output.unwrap_or_default();
        let is_shown = output["metadata"]["annotations"]["entra-rotator.io/entry"] == entry["id"];
        match resource["metadata"]["deletionTimestamp"].is_null() && is_shown {
            true => Err(format!("{key} was removed while it was published")),
            false => Ok(()),
        }
    }

    /// Credentials with a mark of ours on the object, each counted once however many entries it has.
    fn ours_on(&self, mutation: &Mutation) -> usize {
        let marked = |entry: &Value| {
            let name = entry["displayName"].as_str().unwrap_or_default();
            name.starts_with("entra-rotator/").then(|| name.to_owned())
        };
        let object = mutation.after().unwrap_or_default();
        let names: std::collections::BTreeSet<String> = credentials(&object).iter().filter_map(marked).collect();
        names.len()
    }
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
