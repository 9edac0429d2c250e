//! What every pass shares.

use chrono::Utc;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::runtime::events::Recorder;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client};
use rotation::{Application, Time};
use tokio::sync::watch;

use super::outputs::Outputs;
use super::registry::{Recorded, Registry};
use crate::api::v1alpha1::ServicePrincipalCredential;
use crate::election::Election;
use crate::metrics::Metrics;
use crate::seams::Seams;
use crate::settings::Settings;
use crate::tenant::Tenants;

/// The surroundings of the reconciler of ServicePrincipalCredential.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) seams: Seams,
    pub(crate) tenants: Tenants,
    pub(crate) registry: Registry,
    pub(crate) outputs: Outputs,
    pub(crate) election: Election,
    pub(crate) metrics: Metrics,
    pub(crate) recorder: Recorder,
    pub(crate) store: Store<ServicePrincipalCredential>,
    /// Becomes true when this process is told to stop.
    pub(crate) stop: watch::Receiver<bool>,
}

impl Context {
    pub(crate) fn now(&self) -> Time {
        self.seams.clock.now().with_timezone(&Utc)
    }

    /// Whether to finish what is in hand and begin nothing more.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    pub(crate) fn secrets(&self, namespace: &str) -> Api<Secret> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(crate) fn config_maps(&self, namespace: &str) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(crate) fn resources(&self, namespace: &str) -> Api<ServicePrincipalCredential> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// What the others do on the application of a resource.
    pub(crate) fn application(&self, uid: &str) -> Application {
        let lives = |other: &Recorded| {
            let (namespace, name) = &other.name;
            let found = self.store.get(&ObjectRef::new(name).within(namespace));
            found.is_some_and(|found| found.metadata.uid.as_ref() == Some(&other.age.1) && found.metadata.deletion_timestamp.is_none())
        };
        self.registry.application(uid, self.settings.late, self.now(), lives)
    }
}
