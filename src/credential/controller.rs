//! Watches, and the loop that reconciles what they show.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::controller::{self, Controller};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{self, Store};
use kube::{Api, Client, ResourceExt as _};
use tokio::sync::watch;
use tracing::debug;

use super::cluster::ask;
use super::context::Context;
use super::grants::Wanted;
use super::outputs::Outputs;
use super::pass::recorded;
use super::reconcile::reconcile;
use super::record;
use super::registry::Registry;
use super::strangers::Strangers;
use super::trouble::ClusterError;
use crate::api::v1alpha1::{CredentialKind, ServicePrincipalCredential};
use crate::election::Election;
use crate::metrics::Metrics;
use crate::readable::readable;
use crate::seams::Seams;
use crate::settings::Settings;
use crate::tenant::Tenants;

/// Passes at the same time. Most of a pass is waiting.
const CONCURRENCY: u16 = 16;
/// How often resources that are gone are forgotten.
const SWEEP: Duration = Duration::from_secs(3_600);

/// What the controller is made of.
pub(crate) struct Parts {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) seams: Seams,
    pub(crate) tenants: Tenants,
    pub(crate) election: Election,
    pub(crate) metrics: Metrics,
    pub(crate) stop: watch::Receiver<bool>,
}

/// What other resources did before this process became the leader: listed live, as a watch may lag behind the last leader's writes.
pub(crate) async fn learn(parts: &Parts) -> Result<Registry, ClusterError> {
    let registry = Registry::default();
    let api: Api<DeserializeGuard<ServicePrincipalCredential>> = Api::all(parts.client.clone());
    let list = ask("list ServicePrincipalCredentials", api.list(&ListParams::default())).await?;
    for resource in list.items.into_iter().filter_map(|item| item.0.ok()) {
        let Some(uid) = resource.uid() else { continue };
        let (Ok(wanted), Some(Ok(status))) = (Wanted::of(&resource), resource.status.as_ref().map(|status| status.read())) else {
            continue;
        };
        let Ok(ledger) = record::ledger(status, wanted.kind) else { continue };
        let Some(target) = ledger.target.clone() else { continue };
        let signing = wanted.kind == CredentialKind::TokenSigningCertificate;
        registry.record(&uid, recorded(&resource, wanted.app(target.tenant_id, Some(target.client_id)), signing, ledger));
    }
    Ok(registry)
}

/// The controller as a future that ends once it is told to stop. Also answers the store of all resources, which it fills, and a future that ends once all is listed.
pub(crate) fn controller(
    parts: Parts,
    registry: Registry,
    stopped: impl Future<Output = ()> + Send + Sync + 'static,
) -> (impl Future<Output = ()> + Send, Store<ServicePrincipalCredential>, impl Future<Output = ()> + Send) {
    let Parts { client, settings, seams, tenants, election, metrics, stop } = parts;
    let (store, writer) = reflector::store();
    let strangers = Strangers::new(client.clone(), seams.clone());
    let events = readable(Api::all(client.clone()), settings.watch(), move |metadata, error| strangers.tell(metadata, error));
    let resources = reflector::reflector(writer, events).touched_objects();
    let (outputs, touched) = Outputs::watch(&client, &settings);
    let recorder =
        Recorder::new(client.clone(), Reporter { controller: "entra-rotator".into(), instance: Some(settings.identity.clone()) });
    let (tenants_changed, resources_by_uid) = (tenants.changes(), store.clone());
    let ready = ready(store.clone(), outputs.clone());
    let context = Context { client, settings, seams, tenants, registry, outputs, election, metrics, recorder, store: store.clone(), stop };
    let context = Arc::new(context);
    let run = Controller::for_stream(resources, store.clone())
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .watches_stream(touched, move |output| Outputs::owner(&output, &resources_by_uid))
        .reconcile_all_on(tenants_changed)
        .graceful_shutdown_on(stopped)
        .run(reconcile, |_, error, _| match *error {}, Arc::clone(&context))
        .for_each(|result| async {
            if let Err(error) = result {
                debug!(error = %error, "the controller");
            }
        });
    let swept = sweep(context);
    let run = async move {
        tokio::select! {
            biased;
            () = run => {}
            () = swept => {}
        }
    };
    (run, store, ready)
}

async fn ready(store: Store<ServicePrincipalCredential>, outputs: Outputs) {
    // A dropped writer means that we are stopping.
    let _ = store.wait_until_ready().await;
    outputs.ready().await;
}

async fn sweep(context: Arc<Context>) {
    let mut shown = HashSet::new();
    loop {
        tokio::time::sleep(SWEEP).await;
        let live = context.store.state();
        let uids: HashSet<String> = live.iter().filter_map(|resource| resource.uid()).collect();
        context.registry.sweep(|uid| uids.contains(uid), context.settings.late, context.now());
        let names: HashSet<_> = live.iter().map(|resource| (resource.namespace().unwrap_or_default(), resource.name_any())).collect();
        for (namespace, name) in shown.difference(&names) {
            context.metrics.forget(namespace, name);
        }
        shown = names;
    }
}
