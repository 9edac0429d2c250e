use std::{
    cell::Cell,
    collections::BTreeMap,
    future::pending,
    io::Write as _,
    path::PathBuf,
    rc::Rc,
    time::{Duration, Instant},
};

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use tokio::{sync::oneshot, time::sleep};

use super::{
    certificates,
    consumer::Consumer,
    etcd, kills, network, pauses,
    random::Random,
    relay::{Relay, Side},
    supervisor::Supervisor,
    tokens,
    verdict::{self, Run},
    world::World,
};
use crate::real_api_server::operator::{process::Operator, scene::is_settled, stage::OPERATOR};

const POLL: Duration = Duration::from_millis(400);
const TELL: Duration = Duration::from_secs(10);

/// What is done to the operator while it works.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Scenario {
    /// Nothing: what the others are compared with.
    Undisturbed,
    /// It is killed while everything is made for the first time, and longer.
    Kills,
    /// It is killed while what it made is renewed.
    Renewals,
    /// Another version takes its place, and it takes that one's, by turns.
    Upgrades,
    /// It is stopped for longer than its Lease, and goes on when another replica has.
    Pauses,
    /// Its connections are cut.
    Cuts,
    /// Nothing comes through to Entra or to the API server, for a moment or for long.
    Holes,
    /// etcd is killed and started again.
    Etcd,
    /// etcd is put back to what it held some time ago.
    Restored,
    /// The API server gets other certificates, in the end from another authority.
    Certificates,
    /// The tokens of its service account expire.
    Tokens,
}

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) resources: usize,
    pub(super) disturbances: usize,
    pub(super) seed: u64,
    /// How long a predecessor stays.
    pub(super) overlap: &'static str,
    /// Whether to tell how it goes.
    pub(super) is_told: bool,
    /// How long resources may take to come to rest.
    pub(super) patience: Duration,
}

/// What disturbances work with.
pub(super) struct Stage<'a> {
    pub(super) world: &'a World,
    pub(super) supervisor: &'a Supervisor<'a>,
    pub(super) consumer: &'a Consumer,
    pub(super) extent: Extent,
    done: Cell<usize>,
    settled: Cell<usize>,
    rotations: Cell<usize>,
    is_rolled_out: Cell<bool>,
}

impl Stage<'_> {
    /// One more disturbance is over.
    pub(super) fn disturbed(&self) {
        self.done.set(self.done.get() + 1);
    }

    pub(super) fn is_enough(&self) -> bool {
        self.done.get() >= self.extent.disturbances
    }

    /// Declares everything, and has it renewed until there were enough disturbances.
    async fn roll_out(&self) {
        self.world.declare(self.extent.overlap).await;
        self.settle(&BTreeMap::new()).await;
        self.is_rolled_out.set(true);
        while self.rotations.get() == 0 || !self.is_enough() {
            self.rotate().await;
        }
    }

    /// Waits until everything has been made once.
    async fn rolled_out(&self) {
        while !self.is_rolled_out.get() {
            sleep(POLL).await;
        }
    }

    pub(super) async fn rotate(&self) {
        let before = sequences(&self.world.states_at_last().await);
        self.world.renew().await;
        self.settle(&before).await;
        self.rotated();
    }

    /// The replica that holds the Lease.
    pub(super) async fn leader(&self) -> (String, Rc<Operator>) {
        loop {
            let holder = self.holder().await;
            match self.supervisor.replica(&holder) {
                Some(replica) => return (holder, replica),
                None => sleep(Duration::from_millis(10)).await,
            }
        }
    }

    /// Whose name the Lease bears.
    pub(super) async fn holder(&self) -> String {
        let leases = Api::<Lease>::namespaced(self.world.client.clone(), OPERATOR);
        let lease = leases.get_opt("entra-rotator").await.unwrap();
        lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default()
    }

    /// Everything is renewed once more.
    pub(super) fn rotated(&self) {
        self.rotations.set(self.rotations.get() + 1);
    }

    /// Waits until all have a credential of a higher number than before, and nothing else.
    pub(super) async fn settle(&self, before: &BTreeMap<String, u64>) {
        let deadline = Instant::now() + self.extent.patience;
        loop {
            let states = self.world.states_at_last().await;
            let now = sequences(&states);
            let is_renewed = |name: &String| before.get(name).is_none_or(|before| now.get(name).is_some_and(|now| now > before));
            let restless: Vec<_> = states.iter().filter(|(name, state)| !is_settled(state) || !is_renewed(name)).collect();
            self.settled.set(states.len() - restless.len());
            if restless.is_empty() && states.len() == self.world.resources.len() {
                return;
            }
            if Instant::now() > deadline {
                let (name, state) = restless[0];
                panic!("{} resources do not come to rest, such as {name}: {state:#}\n{}", restless.len(), self.last_words(name));
            }
            sleep(POLL).await;
        }
    }

    pub(super) fn last_words(&self, about: &str) -> String {
        let words = self.supervisor.all().iter().map(|operator| operator.last_lines(about)).collect::<Vec<_>>();
        words.join("\n")
    }

    async fn tell(&self, scenario: &str) {
        let begun = Instant::now();
        loop {
            sleep(TELL).await;
            if self.extent.is_told {
                let (messages, seen) = (self.world.api.messages() + self.world.graph.messages(), self.consumer.seen());
                say(&format!(
                    "  {scenario:12} {:>4} s  {} of {} disturbances, {} exits, rotation {}, {} of {} at rest, {messages} messages, {} uses, {:.0} gap s",
                    begun.elapsed().as_secs(),
                    self.done.get(),
                    self.extent.disturbances,
                    self.supervisor.exits(),
                    self.rotations.get() + 1,
                    self.settled.get(),
                    self.world.resources.len(),
                    seen.uses,
                    seen.gap()
                ));
            }
        }
    }
}

/// The number of the published credential of each resource.
pub(super) fn sequences(states: &BTreeMap<String, serde_json::Value>) -> BTreeMap<String, u64> {
    let current = |state: &serde_json::Value| {
        let entries = state["status"]["credentials"].as_array()?;
        entries.iter().find(|entry| entry["use"] == "Current")?["seq"].as_u64()
    };
    states.iter().filter_map(|(name, state)| Some((name.clone(), current(state)?))).collect()
}

/// Waits for something to happen at the message that is so many from now. `false` where it never will: a replica that ends, as it may on a busy machine
/// when it cannot renew its Lease, takes every trap with it.
pub(super) async fn at_message(relay: &Relay, messages: u64, side: Side, act: impl FnOnce() + Send + 'static) -> bool {
    let (sprung, hears) = oneshot::channel();
    relay.trap(messages, side, move || {
        act();
        // Nobody may wait for it any more.
        let _ = sprung.send(());
    });
    hears.await.is_ok()
}

/// Waits for the message that is so many from now, whatever happens meanwhile.
pub(super) async fn pass_messages(relay: &Relay, messages: u64) {
    while !at_message(relay, messages, Side::After, || ()).await {}
}

/// Runs one scenario, or several by turns, in a world of its own. Of several `programs` each takes its turn, and of none that of these tests.
pub(super) async fn run(scenarios: &[Scenario], extent: Extent, programs: Vec<PathBuf>) -> Run {
    let name = scenarios[0].name();
    let world = World::set(programs, extent.resources).await;
    let pods: &[&str] = if scenarios.contains(&Scenario::Pauses) { &["entra-rotator-a", "entra-rotator-b"] } else { &["entra-rotator-a"] };
    let supervisor = Supervisor::start(&world, pods).await;
    let consumer = Consumer::new(extent.overlap);
    let stage = Stage {
        world: &world,
        supervisor: &supervisor,
        consumer: &consumer,
        extent,
        done: Cell::default(),
        settled: Cell::default(),
        rotations: Cell::default(),
        is_rolled_out: Cell::default(),
    };
    let begun = Instant::now();
    tokio::select! {
        () = course(scenarios, &stage) => {}
        () = supervisor.watch() => {}
        () = consumer.use_outputs(&world) => {}
        () = stage.tell(name) => {}
    }
    let seconds = begun.elapsed().as_secs_f64();
    let (rotations, disturbances) = (stage.rotations.get(), stage.done.get());
    world.api.disarm();
    world.graph.disarm();
    let record = supervisor.end().await;
    let is_restored = scenarios.contains(&Scenario::Restored);
    let faults = if is_restored { Vec::new() } else { verdict::faults_of(&world).await };
    let (writes, expected) = (world.writes(), verdict::expected(&world, rotations, is_restored));
    Run {
        scenario: name,
        resources: extent.resources,
        rotations,
        seconds,
        disturbances,
        record,
        seen: consumer.seen(),
        writes,
        expected,
        faults,
    }
}

async fn course(scenarios: &[Scenario], stage: &Stage<'_>) {
    if scenarios == [Scenario::Restored] {
        return etcd::restore(stage).await;
    }
    tokio::select! {
        () = stage.roll_out() => {}
        () = disturb(scenarios, stage) => {}
    }
}

/// Goes on until there were enough disturbances, and then waits.
async fn disturb(scenarios: &[Scenario], stage: &Stage<'_>) {
    let mut random = Random::new(stage.extent.seed);
    for scenario in scenarios.iter().cycle() {
        if stage.is_enough() {
            break;
        }
        match scenario {
            Scenario::Undisturbed | Scenario::Restored => break,
            Scenario::Kills => kills::kill(stage, &mut random).await,
            Scenario::Renewals => {
                stage.rolled_out().await;
                kills::kill(stage, &mut random).await;
            }
            Scenario::Upgrades => kills::take_turns(stage, &mut random).await,
            Scenario::Pauses => pauses::pause(stage, &mut random).await,
            Scenario::Cuts => network::cut(stage, &mut random).await,
            Scenario::Holes => network::hole(stage, &mut random).await,
            Scenario::Etcd => etcd::kill(stage, &mut random).await,
            Scenario::Certificates => certificates::rotate(stage, &mut random).await,
            Scenario::Tokens => tokens::expire(stage).await,
        }
        stage.disturbed();
    }
    pending::<()>().await;
}

impl Scenario {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Undisturbed => "undisturbed",
            Self::Kills => "kills",
            Self::Renewals => "renewals",
            Self::Upgrades => "upgrades",
            Self::Pauses => "pauses",
            Self::Cuts => "cuts",
            Self::Holes => "holes",
            Self::Etcd => "etcd",
            Self::Restored => "restored",
            Self::Certificates => "certificates",
            Self::Tokens => "tokens",
        }
    }
}

/// Past the capture of the test's output.
pub(super) fn say(line: &str) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}
