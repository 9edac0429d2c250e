//! EntraTenants whose spec says what this version does not know, such as a variant of a newer one: they are told so, and nobody works by them.

use kube::api::{ApiResource, DynamicObject, ObjectMeta, Patch, PatchParams};
use kube::{Api, Resource as _};
use serde_json::{Value, json};

use super::call::within_deadline;
use super::condition::time;
use super::reason::{Reason, Trouble};
use super::reconcile::Context;
use crate::api::v1alpha1::EntraTenant;

/// Not the manager of anything else: what it wrote goes with the next status that the operator writes as a whole.
const FIELD_MANAGER: &str = "entra-rotator-unreadable";
/// Characters of an error, which quotes what a person wrote.
const QUOTED: usize = 300;

/// Notes that an EntraTenant cannot be read, and says so in its status, in the background: the watch goes on. Once per generation.
pub(super) fn tell(context: &Context, metadata: &ObjectMeta, error: &str) {
    let Some(name) = metadata.name.clone() else { return };
    let generation = metadata.generation.unwrap_or_default();
    let quoted: String = error.chars().take(QUOTED).collect();
    let trouble = Trouble::new(Reason::UnknownVariant, format!("This version of the operator cannot read EntraTenant {name}: {quoted}"));
    let patch = conditions(&name, generation, &trouble.message, context);
    if !context.tenants.cannot_read(&name, generation, trouble) {
        return;
    }
    context.metrics.tenant(&name, Some(false));
    // Untyped: the answer cannot be read either.
    let api: Api<DynamicObject> = Api::all_with(context.client.clone(), &ApiResource::erase::<EntraTenant>(&()));
    tokio::spawn(async move {
        let (params, patch) = (PatchParams::apply(FIELD_MANAGER).force(), Patch::Apply(&patch));
        if let Err(error) = within_deadline(api.patch_status(&name, &params, &patch)).await {
            tracing::warn!(tenant = name, %error, "cannot say that an EntraTenant cannot be read");
        }
    });
}

fn conditions(name: &str, generation: i64, message: &str, context: &Context) -> Value {
    let since = time(context.seams.clock.now());
    let condition = |r#type: &str, status: &str, reason: &str, message: &str| {
        json!({"type": r#type, "status": status, "reason": reason, "message": message, "observedGeneration": generation,
            "lastTransitionTime": since})
    };
    let reason = Reason::UnknownVariant.as_str();
    let conditions = [
        condition("Ready", "False", reason, message),
        condition("Reconciling", "False", "Stalled", "See the condition Stalled."),
        condition("Stalled", "True", reason, message),
    ];
    json!({"apiVersion": EntraTenant::api_version(&()), "kind": EntraTenant::kind(&()), "metadata": {"name": name},
        "status": {"observedGeneration": generation, "conditions": conditions}})
}
