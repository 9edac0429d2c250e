//! Several teams, tenants and identities in one cluster, generated: whatever their resources ask for, each pass stays within its own namespace and within a grant.

mod canaries;
mod chance;
mod estate;
mod judge;
mod recorder;
mod stage;
mod tap;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;
use std::time::Duration;

use entra_rotator::settings::Reach;
use futures::FutureExt as _;
use rayon::prelude::*;
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

use chance::Chance;
use estate::Grants;
use recorder::{Passes, Tally};
use stage::Stage;

/// Worlds in an ordinary run; `TENANCY_WORLDS` asks for more.
const WORLDS: u64 = 200;
/// Changes by people in the course of each.
const CHANGES: usize = 2;
const BETWEEN_CHANGES: Duration = Duration::from_secs(15 * 60);

#[test]
fn in_generated_worlds_nothing_is_asked_for_outside_a_grant_or_another_namespace() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let first = number("TENANCY_SEED");
    let worlds = first.map_or_else(|| number("TENANCY_WORLDS").unwrap_or(WORLDS), |_| 1);
    let (sum, seen) = run_all(first.unwrap_or(1)..first.unwrap_or(1) + worlds);
    println!(
        "{worlds} worlds: {} requests of passes, {} of all to Entra, {} beside; conditions seen: {seen:?}",
        sum.of_passes, sum.of_graph, sum.beside
    );
    if worlds >= WORLDS {
        // What the worlds are for did happen in them.
        for reason in [
            "Published",
            "NotGranted",
            "PermissionDenied",
            "TenantNotFound",
            "OutputNotOurs",
            "AdoptionNotGranted",
            "TargetClaimed",
            "OwnIdentity",
        ] {
            assert!(seen.get(reason).is_some_and(|count| *count >= 3), "{reason} hardly ever happened: {seen:?}");
        }
        assert!(sum.of_graph > 3_000 && sum.of_passes > 8_000, "{sum:?}");
    }
}

/// Runs these worlds on all processors; the first that is at fault ends the test.
fn run_all(seeds: Range<u64>) -> (Tally, BTreeMap<String, usize>) {
    let (mut sum, mut seen) = (Tally::default(), BTreeMap::<String, usize>::new());
    for (tally, reasons) in seeds.into_par_iter().map(innocent).collect::<Vec<_>>() {
        sum.add(&tally);
        reasons.into_iter().for_each(|reason| *seen.entry(reason).or_default() += 1);
    }
    (sum, seen)
}

/// One world, in which nothing was at fault.
fn innocent(seed: u64) -> (Tally, Vec<String>) {
    let (tally, reasons) = run(seed);
    assert!(
        tally.faults.is_empty(),
        "world {seed}: {} faults; the first: {}\nTo see it again: TENANCY_SEED={seed} cargo test --test it tenancy",
        tally.faults.len(),
        tally.faults[0]
    );
    (tally, reasons)
}

/// Lets this subscriber hear what this thread logs. With only one of them in the process, what another thread has met first would not be heard: whether a place logs at
/// all is remembered for all threads.
fn listen(subscriber: impl Subscriber + Send + Sync + 'static) -> DefaultGuard {
    static ANOTHER: OnceLock<Dispatch> = OnceLock::new();
    ANOTHER.get_or_init(|| Dispatch::new(tracing_subscriber::registry()));
    tracing::subscriber::set_default(subscriber)
}

/// One world from its beginning to its end, under paused time.
fn run(seed: u64) -> (Tally, Vec<String>) {
    let _listening = listen(tracing_subscriber::registry().with(Passes.with_filter(LevelFilter::INFO)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let world = async {
        let mut chance = Chance::of(seed);
        let stage = Stage::of(&mut chance, Grants::ByChance, Reach::Cluster, None).await;
        let mut reasons = Vec::new();
        for _ in 0..=CHANGES {
            stage.run_for(BETWEEN_CHANGES).await;
            reasons.extend(conditions(&stage));
            stage.change(&mut chance).await;
        }
        (stage.tally(), reasons)
    };
    // A panic names the world that it came from.
    let outcome = runtime.block_on(std::panic::AssertUnwindSafe(world).catch_unwind());
    outcome.unwrap_or_else(|panic| {
        eprintln!("in world {seed}: TENANCY_SEED={seed} cargo test --test it tenancy");
        std::panic::resume_unwind(panic)
    })
}

/// The reasons of all conditions that are true.
fn conditions(stage: &Stage) -> Vec<String> {
    let resources = stage.resources();
    let conditions = resources.iter().flat_map(|resource| resource["status"]["conditions"].as_array().into_iter().flatten());
    conditions
        .filter(|condition| condition["status"] == "True")
        .filter_map(|condition| condition["reason"].as_str())
        .map(str::to_owned)
        .collect()
}
