//! Searches every state of the scenarios, and says what it found. `cargo xtask model --help`.

mod table;

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use model::bounds::{Bounds, Disturbance};
use model::defect::Defect;
use model::scenario::{Options, Scenario, all};
use model::search::{Figures, Found, Limits, search, shortest};
use model::tell;
use table::{Row, table};

/// Looks at every state that the rotation rules can reach in a small world, within stated bounds, and checks the promises in each of them.
///
/// A scenario is searched first without disturbances, then with one, then with two, and so on up to its bound, so that what is found has as few of them as can
/// be. A broken promise is told step by step, with the command that finds it again.
#[derive(Debug, Parser)]
#[command(name = "model", max_term_width = 120)]
struct Arguments {
    /// Searches this scenario only. May be given several times.
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// Names the scenarios and their bounds, and searches nothing.
    #[arg(long)]
    list: bool,
    /// At most so many disturbances in one run, instead of what the scenario says.
    #[arg(long, value_name = "COUNT")]
    total: Option<u8>,
    /// Begins with so many of them, instead of none.
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    from: u8,
    /// At most so many of one kind, such as crash=2. May be given several times; with --list the kinds are named.
    #[arg(long, value_name = "KIND=COUNT", value_parser = bound)]
    bound: Vec<(Disturbance, u8)>,
    /// Uses the small bounds that the tests use.
    #[arg(long)]
    small: bool,
    /// Lets others act between any two reads of a pass as well, not only between its effects.
    #[arg(long)]
    between_reads: bool,
    /// Tells states apart by how many passes and steps an instant has seen, so that a pass in a circle is found for certain.
    #[arg(long)]
    counted: bool,
    /// Searches a world with this defect, to see the checks find it; with --list they are named.
    #[arg(long, value_name = "NAME")]
    defect: Option<Defect>,
    /// Gives a search up after so many states.
    #[arg(long, value_name = "COUNT", default_value_t = 50_000_000)]
    states: u64,
    /// Searches with so many threads.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    workers: usize,
}

fn bound(text: &str) -> Result<(Disturbance, u8), String> {
    let (kind, count) = text.split_once('=').ok_or_else(|| format!("{text:?} is not KIND=COUNT"))?;
    let count = count.parse().map_err(|_| format!("{count:?} is no number up to 255"))?;
    Ok((kind.parse()?, count))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let known = all();
    if let Some(unknown) = arguments.scenario.iter().find(|name| known.iter().all(|scenario| scenario.name != **name)) {
        eprintln!("model: there is no scenario {unknown:?}; see --list");
        return ExitCode::FAILURE;
    }
    if arguments.list {
        list(&known);
        return ExitCode::SUCCESS;
    }
    let wanted =
        known.iter().filter(|scenario| arguments.scenario.is_empty() || arguments.scenario.iter().any(|name| name == scenario.name));
    let mut rows = Vec::new();
    let mut is_whole = true;
    for scenario in wanted {
        is_whole &= run(scenario, &arguments, &mut rows);
    }
    println!("{}", table(&rows));
    if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn list(scenarios: &[Scenario]) {
    for scenario in scenarios {
        println!("{}\n    {}\n    {}\n    small: {}\n", scenario.name, scenario.about, scenario.bounds, scenario.small);
    }
    let words = |words: Vec<&str>| words.join(", ");
    println!("Disturbances: {}", words(Disturbance::ALL.iter().map(|kind| kind.as_str()).collect()));
    println!("Defects: {}", words(Defect::ALL.iter().map(|defect| defect.as_str()).collect()));
}

fn bounds_of(scenario: &Scenario, arguments: &Arguments) -> Bounds {
    let mut bounds = if arguments.small { scenario.small } else { scenario.bounds };
    arguments.bound.iter().for_each(|(kind, count)| bounds.set(*kind, *count));
    bounds.with_total(arguments.total.unwrap_or(bounds.total))
}

/// Searches one scenario with ever more disturbances. Whether no promise was broken.
fn run(scenario: &Scenario, arguments: &Arguments, rows: &mut Vec<Row>) -> bool {
    let bounds = bounds_of(scenario, arguments);
    for total in arguments.from.min(bounds.total)..=bounds.total {
        let bounds = bounds.with_total(total);
        println!("{}: {bounds}", scenario.name);
        let options = Options { between_reads: arguments.between_reads, counted: arguments.counted, defect: arguments.defect };
        let world = match scenario.world(bounds, options) {
            Ok(world) => world,
            Err(broken) => {
                println!("broken before anything was disturbed: {}", broken.0);
                return false;
            }
        };
        let limits = Limits { states: arguments.states, workers: arguments.workers };
        let found = search(world.clone(), limits, show);
        clear();
        rows.push(Row::of(scenario.name, total, &found));
        if let Some((broken, way)) = found.violation {
            // A way that is found by going deep first is seldom the shortest.
            let (broken, way) = shortest(&world, 300_000).unwrap_or((broken, way));
            println!("{}", tell::story(&world, &broken, &way));
            println!("To find it again: {}\n", again(scenario, total, arguments));
            return false;
        }
        if !found.is_full {
            break;
        }
    }
    true
}

fn again(scenario: &Scenario, total: u8, arguments: &Arguments) -> String {
    let mut words = format!("cargo xtask model --scenario {} --total {total} --from {total}", scenario.name);
    let flags = [(arguments.small, " --small"), (arguments.between_reads, " --between-reads"), (arguments.counted, " --counted")];
    flags.iter().filter(|(given, _)| *given).for_each(|(_, flag)| words.push_str(flag));
    arguments.bound.iter().for_each(|(kind, count)| words.push_str(&format!(" --bound {kind}={count}")));
    arguments.defect.iter().for_each(|defect| words.push_str(&format!(" --defect {defect}")));
    words
}

/// Progress on one line where somebody watches, else now and then.
fn show(figures: &Figures) {
    let seconds = figures.took.as_secs_f64();
    let line = format!(
        "  {} states, {} transitions, {:.0} states/s, deepest {}, {} open, {} MiB",
        figures.states,
        figures.transitions,
        figures.states as f64 / seconds.max(0.001),
        figures.depth,
        figures.open,
        table::memory()
    );
    if std::io::stdout().is_terminal() {
        print!("\r{line:100}");
        let _ = std::io::stdout().flush();
    } else if figures.took.as_millis() % 20_000 < 50 && figures.took > Duration::from_secs(1) {
        println!("{line}");
    }
}

fn clear() {
    if std::io::stdout().is_terminal() {
        print!("\r{:100}\r", "");
    }
}

impl Row {
    fn of(scenario: &'static str, total: u8, found: &Found) -> Self {
        let end = match (&found.violation, found.is_full) {
            (Some(_), _) => "BROKEN",
            (None, true) => "full",
            (None, false) => "not full",
        };
        Self { scenario, total, figures: found.figures, end }
    }
}
