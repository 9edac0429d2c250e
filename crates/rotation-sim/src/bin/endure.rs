//! Many years of many resources with short-lived credentials and random disturbances: `cargo xtask endure`.
#![allow(clippy::expect_used)]

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _, stderr};
use std::process::ExitCode;
use std::time::Instant;

use chrono::TimeDelta;
use clap::Parser;
use rotation_sim::endure::{Plan, Progress, Sort, Tally, run};

/// Lets the rotation protocol live through many years of many resources, with random faults and disturbances, and checks its promises at every step.
///
/// Prints what was counted as tables. Fails if a promise was broken: then it prints which, and the command that runs just that part again.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask endure")]
struct Arguments {
    /// How many ServicePrincipalCredentials there are. Some of them share an application.
    #[arg(long, default_value_t = 1_000)]
    resources: u32,
    /// For how many years they are watched.
    #[arg(long, default_value_t = 10)]
    years: i32,
    /// For how many days each credential is valid.
    #[arg(long, default_value_t = 7)]
    validity: i64,
    /// What all chance follows from: the same seed gives the same run.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which kinds of credentials there are.
    #[arg(long, value_delimiter = ',', value_parser = sort, default_values_t = Sort::ALL.map(Sort::as_str).map(str::to_owned))]
    kinds: Vec<String>,
    /// How many faults and disturbances there are for each rotation, on average; 0 for an undisturbed run.
    #[arg(long, default_value_t = 1.0)]
    faults: f64,
    /// How many threads share the work; as many as there are cores, if not given.
    #[arg(long)]
    threads: Option<usize>,
    /// Runs only the application of this number, as a failure names it.
    #[arg(long)]
    only: Option<u32>,
}

fn sort(name: &str) -> Result<String, String> {
    let known = || Sort::ALL.map(Sort::as_str).join(", ");
    if Sort::ALL.iter().any(|sort| sort.as_str() == name) { Ok(name.to_owned()) } else { Err(format!("the kinds are {}", known())) }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let plan = arguments.plan();
    let start = Instant::now();
    println!("{} resources, {} years, credentials of {} days, seed {}", plan.resources, arguments.years, plan.validity, plan.seed);
    println!("\n{:<8} {:>12} {:>12} {:>10} {:>9}", "lived", "rotations", "rotations/s", "memory MB", "seconds");
    let mut memory = vec![];
    let tally = run(&plan, |progress| show(progress, start, &mut memory));
    let undisturbed = undisturbed(&plan);
    println!("{}", tables(&plan, &tally, &undisturbed));
    println!("{}", memory_line(&memory));
    let flat = plan.only.is_some() || is_flat(&memory);
    failures(&arguments, &tally);
    let (wall, cpu) = (start.elapsed().as_secs_f64(), seconds_of_processor());
    println!("Took {wall:.1} s on {} threads, {cpu:.1} s of processor time.", plan.threads);
    println!("{}", if tally.holds() && flat { "Every promise held." } else { "A PROMISE WAS BROKEN." });
    if tally.holds() && flat { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Arguments {
    fn plan(&self) -> Plan {
        let cores = || std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Plan {
            resources: self.resources,
            span: TimeDelta::days(365) * self.years + TimeDelta::days(i64::from(self.years) / 4),
            validity: self.validity,
            seed: self.seed,
            sorts: Sort::ALL.into_iter().filter(|sort| self.kinds.iter().any(|kind| kind == sort.as_str())).collect(),
            faults: self.faults,
            threads: self.threads.unwrap_or_else(cores),
            only: self.only,
        }
    }

    /// The command that runs one application again.
    fn replay(&self, site: u32) -> String {
        let Self { resources, years, validity, seed, kinds, faults, .. } = self;
        let kinds = kinds.join(",");
        format!(
            "cargo xtask endure --resources {resources} --years {years} --validity {validity} --seed {seed} --faults {faults} --kinds {kinds} --only {site}"
        )
    }
}

/// The same kinds, a year each, with nothing that goes wrong.
fn undisturbed(plan: &Plan) -> Tally {
    let span = TimeDelta::days(365).min(plan.span);
    run(&Plan { resources: 28, span, faults: 0.0, only: None, ..plan.clone() }, |_| {})
}

fn show(progress: Progress, start: Instant, memory: &mut Vec<f64>) {
    let seconds = start.elapsed().as_secs_f64();
    let rate = progress.rotations as f64 / seconds;
    let resident = resident_megabytes();
    let line = |lived: &str| format!("{lived:<8} {:>12} {rate:>12.0} {resident:>10.1} {seconds:>9.1}", progress.rotations);
    if progress.tenth_ended {
        memory.push(resident);
        clear_line();
        println!("{}", line(&format!("{:>3} %", progress.tenths * 10)));
    } else if stderr().is_terminal() {
        eprint!("\r{}", line(&format!("{:>5.1} %", progress.per_mille as f64 / 10.0)));
        let _ = stderr().flush();
    }
}

fn clear_line() {
    if stderr().is_terminal() {
        eprint!("\r{:70}\r", "");
    }
}

fn tables(plan: &Plan, tally: &Tally, undisturbed: &Tally) -> String {
    let mut text = String::new();
    let row = |text: &mut String, cells: [String; 10]| {
        let [name, rest @ ..] = cells;
        let rest: Vec<_> = rest.iter().map(|cell| format!("{cell:>11}")).collect();
        let _ = writeln!(text, "{name:<22}{}", rest.join(""));
    };
    let head = ["kind", "resources", "rotations", "gap s", "explained s", "slowest h", "mean h", "writes each", "undisturbed", "most live"];
    text.push('\n');
    row(&mut text, head.map(str::to_owned));
    let hours = |span: TimeDelta| span.as_seconds_f64() / 3_600.0;
    let per = |writes: u64, rotations: u64| writes as f64 / rotations.max(1) as f64;
    let mut sorts: Vec<_> = plan.sorts.iter().map(|sort| (sort.as_str(), tally.sorts.get(sort), undisturbed.sorts.get(sort))).collect();
    let (all, calm) = (tally.total(), undisturbed.total());
    sorts.push(("all", Some(&all), Some(&calm)));
    for (name, counted, calm) in sorts {
        let (Some(counted), Some(calm)) = (counted, calm) else { continue };
        row(
            &mut text,
            [
                name.to_owned(),
                counted.resources.to_string(),
                counted.rotations.to_string(),
                format!("{:.0}", counted.gap.as_seconds_f64()),
                format!("{:.0}", counted.excused.as_seconds_f64()),
                format!("{:.1}", hours(counted.slowest)),
                format!("{:.2}", hours(counted.took) / counted.rotations.max(1) as f64),
                format!("{:.3}", per(counted.graph_writes(), counted.rotations)),
                format!("{:.3}", per(calm.graph_writes(), calm.rotations)),
                counted.most_live.to_string(),
            ],
        );
    }
    let _ = writeln!(text, "\nLongest explained gap, from its cause to its end: {:.1} h.", hours(all.longest_excused));
    let _ = writeln!(text, "Entries of one ledger, at most: {}; keyIds of one entry, at most: {}.", all.most_entries, all.most_key_ids);
    let _ = writeln!(text, "Passes: {}.\n", tally.passes);
    counts(&mut text, "Graph writes", all.counts.iter().filter(|((what, _), _)| *what == "Graph").map(|((_, name), n)| (*name, *n)));
    counts(
        &mut text,
        "Graph writes denied",
        all.counts.iter().filter(|((what, _), _)| *what == "Graph denies").map(|((_, name), n)| (*name, *n)),
    );
    counts(&mut text, "faults at effects", all.counts.iter().filter(|((what, _), _)| *what == "fault").map(|((_, name), n)| (*name, *n)));
    counts(&mut text, "disturbances", tally.disturbances.iter().map(|(name, n)| (*name, *n)));
    text
}

fn counts<'a>(text: &mut String, title: &str, rows: impl Iterator<Item = (&'a str, u64)>) {
    let rows: Vec<_> = rows.collect();
    let sum: u64 = rows.iter().map(|(_, n)| n).sum();
    let _ = writeln!(text, "{title:<32}{sum:>12}");
    for (name, n) in rows {
        let _ = writeln!(text, "  {name:<30}{n:>12}");
    }
}

fn failures(arguments: &Arguments, tally: &Tally) {
    const SHOWN: usize = 5;
    for failure in tally.failures.iter().take(SHOWN) {
        let shown: String = if arguments.only.is_some() { failure.what.clone() } else { failure.what.chars().take(1_500).collect() };
        println!("\nFAILED, application {}: {shown}\nRun it alone: {}\n", failure.site, arguments.replay(failure.site));
    }
    if !tally.failures.is_empty() {
        let all: Vec<_> = tally.failures.iter().map(|failure| failure.site.to_string()).collect();
        println!("{} applications failed: {}", all.len(), all.join(" "));
    }
}

/// The last tenth against the second: what is learnt in the first is allowed.
fn memory_line(memory: &[f64]) -> String {
    match memory {
        [_, second, .., last] if *second > 0.0 => {
            let growth = (last / second - 1.0) * 100.0;
            format!("Memory after the second tenth {second:.1} MB, after the last {last:.1} MB: {growth:+.1} %.")
        }
        _ => "Memory was not measured.".to_owned(),
    }
}

/// A few per cent, or a few megabytes where there is little.
fn is_flat(memory: &[f64]) -> bool {
    match memory {
        [_, second, .., last] => *last <= second * 1.05 || *last <= second + 4.0,
        _ => true,
    }
}

/// The resident memory of this process; 0 where the system does not say.
fn resident_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).unwrap_or(0.0) / 1_024.0
}

/// What this process took of the processors; 0 where the system does not say.
fn seconds_of_processor() -> f64 {
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: Vec<f64> = after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
    ticks.iter().sum::<f64>() / TICKS
}
