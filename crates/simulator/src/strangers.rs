//! What others hold and what people did, as far as it bears on what may be expected of the operator.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ObjectId;
use serde_json::Value;

/// What others hold on both objects of the target, and since when.
#[derive(Default)]
pub struct Strangers {
    pub(crate) held: Mutex<Vec<Held>>,
    pub(crate) number: AtomicU64,
    pub(crate) excused: Mutex<bool>,
    pub(crate) shortened: Mutex<bool>,
    pub(crate) removed: Mutex<Vec<Value>>,
    pub(crate) forbidden: Mutex<Option<(DateTime<Utc>, DateTime<Utc>)>>,
    /// The status that a newer version wrote, as long as that one works.
    pub(crate) newer: Mutex<Option<Value>>,
    /// Whether a newer version of the same protocol has added to the status.
    pub(crate) says_more: Mutex<bool>,
    pub(crate) restored: Mutex<Option<DateTime<Utc>>>,
}

/// One credential of somebody else's.
#[derive(Clone, Debug)]
pub struct Held {
    /// On which object.
    pub object: ObjectId,
    /// As it was put there.
    pub entry: Value,
    /// When.
    pub since: DateTime<Utc>,
}

impl Strangers {
    /// What others hold now.
    pub fn held(&self) -> Vec<Held> {
        self.held.lock().unwrap().clone()
    }

    /// It is lost in the one way that nobody can prevent: it is not looked for any more.
    pub(crate) fn forget(&self, held: &Held) {
        self.held.lock().unwrap().retain(|one| one.entry != held.entry || one.object != held.object);
    }

    pub(crate) fn hold(&self, object: ObjectId, entry: Value, since: DateTime<Utc>) {
        self.held.lock().unwrap().push(Held { object, entry, since });
    }

    /// Whether a person took away what is published, and nothing was published since.
    pub(crate) fn is_excused(&self) -> bool {
        *self.excused.lock().unwrap()
    }

    /// Whether a backup was restored a moment ago: what is on its way was licensed by a ledger that nobody can look at any more.
    pub(crate) fn was_restored_before(&self, now: DateTime<Utc>) -> bool {
        self.restored.lock().unwrap().is_some_and(|at| now - at < TimeDelta::minutes(2))
    }

    /// Whether a backup was restored at all.
    pub(crate) fn was_restored(&self) -> bool {
        self.restored.lock().unwrap().is_some()
    }

    /// Whether a person removed this credential before anybody could publish it: what was on its way to be published then is not accepted.
    pub(crate) fn is_removed(&self, key_id: &Value) -> bool {
        self.removed.lock().unwrap().contains(key_id)
    }

    /// Whether a person asked for credentials that live less long, or stay for less time, than they did.
    pub(crate) fn is_shortened(&self) -> bool {
        *self.shortened.lock().unwrap()
    }

    pub(crate) fn shorten(&self, shortened: bool) {
        *self.shortened.lock().unwrap() |= shortened;
    }

    /// Whether the operator may write anything at all now.
    pub(crate) fn are_writes_forbidden_at(&self, now: DateTime<Utc>) -> bool {
        self.forbidden.lock().unwrap().is_some_and(|(from, until)| from < now && now < until)
    }

    pub(crate) fn excuse(&self, excused: bool) {
        *self.excused.lock().unwrap() = excused;
    }
}
