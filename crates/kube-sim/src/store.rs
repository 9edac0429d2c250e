//! Where objects are kept, and what happened to them lately.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::{kind::Catalogue, random::Random};

/// (namespace, name); the namespace of cluster-scoped objects is empty.
pub(crate) type Key = (String, String);

/// Everything the server knows.
pub(crate) struct State {
    pub(crate) catalogue: Catalogue,
    pub(crate) revision: u64,
    pub(crate) random: Random,
    /// While set, watches see nothing new.
    pub(crate) held: bool,
    /// Counts the times that all watches were cut.
    pub(crate) cuts: u64,
    clock: Clock,
    history: usize,
    tables: BTreeMap<String, Table>,
    /// Which objects there are, by uid.
    uids: BTreeMap<String, (String, Key)>,
    /// Which objects name an owner, by the owner's uid.
    dependents: BTreeMap<String, BTreeSet<(String, Key)>>,
    /// The uids of new objects whose status is a default only: kube-apiserver fills it in as it reads, and writes it with the next change.
    unwritten: BTreeSet<String>,
}

/// Tells the time.
pub(crate) type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The objects of one kind.
pub(crate) struct Table {
    objects: BTreeMap<Key, Arc<Value>>,
    changes: VecDeque<Change>,
    /// Changes up to this revision are forgotten.
    forgotten: u64,
    /// Wakes watches, in the order in which they began to wait: what a run does must not depend on chance, as it does with `tokio::sync::watch`.
    news: broadcast::Sender<()>,
}

impl Default for Table {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), changes: VecDeque::new(), forgotten: 0, news: broadcast::Sender::new(1) }
    }
}

/// One change of one object.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) deleted: bool,
    pub(crate) now: Arc<Value>,
    pub(crate) before: Option<Arc<Value>>,
}

impl State {
    pub(crate) fn new(clock: Clock, seed: u64, history: usize) -> Self {
        Self {
            catalogue: Catalogue::default(),
            revision: 1,
            random: Random::new(seed),
            held: false,
            cuts: 0,
            clock,
            history,
            tables: BTreeMap::new(),
            uids: BTreeMap::new(),
            dependents: BTreeMap::new(),
            unwritten: BTreeSet::new(),
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// The time as metadata has it: whole seconds.
    pub(crate) fn timestamp(&self) -> Value {
        json!(self.now().to_rfc3339_opts(SecondsFormat::Secs, true))
    }

    pub(crate) fn get(&self, table: &str, key: &Key) -> Option<Arc<Value>> {
        self.tables.get(table)?.objects.get(key).cloned()
    }

    /// All objects of a table, or of one namespace of it.
    pub(crate) fn list(&self, table: &str, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let Some(table) = self.tables.get(table) else { return Vec::new() };
        match namespace {
            None => table.objects.values().cloned().collect(),
            Some(namespace) => {
                let from = (namespace.to_owned(), String::new());
                let range = table.objects.range(from..).take_while(|(key, _)| key.0 == namespace);
                range.map(|(_, object)| object.clone()).collect()
            }
        }
    }

    /// The keys of all objects in a namespace, with their tables.
    pub(crate) fn content(&self, namespace: &str) -> Vec<(String, Key)> {
        let inside = |key: &&Key| key.0 == namespace;
        let tables = self.tables.iter();
        tables.flat_map(|(name, table)| table.objects.keys().filter(inside).map(|key| (name.clone(), key.clone()))).collect()
    }

    pub(crate) fn exists(&self, uid: &str) -> bool {
        self.uids.contains_key(uid)
    }

    pub(crate) fn note_unwritten(&mut self, object: &Value) {
        self.unwritten.extend(object["metadata"]["uid"].as_str().map(str::to_owned));
    }

    /// Whether the next write makes a new version even if it changes nothing.
    pub(crate) fn is_unwritten(&self, object: &Value) -> bool {
        object["metadata"]["uid"].as_str().is_some_and(|uid| self.unwritten.contains(uid))
    }

    pub(crate) fn dependents(&self, uid: &str) -> Vec<(String, Key)> {
        self.dependents.get(uid).into_iter().flatten().cloned().collect()
    }

    /// Stores an object under a new resourceVersion.
    pub(crate) fn put(&mut self, table: &str, key: &Key, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let object = Arc::new(object);
        let before = self.table(table).objects.insert(key.clone(), object.clone());
        if let Some(before) = &before {
            self.unlink(table, key, before);
        }
        self.link(table, key, &object);
        self.remember(table, Change { revision: self.revision, deleted: false, now: object.clone(), before });
        object
    }

    /// Removes an object: its last state, under a new resourceVersion.
    pub(crate) fn remove(&mut self, table: &str, key: &Key) -> Option<Arc<Value>> {
        let before = self.table(table).objects.remove(key)?;
        self.unlink(table, key, &before);
        self.revision += 1;
        let mut last = Value::clone(&before);
        last["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let last = Arc::new(last);
        self.remember(table, Change { revision: self.revision, deleted: true, now: last.clone(), before: Some(before) });
        Some(last)
    }

    fn remember(&mut self, table: &str, change: Change) {
        let (revision, history, held) = (self.revision, self.history, self.held);
        let table = self.table(table);
        table.changes.push_back(change);
        while table.changes.len() > history {
            table.forgotten = table.changes.pop_front().map_or(revision, |change| change.revision);
        }
        if !held {
            table.wake();
        }
    }

    fn link(&mut self, table: &str, key: &Key, object: &Value) {
        if let Some(uid) = object["metadata"]["uid"].as_str() {
            self.uids.insert(uid.to_owned(), (table.to_owned(), key.clone()));
        }
        for owner in owners(object) {
            self.dependents.entry(owner.to_owned()).or_default().insert((table.to_owned(), key.clone()));
        }
    }

    fn unlink(&mut self, table: &str, key: &Key, object: &Value) {
        if let Some(uid) = object["metadata"]["uid"].as_str() {
            self.uids.remove(uid);
            self.unwritten.remove(uid);
        }
        for owner in owners(object) {
            if let Some(dependents) = self.dependents.get_mut(owner) {
                dependents.remove(&(table.to_owned(), key.clone()));
                if dependents.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
    }

    /// What wakes a watch on the table.
    pub(crate) fn subscribe(&mut self, table: &str) -> broadcast::Receiver<()> {
        self.table(table).news.subscribe()
    }

    /// The changes after `revision`, or `None` if they are no longer all known.
    pub(crate) fn changes(&self, table: &str, revision: u64) -> Option<Vec<Change>> {
        let Some(table) = self.tables.get(table) else { return Some(Vec::new()) };
        if revision < table.forgotten {
            return None;
        }
        let first = table.changes.partition_point(|change| change.revision <= revision);
        Some(table.changes.range(first..).cloned().collect())
    }

    /// Forgets all changes: watches from an older revision get 410.
    pub(crate) fn forget(&mut self) {
        let revision = self.revision;
        for table in self.tables.values_mut() {
            table.changes.clear();
            table.forgotten = revision;
        }
    }

    /// Holds back or releases what watches see.
    pub(crate) fn hold(&mut self, held: bool) {
        self.held = held;
        if !held {
            self.tables.values().for_each(Table::wake);
        }
    }

    /// Ends all watches.
    pub(crate) fn cut(&mut self) {
        self.cuts += 1;
        self.tables.values().for_each(Table::wake);
    }

    fn table(&mut self, name: &str) -> &mut Table {
        self.tables.entry(name.to_owned()).or_default()
    }
}

impl Table {
    fn wake(&self) {
        // Nobody may be watching.
        let _ = self.news.send(());
    }
}

pub(crate) fn owners(object: &Value) -> impl Iterator<Item = &str> {
    let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    owners.filter_map(|owner| owner["uid"].as_str())
}
