//! What others have in Entra, and that it stays so.

use std::collections::BTreeMap;

use entra_emulator::Emulator;
use entra_types::ObjectId;
use serde_json::Value;

/// The credentials that an object had before the operator came, by keyId, byte for byte as stored.
pub(crate) struct Foreign(BTreeMap<String, String>);

impl Foreign {
    /// Remembers everything that is there.
    pub(crate) fn remember(emulator: &Emulator, object: ObjectId) -> Self {
        Self(emulator.object(object).iter().flat_map(entries).map(stored).collect())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether each is still there and the same.
    pub(crate) fn is_untouched_in(&self, object: &Value) -> bool {
        let now: BTreeMap<_, _> = entries(object).map(stored).collect();
        self.0.iter().all(|(id, entry)| now.get(id) == Some(entry))
    }

    /// The other keyIds of the object.
    pub(crate) fn others_in(&self, object: &Value) -> Vec<String> {
        let mut others: Vec<_> = entries(object).map(|entry| stored(entry).0).filter(|id| !self.0.contains_key(id)).collect();
        others.sort_unstable();
        others.dedup();
        others
    }
}

/// The entries of both lists.
pub(crate) fn entries(object: &Value) -> impl Iterator<Item = &Value> {
    ["keyCredentials", "passwordCredentials"].into_iter().filter_map(|list| object[list].as_array()).flatten()
}

fn stored(entry: &Value) -> (String, String) {
    (entry["keyId"].as_str().unwrap_or_default().to_owned(), entry.to_string())
}
