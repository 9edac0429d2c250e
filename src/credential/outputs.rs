//! The outputs as their metadata is watched: enough to see that one was edited or deleted, and nothing of its contents.

use std::fmt::Debug;

use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::core::{PartialObjectMeta, PartialObjectMetaExt as _};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource, ResourceExt as _};
use rotation::Reason;
use tokio::sync::watch;
use tracing::warn;

use super::layout::{OUTPUT_LABEL, OWNER};
use crate::api::v1alpha1::{OutputRef, ServicePrincipalCredential};
use crate::settings::{OutputName, Reach, Settings};

type Metadata<K> = PartialObjectMeta<K>;
type Touched = BoxStream<'static, Result<Metadata<Secret>, watcher::Error>>;

/// The metadata of all outputs in the namespaces that we may read.
#[derive(Clone)]
pub(crate) struct Outputs {
    secrets: Vec<Watched<Secret>>,
    config_maps: Vec<Watched<ConfigMap>>,
}

/// The outputs of one kind within one watch.
#[derive(Clone)]
struct Watched<K: Resource<DynamicType = ()> + Clone + 'static> {
    store: Store<Metadata<K>>,
    /// Whether the first list was answered, with a refusal too: a namespace without rights must not hold up the others.
    answered: watch::Receiver<bool>,
}

impl Outputs {
    /// Starts a watch per kind and namespace or output within reach, or one per kind for the whole cluster. The stream must be polled: it fills the stores.
    pub(crate) fn watch(client: &Client, settings: &Settings) -> (Self, Touched) {
        let mut streams = Vec::new();
        let secrets = watch_kind(client, settings, &mut streams);
        let config_maps = watch_kind(client, settings, &mut streams);
        (Self { secrets, config_maps }, stream::select_all(streams).into_stream().boxed())
    }

    /// The uid and resourceVersion of an output, `None` if the watches show none.
    pub(crate) fn version(&self, namespace: &str, output: OutputRef<'_>) -> Option<(String, String)> {
        match output {
            OutputRef::Secret(name) => self.secrets.iter().find_map(|watched| watched.version(namespace, name)),
            OutputRef::ConfigMap(name) => self.config_maps.iter().find_map(|watched| watched.version(namespace, name)),
        }
    }

    /// The resource that an output belongs to: by its annotation, or where that got lost by the uid in its label.
    pub(crate) fn owner(
        output: &Metadata<Secret>,
        resources: &Store<ServicePrincipalCredential>,
    ) -> Option<ObjectRef<ServicePrincipalCredential>> {
        let labelled = || {
            let uid = output.labels().get(OUTPUT_LABEL)?;
            Some(resources.find(|resource| resource.metadata.uid.as_ref() == Some(uid))?.name_any())
        };
        let owner = output.annotations().get(OWNER).cloned().or_else(labelled)?;
        Some(ObjectRef::new(&owner).within(&output.namespace()?))
    }

    /// Ends once every first list was answered.
    pub(crate) async fn ready(&self) {
        let secrets = self.secrets.iter().map(|watched| &watched.answered);
        for answered in secrets.chain(self.config_maps.iter().map(|watched| &watched.answered)) {
            // A dropped sender means that we are stopping.
            let _ = answered.clone().wait_for(|answered| *answered).await;
        }
    }
}

impl<K: Resource<DynamicType = ()> + Clone> Watched<K> {
    fn version(&self, namespace: &str, name: &str) -> Option<(String, String)> {
        let found = self.store.get(&ObjectRef::new(name).within(namespace))?;
        Some((found.metadata.uid.clone()?, found.metadata.resource_version.clone()?))
    }
}

fn watch_kind<K>(client: &Client, settings: &Settings, streams: &mut Vec<Touched>) -> Vec<Watched<K>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
    Metadata<K>: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let config = settings.watch().labels(OUTPUT_LABEL);
    let within = |namespace: &str| Api::<Metadata<K>>::namespaced(client.clone(), namespace);
    // A right to one name covers a list and a watch by exactly this field.
    let by_name = |output: &OutputName| (within(&output.namespace), config.clone().fields(&format!("metadata.name={}", output.name)));
    let watches: Vec<_> = match &settings.reach {
        Reach::Cluster => vec![(Api::all(client.clone()), config.clone())],
        Reach::Namespaces(namespaces) => namespaces.iter().map(|namespace| (within(namespace), config.clone())).collect(),
        Reach::Outputs(outputs) => outputs.iter().map(by_name).collect(),
    };
    let watched = watches.into_iter().map(|(api, config)| {
        let (store, writer) = reflector::store();
        let (first, answered) = watch::channel(false);
        let place = (api.namespace().map(str::to_owned), config.field_selector.clone());
        let events = watcher(api, config).default_backoff().inspect(notice(place, first));
        // Only whose output it is matters to whom this leads.
        let touched = reflector::reflector(writer, events).touched_objects().map_ok(|touched| touched.metadata.into_response_partial());
        streams.push(touched.boxed());
        Watched { store, answered }
    });
    watched.collect()
}

/// Notes the first answer, and says once when what is at this place, a namespace and a selector, cannot be watched any more.
fn notice<K>(
    (namespace, selector): (Option<String>, Option<String>),
    first: watch::Sender<bool>,
) -> impl FnMut(&Result<watcher::Event<Metadata<K>>, watcher::Error>) {
    let mut failing = false;
    move |event| match event {
        Ok(watcher::Event::InitDone) => {
            failing = false;
            first.send_replace(true);
        }
        Err(error) => {
            if !failing {
                warn!(namespace, selector, %error, remedy = Reason::ClusterDenied.remedy(), "cannot watch outputs");
            }
            failing = true;
            first.send_replace(true);
        }
        Ok(_) => {}
    }
}
