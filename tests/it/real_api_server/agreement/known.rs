//! The committed list of what kube-sim answers differently, and why.

use regex::Regex;
use serde::Deserialize;

use super::answers::Difference;

/// Where the list stands.
pub(super) const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/kube-sim/scenarios/known-differences.yaml");

/// All known differences, and which of them have been met.
pub(super) struct Known(Vec<Entry>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Why it stays.
    why: String,
    /// Regular expressions: method and path of the request, the place in the answer, and the two answers there.
    #[serde(default)]
    request: String,
    path: String,
    #[serde(default)]
    theirs: String,
    #[serde(default)]
    ours: String,
    #[serde(skip)]
    met: usize,
}

impl Known {
    pub(super) fn read() -> Self {
        let text = std::fs::read_to_string(PATH).unwrap();
        Self(serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{PATH}: {error}")))
    }

    /// Whether the difference is listed.
    pub(super) fn excuses(&mut self, difference: &Difference) -> bool {
        let found = self.0.iter_mut().find(|entry| entry.fits(difference));
        found.is_some_and(|entry| {
            entry.met += 1;
            true
        })
    }

    /// The entries that have not been met: they are to be taken off the list.
    pub(super) fn stale(&self) -> Vec<&str> {
        self.0.iter().filter(|entry| entry.met == 0).map(|entry| entry.why.as_str()).collect()
    }

    /// How often each was met.
    pub(super) fn table(&self) -> String {
        self.0.iter().map(|entry| format!("{:6}  {}\n", entry.met, entry.why)).collect()
    }
}

impl Entry {
    fn fits(&self, difference: &Difference) -> bool {
        let Difference { request, path, theirs, ours, .. } = difference;
        let pairs = [(&self.request, request), (&self.path, path), (&self.theirs, theirs), (&self.ours, ours)];
        pairs.into_iter().all(|(pattern, text)| matches(pattern, text))
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).unwrap_or_else(|error| panic!("{PATH}: {error}")).is_match(text)
}
