//! Running the reconciler.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt as _, future};
use kube::runtime::controller::{self, Action};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{Controller, WatchStreamExt as _, reflector, watcher as watch};
use kube::{Api, Client, ResourceExt as _};

use super::reconcile::{Context, Error, reconcile};
use super::registry::{SecretMeta, Tenants};
use crate::api::v1alpha1::EntraTenant;

const CONCURRENCY: u16 = 4;
/// After a pass that could not write the status.
const AFTER_ERROR: Duration = Duration::from_secs(15);

/// The controller of EntraTenant. It runs while the future is polled, and ends it once `shutdown` is over and the passes under way are done.
/// From here on, before the first poll too, the context's [`Tenants`] follow its watch.
pub fn controller(
    context: Arc<Context>,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let controller = Controller::new(Api::<EntraTenant>::all(context.client.clone()), watcher::Config::default());
    context.tenants.follow(controller.store());
    let secrets = secret_changes(context.client.clone(), &context.settings.namespace, context.tenants.clone());
    controller
        .with_config(controller::Config::default().concurrency(CONCURRENCY))
        .reconcile_all_on(secrets)
        .reconcile_all_on(context.tenants.suspicions())
        .graceful_shutdown_on(shutdown)
        .run(reconcile, |_, error, _| again(error), context)
        .for_each(|result| {
            log(result);
            future::ready(())
        })
}

fn again(error: &Error) -> Action {
    tracing::warn!(%error, "reconciliation failed");
    Action::requeue(AFTER_ERROR)
}

fn log<O>(result: Result<O, controller::Error<Error, watcher::Error>>) {
    match result {
        // Reported by `again`; or the object was deleted while it waited, which is no error.
        Ok(_) | Err(controller::Error::ReconcilerFailed(..) | controller::Error::ObjectNotFound(_)) => {}
        Err(error) => tracing::warn!(%error, "watch of EntraTenants interrupted"),
    }
}

/// An item whenever a Secret that a tenant signs in with may have changed. Only metadata is watched.
fn secret_changes(client: Client, namespace: &str, tenants: Tenants) -> impl Stream<Item = ()> + Send + 'static {
    let (store, writer) = reflector::store::<SecretMeta>();
    tenants.follow_secrets(namespace, store);
    let secrets = Api::<SecretMeta>::namespaced(client, namespace);
    let events = watch(secrets, watcher::Config::default()).default_backoff().modify(keep_name_and_version).reflect(writer);
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
