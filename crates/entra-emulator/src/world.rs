//! Everything the emulator knows, in one value behind one lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use entra_types::ids::{KeyId, ObjectId, ObjectKind, TenantId};
use keys::{KeyError, PrivateKey};
use serde_json::Value;

use crate::behaviour::Behaviour;
use crate::clock::Clock;
use crate::cloud::Profile;
use crate::delivery::Pending;
use crate::directory::{Directory, Object};
use crate::faults::Faults;
use crate::issuer::Issuer;
use crate::policy::Policies;
use crate::random::Random;
use crate::record::{Author, Record};
use crate::refusal::Refusal;
use crate::replicas::Lag;
use crate::throttle::Throttle;
use crate::token::Machine;

/// Where the private keys of signing certificates come from.
pub trait KeySource: Send + Sync {
    /// The key for the `number`th certificate.
    ///
    /// # Errors
    /// When no key can be made.
    fn key(&self, number: usize) -> Result<PrivateKey, KeyError>;
}

/// Eight fixed RSA-2048 keys in turn: fast, and the same in every run. Their private halves are public, which is fine for keys that sign nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct FixtureKeys;

impl KeySource for FixtureKeys {
    fn key(&self, number: usize) -> Result<PrivateKey, KeyError> {
        Ok(keys::fixtures::key(number))
    }
}

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) behaviour: Behaviour,
    pub(crate) directory: Directory,
    pub(crate) record: Record,
    pub(crate) issuer: Issuer,
    pub(crate) throttle: Throttle,
    pub(crate) faults: Faults,
    pub(crate) lag: Lag,
    pub(crate) pending: Vec<Pending>,
    /// Published keys of other issuers.
    pub(crate) issuers: BTreeMap<String, Value>,
    pub(crate) machine: Machine,
    pub(crate) policies: Policies,
    keys: Arc<dyn KeySource>,
    keys_made: usize,
}

impl World {
    pub(crate) fn new(clock: Clock, random: Random, behaviour: Behaviour, keys: Arc<dyn KeySource>, issuer: Issuer) -> Self {
        Self {
            clock,
            random,
            behaviour,
            directory: Directory::default(),
            record: Record::default(),
            issuer,
            throttle: Throttle::default(),
            faults: Faults::default(),
            lag: Lag::default(),
            pending: Vec::new(),
            issuers: BTreeMap::new(),
            machine: Machine::default(),
            policies: Policies::default(),
            keys,
            keys_made: 0,
        }
    }

    pub(crate) fn new_key_id(&mut self) -> KeyId {
        KeyId::new(self.random.guid())
    }

    pub(crate) fn new_private_key(&mut self) -> Result<PrivateKey, KeyError> {
        self.keys_made += 1;
        self.keys.key(self.keys_made)
    }

    /// Applies a new state of an object. Whether it differs from the old one: what changes nothing leaves no trace.
    pub(crate) fn commit(&mut self, tenant: TenantId, object: Object, author: Author, at: DateTime<Utc>) -> bool {
        let before = self.directory.stored(object.id).cloned();
        if before.as_deref() == Some(&object) {
            return false;
        }
        let (id, after) = (object.id, Arc::new(object));
        self.directory.store(tenant, id, Some(Arc::clone(&after)), at);
        self.record.mutate(at, tenant, author, before, Some(after));
        true
    }

    /// Deletes an object.
    pub(crate) fn delete(&mut self, id: ObjectId, author: Author, at: DateTime<Utc>) -> bool {
        let (Some(before), Some(tenant)) = (self.directory.stored(id).cloned(), self.directory.tenant_of(id)) else { return false };
        self.directory.store(tenant, id, None, at);
        self.record.mutate(at, tenant, author, Some(before), None);
        true
    }

    /// Refuses an object that has grown beyond what fits.
    pub(crate) fn ensure_room(&self, object: &Object) -> Result<(), Refusal> {
        let entries = |object: &Object| object.keys.len() + object.passwords.len();
        let before = self.directory.stored(object.id).map_or(0, |stored| entries(stored));
        let is_too_big = entries(object) > self.behaviour.max_credentials.max(before);
        if is_too_big { Err(Refusal::full()) } else { Ok(()) }
    }

    /// The cloud that this is.
    pub(crate) fn profile(&self) -> &'static Profile {
        Profile::of(self.issuer.cloud())
    }

    /// The application object that belongs to a service principal, or the object itself.
    pub(crate) fn registration_of<'a>(&'a self, object: &'a Object, now: DateTime<Utc>) -> Option<&'a Object> {
        match object.kind {
            ObjectKind::Application => Some(object),
            ObjectKind::ServicePrincipal => self.directory.registration(object.app_id, now, chrono::TimeDelta::zero()).map(Arc::as_ref),
        }
    }
}
