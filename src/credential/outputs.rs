//! The outputs as their metadata is watched: enough to see that one was edited or deleted, and nothing of its contents.

use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, ResourceExt as _};

use super::layout::{OUTPUT_LABEL, OWNER};
use crate::api::v1alpha1::ServicePrincipalCredential;
use crate::settings::Settings;

type Metadata = PartialObjectMeta<Secret>;

/// The metadata of all outputs in the namespaces that we may read.
#[derive(Clone)]
pub(crate) struct Outputs(Vec<Store<Metadata>>);

impl Outputs {
    /// Starts a watch per namespace, or one for all. The stream must be polled: it fills the stores.
    pub(crate) fn watch(client: &Client, settings: &Settings) -> (Self, BoxStream<'static, Result<Metadata, watcher::Error>>) {
        let apis: Vec<Api<Metadata>> = match settings.watch_namespaces.as_slice() {
            [] => vec![Api::all(client.clone())],
            some => some.iter().map(|namespace| Api::namespaced(client.clone(), namespace)).collect(),
        };
        let (mut stores, mut streams) = (Vec::new(), Vec::new());
        for api in apis {
            let (reader, writer) = reflector::store();
            let events = watcher(api, settings.watch().labels(OUTPUT_LABEL)).default_backoff();
            streams.push(reflector::reflector(writer, events).touched_objects().boxed());
            stores.push(reader);
        }
        (Self(stores), stream::select_all(streams).into_stream().boxed())
    }

    /// The uid and resourceVersion of an output, `None` if the watches show none.
    pub(crate) fn version(&self, namespace: &str, name: &str) -> Option<(String, String)> {
        let reference = ObjectRef::<Metadata>::new(name).within(namespace);
        let found = self.0.iter().find_map(|store| store.get(&reference))?;
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

    /// Whether every watch has listed once.
    pub(crate) async fn ready(&self) {
        for store in &self.0 {
            // A dropped writer means that we are stopping.
            let _ = store.wait_until_ready().await;
        }
    }
}
