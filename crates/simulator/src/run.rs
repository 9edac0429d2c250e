//! The operator's processes: started, replaced when they crash, and stopped in the end.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use entra::{Clock, Ids};
use entra_rotator::metrics::Metrics;
use entra_rotator::operator::{self, Error};
use entra_rotator::seams::{KeySource, Seams};
use entra_rotator::serve::Health;
use entra_rotator::settings::Settings;
use futures::future::join_all;
use kube_sim::KubeSim;
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::Instant;
use tower::Layer as _;

use crate::effects::{Moment, TIME};
use crate::process::Process;
use crate::world::{ToEmulator, World};

/// How often the watcher is told that time has gone by: while something is awaited, and else.
const SHORT: Duration = Duration::from_secs(300);
const LONG: Duration = Duration::from_secs(6 * 3_600);

/// How long a process that ended is gone.
const RESTART: Duration = Duration::from_secs(1);

impl World {
    /// Runs the operator for this long. Fails if a watcher of the effects found fault.
    pub async fn run_for(&self, span: TimeDelta) {
        let end = Instant::now() + span.to_std().unwrap();
        self.drive(LONG, tokio::time::sleep_until(end)).await;
    }

    /// Runs the operator until something is so, for `limit` at most.
    pub async fn run_until(&self, limit: TimeDelta, what: &str, is_so: impl Fn(&Self) -> bool) {
        self.drive(SHORT, self.wait_until(limit, what, is_so)).await;
    }

    /// Runs the operator, all its replicas, while something takes its course: what ends is started again after a second.
    pub async fn drive<T>(&self, pace: Duration, course: impl Future<Output = T>) -> T {
        let (stop, stopped) = watch::channel(false);
        let own = self.replicas.iter().map(|settings| self.supervise(&self.cluster, settings, stopped.clone()));
        let others = self.neighbour.iter().map(|cluster| self.supervise(cluster, &self.replicas[0], stopped.clone()));
        let operators = join_all(own.chain(others));
        let mut operators = std::pin::pin!(operators);
        let outcome = tokio::select! {
            biased;
            outcome = course => outcome,
            () = self.beat(pace) => unreachable!("time goes on"),
            _ = &mut operators => panic!("the operator ended, and nobody had told it to"),
        };
        stop.send(true).unwrap();
        operators.await;
        self.effects.assert_faultless();
        outcome
    }

    /// Waits until something is so, while somebody drives this world.
    pub async fn wait_until(&self, limit: TimeDelta, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = Instant::now() + limit.to_std().unwrap();
        while Instant::now() < end && !is_so(self) {
            tokio::time::sleep_until(end.min(Instant::now() + SHORT)).await;
            self.effects.assert_faultless();
        }
        assert!(is_so(self), "never seen: {what}; {:#}", self.find_resource().unwrap_or_default()["status"]);
    }

    async fn beat(&self, pace: Duration) {
        let mut clock = tokio::time::interval(pace);
        loop {
            clock.tick().await;
            self.effects.tell(Moment::After, TIME);
        }
    }

    async fn supervise(&self, cluster: &KubeSim, settings: &Settings, stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            let process = Process::new(&self.effects);
            let mut running = tokio::spawn(self.operator(cluster, settings, &process, stopped.clone()));
            tokio::select! {
                biased;
                () = process.crashed() => {
                    running.abort();
                    // Whatever it came to just now, it is gone.
                    drop(running.await);
                }
                ended = &mut running => assert!(is_expected(&ended, &stopped), "the operator ended: {ended:?}"),
            }
            tokio::time::sleep(RESTART).await;
        }
    }

    fn operator(
        &self,
        cluster: &KubeSim,
        settings: &Settings,
        process: &Process,
        stop: watch::Receiver<bool>,
    ) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let client = kube::Client::new(process.layer(cluster.service()), "default");
        let seams = Seams {
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            ids: Arc::clone(&self.ids) as Arc<dyn Ids>,
            keys: Arc::clone(&self.keys) as Arc<dyn KeySource>,
            wires: Arc::new(ToEmulator(self.entra.clone(), process.clone())),
        };
        let health = Health::new(Arc::clone(&self.clock) as Arc<dyn Clock>, settings.lease_duration);
        operator::run(client, settings.clone(), seams, Metrics::new(), health, stop)
    }
}

/// It ends when it is told to, or when it has lost the Lease.
fn is_expected(ended: &Result<Result<(), Error>, JoinError>, stopped: &watch::Receiver<bool>) -> bool {
    match ended {
        Ok(Ok(())) => *stopped.borrow(),
        Ok(Err(Error::LoseLease(_))) => true,
        _ => false,
    }
}
