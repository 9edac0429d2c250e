//! A disturbed course against the undisturbed one of the same workflow.

use chrono::TimeDelta;

use crate::fault::Fault;
use crate::happening::Happening;
use crate::plan::{Disturbance, Plan};
use crate::trial::{self, Broken, Outcome};
use crate::workflow;

/// The longest from the end of the last disturbance to rest.
pub const BOUND: TimeDelta = TimeDelta::hours(60);

/// Writes to Graph that one disturbance explains: a credential that was given up and one instead of it are made, activated and removed.
const EXPLAINED: usize = 4;

/// Carries out a plan and compares what comes of it.
///
/// # Errors
/// With what is wrong, where a promise is broken.
pub fn of(plan: &Plan, reference: &Outcome) -> Result<Outcome, Broken> {
    let outcome = trial::run(plan)?;
    let explained = reference.graph_writes + EXPLAINED * plan.turns.len() + if plan.lag > 0 { EXPLAINED } else { 0 };
    if outcome.graph_writes > explained {
        return Err(Broken(format!(
            "{} writes to Graph, undisturbed {}: at most {explained} are explained",
            outcome.graph_writes, reference.graph_writes
        )));
    }
    let is_deleted = workflow::find(plan.workflow).is_some_and(workflow::Workflow::ends_with_nothing);
    if !leaves_traces(plan) && !is_deleted && outcome.end != reference.end {
        return Err(Broken(format!("it ends as {:#}, undisturbed as {:#}", outcome.end, reference.end)));
    }
    if outcome.settled_after > BOUND && !workflow::find(plan.workflow).is_some_and(workflow::Workflow::is_long) {
        return Err(Broken(format!("it came to rest {} h after the last disturbance", outcome.settled_after.num_hours())));
    }
    Ok(outcome)
}

/// Whether something happened that stays: what others hold, a second credential that nobody removes, or a slot that nobody needs until something is to be
/// healed from it.
fn leaves_traces(plan: &Plan) -> bool {
    let stays = [
        Happening::StrangerAdds,
        Happening::StrangerRemoves,
        Happening::AnotherSigns,
        Happening::StatusRestored,
        Happening::SlotsDeleted,
        Happening::SecretsDeleted,
    ];
    plan.turns.iter().any(|(_, what)| match what {
        Disturbance::Happening(happening) => stays.contains(happening),
        Disturbance::Fault(fault) => *fault == Fault::DeliveredTwice,
    })
}
