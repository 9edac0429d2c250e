//! The committed list of what kube-sim answers differently, and why.

use regex::Regex;
use serde::Deserialize;

use super::answers::Difference;

/// Where the list stands.
pub(super) const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/kube-sim/scenarios/known-differences.yaml");

/// All known differences, and which of them have been met.
pub(super) struct Known(Vec<Entry>);

/// One difference, as narrow as it can be said.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Why it stays.
    why: String,
    /// The methods and the plural names of the kinds that show it.
    verbs: Vec<String>,
    kinds: Vec<String>,
    /// Regular expressions: the place in the answer, the request, and the two answers there.
    field: Regular,
    #[serde(default)]
    request: Option<Regular>,
    #[serde(default)]
    theirs: Option<Regular>,
    #[serde(default)]
    ours: Option<Regular>,
    /// How often it was met, and where first.
    #[serde(skip)]
    met: usize,
    #[serde(skip)]
    example: String,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Regular(Regex);

impl TryFrom<String> for Regular {
    type Error = regex::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Regex::new(&text).map(Self)
    }
}

impl Known {
    pub(super) fn read() -> Self {
        let text = std::fs::read_to_string(PATH).unwrap();
        Self(serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{PATH}: {error}")))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the difference is listed.
    pub(super) fn excuses(&mut self, difference: &Difference) -> bool {
        let found = self.0.iter_mut().find(|entry| entry.fits(difference));
        found.is_some_and(|entry| {
            if entry.met == 0 {
                entry.example = difference.to_string();
            }
            entry.met += 1;
            true
        })
    }

    /// The entries that have not been met: they are to be taken off the list.
    pub(super) fn stale(&self) -> Vec<&str> {
        self.0.iter().filter(|entry| entry.met == 0).map(|entry| entry.why.as_str()).collect()
    }

    /// How often each was met, and an example.
    pub(super) fn table(&self) -> String {
        self.0.iter().map(|entry| format!("{:6}  {}\n{}\n", entry.met, entry.why, entry.example)).collect()
    }
}

impl Entry {
    fn fits(&self, difference: &Difference) -> bool {
        let Difference { request, path, theirs, ours, .. } = difference;
        let is = |pattern: Option<&Regular>, text: &str| pattern.is_none_or(|pattern| pattern.0.is_match(text));
        self.verbs.iter().any(|verb| verb == difference.verb())
            && self.kinds.iter().any(|kind| kind == difference.kind())
            && self.field.0.is_match(path)
            && is(self.request.as_ref(), request)
            && is(self.theirs.as_ref(), theirs)
            && is(self.ours.as_ref(), ours)
    }
}
