//! What is written to Entra: under a licence, and never to what others hold.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use entra::Clock as _;
use entra_emulator::{Mutation, Operation};
use serde_json::Value;

use super::{Oracle, RESOURCE, annotation, entries};
use crate::setup::Kind;
use crate::strangers::Held;
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
        Ok(())
    }

    fn is_unpreventable(&self, held: &Held) -> bool {
        // Not by keyId: a signing certificate shares that of its Sign entry with its password, which may stay.
        let stands = |object: Option<Value>| {
            object.is_some_and(|object| {
                credentials(&object).iter().any(|one| one["keyId"] == held.entry["keyId"] && one["usage"] == held.entry["usage"])
            })
        };
        let mutations = self.entra.mutations_of(held.object);
        let by = mutations.iter().rev().find(|mutation| stands(mutation.before()) && !stands(mutation.after()));
        let Some(by) = by.filter(|by| by.operation == Operation::Patch && by.caller == Some(self.operator.client_id)) else { return false };
        self.last_list_licence(by).is_some_and(|sent| held.since >= sent - self.window())
    }

    /// When the last whole list before this one was licensed, as far as the ledgers know still.
    fn last_list_licence(&self, replaced: &Mutation) -> Option<DateTime<Utc>> {
        self.licences(&WHOLE_LIST).into_iter().filter(|at| *at <= replaced.at).max()
    }

    /// Section 7: what is added so late before a whole list is replaced can be lost with it.
    fn window(&self) -> TimeDelta {
        self.late + TimeDelta::seconds(15)
    }

    /// When writes of these kinds were licensed, as far as the ledgers know still.
    fn licences(&self, kinds: &[&str]) -> Vec<DateTime<Utc>> {
        let entries = self.all_entries();
        let fits = |entry: &&Value| kinds.contains(&entry["op"]["kind"].as_str().unwrap_or_default());
        entries.iter().filter(fits).filter_map(|entry| entry["op"]["at"].as_str()?.parse().ok()).collect()
    }

    /// While a newer version has worked on the resource, or nobody grants it anything, neither output nor credential is written.
    pub(super) fn is_allowed(&self, name: &str) -> Result<(), String> {
        let now = self.entra.now();
        // A finalizer is let go of also where nothing may be written, and another cluster has another grant.
        let is_own = (name.starts_with("PUT ") && name.ends_with("/status")) || name.starts_with("PATCH serviceprincipalcredentials/");
        // A secret that Entra has told is put away whatever happened since: it is told once.
        let is_put_away = name.starts_with("POST ") && name.ends_with("/secrets") && !self.licences(&["AddPassword"]).is_empty();
        if is_own || is_put_away || self.neighbour.is_some() || !self.strangers.are_writes_forbidden_at(now) {
            return Ok(());
        }
        Err(format!("{name} at {now}, while nothing may be written"))
    }

    /// What a newer version wrote stays as it is, whatever was on its way.
    pub(super) fn newer_status_stays(&self) -> Result<(), String> {
        let newer = self.strangers.newer.lock().unwrap();
        let is_kept = |newer: &Value| self.resource().is_none_or(|resource| resource["status"] == *newer);
        if newer.as_ref().is_none_or(is_kept) { Ok(()) } else { Err("the status of a newer version is written over".to_owned()) }
    }

    /// S7: every write to Entra was licensed in a ledger within the last ten seconds.
    pub(super) fn is_licensed(&self, name: &str) -> Result<(), String> {
        let Some(kinds) = graph_write(name) else { return Ok(()) };
        let now = self.clock.now();
        let entries = self.all_entries();
        let licensed = entries.iter().any(|entry| {
            let at: Option<DateTime<Utc>> = entry["op"]["at"].as_str().and_then(|at| at.parse().ok());
            let fits = kinds.contains(&entry["op"]["kind"].as_str().unwrap_or_default()) && entry["op"]["outcome"].is_null();
            fits && at.is_some_and(|at| now - at <= TimeDelta::seconds(11))
        });
        self.remember_removals(kinds, &entries);
        if licensed || self.strangers.was_restored_before(self.entra.now()) {
            Ok(())
        } else {
            Err(format!("{name} without a licence at {now}: {entries:#?}"))
        }
    }

    /// What is sent after the one-way door may be applied when nobody knows of it any more.
    fn remember_removals(&self, kinds: &[&str], entries: &[Value]) {
        let is_sent = |entry: &&Value| entry["use"] == "Retiring" && kinds.contains(&entry["op"]["kind"].as_str().unwrap_or_default());
        let key_ids = entries.iter().filter(is_sent).flat_map(|entry| entry["keyIDs"].as_array().cloned().unwrap_or_default());
        self.removals.lock().unwrap().extend(key_ids.filter_map(|id| id.as_str().map(str::to_owned)));
    }

    /// Whether the removal of this credential was sent before a backup was restored, or the clock jumped: what knew of it is gone.
    fn was_on_its_way(&self, key: &str) -> bool {
        let is_forgotten = self.strangers.was_restored() || (self.clock.has_jumped() && self.resource().is_none());
        is_forgotten && self.removals.lock().unwrap().contains(key)
    }

    /// By a whole list that one of two clusters built before the other's credential could be seen: to each the other is a person in the portal.
    fn is_by_another_cluster(&self, mutation: &Mutation) -> bool {
        self.neighbour.is_some() && mutation.operation == Operation::Patch && self.kind == Kind::Signing
    }

    /// S3 and S5: the operator removes only what a ledger holds and has passed the one-way door, never what is published, and leaves no heap behind.
    pub(super) fn may_remove(&self, mutation: &Mutation) -> Result<(), String> {
        let is_operator = mutation.caller == Some(self.operator.client_id) || mutation.caller == Some(self.target.client_id);
        if !is_operator || self.strangers.was_restored_before(mutation.at) || self.is_by_another_cluster(mutation) {
            return Ok(());
        }
        let context = |what: String| format!("{what}, by {:?} at {}", mutation.operation, mutation.at);
        for removed in mutation.keys_removed.iter().map(ToString::to_string) {
            if self.strangers.held().iter().any(|held| held.object == mutation.object && held.entry["keyId"] == removed.as_str()) {
                // Judged as a foreign one.
                continue;
            }
            self.has_passed_the_door(&removed, mutation).map_err(context)?;
        }
        match self.ours_on(mutation) {
            many if many > MOST => Err(context(format!("{many} credentials of ours"))),
            _ => Ok(()),
        }
    }

    fn has_passed_the_door(&self, key: &str, mutation: &Mutation) -> Result<(), String> {
        let names = |entry: &Value| entry["keyIDs"].as_array().into_iter().flatten().any(|id| id == key);
        let clusters = std::iter::once(&self.cluster).chain(&self.neighbour);
        let mut resources = clusters.flat_map(|cluster| cluster.list(RESOURCE, Some(NAMESPACE)).into_iter().map(move |one| (cluster, one)));
        let found = resources.find_map(|(cluster, resource)| {
            let entry = entries(&resource).into_iter().find(names)?;
            Some((cluster, resource, entry))
        });
        let Some((cluster, resource, entry)) = found else {
            let too_new = mutation.operation == Operation::Patch && self.was_new(key, mutation);
            let is_explained = too_new || self.was_on_its_way(key);
            return if is_explained { Ok(()) } else { Err(format!("{key} was removed, which no entry names")) };
        };
        // Section 7: two clusters replace the list at the same moment. What was lost is made again.
        let sent: Option<DateTime<Utc>> = entry["op"]["at"].as_str().and_then(|at| at.parse().ok());
        let is_recent = sent.is_some_and(|sent| mutation.at - sent <= self.window());
        if self.neighbour.is_some() && mutation.operation == Operation::Patch && entry["use"] == "Next" && is_recent {
            // Replicas that are behind may accept it still, and have it published.
            self.strangers.removed.lock().unwrap().push(Value::from(key));
            return Ok(());
        }
        // What was given up may be lost with a list that does not show it yet: it would be removed anyway.
        if entry["use"] == "Abandoned" && mutation.operation == Operation::Patch {
            return Ok(());
        }
        if entry["use"] != "Retiring" && !self.was_on_its_way(key) {
            return Err(format!("{key} was removed while it was {}", entry["use"]));
        }
        let output = resource["spec"]["secretName"].as_str().and_then(|name| cluster.shared("secrets", NAMESPACE, name));
        let output = output.unwrap_or_default();
        let is_shown = *annotation(&output, "entry") == entry["id"];
        match resource["metadata"]["deletionTimestamp"].is_null() && is_shown {
            true => Err(format!("{key} was removed while it was published")),
            false => Ok(()),
        }
    }

    /// Added so late before a whole list was replaced that no read may have shown it.
    fn was_new(&self, key: &str, replaced: &Mutation) -> bool {
        let licensed = self.last_list_licence(replaced).unwrap_or(replaced.at);
        let added = |mutation: &&Mutation| mutation.keys_added.iter().any(|id| id.to_string() == key);
        let mutations = self.entra.mutations_of(replaced.object);
        mutations.iter().rev().find(added).is_some_and(|added| added.at >= licensed - self.window())
    }

    /// Credentials with a mark of one resource on the object, each counted once however many entries it has.
    fn ours_on(&self, mutation: &Mutation) -> usize {
        let marked = |entry: &Value| {
            let name = entry["displayName"].as_str().unwrap_or_default();
            name.starts_with("entra-rotator/").then(|| name.to_owned())
        };
        let object = mutation.after().unwrap_or_default();
        let names: BTreeSet<String> = credentials(&object).iter().filter_map(marked).collect();
        let mut counts = BTreeMap::<&str, usize>::new();
        names.iter().filter_map(|name| name.rsplit_once('/')).for_each(|(resource, _)| *counts.entry(resource).or_default() += 1);
        counts.into_values().max().unwrap_or_default()
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
