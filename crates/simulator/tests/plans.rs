//! Every workflow of the operator, with something going wrong at every one of its effects. `cargo xtask sim` has more go wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use simulator::campaign::{self, Report};
use simulator::generate::{self, Reference};
use simulator::plan::{Disturbance, Plan};
use simulator::workflow;

/// Plans that broke a promise once, a line each.
const FOUND: &str = include_str!("../plans/found.txt");

/// Plans at random, by the seeds from one on: two to five disturbances, replicas behind, a second process, another cluster.
const RANDOM: u64 = 100;

/// The undisturbed course of every workflow.
static REFERENCE: LazyLock<Reference> =
    LazyLock::new(|| campaign::reference(workflow::ALL).unwrap_or_else(|failed| panic!("even undisturbed: {failed:#?}")));

fn assert_every_promise_was_kept(report: &Report) {
    println!("{report}");
    let failures: Vec<String> = report.failures().iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{} plans broke a promise:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn whatever_goes_wrong_at_whichever_effect_every_promise_is_kept() {
    let plans: Vec<Plan> = workflow::ALL.iter().flat_map(|workflow| generate::selection(workflow, &REFERENCE)).collect();
    assert!(plans.len() >= 1_000, "{}", plans.len());
    let missing: Vec<_> = Disturbance::all().filter(|what| !plans.iter().any(|plan| plan.turns[0].1 == *what)).collect();
    assert!(missing.is_empty(), "no plan has {missing:?}");
    for (name, outcome) in &*REFERENCE {
        let covered: BTreeSet<usize> = plans.iter().filter(|plan| plan.workflow == *name).map(|plan| plan.turns[0].0).collect();
        let missing: Vec<_> = outcome.effects.iter().enumerate().filter(|(number, _)| !covered.contains(number)).collect();
        assert!(missing.is_empty(), "no plan disturbs {name} at {missing:?}");
    }
    let report = campaign::run(&plans, &REFERENCE);
    assert_every_promise_was_kept(&report);
    // What happens at an early effect can end a course before a late one comes, but not often.
    assert!((plans.len() - report.disturbances()) * 50 <= plans.len(), "many effects of the undisturbed course never came");
}

#[test]
fn two_processes_and_two_clusters_keep_every_promise_whatever_goes_wrong_meanwhile() {
    let plans: Vec<Plan> = (1..=RANDOM).map(|seed| generate::random(seed, &REFERENCE)).collect();
    assert_every_promise_was_kept(&campaign::run(&plans, &REFERENCE));
}

#[test]
fn what_was_found_once_is_not_found_again() {
    let plans: Vec<Plan> = FOUND.lines().filter(|line| !line.starts_with('#')).map(|line| line.parse().unwrap()).collect();
    assert!(!plans.is_empty());
    assert_every_promise_was_kept(&campaign::run(&plans, &REFERENCE));
}

#[test]
fn two_undisturbed_runs_of_a_workflow_are_the_same() {
    for (name, again) in campaign::reference(workflow::ALL).unwrap() {
        let first = &REFERENCE[name];
        assert_eq!((&again.effects, &again.end), (&first.effects, &first.end), "{name}");
    }
}

#[test]
fn two_runs_of_one_plan_are_the_same() {
    let plan: Plan = "signing.rotation lag=5 crash-after@7 answer-lost@12".parse().unwrap();
    let [first, second] = [(); 2].map(|()| simulator::trial::run(&plan).unwrap());
    assert_eq!((first.effects, first.end, first.graph_writes), (second.effects, second.end, second.graph_writes));
}
