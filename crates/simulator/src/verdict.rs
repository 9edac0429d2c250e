//! A disturbed course against the undisturbed one of the same workflow.

use chrono::TimeDelta;

use crate::fault::Fault;
use crate::happening::Happening;
use crate::plan::{Disturbance, Plan};
use crate::setup::Kind;
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
    let explained = reference.graph_writes + EXPLAINED * causes(plan);
    if outcome.graph_writes > explained {
        return Err(Broken(format!(
            "{} writes to Graph, undisturbed {}: at most {explained} are explained",
            outcome.graph_writes, reference.graph_writes
        )));
    }
    if !leaves_traces(plan) && !may_end_otherwise(plan, &outcome) && !is_same_end(plan, &outcome, reference) {
        return Err(Broken(format!("it ends as {:#}, undisturbed as {:#}", outcome.end, reference.end)));
    }
    if outcome.settled_after > bound(plan) && !workflow::find(plan.workflow).is_some_and(workflow::Workflow::is_long) {
        return Err(Broken(format!("it came to rest {} h after the last disturbance", outcome.settled_after.num_hours())));
    }
    Ok(outcome)
}

/// A key that Entra never told the name of stays listed until its end, where an application rolls itself.
fn is_same_end(plan: &Plan, outcome: &Outcome, reference: &Outcome) -> bool {
    let [mut end, mut expected] = [outcome, reference].map(|outcome| outcome.end.clone());
    if rolls_itself(plan) {
        end["listed"].take();
        expected["listed"].take();
    }
    end == expected
}

/// What is deleted is judged by itself. A person is waited for once something was taken away, and where nobody approves, by the clock that decides.
fn may_end_otherwise(plan: &Plan, outcome: &Outcome) -> bool {
    let is = |condition: &str, begin: &str| outcome.end["conditions"][condition].as_str().is_some_and(|told| told.starts_with(begin));
    let is_so = |property: fn(&workflow::Workflow) -> bool| workflow::find(plan.workflow).is_some_and(property);
    is_so(workflow::Workflow::ends_with_nothing)
        || is("Stalled", "True/")
        || (is_so(workflow::Workflow::ends_withdrawn) && is("Ready", "False/Expired"))
}

/// How many times something may have to be begun anew. An edit that is taken back counts twice, and so do two clusters.
fn causes(plan: &Plan) -> usize {
    let turns: usize = plan.turns.iter().map(|(_, what)| if matches!(what, Disturbance::Edit(_)) { 2 } else { 1 }).sum();
    turns + usize::from(plan.lag > 0) + if plan.replicas.are_two_clusters() { 2 } else { 0 }
}

fn rolls_itself(plan: &Plan) -> bool {
    workflow::find(plan.workflow).is_some_and(workflow::Workflow::rolls_itself)
}

/// What somebody else chose to sign with is good for three days, and what nobody knows the name of goes with its end.
fn bound(plan: &Plan) -> TimeDelta {
    if rolls_itself(plan) {
        return workflow::LIFE;
    }
    if plan.has(Happening::AnotherSigns) { BOUND + TimeDelta::days(3) } else { BOUND }
}

/// Whether something happened that stays: what others hold, a second credential that nobody removes, or a slot that nobody needs until something is to be
/// healed from it.
fn leaves_traces(plan: &Plan) -> bool {
    if plan.replicas.are_two_clusters() {
        return true;
    }
    let stays = [
        Happening::StrangerAdds,
        Happening::StrangerRemoves,
        Happening::AnotherSigns,
        Happening::StatusRestored,
        Happening::SlotsDeleted,
        Happening::SecretsDeleted,
        Happening::NextRemoved,
    ];
    let kind = workflow::find(plan.workflow).map(workflow::Workflow::kind);
    plan.turns.iter().any(|(_, what)| match what {
        // What signs then, or stays of what nobody knows the name of, is another one.
        Disturbance::Happening(Happening::OursRemoved) => kind == Some(Kind::Signing),
        Disturbance::Happening(happening) => stays.contains(happening),
        Disturbance::Fault(fault) => *fault == Fault::DeliveredTwice,
        Disturbance::Edit(_) => true,
    })
}
