//! How long what is published was of no use.

use chrono::TimeDelta;
use rotation::Time;

use crate::World;

impl World {
    /// The time since the last count, up to now, in which what is published did not serve. Call it before anything changes.
    pub fn gap(&mut self) -> TimeDelta {
        let (from, to) = (self.accounted, self.now);
        self.accounted = to;
        if !self.is_published || to <= from {
            return TimeDelta::zero();
        }
        let mut edges: Vec<Time> = self.ends().into_iter().filter(|end| from < *end && *end < to).collect();
        edges.extend([from, to]);
        edges.sort_unstable();
        let idle = edges.windows(2).filter(|span| !self.serves(span[0])).map(|span| span[1] - span[0]).sum();
        self.now = to;
        idle
    }

    /// Whether the workload can sign in with what is published, or relying parties trust whoever signs.
    pub fn serves(&mut self, at: Time) -> bool {
        self.now = at;
        let Some(shown) = self.output.as_ref().filter(|_| !self.edited) else { return false };
        if !self.policy.is_signing() {
            return self.accepts(&self.name_of_shown(shown));
        }
        let signers = self.signers();
        !signers.is_empty() && signers.iter().all(|signer| shown.bundle.contains(signer))
    }

    /// When something that is listed expires: between these moments nothing changes by itself.
    fn ends(&self) -> Vec<Time> {
        let passwords = self.entra.passwords.iter().filter_map(|entry| Some(crate::time(entry["endDateTime"].as_str()?)));
        passwords.chain(self.certificates.values().map(|facts| facts.not_after)).collect()
    }
}
