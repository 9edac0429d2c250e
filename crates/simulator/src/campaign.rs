//! Many plans, on all cores, with progress; what failed, and a table of what was run.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use rayon::iter::Either;
use rayon::prelude::*;

use crate::generate::Reference;
use crate::plan::Plan;
use crate::shrink::shrink;
use crate::trial::{Broken, Outcome};
use crate::workflow::Workflow;
use crate::{trial, verdict};

/// What came of many plans.
#[derive(Debug, Default)]
pub struct Report {
    rows: BTreeMap<&'static str, Row>,
    faults: BTreeMap<&'static str, usize>,
    failures: Vec<Failure>,
}

#[derive(Debug, Default)]
struct Row {
    effects: usize,
    plans: usize,
    taken: usize,
    longest: TimeDelta,
}

/// A plan that broke a promise.
#[derive(Debug)]
pub struct Failure {
    /// As it was run.
    pub plan: Plan,
    /// As small as it still fails.
    pub smallest: Plan,
    /// What the smallest one came to.
    pub why: Broken,
}

/// The undisturbed course of these workflows.
///
/// # Errors
/// With the names of the workflows that break a promise even undisturbed, and what is wrong.
pub fn reference<'a>(workflows: impl IntoIterator<Item = &'a Workflow>) -> Result<Reference, Vec<(&'static str, Broken)>> {
    silence_workers();
    let workflows: Vec<_> = workflows.into_iter().collect();
    let (found, failed): (Reference, Vec<_>) =
        workflows.into_par_iter().partition_map(|workflow| match trial::run(&Plan::undisturbed(workflow)) {
            Ok(outcome) => Either::Left((workflow.name, outcome)),
            Err(why) => Either::Right((workflow.name, why)),
        });
    if failed.is_empty() { Ok(found) } else { Err(failed) }
}

/// Carries out plans, on all cores, and tells every few seconds how far it is.
pub fn run(plans: &[Plan], reference: &Reference) -> Report {
    let report = Mutex::new(Report::default());
    for (name, outcome) in reference {
        report.lock().unwrap().rows.entry(*name).or_default().effects = outcome.effects.len();
    }
    let progress = Progress::new(plans.len());
    silence_workers();
    plans.par_iter().enumerate().for_each(|(number, plan)| {
        progress.begin(number, plan);
        let undisturbed = &reference[plan.workflow];
        let verdict = verdict::of(plan, undisturbed);
        let failure = verdict.as_ref().err().map(|why| smallest(plan, undisturbed, why));
        // Told at once: a campaign may last for hours.
        failure.iter().for_each(|failure| eprintln!("{failure}\n"));
        let mut report = report.lock().unwrap();
        report.record(plan, verdict.as_ref().ok());
        report.failures.extend(failure);
        progress.step(number, report.failures.len());
    });
    report.into_inner().unwrap()
}

fn smallest(plan: &Plan, undisturbed: &Outcome, why: &Broken) -> Failure {
    let smallest = shrink(plan, |plan| verdict::of(plan, undisturbed).is_err());
    let again = verdict::of(&smallest, undisturbed).err();
    let why = again.unwrap_or_else(|| Broken(format!("not again, so that two runs of one plan differ: {}", why.0)));
    Failure { plan: plan.clone(), smallest, why }
}

/// A panic of a worker is a verdict, told with its plan. Workers (of rayon) have no name, unlike all other threads.
fn silence_workers() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().name().is_some() {
                usual(panic);
            }
        }));
    });
}

/// Tells every few seconds how far a campaign is.
struct Progress {
    of: usize,
    done: AtomicUsize,
    began: Instant,
    told: Mutex<Instant>,
    running: Mutex<BTreeMap<usize, (Instant, Plan)>>,
}

/// Whoever waits wants to know for what, after this time.
const LONG: Duration = Duration::from_secs(20);

impl Progress {
    fn new(of: usize) -> Self {
        Self { of, done: AtomicUsize::new(0), began: Instant::now(), told: Mutex::new(Instant::now()), running: Mutex::default() }
    }

    fn begin(&self, number: usize, plan: &Plan) {
        self.running.lock().unwrap().insert(number, (Instant::now(), plan.clone()));
    }

    fn step(&self, number: usize, failures: usize) {
        self.running.lock().unwrap().remove(&number);
        let done = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        let mut told = self.told.lock().unwrap();
        if told.elapsed() < Duration::from_secs(5) && done < self.of {
            return;
        }
        *told = Instant::now();
        let seconds = self.began.elapsed().as_secs_f64();
        eprintln!("{done} of {} plans, {failures} failed, {seconds:.0} s, {:.1} a second", self.of, done as f64 / seconds.max(0.001));
        let running = self.running.lock().unwrap();
        for (since, plan) in running.values().filter(|(since, _)| since.elapsed() >= LONG) {
            eprintln!("for {:.0} s by now: {plan}", since.elapsed().as_secs_f64());
        }
    }
}

impl Report {
    fn record(&mut self, plan: &Plan, outcome: Option<&Outcome>) {
        let row = self.rows.entry(plan.workflow).or_default();
        row.plans += 1;
        let Some(outcome) = outcome else { return };
        row.longest = row.longest.max(outcome.settled_after);
        for (_, what) in outcome.taken(plan) {
            row.taken += 1;
            *self.faults.entry(what.name()).or_default() += 1;
        }
    }

    /// The plans that broke a promise.
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// How many disturbances took place.
    pub fn disturbances(&self) -> usize {
        self.faults.values().sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<38} {:>7} {:>7} {:>12} {:>22}", "workflow", "effects", "plans", "disturbances", "longest way to rest")?;
        for (name, row) in &self.rows {
            let (hours, minutes) = (row.longest.num_hours(), row.longest.num_minutes() % 60);
            writeln!(f, "{name:<38} {:>7} {:>7} {:>12} {:>22}", row.effects, row.plans, row.taken, format!("{hours} h {minutes} min"))?;
        }
        let plans: usize = self.rows.values().map(|row| row.plans).sum();
        writeln!(f, "\n{plans} plans, {} disturbances, {} failures", self.disturbances(), self.failures.len())?;
        let kinds: Vec<String> = self.faults.iter().map(|(name, count)| format!("{name} {count}")).collect();
        writeln!(f, "{}", kinds.join(", "))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.plan)?;
        writeln!(f, "    {}", self.why.0)?;
        write!(f, "    To repeat it: cargo xtask sim --plan '{}'", self.smallest)
    }
}
