//! What was asked and what changed: every call, and every change of every object.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entra_types::ids::{ClientId, KeyId, ObjectId, ObjectKind, TenantId};
use serde::Serialize;
use serde_json::Value;

use crate::credentials::Entry;
use crate::directory::Object;
use crate::route::Operation;

/// Calls and mutations that are kept; the oldest go first.
const CAPACITY: usize = 200_000;

/// One request that the emulator received.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Counts from 1 in order of arrival.
    pub sequence: u64,
    /// When it arrived, by the emulator's clock.
    pub at: DateTime<Utc>,
    /// HTTP method.
    pub method: String,
    /// Path, without the query.
    pub path: String,
    /// Query, as sent.
    pub query: String,
    /// What it does.
    pub operation: Operation,
    /// The `request-id` of the answer.
    pub request_id: String,
    /// The object it is about, once that was found.
    pub object: Option<ObjectId>,
    /// Which of the two kinds that object is.
    pub kind: Option<ObjectKind>,
    /// The client that called, or that signed in.
    pub caller: Option<ClientId>,
    /// The status that the service came to; `None` while, or if, it is not carried out.
    pub handled: Option<u16>,
    /// The status that was sent; `None` where the connection was cut or no answer went out yet.
    pub answered: Option<u16>,
    /// Whether a fault changed its course.
    pub disturbed: bool,
    /// When it was carried out.
    pub handled_at: Option<DateTime<Utc>>,
    /// Whether it changed anything.
    pub changed: bool,
    /// Entries that appeared in either list.
    pub keys_added: Vec<KeyId>,
    /// Entries that went.
    pub keys_removed: Vec<KeyId>,
}

impl Call {
    /// Whether the service carried it out with success, whatever was answered.
    pub fn is_applied(&self) -> bool {
        self.handled.is_some_and(|status| (200..300).contains(&status))
    }
}

/// One change of one object.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// Counts from 1.
    pub sequence: u64,
    /// When it was applied, by the emulator's clock.
    pub at: DateTime<Utc>,
    /// Tenant of the object.
    pub tenant: TenantId,
    /// The object that changed.
    pub object: ObjectId,
    /// Which of the two kinds it is.
    pub kind: ObjectKind,
    /// Its `appId`.
    pub client_id: ClientId,
    /// What changed it.
    pub operation: Operation,
    /// Who did; `None` for the admin API, the seed and Rust.
    pub caller: Option<ClientId>,
    /// Entries that appeared in either list.
    pub keys_added: Vec<KeyId>,
    /// Entries that went.
    pub keys_removed: Vec<KeyId>,
    before: Option<Arc<Object>>,
    after: Option<Arc<Object>>,
}

impl Mutation {
    /// The object before, with the bytes of its certificates; `None` if it was created by this.
    pub fn before(&self) -> Option<Value> {
        self.before.as_ref().map(|object| Value::Object(object.to_json(true)))
    }

    /// The object after; `None` if it was deleted by this.
    pub fn after(&self) -> Option<Value> {
        self.after.as_ref().map(|object| Value::Object(object.to_json(true)))
    }

    /// The mutation as JSON, both states included.
    pub fn to_json(&self) -> Value {
        serde_json::json!({
            "sequence": self.sequence, "at": self.at, "tenant": self.tenant, "object": self.object, "kind": self.kind,
            "clientId": self.client_id, "operation": self.operation, "caller": self.caller, "keysAdded": self.keys_added,
            "keysRemoved": self.keys_removed, "before": self.before(), "after": self.after(),
        })
    }
}

/// Who changes an object, and by what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Author {
    pub(crate) operation: Operation,
    pub(crate) caller: Option<ClientId>,
}

impl Author {
    pub(crate) const ADMINISTRATOR: Self = Self { operation: Operation::Administration, caller: None };
}

/// Both logs.
#[derive(Debug, Default)]
pub(crate) struct Record {
    calls: VecDeque<Call>,
    last_call: u64,
    mutations: VecDeque<Mutation>,
    last_mutation: u64,
}

impl Record {
    /// Adds a call and gives its number.
    pub(crate) fn call(&mut self, call: Call) -> u64 {
        self.last_call += 1;
        push(&mut self.calls, Call { sequence: self.last_call, ..call });
        self.last_call
    }

    pub(crate) fn call_mut(&mut self, sequence: u64) -> Option<&mut Call> {
        let first = self.calls.front()?.sequence;
        self.calls.get_mut(usize::try_from(sequence.checked_sub(first)?).ok()?)
    }

    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter()
    }

    pub(crate) fn mutate(
        &mut self,
        at: DateTime<Utc>,
        tenant: TenantId,
        author: Author,
        before: Option<Arc<Object>>,
        after: Option<Arc<Object>>,
    ) {
        let Some(subject) = after.as_ref().or(before.as_ref()) else { return };
        let (object, kind, client_id) = (subject.id, subject.kind, subject.app_id);
        let (old, new) = (key_ids(before.as_deref()), key_ids(after.as_deref()));
        self.last_mutation += 1;
        let mutation = Mutation {
            sequence: self.last_mutation,
            at,
            tenant,
            object,
            kind,
            client_id,
            operation: author.operation,
            caller: author.caller,
            keys_added: new.difference(&old).copied().collect(),
            keys_removed: old.difference(&new).copied().collect(),
            before,
            after,
        };
        push(&mut self.mutations, mutation);
    }

    pub(crate) fn last_mutation(&self) -> u64 {
        self.last_mutation
    }

    /// The mutations after a number, oldest first.
    pub(crate) fn mutations_after(&self, sequence: u64) -> impl Iterator<Item = &Mutation> {
        let first = self.mutations.front().map_or(0, |mutation| mutation.sequence);
        let skip = usize::try_from((sequence + 1).saturating_sub(first)).unwrap_or(usize::MAX);
        self.mutations.iter().skip(skip)
    }

    pub(crate) fn clear_calls(&mut self) {
        self.calls.clear();
    }
}

fn push<T>(log: &mut VecDeque<T>, item: T) {
    if log.len() >= CAPACITY {
        log.pop_front();
    }
    log.push_back(item);
}

fn key_ids(object: Option<&Object>) -> BTreeSet<KeyId> {
    let keys = |object: &Object| -> Vec<KeyId> {
        let keys = object.keys.iter().filter_map(Entry::key_id);
        keys.chain(object.passwords.iter().filter_map(Entry::key_id)).collect()
    };
    object.map(keys).unwrap_or_default().into_iter().collect()
}
