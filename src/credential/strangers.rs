//! Resources whose spec says what this version does not know, such as a variant of a newer one: they are told so, and nobody else is disturbed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::api::{ApiResource, DynamicObject, ObjectMeta, Patch, PatchParams};
use kube::{Api, Client, Resource as _};
use rotation::{Reason, Refusal};
use serde_json::{Value, json};
use tracing::warn;

use super::cluster::ask;
use super::status;
use crate::api::v1alpha1::ServicePrincipalCredential;
use crate::seams::Seams;

/// Not the manager of anything else: what it wrote goes with the next status that the operator writes as a whole.
const FIELD_MANAGER: &str = "entra-rotator-unreadable";
/// Of an error that quotes what a person wrote.
const QUOTED: usize = 300;

/// Tells resources that they cannot be read, once per generation.
#[derive(Clone)]
pub(super) struct Strangers {
    client: Client,
    seams: Seams,
    told: Arc<Mutex<HashMap<String, i64>>>,
}

impl Strangers {
    pub(super) fn new(client: Client, seams: Seams) -> Self {
        Self { client, seams, told: Arc::default() }
    }

    /// Writes the condition in the background: the watch goes on.
    pub(super) fn tell(&self, metadata: &ObjectMeta, error: &str) {
        let (Some(uid), Some(namespace), Some(name)) = (&metadata.uid, &metadata.namespace, &metadata.name) else { return };
        let generation = metadata.generation.unwrap_or_default();
        let before = self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.clone(), generation);
        if before == Some(generation) {
            return;
        }
        let what = error.chars().take(QUOTED).collect::<String>();
        let refusal = Refusal::new(Reason::UnknownVariant, format!("This version of the operator cannot read the resource: {what}."));
        let patch = self.condition(name, generation, &refusal);
        // Untyped: the answer cannot be read either.
        let kind = ApiResource::erase::<ServicePrincipalCredential>(&());
        let (api, name): (Api<DynamicObject>, _) = (Api::namespaced_with(self.client.clone(), namespace, &kind), name.clone());
        tokio::spawn(async move {
            let (params, patch) = (PatchParams::apply(FIELD_MANAGER).force(), Patch::Apply(&patch));
            let request = api.patch_status(&name, &params, &patch);
            if let Err(error) = ask(format!("write the status of ServicePrincipalCredential {name}"), request).await {
                warn!(error = %error, "cannot say why a resource is stalled");
            }
        });
    }

    fn condition(&self, name: &str, generation: i64, refusal: &Refusal) -> Value {
        let time = status::time(self.seams.clock.now());
        let of = |kind: &str, truth: &str, reason: &str, message: &str| json!({"type": kind, "status": truth, "reason": reason, "message": message, "observedGeneration": generation, "lastTransitionTime": time});
        let message = rotation::report::explain(refusal);
        let conditions =
            [of("Stalled", "True", refusal.reason.as_str(), &message), of("Reconciling", "False", "Stalled", "See the condition Stalled.")];
        json!({"apiVersion": ServicePrincipalCredential::api_version(&()), "kind": ServicePrincipalCredential::kind(&()),
            "metadata": {"name": name}, "status": {"observedGeneration": generation, "conditions": conditions}})
    }
}
