//! kube-sim is asked what kube-apiserver is asked, and answers the same: scenarios from files, and generated sequences of requests.
//!
//! Some sequences are the same in every run; others are new, and their seed is printed. `AGREEMENT_SEED` and `AGREEMENT_SEQUENCES` (default
//! none) choose the new ones. A sequence that shows a difference is shrunk and printed as a scenario; put it into a file of
//! `crates/kube-sim/scenarios/found`, where both servers meet it again. What is to stay different stands, with the reason, in
//! `crates/kube-sim/scenarios/known-differences.yaml`: an entry that no longer occurs is an error, too.

mod answers;
mod kinds;
mod known;
mod objects;
mod sequence;

use std::{collections::BTreeMap, env, fmt, fs, future::ready, ops::Range, time::Duration};

use futures::{StreamExt as _, stream};
use kube::Client;
use kube_sim::{
    KubeSim,
    scenario::{self, Scenario},
};
use proptest::{
    strategy::{Strategy as _, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::Value;

use self::{
    answers::{Difference, Names, differences},
    known::Known,
};
use crate::control_plane::ControlPlane;

/// The seed and number of the sequences that are the same in every run.
const FIXED: (u64, usize) = (1, 64);
/// How many others there are, unless `AGREEMENT_SEQUENCES` says so.
const FRESH: usize = 0;
/// How many of them are judged at a time.
const PART: usize = 96;
/// How many sequences are under way at once: watches wait.
const AT_ONCE: usize = 12;
/// How many differences of a run are shrunk, and how often the servers are asked for each.
const SHRUNK: usize = 3;
const TRIES: usize = 40;

#[tokio::test]
async fn kube_sim_answers_as_kube_apiserver_does() {
    let servers = Servers::start().await;
    let fresh = number("AGREEMENT_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    let count = number("AGREEMENT_SEQUENCES").map_or(FRESH, |count| usize::try_from(count).unwrap());
    println!("fresh sequences: AGREEMENT_SEED={fresh} AGREEMENT_SEQUENCES={count}");
    let (found, mut wrong) = tokio::join!(servers.found(), servers.scenarios(count > FRESH));
    let fixed_runs = servers.generated(FIXED).await;
    let mut known = Known::read();
    let mut figures = Figures { sequences: found.len() + fixed_runs.len() + count, ..Figures::default() };
    wrong.extend(found.into_iter().flat_map(|(name, differences)| unexpected(&name, &differences, &mut known)));
    let mut failures = Failures::default();
    fixed_runs.into_iter().for_each(|run| failures.judge(run, &mut known, &mut figures));
    let stale = known.stale().join("\n");
    for part in 0..count.div_ceil(PART) {
        let runs = servers.generated_from(fresh, part * PART..count.min((part + 1) * PART)).await;
        runs.into_iter().for_each(|run| failures.judge(run, &mut known, &mut figures));
        println!("{} of {count} fresh sequences", count.min((part + 1) * PART));
    }
    println!("{figures}{:6}  known differences, how often each was met, and where first:\n{}", known.len(), known.table());
    wrong.extend(servers.tell(failures, &mut known).await);
    assert!(wrong.is_empty(), "AGREEMENT_SEED={fresh} AGREEMENT_SEQUENCES={count}\n{}", wrong.join("\n\n"));
    assert!(stale.is_empty(), "these known differences occur no longer: take them off {}\n{stale}", known::PATH);
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text}")))
}

/// Both servers, with the same definitions.
struct Servers {
    real: Client,
    sim: KubeSim,
    _plane: ControlPlane,
}

/// A generated sequence, and what it has shown.
struct Run {
    tree: Box<dyn ValueTree<Value = Vec<Value>>>,
    name: String,
    differences: Vec<Difference>,
}

/// What a run has come to.
#[derive(Default)]
struct Figures {
    sequences: usize,
    requests: usize,
    differences: usize,
}

/// The sequences that show something new, by what they show.
#[derive(Default)]
struct Failures(BTreeMap<String, Vec<(Run, Difference)>>);

impl Servers {
    async fn start() -> Self {
        let plane = ControlPlane::start().await.unwrap();
        let definitions = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
        plane.kubectl(&["apply", "--server-side", "-k", definitions]).await.unwrap();
        plane.kubectl_with_input(&["apply", "--server-side", "-f", "-"], scenario::WIDGETS).await.unwrap();
        plane.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).await.unwrap();
        let ours = ["entratenants", "serviceprincipalcredentials"];
        let ours = ours.map(|name| fs::read_to_string(format!("{definitions}/{name}.yaml")).unwrap());
        let sim = ours.into_iter().fold(KubeSim::builder().crd_yaml(scenario::WIDGETS), kube_sim::Builder::crd_yaml).build().unwrap();
        Self { real: plane.client().await.unwrap(), sim, _plane: plane }
    }

    /// The sequences that once showed a difference which is mended now.
    async fn found(&self) -> Vec<(String, Vec<Difference>)> {
        let found = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/kube-sim/scenarios/found");
        let files =
            fs::read_dir(found).unwrap().map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "yaml"));
        let found = files.map(|path| async move {
            let scenario: Scenario = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let differences = self.compare(&scenario).await;
            (scenario.name, differences)
        });
        stream::iter(found.collect::<Vec<_>>()).buffered(AT_ONCE).collect().await
    }

    /// What in the answers of kube-apiserver is not as kube-sim's own scenarios expect. Those that wait for a controller take long.
    async fn scenarios(&self, waiting: bool) -> Vec<String> {
        let all = Scenario::all().unwrap().into_iter().filter(|scenario| waiting || !scenario.waits());
        let replays = all.map(|scenario| async move {
            let replay = scenario.replay(&self.real, || tokio::time::sleep(Duration::from_millis(500))).await.unwrap();
            replay.unexpected
        });
        stream::iter(replays.collect::<Vec<_>>()).buffered(AT_ONCE).concat().await
    }

    async fn generated(&self, (seed, count): (u64, usize)) -> Vec<Run> {
        self.generated_from(seed, 0..count).await
    }

    async fn generated_from(&self, seed: u64, numbers: Range<usize>) -> Vec<Run> {
        let runs = numbers.map(|index| async move {
            let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed_of(seed, index)));
            let tree = Box::new(sequence::sequence().new_tree(&mut runner).unwrap()) as Box<dyn ValueTree<Value = Vec<Value>>>;
            let name = format!("s{:x}-{index}", seed % 65_536);
            let differences = self.try_out(&name, &tree.current()).await;
            Run { tree, name, differences }
        });
        stream::iter(runs).buffered(AT_ONCE).collect().await
    }

    /// One example of each failure, the first few of them shrunk.
    async fn tell(&self, failures: Failures, known: &mut Known) -> Vec<String> {
        let mut told = Vec::new();
        for (index, failed) in failures.0.into_values().enumerate() {
            let times = failed.len();
            let Some((run, first)) = failed.into_iter().min_by_key(|(_, first)| first.step) else { continue };
            println!("in {times} sequences: {first}");
            let example = if index < SHRUNK { self.shrink(run, known).await } else { String::new() };
            told.push(format!("in {times} sequences: {first}\n{example}"));
        }
        told
    }

    async fn try_out(&self, name: &str, steps: &[Value]) -> Vec<Difference> {
        let scenario = sequence::scenario(name, steps);
        self.compare(&serde_json::from_value(scenario).unwrap()).await
    }

    /// The shortest sequence that still shows a difference, as a scenario file.
    async fn shrink(&self, mut run: Run, known: &mut Known) -> String {
        let mut best = (run.tree.current(), first_unknown(&run.differences, known));
        let signature = best.1.as_ref().map(Difference::signature);
        let mut simpler = run.tree.simplify();
        for attempt in 0..TRIES {
            if !simpler {
                break;
            }
            let steps = run.tree.current();
            let differences = self.try_out(&format!("{}-{attempt}", run.name), &steps).await;
            // Another difference is another story.
            simpler = match first_unknown(&differences, known).filter(|first| Some(first.signature()) == signature) {
                Some(first) => {
                    best = (steps, Some(first));
                    run.tree.simplify()
                }
                None => run.tree.complicate(),
            };
        }
        let (steps, first) = best;
        let told = first.map(|first| first.to_string()).unwrap_or_default();
        let lines: Vec<_> =
            sequence::scenario("found", &steps)["steps"].as_array().into_iter().flatten().map(|step| format!("- {step}")).collect();
        format!("shrunk: {told}\n--- a scenario file:\nname: found-x\nsteps:\n{}\n---", lines.join("\n"))
    }

    async fn compare(&self, scenario: &Scenario) -> Vec<Difference> {
        let simulation = self.sim.client();
        let (theirs, ours) = tokio::join!(scenario.replay(&self.real, || ready(())), scenario.replay(&simulation, || ready(())));
        let (theirs, ours) = (theirs.unwrap(), ours.unwrap());
        let mut names = (Names::default(), Names::default());
        let mut found = Vec::new();
        for (index, (a, b)) in theirs.exchanges.iter().zip(&ours.exchanges).enumerate() {
            found.extend(differences(index, scenario.steps[index].request(), a, b, &mut names));
        }
        found
    }
}

impl Failures {
    fn judge(&mut self, run: Run, known: &mut Known, figures: &mut Figures) {
        figures.requests += run.tree.current().len();
        figures.differences += run.differences.len();
        if let Some(first) = first_unknown(&run.differences, known) {
            self.0.entry(first.signature()).or_default().push((run, first));
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequences, requests, differences } = self;
        writeln!(
            f,
            "{sequences:6}  sequences\n{requests:6}  generated requests, each put to both servers\n{differences:6}  differences, all of them listed or told below"
        )
    }
}

fn unexpected(name: &str, differences: &[Difference], known: &mut Known) -> Vec<String> {
    let new = differences.iter().filter(|difference| !known.excuses(difference));
    new.map(|difference| format!("{name}: {difference}")).collect()
}

/// The first difference that is not listed. Where the servers are known to have done different things, what follows proves nothing.
fn first_unknown(differences: &[Difference], known: &mut Known) -> Option<Difference> {
    let mut parted = None;
    for difference in differences {
        if parted.is_some_and(|step| step < difference.step) {
            return None;
        }
        if !known.excuses(difference) {
            return Some(difference.clone());
        }
        parted = Some(difference.step);
    }
    None
}

fn seed_of(seed: u64, index: usize) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&(index as u64).to_le_bytes());
    bytes
}
