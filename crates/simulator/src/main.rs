//! The simulator as a program: `cargo xtask sim`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::ExitCode;

use clap::Parser;
use simulator::generate::{self, Reference};
use simulator::plan::{Disturbance, Plan};
use simulator::workflow::{self, Workflow};
use simulator::{campaign, trial, verdict};

/// Runs the operator through everything that it does, and has everything go wrong that can: every fault at every effect, pairs of faults,
/// and plans at random. After every step it is checked that no promise is broken.
#[derive(Parser)]
#[command(name = "cargo xtask sim")]
struct Arguments {
    /// Runs so many plans at random, besides what else is asked for.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seeds: u64,
    /// The seed of the first plan at random, which the others follow, and of what --at-most chooses.
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
    /// Runs everything that can disturb a course at every one of its effects: about 55,000 plans.
    #[arg(long)]
    singles: bool,
    /// Runs every two faults within ten effects of each other, and each with replicas that are behind: about 156,000 plans.
    #[arg(long)]
    pairs: bool,
    /// Runs every outage and every act of people, each with a fault at the same effect or up to two before or after it: about 500,000 plans.
    #[arg(long)]
    mixed: bool,
    /// Runs only so many of these plans, chosen at random by --seed.
    #[arg(long, value_name = "N")]
    at_most: Option<usize>,
    /// Only workflows whose name begins so.
    #[arg(long, default_value = "", value_name = "PREFIX")]
    workflow: String,
    /// Only plans with a disturbance whose name begins so.
    #[arg(long, default_value = "", value_name = "PREFIX")]
    disturbance: String,
    /// Runs this one plan, and prints what the operator did.
    #[arg(long, value_name = "PLAN")]
    plan: Option<Plan>,
    /// Prints the plans that are asked for instead of running them.
    #[arg(long)]
    dry_run: bool,
    /// Shows workflows and disturbances.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match &arguments.plan {
        _ if arguments.list => list(),
        Some(plan) => replay(plan),
        None => run(&arguments),
    }
}

fn list() -> ExitCode {
    for workflow in workflow::ALL {
        println!("{:<38} {}", workflow.name, workflow.about);
    }
    let names: Vec<_> = Disturbance::all().map(Disturbance::name).collect();
    println!("\nEach at the effect of a number, as in crash-after@14: {}", names.join(", "));
    ExitCode::SUCCESS
}

fn replay(plan: &Plan) -> ExitCode {
    // A panic is a verdict here.
    std::panic::set_hook(Box::new(|_| {}));
    let workflow = workflow::find(plan.workflow).expect("a plan names a workflow that exists");
    let verdict = trial::run(&Plan::undisturbed(workflow)).and_then(|undisturbed| verdict::of(plan, &undisturbed));
    trial::told(plan).1.iter().for_each(|line| println!("{line}"));
    match verdict {
        Ok(outcome) => {
            println!("{plan}: every promise was kept; {} writes to Graph", outcome.graph_writes);
            ExitCode::SUCCESS
        }
        Err(broken) => {
            eprintln!("{plan}: {}", broken.0);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> ExitCode {
    let workflows: Vec<&Workflow> = workflow::ALL.iter().filter(|one| one.name.starts_with(&arguments.workflow)).collect();
    let reference = match campaign::reference(workflow::ALL) {
        Ok(reference) => reference,
        Err(failed) => {
            failed.iter().for_each(|(name, broken)| eprintln!("{name}, undisturbed: {}", broken.0));
            return ExitCode::FAILURE;
        }
    };
    let plans = plans(arguments, &workflows, &reference);
    if arguments.dry_run {
        plans.iter().for_each(|plan| println!("{plan}"));
        return ExitCode::SUCCESS;
    }
    let report = campaign::run(&plans, &reference);
    println!("{report}");
    if report.failures().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn plans(arguments: &Arguments, workflows: &[&Workflow], reference: &Reference) -> Vec<Plan> {
    let mut plans = Vec::new();
    for workflow in workflows {
        if arguments.singles {
            plans.extend(generate::singles(workflow, reference));
        }
        if arguments.pairs {
            plans.extend(generate::pairs(workflow, reference));
        }
        if arguments.mixed {
            plans.extend(generate::mixed(workflow, reference));
        }
        if !arguments.singles && !arguments.pairs && !arguments.mixed && arguments.seeds == 0 {
            plans.extend(generate::selection(workflow, reference));
        }
    }
    plans.retain(|plan| plan.turns.iter().any(|(_, what)| what.name().starts_with(&arguments.disturbance)));
    if let Some(most) = arguments.at_most {
        fastrand::Rng::with_seed(arguments.seed).shuffle(&mut plans);
        plans.truncate(most);
    }
    let seeds = arguments.seed..arguments.seed + arguments.seeds;
    let random = seeds.map(|seed| generate::random(seed, reference));
    plans.extend(random.filter(|plan| plan.workflow.starts_with(&arguments.workflow)));
    plans
}
