//! Tenants and their objects. Every write keeps the version before it, so that a replica can be asked for the past.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ids::{ClientId, ObjectId, ObjectKind, TenantId};
use serde_json::{Map, Value};

use crate::credentials::{Entry as _, KeyEntry, PasswordEntry, without};
use crate::token::Federated;

/// Versions of one object that are kept; older ones can only be needed by a lag longer than that many writes.
const MAX_VERSIONS: usize = 10_000;

/// An application or a service principal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object {
    pub(crate) kind: ObjectKind,
    pub(crate) id: ObjectId,
    pub(crate) app_id: ClientId,
    /// All properties but ids and credentials, known or not.
    pub(crate) properties: Map<String, Value>,
    pub(crate) keys: Vec<KeyEntry>,
    pub(crate) passwords: Vec<PasswordEntry>,
    /// Tokens of other issuers that sign in as it, if it is an application.
    pub(crate) federated: Vec<Federated>,
    /// Object ids of the service principals that own it.
    pub(crate) owners: BTreeSet<ObjectId>,
    /// Graph application permissions granted to it, if it is a service principal.
    pub(crate) roles: BTreeSet<String>,
}

impl Object {
    pub(crate) fn property(&self, name: &str) -> Option<&str> {
        self.properties.get(name)?.as_str()
    }

    /// Whether people can sign in to it with personal accounts, which lowers some limits.
    pub(crate) fn is_for_personal_accounts(&self) -> bool {
        self.property("signInAudience").is_some_and(|audience| audience.contains("PersonalMicrosoftAccount"))
    }

    /// The object as a GET shows it, with or without the bytes of certificates.
    pub(crate) fn to_json(&self, with_key: bool) -> Map<String, Value> {
        let key = |entry: &KeyEntry| if with_key { Value::Object(entry.raw.clone()) } else { without("key", &entry.raw) };
        let mut shown = self.properties.clone();
        shown.insert("id".to_owned(), self.id.to_string().into());
        shown.insert("appId".to_owned(), self.app_id.to_string().into());
        shown.insert("keyCredentials".to_owned(), self.keys.iter().map(key).collect());
        shown.insert("passwordCredentials".to_owned(), self.passwords.iter().map(|entry| without("secretText", &entry.raw)).collect());
        shown
    }

    /// Whether the identifier links a token-signing certificate: some entry with it has usage Sign.
    pub(crate) fn is_signing_group(&self, identifier: &str) -> bool {
        self.keys.iter().any(|entry| entry.is_sign() && entry.identifier() == Some(identifier))
    }
}

/// One state of an object; `None` after it was deleted.
#[derive(Clone, Debug)]
struct Version {
    at: DateTime<Utc>,
    object: Option<Arc<Object>>,
}

#[derive(Clone, Debug)]
struct Tracked {
    tenant: TenantId,
    versions: Vec<Version>,
}

impl Tracked {
    /// The state that a view sees which is `lag` behind `now`.
    fn seen(&self, now: DateTime<Utc>, lag: TimeDelta) -> Option<&Arc<Object>> {
        let newest = || self.versions.last();
        let horizon = now.checked_sub_signed(lag).unwrap_or(now);
        let version = if lag.is_zero() { newest() } else { self.versions.iter().rev().find(|version| version.at <= horizon) };
        version?.object.as_ref()
    }
}

/// How a request names an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Address {
    Id(ObjectId),
    AppId(ClientId),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::AppId(id) => id.fmt(f),
        }
    }
}

/// All tenants.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    tenants: BTreeSet<TenantId>,
    objects: BTreeMap<ObjectId, Tracked>,
    /// Every object that ever had an appId. An object keeps the one that it was made with.
    by_client: BTreeMap<(ClientId, ObjectKind), Vec<ObjectId>>,
}

impl Directory {
    pub(crate) fn add_tenant(&mut self, tenant: TenantId) {
        self.tenants.insert(tenant);
    }

    pub(crate) fn tenants(&self) -> impl Iterator<Item = TenantId> {
        self.tenants.iter().copied()
    }

    pub(crate) fn has_tenant(&self, tenant: TenantId) -> bool {
        self.tenants.contains(&tenant)
    }

    /// The object as now stored, whatever replicas show.
    pub(crate) fn stored(&self, id: ObjectId) -> Option<&Arc<Object>> {
        self.objects.get(&id)?.versions.last()?.object.as_ref()
    }

    pub(crate) fn tenant_of(&self, id: ObjectId) -> Option<TenantId> {
        self.objects.get(&id).map(|tracked| tracked.tenant)
    }

    /// The object as a view shows it that is `lag` behind.
    pub(crate) fn seen(&self, id: ObjectId, now: DateTime<Utc>, lag: TimeDelta) -> Option<&Arc<Object>> {
        self.objects.get(&id)?.seen(now, lag)
    }

    /// All objects of a tenant as such a view shows them.
    pub(crate) fn all_seen(&self, tenant: TenantId, now: DateTime<Utc>, lag: TimeDelta) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values().filter(move |tracked| tracked.tenant == tenant).filter_map(move |tracked| tracked.seen(now, lag))
    }

    /// The object that an address names in such a view.
    pub(crate) fn find(
        &self,
        tenant: TenantId,
        kind: ObjectKind,
        address: Address,
        now: DateTime<Utc>,
        lag: TimeDelta,
    ) -> Option<&Arc<Object>> {
        let seen = |id: &ObjectId| {
            let tracked = self.objects.get(id).filter(|tracked| tracked.tenant == tenant)?;
            tracked.seen(now, lag).filter(|object| object.kind == kind)
        };
        match address {
            Address::Id(id) => seen(&id),
            Address::AppId(id) => self.of_client(id, kind).find_map(seen),
        }
    }

    /// The application object of a client, in whatever tenant it is registered.
    pub(crate) fn registration(&self, client: ClientId, now: DateTime<Utc>, lag: TimeDelta) -> Option<&Arc<Object>> {
        self.of_client(client, ObjectKind::Application).find_map(|id| self.seen(*id, now, lag))
    }

    fn of_client(&self, client: ClientId, kind: ObjectKind) -> impl Iterator<Item = &ObjectId> {
        self.by_client.get(&(client, kind)).into_iter().flatten()
    }

    /// Puts a new state of an object on record.
    pub(crate) fn store(&mut self, tenant: TenantId, id: ObjectId, object: Option<Arc<Object>>, at: DateTime<Utc>) {
        if let Some(object) = &object {
            let known = self.by_client.entry((object.app_id, object.kind)).or_default();
            if !known.contains(&id) {
                known.push(id);
            }
        }
        let tracked = self.objects.entry(id).or_insert_with(|| Tracked { tenant, versions: Vec::new() });
        tracked.tenant = tenant;
        if tracked.versions.len() >= MAX_VERSIONS {
            tracked.versions.remove(0);
        }
        tracked.versions.push(Version { at, object });
    }
}
