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

#[cfg(test)]
mod tests {
    use rotation::Policy;

    use super::*;
    use crate::{certificate, secret, signing};

    fn published(policy: Policy) -> (World, Time) {
        let mut world = World::new(policy);
        world.run_for(TimeDelta::hours(1));
        let end = world.ledger.current().and_then(|current| current.not_after).expect("a published credential");
        assert_eq!(world.gap(), TimeDelta::zero());
        (world, end)
    }

    #[test]
    fn a_gap_begins_at_the_second_in_which_the_credential_ends() {
        for policy in [certificate(6), secret(6), signing(6)] {
            let (mut world, end) = published(policy);
            world.now = end + TimeDelta::seconds(7);
            assert_eq!(world.gap(), TimeDelta::seconds(7));
            world.now += TimeDelta::seconds(5);
            assert_eq!(world.gap(), TimeDelta::seconds(5));
        }
    }

    #[test]
    fn what_is_removed_or_spoilt_is_a_gap_until_it_is_there_again() {
        let (mut world, _) = published(certificate(6));
        let listed = std::mem::take(&mut world.entra);
        world.now += TimeDelta::seconds(60);
        assert_eq!(world.gap(), TimeDelta::seconds(60));
        (world.entra, world.edited) = (listed, true);
        world.now += TimeDelta::seconds(30);
        assert_eq!(world.gap(), TimeDelta::seconds(30));
        world.edited = false;
        world.now += TimeDelta::seconds(30);
        assert_eq!(world.gap(), TimeDelta::zero());
    }

    #[test]
    fn a_signer_that_the_output_does_not_show_is_a_gap() {
        let (mut world, _) = published(signing(6));
        let other = world.somebody_adds_a_signing_certificate(world.now + TimeDelta::days(30));
        world.entra.preferred = Some(other.to_string());
        world.now += TimeDelta::seconds(11);
        assert_eq!(world.gap(), TimeDelta::seconds(11));
    }
}
