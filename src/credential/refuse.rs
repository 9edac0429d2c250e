//! Resources that cannot be worked on at all: a status that nobody can read, or that a newer operator wrote.

use std::time::Duration;

use kube::ResourceExt as _;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::EventType;
use rotation::{Reason, Refusal};
use serde_json::json;
use tracing::warn;

use super::cluster::ask;
use super::context::Context;
use super::desk::Desk;
use super::{events, status};
use crate::api::v1alpha1::ServicePrincipalCredential;

const AGAIN: Duration = Duration::from_secs(900);

/// Why a resource cannot be worked on.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// The status does not say what it must. Nothing is done on its strength.
    Status(String),
    /// The target is no id, which admission should have refused.
    Target(String),
    /// A binary that speaks a newer protocol has worked on it.
    Newer(u64),
}

/// Says so, and comes back later.
pub(super) async fn refuse(context: &Context, desk: &mut Desk, resource: &ServicePrincipalCredential, unreadable: &Unreadable) -> Duration {
    let refusal = refusal(unreadable);
    let message = rotation::report::explain(&refusal);
    if matches!(unreadable, Unreadable::Newer(_)) {
        // Even a condition would be written over what the newer version means.
        if desk.setbacks == 0 {
            warn!(message, "a newer operator has worked on this resource");
            events::send(context, resource, EventType::Warning, refusal.reason.as_str(), message);
        }
        desk.setbacks = 1;
        return AGAIN;
    }
    context.metrics.failed(refusal.reason);
    if !says_so(resource, &message) {
        warn!(message, "stalled");
        events::send(context, resource, EventType::Warning, refusal.reason.as_str(), message.clone());
        stall(context, resource, &refusal, &message).await;
    }
    AGAIN
}

fn refusal(unreadable: &Unreadable) -> Refusal {
    match unreadable {
        Unreadable::Status(problem) => Refusal::new(Reason::UnreadableStatus, format!("The status cannot be read: {problem}.")),
        Unreadable::Target(problem) => Refusal::new(Reason::InvalidPolicy, format!("spec.target: {problem}.")),
        Unreadable::Newer(number) => {
            Refusal::new(Reason::NewerProtocol, format!("The status follows protocol {number}, which this version does not know."))
        }
    }
}

fn conditions(resource: &ServicePrincipalCredential) -> serde_json::Value {
    let status = serde_json::to_value(&resource.status).unwrap_or_default();
    status.get("conditions").cloned().unwrap_or_default()
}

fn says_so(resource: &ServicePrincipalCredential, message: &str) -> bool {
    let stalled = |condition: &serde_json::Value| condition["type"] == "Stalled" && condition["message"] == message;
    conditions(resource).as_array().is_some_and(|conditions| conditions.iter().any(stalled))
}

/// A merge patch of the conditions alone: whatever else the status holds may still be of use to a person.
async fn stall(context: &Context, resource: &ServicePrincipalCredential, refusal: &Refusal, message: &str) {
    let generation = resource.metadata.generation.unwrap_or_default();
    let earlier = conditions(resource);
    let condition = |name: &str, truth: &str, reason: &str, message: &str| {
        let same = earlier.as_array().into_iter().flatten().find(|earlier| earlier["type"] == name && earlier["status"] == truth);
        let since = same.map_or_else(|| json!(status::time(context.now())), |earlier| earlier["lastTransitionTime"].clone());
        json!({"type": name, "status": truth, "reason": reason, "message": message, "observedGeneration": generation, "lastTransitionTime": since})
    };
    let (reason, name) = (refusal.reason.as_str(), resource.name_any());
    let conditions = json!([
        condition("Ready", "False", reason, message),
        condition("Stalled", "True", reason, message),
        condition("Reconciling", "False", "Stalled", "See the condition Stalled."),
    ]);
    let patch = json!({
        "metadata": {"resourceVersion": resource.metadata.resource_version},
        "status": {"observedGeneration": generation, "conditions": conditions},
    });
    let resources = context.resources(&resource.namespace().unwrap_or_default());
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    let request = resources.patch_status(&name, &params, &patch);
    if let Err(error) = ask(format!("write the status of ServicePrincipalCredential {name}"), request).await {
        warn!(error = %error, "cannot say why a resource is stalled");
    }
}
