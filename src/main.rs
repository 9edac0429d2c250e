//! The operator's binary: arguments, logs, a client, probes, signals; then [`operator::run`].

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use chrono::TimeDelta;
use clap::Parser as _;
use entra_rotator::args::Args;
use entra_rotator::metrics::{CountRequests, Metrics};
use entra_rotator::operator;
use entra_rotator::seams::Seams;
use entra_rotator::serve::{Health, serve};
use entra_rotator::settings::Settings;
use entra_rotator::telemetry;
use http::HeaderValue;
use http::header::USER_AGENT;
use kube::client::ClientBuilder;
use kube::{Client, Config};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info, warn};

fn main() -> ExitCode {
    let (settings, process) = Args::parse().into_settings();
    if let Err(error) = telemetry::init(&process.log_level) {
        eprintln!("cannot begin to log: {error}");
        return ExitCode::FAILURE;
    }
    if let Err(error) = forbid_core_dumps() {
        warn!(%error, "cannot forbid core dumps: if the process crashes, one may hold secrets");
    }
    match start(settings, process.listen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "the operator ends");
            ExitCode::FAILURE
        }
    }
}

/// Why the process ends with a failure.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot start the async runtime: {0}")]
    StartRuntime(io::Error),
    #[error("cannot listen on {address}: {source}; choose another address by --listen")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot find out where the Kubernetes API server is: {0}; run in a pod with a service account, or set KUBECONFIG")]
    FindCluster(kube::config::InferConfigError),
    #[error("cannot make a client of the Kubernetes API server: {0}")]
    MakeClient(kube::Error),
    #[error("cannot listen to signals: {0}")]
    HearSignals(io::Error),
    #[error("the probes and metrics cannot be served any more: {0}")]
    Serve(io::Error),
    #[error("the server of probes and metrics ended without being told to")]
    KeepServing,
    #[error(transparent)]
    Operate(operator::Error),
    #[error("told to stop twice: the work in hand was not brought to an end")]
    Insist,
}

fn start(settings: Settings, listen: SocketAddr) -> Result<(), Failure> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().map_err(Failure::StartRuntime)?;
    let outcome = runtime.block_on(run(settings, listen));
    // A key that is being generated is not waited for.
    runtime.shutdown_background();
    outcome
}

async fn run(settings: Settings, listen: SocketAddr) -> Result<(), Failure> {
    info!(version = env!("CARGO_PKG_VERSION"), identity = settings.identity, namespace = settings.namespace, "starting");
    if settings.late.late() < TimeDelta::minutes(1) {
        warn!(
            "--late is below one minute, which is for tests and demonstrations: a write that Entra applies later than that is not awaited"
        );
    }
    // An error means that one is installed already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let signals = Signals::new().map_err(Failure::HearSignals)?;
    let listener = TcpListener::bind(listen).await.map_err(|source| Failure::Listen { address: listen, source })?;
    info!(address = listener.local_addr().map(tracing::field::display).ok(), "serving /livez, /readyz and /metrics");
    let (metrics, seams) = (Metrics::new(), Seams::real());
    let health = Health::new(seams.clock.clone(), settings.lease_duration);
    let client = client(&metrics).await?;
    let (stop, stopped) = watch::channel(false);
    let operating = operator::run(client, settings, seams, metrics.clone(), health.clone(), stopped);
    // Probes and metrics are served to the very end.
    let (_open, closed) = watch::channel(false);
    tokio::select! {
        served = serve(listener, health.clone(), metrics, closed) => Err(served.err().map_or(Failure::KeepServing, Failure::Serve)),
        outcome = operate(operating, signals, &health, &stop) => outcome,
    }
}

/// Runs the operator until it ends, or until the first signal and then for as long as the work in hand needs.
async fn operate(
    operating: impl Future<Output = Result<(), operator::Error>>,
    mut signals: Signals,
    health: &Health,
    stop: &watch::Sender<bool>,
) -> Result<(), Failure> {
    tokio::pin!(operating);
    tokio::select! {
        outcome = &mut operating => return outcome.map_err(Failure::Operate),
        () = signals.next() => {}
    }
    info!("stopping: the work in hand is brought to an end");
    health.stopping();
    stop.send_replace(true);
    tokio::select! {
        outcome = operating => outcome.map_err(Failure::Operate),
        () = signals.next() => Err(Failure::Insist),
    }
}

/// A client that repeats nothing by itself: kube's own retries would send a POST again whose answer was lost. Without a timeout for
/// answers, which would cut watches; every other request is limited by whoever makes it.
async fn client(metrics: &Metrics) -> Result<Client, Failure> {
    let mut config = Config::infer().await.map_err(Failure::FindCluster)?;
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    config.read_timeout = None;
    config.headers.push((USER_AGENT, HeaderValue::from_static(concat!("entra-rotator/", env!("CARGO_PKG_VERSION")))));
    let builder = ClientBuilder::try_from(config).map_err(Failure::MakeClient)?;
    Ok(builder.with_layer(&CountRequests::new(metrics.clone())).build())
}

/// SIGTERM, as from kubelet, and SIGINT, as from a terminal.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Keys and secrets are in memory. The limit alone does not keep the kernel from piping a dump to a program, so the process is made
/// undumpable as well, which also keeps others of the same user from reading its memory.
fn forbid_core_dumps() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

const CONNECT: Duration = Duration::from_secs(10);

/// The operator waits much and computes little; keys are made on threads of their own.
const WORKERS: usize = 2;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::Arc;

    use tokio::sync::Mutex;

    use super::*;

    /// Signals reach every test of this process: one at a time.
    static TURN: Mutex<()> = Mutex::const_new(());

    fn health() -> Health {
        Health::new(Arc::clone(&Seams::real().clock), Duration::from_secs(15))
    }

    fn send(signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::getpid(), signal).unwrap();
    }

    #[test]
    fn no_core_is_dumped() {
        forbid_core_dumps().unwrap();
        assert_eq!(rustix::process::getrlimit(Resource::Core).current, Some(0));
        #[cfg(target_os = "linux")]
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), rustix::process::DumpableBehavior::NotDumpable);
    }

    #[tokio::test]
    async fn an_operator_that_ends_by_itself_ends_the_process_with_its_own_outcome() {
        let (stop, _stopped) = watch::channel(false);
        operate(ready(Ok(())), Signals::new().unwrap(), &health(), &stop).await.unwrap();
        let failed = ready(Err(operator::Error::RunControllers));
        let outcome = operate(failed, Signals::new().unwrap(), &health(), &stop).await;
        assert!(matches!(outcome, Err(Failure::Operate(operator::Error::RunControllers))));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_signal_lets_the_work_in_hand_come_to_an_end() {
        let _turn = TURN.lock().await;
        for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
            let (health, signals) = (health(), Signals::new().unwrap());
            health.standing_by();
            let (stop, mut stopped) = watch::channel(false);
            send(signal);
            let working = async move {
                stopped.wait_for(|stop| *stop).await.unwrap();
                Ok(())
            };
            operate(working, signals, &health, &stop).await.unwrap();
            assert!(health.ready().is_err());
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_second_signal_ends_the_process_at_once() {
        let _turn = TURN.lock().await;
        let signals = Signals::new().unwrap();
        let (stop, mut stopped) = watch::channel(false);
        send(rustix::process::Signal::TERM);
        let stuck = async move {
            stopped.wait_for(|stop| *stop).await.unwrap();
            send(rustix::process::Signal::TERM);
            pending().await
        };
        assert!(matches!(operate(stuck, signals, &health(), &stop).await, Err(Failure::Insist)));
    }
}
