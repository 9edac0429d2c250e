//! The outputs as their metadata is watched: enough to see that one was edited or deleted, and nothing of its contents.

use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, ResourceExt as _};
use rotation::Reason;
use tokio::sync::watch;
use tracing::warn;

use super::layout::{OUTPUT_LABEL, OWNER};
use crate::api::v1alpha1::ServicePrincipalCredential;
use crate::settings::Settings;

type Metadata = PartialObjectMeta<Secret>;

/// The metadata of all outputs in the namespaces that we may read.
#[derive(Clone)]
pub(crate) struct Outputs(Vec<Watched>);

/// The outputs of one namespace, or of all.
#[derive(Clone)]
struct Watched {
    store: Store<Metadata>,
    /// Whether the first list was answered, with a refusal too: a namespace without rights must not hold up the others.
    answered: watch::Receiver<bool>,
}

impl Outputs {
    /// Starts a watch per namespace, or one for all. The stream must be polled: it fills the stores.
    pub(crate) fn watch(client: &Client, settings: &Settings) -> (Self, BoxStream<'static, Result<Metadata, watcher::Error>>) {
        let apis: Vec<Api<Metadata>> = match settings.watch_namespaces.as_slice() {
            [] => vec![Api::all(client.clone())],
            some => some.iter().map(|namespace| Api::namespaced(client.clone(), namespace)).collect(),
        };
        let (mut watched, mut streams) = (Vec::new(), Vec::new());
        for api in apis {
            let (store, writer) = reflector::store();
            let (first, answered) = watch::channel(false);
            let namespace = api.namespace().map(str::to_owned);
            let events = watcher(api, settings.watch().labels(OUTPUT_LABEL)).default_backoff().inspect(notice(namespace, first));
            streams.push(reflector::reflector(writer, events).touched_objects().boxed());
            watched.push(Watched { store, answered });
        }
        (Self(watched), stream::select_all(streams).into_stream().boxed())
    }

    /// The uid and resourceVersion of an output, `None` if the watches show none.
    pub(crate) fn version(&self, namespace: &str, name: &str) -> Option<(String, String)> {
        let reference = ObjectRef::<Metadata>::new(name).within(namespace);
        let found = self.0.iter().find_map(|watched| watched.store.get(&reference))?;
        Some((found.metadata.uid.clone()?, found.metadata.resource_version.clone()?))
    }

    /// The resource that an output belongs to: by its annotation, or where that got lost by the uid in its label.
    pub(crate) fn owner(output: &Metadata, resources: &Store<ServicePrincipalCredential>) -> Option<ObjectRef<ServicePrincipalCredential>> {
        let labelled = || {
            let uid = output.labels().get(OUTPUT_LABEL)?;
            Some(resources.find(|resource| resource.metadata.uid.as_ref() == Some(uid))?.name_any())
        };
        let owner = output.annotations().get(OWNER).cloned().or_else(labelled)?;
        Some(ObjectRef::new(&owner).within(&output.namespace()?))
    }

    /// Ends once every first list was answered.
    pub(crate) async fn ready(&self) {
        for watched in &self.0 {
            // A dropped sender means that we are stopping.
            let _ = watched.answered.clone().wait_for(|answered| *answered).await;
        }
    }
}

/// Notes the first answer, and says once when a namespace cannot be watched any more.
fn notice(namespace: Option<String>, first: watch::Sender<bool>) -> impl FnMut(&Result<watcher::Event<Metadata>, watcher::Error>) {
    let mut failing = false;
    move |event| match event {
        Ok(watcher::Event::InitDone) => {
            failing = false;
            first.send_replace(true);
        }
        Err(error) => {
            if !failing {
                warn!(namespace, %error, remedy = Reason::ClusterDenied.remedy(), "cannot watch the outputs of a namespace");
            }
            failing = true;
            first.send_replace(true);
        }
        Ok(_) => {}
    }
}
