//! An object in Entra that several resources share.

use std::collections::BTreeMap;
use std::mem::swap;

use chrono::TimeDelta;
use entra_types::{KeyId, Thumbprint};
use rotation::{CertificateFacts, Time};
use serde_json::Value;

use crate::{Entra, World};

/// All of a world that belongs to the object in Entra and not to one resource.
#[derive(Debug, Default)]
pub struct Object {
    pub(crate) entra: Entra,
    pub(crate) past: Vec<(Time, Entra)>,
    pub(crate) foreign: Vec<Value>,
    pub(crate) certificates: BTreeMap<String, CertificateFacts>,
    pub(crate) listed_at: BTreeMap<String, Time>,
    pub(crate) told: BTreeMap<Thumbprint, KeyId>,
    pub(crate) made: u64,
}

impl World {
    /// Puts another object into this world, and takes its own out.
    pub fn exchange(&mut self, object: &mut Object) {
        swap(&mut self.entra, &mut object.entra);
        swap(&mut self.past, &mut object.past);
        swap(&mut self.foreign, &mut object.foreign);
        swap(&mut self.certificates, &mut object.certificates);
        swap(&mut self.listed_at, &mut object.listed_at);
        swap(&mut self.told, &mut object.told);
        swap(&mut self.made, &mut object.made);
    }

    /// Forgets what nothing can refer to any more: certificates that expired so long ago, and when credentials were listed before that.
    pub fn forget_the_expired(&mut self, span: TimeDelta) {
        let bound = self.now - span;
        self.certificates.retain(|_, facts| facts.not_after > bound);
        self.listed_at.retain(|_, at| *at > bound);
        let known: std::collections::BTreeSet<_> = self.certificates.values().map(|facts| facts.thumbprint).collect();
        self.told.retain(|thumbprint, _| known.contains(thumbprint));
        self.held.retain(|thumbprint| known.contains(thumbprint));
        // Somebody tidies what applications that roll themselves left to expire.
        let goes = |entry: &Value, foreign: &[Value]| {
            crate::time(entry["endDateTime"].as_str().unwrap_or_default()) <= bound && !foreign.contains(entry)
        };
        self.entra.keys.retain(|entry| !goes(entry, &self.foreign));
    }
}
