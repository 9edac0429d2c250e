//! The operator as a whole: wait for the Lease, learn what the last leader did, reconcile until told to stop or until the Lease is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kube::Client;
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::Store;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::api::v1alpha1::ServicePrincipalCredential;
use crate::credential;
use crate::election::{Election, Lost};
use crate::metrics::Metrics;
use crate::seams::Seams;
use crate::serve::Health;
use crate::settings::Settings;
use crate::tenant::{self, CountCredentials, Tenants};

/// Between two attempts to list the resources.
const LEARN_AGAIN: Duration = Duration::from_secs(1);

/// How long the work in hand may take once told to stop: kubelet waits for 95 s, and the Lease is to be given up within them.
const GRACE: Duration = Duration::from_secs(80);

/// Why the operator ended although nobody told it to. Another process takes over; this one must not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Lease went to somebody else, or could not be renewed in time.
    #[error("the Lease was lost: {0}")]
    LoseLease(Lost),
    /// The operator may not list the resources.
    #[error("cannot learn what the last leader did: {0}")]
    Learn(String),
    /// A watch ended for good.
    #[error("the controllers ended without being told to")]
    RunControllers,
    /// Something hung.
    #[error("the work in hand did not come to an end within {} s of being told to stop", GRACE.as_secs())]
    Finish,
}

/// Runs until `stop` is true. A replica that has not got the Lease waits for it.
///
/// # Errors
/// When the Lease is lost, the resources cannot be listed, or the work in hand hangs: the process should end, and its supervisor start it anew.
pub async fn run(
    client: Client,
    settings: Settings,
    seams: Seams,
    metrics: Metrics,
    health: Health,
    stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let election = Election::new(client.clone(), &settings, Arc::clone(&seams.clock)).watched_by(health.clone());
    health.standing_by();
    tokio::select! {
        biased;
        () = election.acquire() => {}
        () = stopped(stop.clone()) => return Ok(()),
    }
    info!(identity = settings.identity, "leading");
    metrics.leader(true);
    health.filling_stores();
    let led = lead(election.fence(&client), settings, seams, metrics.clone(), health.clone(), election.clone(), stop.clone());
    let outcome = while_leading(&election, led, stop).await;
    metrics.leader(false);
    health.stopping();
    outcome
}

/// Works until that ends, the Lease is lost, or what is in hand hangs after being told to stop; then the Lease is given up.
async fn while_leading(
    election: &Election,
    working: impl Future<Output = Result<(), Error>>,
    stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let outcome = tokio::select! {
        biased;
        // Losing the Lease ends everything at once: nothing may be sent any more.
        lost = election.hold() => Err(Error::LoseLease(lost)),
        outcome = working => outcome,
        // Passes go on as tasks of their own, but nothing is written any more: fence and licences depend on the Lease.
        () = overdue(stop) => Err(Error::Finish),
    };
    election.release().await;
    outcome
}

async fn lead(
    client: Client,
    settings: Settings,
    seams: Seams,
    metrics: Metrics,
    health: Health,
    election: Election,
    stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let tenants = Tenants::default();
    let parts = credential::Parts {
        client: client.clone(),
        settings: settings.clone(),
        seams: seams.clone(),
        tenants: tenants.clone(),
        election,
        metrics: metrics.clone(),
        stop: stop.clone(),
    };
    let Some(registry) = learned(&parts, stop.clone()).await? else { return Ok(()) };
    let (credentials, store, ready) = credential::controller(parts, registry, stopped(stop.clone()));
    let listed = Arc::new(AtomicBool::new(false));
    let reporter = Reporter { controller: "entra-rotator".into(), instance: Some(settings.identity.clone()) };
    let context = tenant::Context {
        recorder: Recorder::new(client.clone(), reporter),
        client,
        settings,
        seams,
        tenants: tenants.clone(),
        metrics,
        credentials: counting(store, Arc::clone(&listed)),
    };
    let tenant_controller = tenant::controller(Arc::new(context), stopped(stop.clone()));
    let after_tenants = async move {
        // Before the tenants are listed every resource would seem to name one that does not exist.
        tenants.listed().await;
        credentials.await;
    };
    let filled = filling(ready, stop.clone(), listed, health);
    // In one task: `wait_until_ready` of kube 5 wakes only the last task that waits.
    tokio::select! {
        biased;
        _ = async { tokio::join!(tenant_controller, after_tenants) } => {}
        () = filled => {}
    }
    if *stop.borrow() { Ok(()) } else { Err(Error::RunControllers) }
}

/// Counts the resources of a tenant; unknown until they have been listed.
fn counting(store: Store<ServicePrincipalCredential>, listed: Arc<AtomicBool>) -> CountCredentials {
    Arc::new(move |tenant| {
        let resources = listed.load(Ordering::Acquire).then(|| store.state())?;
        let of_tenant = resources.iter().filter(|resource| resource.spec.tenant_ref.name == tenant).count();
        u32::try_from(of_tenant).ok()
    })
}

/// Says when all is listed, and then lasts. Ends when told to stop before: nothing of a credential is under way yet, and a kube Controller that is stopped before
/// its store is filled never ends.
async fn filling(ready: impl Future<Output = ()>, stop: watch::Receiver<bool>, listed: Arc<AtomicBool>, health: Health) {
    tokio::select! {
        biased;
        () = ready => {}
        () = stopped(stop) => return,
    }
    listed.store(true, Ordering::Release);
    health.stores_filled();
    std::future::pending::<()>().await;
}

/// What other resources were doing, as soon as the API server tells: right after the definitions are installed it is still preparing. `None` when told to stop.
async fn learned(parts: &credential::Parts, stop: watch::Receiver<bool>) -> Result<Option<credential::Registry>, Error> {
    loop {
        match credential::learn(parts).await {
            Ok(registry) => return Ok(Some(registry)),
            Err(error) if error.is_denied() => return Err(Error::Learn(error.to_string())),
            Err(error) => warn!(%error, "cannot list the resources yet"),
        }
        tokio::select! {
            biased;
            () = tokio::time::sleep(LEARN_AGAIN) => {}
            () = stopped(stop.clone()) => return Ok(None),
        }
    }
}

async fn overdue(stop: watch::Receiver<bool>) {
    stopped(stop).await;
    tokio::time::sleep(GRACE).await;
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that nobody is left to say it.
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::pending;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use kube::api::PostParams;
    use kube_sim::KubeSim;
    use rotation::Lateness;
    use serde_json::json;

    use super::*;
    use crate::election::is_fenced;
    use crate::settings::{Ambient, Reach, WATCH_TIMEOUT};

    fn election(sim: &KubeSim) -> Election {
        let settings = Settings {
            namespace: "ours".to_owned(),
            identity: "first".to_owned(),
            lease_name: "turns".to_owned(),
            lease_duration: Duration::from_secs(15),
            reach: Reach::Cluster,
            late: Lateness::default(),
            watch_timeout: WATCH_TIMEOUT,
            allow_custom_endpoints: false,
            ambient: Ambient::default(),
        };
        Election::new(sim.client(), &settings, Seams::real().clock)
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_hangs_when_told_to_stop_does_not_keep_the_lease_and_writes_nothing_more() {
        let sim = KubeSim::builder().seed(1).build().unwrap();
        sim.create_namespace("ours");
        let election = election(&sim);
        election.acquire().await;
        let fenced = Api::<ConfigMap>::namespaced(election.fence(&sim.client()), "ours");
        let (_stop, stopped) = watch::channel(true);
        let outcome = while_leading(&election, pending(), stopped).await;
        assert!(matches!(outcome, Err(Error::Finish)), "{outcome:?}");
        assert_eq!(sim.get("leases.coordination.k8s.io", "ours", "turns").unwrap()["spec"]["holderIdentity"], "");
        let note = serde_json::from_value(json!({"metadata": {"name": "late"}})).unwrap();
        let refused = fenced.create(&PostParams::default(), &note).await.unwrap_err();
        assert!(is_fenced(&refused), "{refused}");
    }
}
