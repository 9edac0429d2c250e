//! Plans, made from the record of undisturbed courses.

use std::collections::BTreeMap;

use crate::edit::Edit;
use crate::effects;
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
    effects.flat_map(|at| Disturbance::of(workflow.kind()).map(move |what| Plan::undisturbed(workflow).and(at, what))).collect()
}

/// For every effect a fault, a happening and an edit, in turn; for every fifth of the ones beside the protocol, such as sign-ins and renewals of the Lease, one of
/// the three. All disturbances occur, in a small part of the time.
pub fn selection(workflow: &Workflow, reference: &Reference) -> Vec<Plan> {
    let shift = workflow::ALL.iter().position(|one| one.name == workflow.name).unwrap_or_default();
    let edits: Vec<Edit> = Edit::all().filter(|edit| edit.suits(workflow.kind())).collect();
    let chosen = |at: usize| {
        [
            Disturbance::Fault(Fault::ALL[(at + shift) % Fault::ALL.len()]),
            Disturbance::Happening(Happening::ALL[(at + 3 * shift) % Happening::ALL.len()]),
            Disturbance::Edit(edits[(at + 5 * shift) % edits.len()]),
        ]
    };
    let names = reference.get(workflow.name).map(|outcome| outcome.effects.as_slice()).unwrap_or_default();
    let of = |(at, name): (usize, &String)| {
        let chosen = chosen(at).into_iter().enumerate();
        let fits = move |number: usize| !effects::is_beside(name) || (at % 5 == 0 && number == at % 3);
        chosen.filter(move |(number, _)| fits(*number)).map(move |(_, what)| Plan::undisturbed(workflow).and(at, what)).collect::<Vec<_>>()
    };
    names.iter().enumerate().flat_map(of).collect()
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

/// Every outage and every act of people, and one of those faults at the same effect or up to two before or after it.
pub fn mixed(workflow: &Workflow, reference: &Reference) -> Vec<Plan> {
    let mut plans = Vec::new();
    for at in 0..length(workflow, reference) {
        for (happening, fault) in Happening::ALL.into_iter().flat_map(|happening| COMBINED.map(|fault| (happening, fault))) {
            let (happening, fault) = (Disturbance::Happening(happening), Disturbance::Fault(fault));
            let plan = Plan::undisturbed(workflow);
            plans.extend((at..=at + 2).map(|then| plan.clone().and(at, happening).and(then, fault)));
            plans.extend((at + 1..=at + 2).map(|then| plan.clone().and(at, fault).and(then, happening)));
        }
    }
    plans
}

/// A plan at random: the same for the same seed.
pub fn random(seed: u64, reference: &Reference) -> Plan {
    let mut random = fastrand::Rng::with_seed(seed);
    let workflow = &workflow::ALL[random.usize(..workflow::ALL.len())];
    let all: Vec<Disturbance> = Disturbance::of(workflow.kind()).collect();
    let range = length(workflow, reference) * 3 / 2;
    let mut turns: Vec<_> = (0..random.usize(2..=5)).map(|_| (random.usize(..range), all[random.usize(..all.len())])).collect();
    turns.sort_unstable();
    let lag = [0, 0, 2, 10][random.usize(..4)];
    let replicas = Some(Replicas::ALL[random.usize(..Replicas::ALL.len())]).filter(|replicas| can_have(workflow, *replicas));
    let replicas = replicas.unwrap_or(Replicas::OtherCluster);
    Plan { lag, replicas, turns, ..Plan::undisturbed(workflow) }
}

/// Two clusters of the same uids choose the same keyId where a list is replaced. Entra gives it once: the other one waits for a person.
fn can_have(workflow: &Workflow, replicas: Replicas) -> bool {
    let chooses = workflow.name.starts_with("own-key.") || workflow.name == "certificate.first-issue";
    replicas != Replicas::Clone || !chooses
}

fn length(workflow: &Workflow, reference: &Reference) -> usize {
    reference.get(workflow.name).map_or(0, |outcome| outcome.effects.len())
}
