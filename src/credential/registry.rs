//! What this process knows of all resources: their ledgers as last written, a desk each, and a lock per application.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use entra_types::{ClientId, ObjectId, TenantId};
use rotation::{Application, Lateness, Ledger, Time};
use tokio::sync::OwnedMutexGuard;

use super::desk::Desk;

/// Names one application: by its clientID as soon as that is known.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum AppKey {
    Client(TenantId, ClientId),
    Object(TenantId, ObjectId),
}

/// One resource as the others see it.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// Its namespace and name.
    pub(crate) name: (String, String),
    /// Age, then uid: the older of two rivals wins.
    pub(crate) age: (Option<Time>, String),
    /// Which application it is about.
    pub(crate) app: AppKey,
    /// Whether it manages signing certificates.
    pub(crate) signing: bool,
    /// Its record.
    pub(crate) ledger: Ledger,
}

/// The registry of this process.
#[derive(Default)]
pub(crate) struct Registry {
    desks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Desk>>>>,
    records: Mutex<HashMap<String, Recorded>>,
    locks: Mutex<HashMap<AppKey, Arc<tokio::sync::Mutex<()>>>>,
}

/// The state behind these locks is whole after every statement, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Registry {
    /// The desk of a resource; `None` while another pass has it.
    pub(crate) fn desk(&self, uid: &str, now: Time) -> Option<OwnedMutexGuard<Desk>> {
        let fresh = || Arc::new(tokio::sync::Mutex::new(Desk::new(now)));
        let desk = Arc::clone(lock(&self.desks).entry(uid.to_owned()).or_insert_with(fresh));
        desk.try_lock_owned().ok()
    }

    /// The lock of an application; `None` while another resource has it: rest a few seconds instead of holding a slot.
    pub(crate) fn try_lock(&self, app: AppKey) -> Option<OwnedMutexGuard<()>> {
        let mutex = Arc::clone(lock(&self.locks).entry(app).or_default());
        mutex.try_lock_owned().ok()
    }

    /// Records what a resource's status says, as we wrote it or as it was listed live.
    pub(crate) fn record(&self, uid: &str, record: Recorded) {
        lock(&self.records).insert(uid.to_owned(), record);
    }

    /// What the others do on the application of `uid`. `lives` says whether a resource is still in the cluster.
    pub(crate) fn application(&self, uid: &str, late: Lateness, now: Time, lives: impl Fn(&Recorded) -> bool) -> Application {
        let records = lock(&self.records);
        let Some(me) = records.get(uid) else { return Application::default() };
        let others: Vec<&Recorded> =
            records.iter().filter(|(other, record)| *other != uid && same(record, me)).map(|(_, record)| record).collect();
        let rival =
            others.iter().filter(|other| me.signing && other.signing && lives(other) && other.age < me.age).min_by_key(|other| &other.age);
        let object = me.ledger.target.as_ref().map(|target| target.object_id);
        let ledgers: Vec<Ledger> = others.iter().map(|other| other.visible(lives(other))).collect();
        Application::of(&ledgers, rival.map(|rival| format!("{}/{}", rival.name.0, rival.name.1)), object, late, now)
    }

    /// Forgets resources that are gone. Their records stay until nothing of theirs can take effect any more.
    pub(crate) fn sweep(&self, exists: impl Fn(&str) -> bool, late: Lateness, now: Time) {
        lock(&self.desks).retain(|uid, _| exists(uid));
        lock(&self.records).retain(|uid, record| {
            let settles = record.ledger.entries.iter().filter_map(|entry| Some(entry.op.as_ref()?.at + late.settled())).max();
            exists(uid) || settles.is_some_and(|settles| now < settles)
        });
        lock(&self.locks).retain(|_, mutex| Arc::strong_count(mutex) > 1);
    }
}

impl Recorded {
    /// A resource that is gone counts on none of its credentials, but its writes may still be applied.
    fn visible(&self, lives: bool) -> Ledger {
        let mut ledger = self.ledger.clone();
        if !lives {
            ledger.entries.iter_mut().for_each(|entry| entry.r#use = rotation::Use::Retiring);
        }
        ledger
    }

    fn client(&self) -> Option<ClientId> {
        match self.app {
            AppKey::Client(_, client) => Some(client),
            AppKey::Object(..) => self.ledger.target.as_ref().map(|target| target.client_id),
        }
    }
}

fn same(one: &Recorded, other: &Recorded) -> bool {
    let tenant = |record: &Recorded| match record.app {
        AppKey::Client(tenant, _) | AppKey::Object(tenant, _) => tenant,
    };
    tenant(one) == tenant(other) && (one.app == other.app || (one.client().is_some() && one.client() == other.client()))
}
