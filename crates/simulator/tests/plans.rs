//! Every workflow of the operator, with something going wrong at every one of its effects. `cargo xtask sim` has more go wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use simulator::campaign::{self, Report};
use simulator::effects;
use simulator::generate::{self, Reference};
use simulator::plan::{Disturbance, Plan};
use simulator::workflow;

/// Plans that broke a promise once, a line each.
const FOUND: &str = include_str!("../plans/found.txt");

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
        let is_covered = |number: usize, effect: &str| effects::is_beside(effect) || covered.contains(&number);
        let missing: Vec<_> = outcome.effects.iter().enumerate().filter(|(number, effect)| !is_covered(*number, effect)).collect();
        assert!(missing.is_empty(), "no plan disturbs {name} at {missing:?}");
    }
    let report = campaign::run(&plans, &REFERENCE);
    assert_every_promise_was_kept(&report);
    // What happens at an early effect can end a course before a late one comes, but not often.
    assert!((plans.len() - report.disturbances()) * 50 <= plans.len(), "many effects of the undisturbed course never came");
}

#[test]
fn what_was_found_once_is_not_found_again() {
    let plans: Vec<Plan> =
        FOUND.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(|line| line.parse().unwrap()).collect();
    assert!(!plans.is_empty());
    assert_every_promise_was_kept(&campaign::run(&plans, &REFERENCE));
}

fn assert_is_kept(plan: &str) {
    assert_every_promise_was_kept(&campaign::run(&[plan.parse().unwrap()], &REFERENCE));
}

#[test]
fn two_processes_that_see_one_thing_differently_do_not_write_over_each_other_without_end() {
    assert_is_kept("certificate.first-issue replicas=unelected clock-behind@11");
}

#[test]
fn what_a_newer_version_adds_to_the_status_disturbs_nothing() {
    assert_is_kept("secret.rotation says-more@10");
}

/// `cargo xtask sim --seeds N` runs others.
#[test]
fn forty_plans_at_random_keep_every_promise() {
    let plans: Vec<Plan> = (1..=40).map(|seed| generate::random(seed, &REFERENCE)).collect();
    assert_every_promise_was_kept(&campaign::run(&plans, &REFERENCE));
}

#[test]
fn two_runs_of_one_plan_are_the_same() {
    for plan in ["signing.rotation lag=5 crash-after@7 answer-lost@12", "certificate.self-roll lag=10 replicas=unelected applied-late@28"] {
        let plan: Plan = plan.parse().unwrap();
        let [first, second] = [(); 2].map(|()| simulator::trial::run(&plan).unwrap());
        assert_eq!((named(first.effects), first.end, first.graph_writes), (named(second.effects), second.end, second.graph_writes));
    }
}

/// Events are named by the time of the machine.
fn named(effects: Vec<String>) -> Vec<String> {
    effects.into_iter().map(|effect| effect.split(" events/").next().unwrap_or_default().to_owned()).collect()
}
