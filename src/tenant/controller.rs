//! Running the reconciler.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, Stream, StreamExt as _, future};
use kube::api::ObjectMeta;
use kube::runtime::controller::{self, Action};
use kube::runtime::reflector::Store;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{Controller, WatchStreamExt as _, reflector, watcher as watch};
use kube::{Api, Client, ResourceExt as _};

use super::abandon::Books;
use super::namespaces::Labels;
use super::reconcile::{Context, Error, reconcile};
use super::registry::{SecretMeta, Tenants};
use super::strangers;
use crate::api::v1alpha1::EntraTenant;
use crate::readable::readable;
use crate::settings::Settings;

const CONCURRENCY: u16 = 4;
/// After a pass that could not write the status.
const AFTER_ERROR: Duration = Duration::from_secs(15);

/// The controller of EntraTenant. It runs while the future is polled, which ends once `shutdown` has ended and the passes under way are
/// done. From here on, before the first poll too, the context's [`Tenants`] follow its watch.
pub fn controller(
    context: Arc<Context>,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let (store, writer) = reflector::store();
    let (tellers, noticed) = (Arc::clone(&context), context.tenants.clone());
    let tell = move |metadata: &ObjectMeta, error: &str| strangers::tell(&tellers, metadata, error);
    let events = readable(Api::all(context.client.clone()), context.settings.watch(), tell);
    let notice = move |event: &watcher::Result<Event<EntraTenant>>| {
        if let Ok(event) = event {
            noticed.can_read(event);
        }
        noticed.notice_selectors();
    };
    let objects = events.reflect(writer).inspect(notice).touched_objects();
    context.tenants.follow(store.clone());
    context.tenants.keep_books(Books { client: context.client.clone(), recorder: context.recorder.clone() });
    let listed = listed(store.clone(), context.tenants.clone());
    let secrets = secret_changes(context.client.clone(), &context.settings, context.tenants.clone());
    let namespaces = namespaces(&context);
    let forgetful = Arc::clone(&context);
    let passes = Controller::for_stream(objects, store)
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .reconcile_all_on(secrets)
        .reconcile_all_on(context.tenants.suspicions())
        .graceful_shutdown_on(shutdown)
        .run(reconcile, |_, error, _| again(error), context)
        .for_each(move |result| {
            conclude(result, &forgetful);
            future::ready(())
        });
    let work = future::join(listed, passes).map(|_| ());
    async move {
        tokio::select! {
            biased;
            () = work => {}
            () = namespaces => {}
        }
    }
}

/// Watches the namespaces while a grant selects any.
fn namespaces(context: &Context) -> impl Future<Output = ()> + Send + use<> {
    let tenants = context.tenants.clone();
    let changed = move |labels: Option<(&Labels, &Labels)>| tenants.labels_changed(labels);
    context.tenants.namespaces().follow(context.client.clone(), context.settings.watch(), changed)
}

/// To be polled with the controller: a store wakes only the last of those who wait for it, and the controller is one of them.
async fn listed(store: Store<EntraTenant>, tenants: Tenants) {
    if store.wait_until_ready().await.is_ok() {
        tenants.complete();
    }
}

fn again(error: &Error) -> Action {
    tracing::warn!(%error, "reconciliation failed");
    Action::requeue(AFTER_ERROR)
}

fn conclude<O>(result: Result<O, controller::Error<Error, watcher::Error>>, context: &Context) {
    match result {
        // A failure was reported by `again`.
        Ok(_) | Err(controller::Error::ReconcilerFailed(..)) => {}
        // Every tenant is looked at every few minutes, so this tells soon of each that was deleted.
        Err(controller::Error::ObjectNotFound(tenant)) => {
            context.tenants.forget(&tenant.name);
            context.metrics.tenant(&tenant.name, None);
        }
        Err(error) => tracing::warn!(%error, "watch of EntraTenants interrupted"),
    }
}

/// An item whenever a Secret that a tenant signs in with may have changed. Only metadata is watched.
fn secret_changes(client: Client, settings: &Settings, tenants: Tenants) -> impl Stream<Item = ()> + Send + 'static {
    let (store, writer) = reflector::store::<SecretMeta>();
    tenants.follow_secrets(&settings.namespace, store);
    let secrets = Api::<SecretMeta>::namespaced(client, &settings.namespace);
    let events = watch(secrets, settings.watch()).default_backoff().modify(keep_name_and_version).reflect(writer);
    events.filter_map(move |event| {
        let concerns = match event {
            Ok(Event::Apply(secret) | Event::Delete(secret)) => tenants.needs_secret(&secret.name_any()),
            // The list may lack some that were there before.
            Ok(Event::InitDone) => true,
            Ok(Event::Init | Event::InitApply(_)) => false,
            Err(error) => {
                tracing::warn!(%error, "watch of the operator's own Secrets interrupted");
                false
            }
        };
        future::ready(concerns.then_some(()))
    })
}

fn keep_name_and_version(secret: &mut SecretMeta) {
    secret.metadata.annotations = None;
    secret.metadata.labels = None;
    secret.metadata.managed_fields = None;
    secret.metadata.owner_references = None;
}
