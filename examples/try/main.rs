//! The demonstration: `cargo xtask try`. A Kubernetes API server and a Microsoft Entra that both live in this process, the real
//! operator as a process beside it, and a credential of each kind that lives for two minutes. Everything that happens is told as it happens,
//! and consumers that know nothing of the operator use what is published, every second: one failure, and this fails.

mod chart;
mod cluster;
mod consumer;
mod foreign;
mod lines;
mod manifests;
mod operator;
mod paint;
mod sightings;
mod stage;
mod story;
mod verdict;

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use clap::Parser;
use entra::{Environment, Graph, SignIn};
use entra_rotator::seams::Seams;
use entra_types::Endpoints;
use keys::Sensitive;
use kube::{Api, Client};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use crate::cluster::ClusterError;
use crate::manifests::{ManifestError, TEAM_NAMESPACE};
use crate::operator::{LATE, Operator, OperatorError};
use crate::paint::{BAD, BOLD, DIM, GOOD, Screen, painted};
use crate::sightings::{Reporter, Sample, Sighting};
use crate::stage::{Stage, StageError};
use crate::story::Story;
use crate::verdict::Verdict;

/// Two rotations take two and a half minutes or so.
const DEADLINE: Duration = Duration::from_secs(360);
const LOG_LINES: usize = 30;

/// Shows how credentials are rotated: simulated Kubernetes and Entra, and the real operator. Takes about three minutes.
#[derive(Parser)]
struct Arguments {
    /// Goes on after the end, until Ctrl-C, so that you can look around with kubectl.
    #[arg(long)]
    keep: bool,

    /// Takes place in your own cluster, by this context of your kubeconfig, instead of a simulated one. Definitions, two namespaces (entra-rotator and payroll) and all
    /// that is in them are made, and taken away at the end; a cluster where any of them is there already is refused.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// Why nothing could be shown.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot make a folder for the operator's log: {0}")]
    MakeFolder(io::Error),
    #[error("cannot listen to signals: {0}")]
    HearSignals(io::Error),
    #[error(transparent)]
    Operate(#[from] OperatorError),
    #[error(transparent)]
    SetStage(#[from] StageError),
    #[error(transparent)]
    UseCluster(#[from] ClusterError),
    #[error(transparent)]
    Declare(#[from] ManifestError),
    #[error("cannot act as a consumer: {0}")]
    Consume(String),
}

/// Why it is over.
enum Ending {
    SeenEnough,
    TooLate,
    OperatorEnded(String),
    Interrupted,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(code) => code,
        Err(failure) => {
            anstream::eprintln!("{} {failure}", painted(BAD, "try:"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new().map_err(Failure::HearSignals)?;
    let mut screen = Screen::new();
    screen.hint("building the operator …");
    let binary = tokio::select! {
        built = operator::build() => built?,
        () = signals.next() => return Ok(INTERRUPTED.into()),
    };
    let folder = tempfile::tempdir().map_err(Failure::MakeFolder)?;
    let mut show = Show::open(screen, &binary, folder.path(), arguments.context.as_deref()).await?;
    let ending = show.go_on(Some(DEADLINE), &mut signals).await;
    let code = show.close(&ending).await;
    if arguments.keep && matches!(ending, Ending::SeenEnough) {
        show.invite(folder.path());
        show.go_on(None, &mut signals).await;
    }
    let log = show.leave().await?;
    if code != ExitCode::SUCCESS && !matches!(ending, Ending::Interrupted) {
        let _ = folder.keep();
        anstream::println!("\n{}\n{}\n", painted(BOLD, "The end of the operator's log:"), operator::tail(&log, LOG_LINES));
        anstream::println!("The whole log: {}", log.display());
    }
    Ok(code)
}

/// As shells have it: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// Everything that runs.
struct Show {
    screen: Screen,
    stage: Arc<Stage>,
    operator: Operator,
    story: Story,
    sightings: UnboundedReceiver<Sighting>,
    _others: JoinSet<()>,
}

impl Show {
    /// Starts everything, and declares what is wanted.
    async fn open(mut screen: Screen, binary: &Path, folder: &Path, context: Option<&str>) -> Result<Self, Failure> {
        let stage = Arc::new(Stage::set(context).await?);
        let client = stage.cluster.client()?;
        manifests::apply(&client, &manifests::beforehand(&stage.directory.operator_secret)).await?;
        let declared = [manifests::tenant(&stage), manifests::credentials(&stage)].join("---\n");
        let mut others = JoinSet::new();
        let (reporter, sightings) = sightings::watch(&stage, &mut others);
        let story = Story::begin(&stage, Instant::now());
        let operator = Operator::start(binary, &stage.cluster, folder)?;
        introduce(&mut screen, &stage, context, &operator, &declared);
        manifests::apply(&client, &declared).await?;
        consume(&stage, &client, &reporter, &mut others)?;
        Ok(Self { screen, stage, operator, story, sightings, _others: others })
    }

    /// Tells what happens until everything was seen, for `limit` at most; without a limit until somebody stops it.
    async fn go_on(&mut self, limit: Option<Duration>, signals: &mut Signals) -> Ending {
        let mut beat = tokio::time::interval(Duration::from_millis(250));
        loop {
            tokio::select! {
                Some(sighting) = self.sightings.recv() => {
                    for line in self.story.take(sighting) {
                        self.screen.say(line);
                    }
                }
                _ = beat.tick() => self.screen.hint(&hint(&self.story)),
                ended = self.operator.ended() => return Ending::OperatorEnded(ended),
                () = signals.next() => return Ending::Interrupted,
            }
            match limit {
                Some(_) if self.story.missing().is_empty() => return Ending::SeenEnough,
                Some(limit) if self.story.elapsed() > limit => return Ending::TooLate,
                _ => {}
            }
        }
    }

    /// Sums up, and says whether it worked.
    async fn close(&mut self, ending: &Ending) -> ExitCode {
        let end = self.story.elapsed();
        let secret_works = self.foreign_secret_works().await;
        let log = std::fs::read_to_string(&self.operator.log).unwrap_or_default();
        let verdict = Verdict::reach(&self.story, &self.stage, secret_works, &log).await;
        self.screen.say("");
        for chapter in &self.story.chapters {
            self.screen.say(chart::draw(chapter, end));
        }
        self.screen.say(chart::legend());
        if !matches!(ending, Ending::Interrupted) {
            self.screen.say(format!("\n{}\n\n{verdict}", verdict::table(&self.story)));
        }
        let (code, style, text) = match ending {
            Ending::Interrupted => (ExitCode::from(INTERRUPTED), DIM, "Stopped before the end.".to_owned()),
            Ending::OperatorEnded(how) => (ExitCode::FAILURE, BAD, format!("The operator ended by itself: {how}.")),
            Ending::TooLate => (ExitCode::FAILURE, BAD, format!("Not everything was seen within {} s.", DEADLINE.as_secs())),
            Ending::SeenEnough if verdict.holds() => {
                (ExitCode::SUCCESS, GOOD, "No gap, nothing foreign touched, nothing left behind.".to_owned())
            }
            Ending::SeenEnough => (ExitCode::FAILURE, BAD, "Something went wrong: see the crosses above.".to_owned()),
        };
        self.screen.say(painted(style, format!("        {text}")));
        code
    }

    async fn foreign_secret_works(&self) -> bool {
        let directory = &self.stage.directory;
        let secret = Sensitive::new(directory.foreign_secret.clone());
        let sign_in = SignIn::ClientSecret { client_id: directory.api.client_id, secret };
        let (Ok(wire), Ok(endpoints)) = (consumer::wire(&self.stage.ca), Endpoints::custom(&self.stage.entra, &self.stage.entra)) else {
            return false;
        };
        let Seams { clock, ids, .. } = Seams::real();
        let graph = Graph::new(wire, endpoints, directory.tenant, sign_in.clone(), Environment::new(clock, ids));
        graph.sign_in(&sign_in).await.is_ok()
    }

    fn invite(&mut self, folder: &Path) {
        let kubeconfig = folder.join("kubeconfig.yaml");
        self.screen.say(format!("\n        Everything goes on until Ctrl-C. Look around with\n\n        export KUBECONFIG={}\n        kubectl get entra -A\n        kubectl describe spcred payroll-api\n", kubeconfig.display()));
    }

    /// Stops everything, leaves the cluster as it was, and gives the path of the operator's log.
    async fn leave(mut self) -> Result<std::path::PathBuf, ClusterError> {
        self.screen.wipe();
        let log = self.operator.log.clone();
        self.operator.stop().await;
        self.stage.cluster.leave().await?;
        Ok(log)
    }
}

fn introduce(screen: &mut Screen, stage: &Stage, context: Option<&str>, operator: &Operator, declared: &str) {
    screen.say(painted(BOLD, "\nentra-rotator: a demonstration\n"));
    let url = stage.cluster.url();
    let (kubernetes, reach) = match context {
        Some(context) => ("Kubernetes API, yours", format!("--context={context}")),
        None => ("Kubernetes API, simulated", format!("--server={url}")),
    };
    for (what, is) in [
        (kubernetes, url.to_owned()),
        ("Microsoft Entra, emulated", stage.entra.clone()),
        ("the operator", format!("process {}, --late={LATE}s, log in {}", operator.id().unwrap_or_default(), operator.log.display())),
        ("in Entra beforehand", "payroll-api with a secret and a certificate of others, payroll-job and payroll-saml likewise".to_owned()),
        ("to look around", format!("kubectl {reach} get entra -A")),
    ] {
        screen.say(format!("    {what:<27}{}", painted(DIM, is)));
    }
    screen.say(painted(BOLD, "\nWhat people declare:\n"));
    screen.say(manifests::shown(declared));
    screen.say(format!("{}  {}\n", painted(BOLD, "What happens:"), painted(DIM, Utc::now().format("from %F %T UTC on"))));
}

fn consume(stage: &Arc<Stage>, client: &Client, reporter: &Reporter, tasks: &mut JoinSet<()>) -> Result<(), Failure> {
    let wire = consumer::wire(&stage.ca).map_err(Failure::Consume)?;
    for sample in Sample::ALL {
        let secrets = Api::namespaced(client.clone(), TEAM_NAMESPACE);
        tasks.spawn(consumer::consume(sample, Arc::clone(stage), secrets, wire.clone(), reporter.clone()));
    }
    Ok(())
}

/// The line that changes: where everything stands, and what comes next.
fn hint(story: &Story) -> String {
    let now = Utc::now();
    let (uses, gaps) = story.chapters.iter().fold((0, 0), |(uses, gaps), chapter| (uses + chapter.checks.len(), gaps + chapter.gaps()));
    let next = story.chapters.iter().filter_map(|chapter| {
        let next = chapter.next.as_ref()?;
        Some((DateTime::from(next.at?), chapter.sample.name(), next.message.as_deref()?))
    });
    let next = next.filter(|(at, ..)| *at > now).min_by_key(|(at, ..)| *at);
    let next = next.map(|(at, name, what)| format!("{name} in {} s: {what}", (at - now).num_seconds()));
    format!("{:>6.1} s  {uses} uses, {gaps} gaps.  {}", story.elapsed().as_secs_f64(), next.unwrap_or_default())
}

/// Ctrl-C, what a supervisor sends, and a terminal that is closed.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self([signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hang_up] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
    }
}
