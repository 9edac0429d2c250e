//! Plans, made from the record of undisturbed courses.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::happening::Happening;
use crate::plan::{Disturbance, Plan};
use crate::setup::Replicas;
use crate::trial::Outcome;
use crate::workflow::{self, Workflow};

/// The undisturbed course of each workflow, by its name.
pub type Reference = BTreeMap<&'static str, Outcome>;

/// What leaves most behind: these are combined in pairs.
const COMBINED: [Fault; 4] = [Fault::CrashBefore, Fault::CrashAfter, Fault::AnswerLost, Fault::AppliedLate];

/// Everything that can disturb a course, at every one of its effects.
pub fn singles(workflow: &Workflow, reference: &Reference) -> Vec<Plan> {
    let effects = 0..length(workflow, reference);
    effects.flat_map(|at| Disturbance::all().map(move |what| Plan::undisturbed(workflow).and(at, what))).collect()
}

/// For every effect a fault or a happening, in turn: all effects and all disturbances occur, in a small part of the time.
pub fn selection(workflow: &Workflow, reference: &Reference) -> Vec<Plan> {
    let shift = workflow::ALL.iter().position(|one| one.name == workflow.name).unwrap_or_default();
    let chosen = |at: usize| match at % 2 {
        0 => Disturbance::Fault(Fault::ALL[(at / 2 + shift) % Fault::ALL.len()]),
        _ => Disturbance::Happening(Happening::ALL[(at / 2 + 3 * shift) % Happening::ALL.len()]),
    };
    (0..length(workflow, reference)).map(|at| Plan::undisturbed(workflow).and(at, chosen(at))).collect()
}

/// Every two of the faults that leave most behind, the second one at any effect up to ten after the first; and each of them where replicas are behind.
pub fn pairs(workflow: &Workflow, reference: &Reference) -> Vec<Plan> {
    let mut plans = Vec::new();
    for first in 0..length(workflow, reference) {
        for fault in COMBINED {
            let plan = Plan::undisturbed(workflow).and(first, Disturbance::Fault(fault));
            plans.push(Plan { lag: 10, ..plan.clone() });
            for second in first + 1..=first + 10 {
                plans.extend(COMBINED.map(|other| plan.clone().and(second, Disturbance::Fault(other))));
            }
        }
    }
    plans
}

/// A plan at random: the same for the same seed.
pub fn random(seed: u64, reference: &Reference) -> Plan {
    let mut random = fastrand::Rng::with_seed(seed);
    let workflow = &workflow::ALL[random.usize(..workflow::ALL.len())];
    let all: Vec<Disturbance> = Disturbance::all().collect();
    let range = length(workflow, reference) * 3 / 2;
    let mut turns: Vec<_> = (0..random.usize(2..=5)).map(|_| (random.usize(..range), all[random.usize(..all.len())])).collect();
    turns.sort_unstable();
    let lag = [0, 0, 2, 10][random.usize(..4)];
    let replicas = [Replicas::None, Replicas::None, Replicas::StandingBy, Replicas::Unelected][random.usize(..4)];
    Plan { lag, replicas, turns, ..Plan::undisturbed(workflow) }
}

fn length(workflow: &Workflow, reference: &Reference) -> usize {
    reference.get(workflow.name).map_or(0, |outcome| outcome.effects.len())
}
