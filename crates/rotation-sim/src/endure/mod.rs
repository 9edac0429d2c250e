//! Endurance: many resources, many years, short lives, and random disturbances, with the promises checked at every step.
//!
//! Resources that share an application form a [`Site`]; each follows from the plan's seed and its own number alone, and so can be run again alone.

mod crew;
mod disturbance;
mod layout;
mod member;
mod oracle;
mod site;
mod tally;

pub use crew::{Progress, run};
pub use disturbance::Disturbance;
pub use layout::Sort;
pub use site::Site;
pub use tally::{Failure, SortTally, Tally};

use chrono::TimeDelta;

/// What is run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many resources.
    pub resources: u32,
    /// For how long, by the resources' clock.
    pub span: TimeDelta,
    /// Life of their credentials, in days.
    pub validity: i64,
    /// What all chance follows from.
    pub seed: u64,
    /// Which kinds there are.
    pub sorts: Vec<Sort>,
    /// Faults at effects and disturbances from outside, for each rotation on average.
    pub faults: f64,
    /// How many threads share the work.
    pub threads: usize,
    /// Only the site of this number.
    pub only: Option<u32>,
}

impl Plan {
    /// The sites of the plan: which number has which kinds of resources.
    pub fn sites(&self) -> Vec<(u32, Vec<Sort>)> {
        let sites = layout::sites(&self.sorts, self.resources);
        let numbered = (0..).zip(sites);
        numbered.filter(|(number, _)| self.only.is_none_or(|only| only == *number)).collect()
    }

    /// Life of the credentials.
    pub fn life(&self) -> TimeDelta {
        TimeDelta::days(self.validity)
    }

    /// No single outage lasts longer: a twenty-first of a life, eight hours of seven days.
    pub fn longest_outage(&self) -> TimeDelta {
        self.life() / 21
    }
}
