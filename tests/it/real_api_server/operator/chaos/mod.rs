//! The operator among the troubles of a real cluster: killed, stopped, cut off, with etcd gone or put back, with other certificates and
//! tokens. Between it and both the API server and Entra are relays that we steer; what happens when is chosen by a seed, and counted in
//! messages, not in time.
//!
//! A few of each run with the other tests. `cargo xtask chaos` runs all of it with the release binary.

/// Other certificates.
mod certificates;
/// Whoever uses what is published.
mod consumer;
/// etcd gone, or put back.
mod etcd;
/// `kill -9`.
mod kills;
/// Connections cut, and ways on which nothing moves.
mod network;
/// Stopped, and overtaken.
mod pauses;
/// Choices by a seed.
mod random;
/// A way to a server that can be steered.
mod relay;
/// What is done to the operator, and how it is done.
mod scenario;
/// What starts it again.
mod supervisor;
/// Tokens that expire.
mod tokens;
/// What must be true at the end.
mod verdict;
/// A cluster, an Entra, and the ways to them.
mod world;

use std::{path::PathBuf, time::Duration};

use clap::Parser as _;

use self::scenario::{Extent, Scenario, run, say};

/// The arguments of `cargo xtask chaos`, one a line.
const ARGUMENTS: &str = "ENTRA_ROTATOR_CHAOS";

/// Runs the operator through the troubles of a cluster, and shows that nothing is lost.
#[derive(clap::Parser)]
#[command(name = "cargo xtask chaos")]
struct Arguments {
    /// How often the operator is killed.
    #[arg(long, default_value_t = 100)]
    kills: usize,
    /// How many credentials are rolled out while it is killed; the other scenarios have at most sixty.
    #[arg(long, default_value_t = 200)]
    resources: usize,
    /// Chooses the moments; printed if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// One scenario, or several; all if none is given.
    #[arg(long, value_enum)]
    scenario: Vec<Scenario>,
    /// A revision of git: the operator of it takes turns with this one in `upgrades`, which is left out without it.
    #[arg(long, value_name = "REVISION")]
    previous: Option<PathBuf>,
    /// The operator's binary.
    #[arg(long, value_name = "FILE")]
    operator: PathBuf,
}

impl Arguments {
    fn scenarios(&self) -> Vec<Scenario> {
        let is_possible = |scenario: &Scenario| *scenario != Scenario::Upgrades || self.previous.is_some();
        assert!(self.scenario.iter().all(is_possible), "upgrades need to know from what: add --previous REVISION");
        let named = if self.scenario.is_empty() { <Scenario as clap::ValueEnum>::value_variants() } else { &self.scenario };
        named.iter().copied().filter(is_possible).collect()
    }

    /// Whose turns come one after the other: the previous version is there first.
    fn programs(&self, scenario: Scenario) -> Vec<PathBuf> {
        let previous = self.previous.clone().filter(|_| scenario == Scenario::Upgrades);
        previous.into_iter().chain([self.operator.clone()]).collect()
    }
}

#[tokio::test]
#[ignore = "takes half an hour: cargo xtask chaos"]
async fn campaign() {
    let given = std::env::var(ARGUMENTS).unwrap_or_else(|_| panic!("run `cargo xtask chaos`, which says in {ARGUMENTS} what to do"));
    let arguments = Arguments::try_parse_from(std::iter::once("chaos").chain(given.lines())).unwrap_or_else(|error| error.exit());
    let seed = arguments.seed.unwrap_or_else(|| u64::from(std::process::id()) ^ chrono::Utc::now().timestamp().unsigned_abs());
    let mut runs = Vec::new();
    let mut broken = Vec::new();
    for scenario in arguments.scenarios() {
        let extent = extent(scenario, &arguments, seed);
        let replay = format!(
            "cargo xtask chaos --scenario {} --seed {seed} --kills {} --resources {}{}",
            scenario.name(),
            arguments.kills,
            arguments.resources,
            if scenario == Scenario::Upgrades { " --previous REVISION" } else { "" }
        );
        say(&format!("{replay}\n  {} resources, {} disturbances", extent.resources, extent.disturbances));
        let run = run(&[scenario], extent, arguments.programs(scenario)).await;
        let promises = run.broken_promises();
        runs.push(run);
        say(&format!("\n{}", verdict::table(&runs)));
        broken.extend(promises.into_iter().map(|promise| format!("{promise}\n    to repeat it: {replay}")));
    }
    assert!(broken.is_empty(), "promises that were not kept:\n{}", broken.join("\n"));
}

fn extent(scenario: Scenario, arguments: &Arguments, seed: u64) -> Extent {
    let some = arguments.resources.min(60);
    let (resources, disturbances) = match scenario {
        Scenario::Undisturbed => (arguments.resources, 0),
        Scenario::Kills => (arguments.resources, arguments.kills),
        Scenario::Renewals | Scenario::Upgrades => (some, arguments.kills),
        Scenario::Pauses => (some, 6),
        Scenario::Cuts => (some, 40),
        Scenario::Holes => (some, 12),
        Scenario::Etcd => (some, 5),
        Scenario::Restored | Scenario::Certificates | Scenario::Tokens => (some, 1),
    };
    Extent { resources, disturbances, seed, is_told: true, overlap: "10s", patience: Duration::from_secs(900) }
}

fn small(disturbances: usize) -> Extent {
    Extent { resources: 3, disturbances, seed: 1, is_told: false, overlap: "2s", patience: Duration::from_secs(150) }
}

#[tokio::test]
async fn a_roll_out_of_which_the_operator_is_killed_cut_off_and_overtaken_ends_as_if_nothing_had_happened() {
    let run = run(&[Scenario::Kills, Scenario::Cuts, Scenario::Pauses], small(3), Vec::new()).await;
    let broken = run.broken_promises();
    assert!(broken.is_empty(), "{}\n{}", broken.join("\n"), verdict::table(&[run]));
}

#[tokio::test]
async fn what_a_restored_cluster_has_forgotten_is_reported_and_left_alone() {
    let run = run(&[Scenario::Restored], small(1), Vec::new()).await;
    let broken = run.broken_promises();
    assert!(broken.is_empty(), "{}\n{}", broken.join("\n"), verdict::table(&[run]));
}
