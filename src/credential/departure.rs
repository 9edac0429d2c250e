//! The finalizer of resources whose credentials go with them, and the record of what stays behind.

use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use rotation::Left;
use serde_json::json;

use super::cluster::ask;
use super::pass::Pass;
use super::trouble::Upset;
use crate::tenant::{AbandonError, Abandoned};

/// Stands on a resource with `deletionPolicy: Revoke` from before its first Graph write until its credentials are gone.
pub(crate) const FINALIZER: &str = "entra-rotator.io/revoke";

impl Pass<'_> {
    /// Puts the finalizer on the resource, or takes it off. The precondition keeps what others add meanwhile.
    pub(super) async fn set_finalizer(&mut self, set: bool) -> Result<(), Upset> {
        let others = self.resource.finalizers().iter().filter(|name| *name != FINALIZER).cloned();
        let finalizers: Vec<String> = others.chain(set.then(|| FINALIZER.to_owned())).collect();
        let patch = json!({"metadata": {"resourceVersion": self.resource.metadata.resource_version, "finalizers": finalizers}});
        let name = self.resource.name_any();
        let resources = self.context.resources(&self.namespace());
        let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
        let request = resources.patch(&name, &params, &patch);
        let patched = ask(format!("change the finalizers of ServicePrincipalCredential {name}"), request).await;
        match patched {
            Ok(patched) => {
                self.resource = std::sync::Arc::new(patched);
                self.desk.written = Some(std::sync::Arc::clone(&self.resource));
            }
            // It is gone already, which is all that taking the finalizer off is for.
            Err(error) if error.code() == Some(404) => {}
            Err(error) => return Err(Upset::Cluster(error)),
        }
        self.policy.has_finalizer = set;
        Ok(())
    }

    /// Lets the resource go although some of its credentials stay in Entra.
    pub(super) async fn let_go(&mut self, left: &Left) -> Result<(), Upset> {
        let Some(target) = &self.ledger.target else { return self.set_finalizer(false).await };
        let abandoned = Abandoned {
            namespace: self.namespace(),
            name: self.resource.name_any(),
            object_id: target.object_id,
            key_ids: left.key_ids.iter().copied().collect(),
            marks: left.marks.iter().cloned().collect(),
            since: self.context.now(),
        };
        match self.context.tenants.abandon(&self.resource.spec.tenant_ref.name, &abandoned).await {
            Ok(()) => {}
            // An EntraTenant that is gone cannot list anything; everything else is tried again.
            Err(error @ AbandonError::Find(_)) => {
                tracing::warn!(%error, left = ?abandoned.key_ids, marks = ?abandoned.marks, "let go with credentials left in Entra");
            }
            Err(error) => return Err(Upset::Books(format!("{error}."))),
        }
        self.set_finalizer(false).await
    }
}
