//! Writing the status of an EntraTenant, and an event when it became ready or stopped being so.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::PostParams;
use kube::runtime::events::{Event, EventType};
use kube::{Api, Resource as _, ResourceExt as _};

use super::abandon::readable as abandoned;
use super::call::{CallError, within_deadline};
use super::reconcile::Context;
use super::registry::{client_id, selectors};
use super::report::{self, Facts};
use super::standing::Standing;
use crate::api::v1alpha1::{EntraTenant, EntraTenantStatus, Lenient};
use crate::last_word::LastWord;

/// The longest note of an event (Kubernetes API conventions), in bytes.
const MAX_NOTE: usize = 1024;

/// Writes the status, if it says something new. The version that it was made from guards it: a conflict changes nothing and is an error. Answers how long to
/// leave it as another process wrote it.
pub(super) async fn publish(tenant: &EntraTenant, standing: &Standing, context: &Context) -> Result<Option<Duration>, CallError> {
    let previous = previous(tenant);
    let Some(status) = status(tenant, &previous, standing, context) else { return Ok(None) };
    if is_written(tenant, &status) {
        return Ok(None);
    }
    // What cannot be read is not by another process of this version.
    if let Some(Lenient::Read(shown)) = &tenant.status
        && let Some(left) = standing.last_word.left_to_another(&described(shown))
    {
        return Ok(Some(left));
    }
    let api: Api<EntraTenant> = Api::all(context.client.clone());
    let mut object = tenant.clone();
    let (event, word) = (event(&previous, &status), LastWord::had(&described(&status)));
    object.status = Some(Lenient::Read(status));
    within_deadline(api.replace_status(&tenant.name_any(), &PostParams::default(), &object)).await?;
    context.tenants.said(&tenant.name_any(), word);
    if let Some(event) = event {
        announce(tenant, &event, context).await;
    }
    Ok(None)
}

/// Of one that cannot be understood only the list of what was abandoned counts: everything else in it can be found out again.
fn previous(tenant: &EntraTenant) -> EntraTenantStatus {
    match &tenant.status {
        Some(Lenient::Read(status)) => status.clone(),
        Some(Lenient::Unreadable(unreadable)) => EntraTenantStatus { abandoned: abandoned(&unreadable.raw), ..Default::default() },
        None => EntraTenantStatus::default(),
    }
}

fn status(tenant: &EntraTenant, previous: &EntraTenantStatus, standing: &Standing, context: &Context) -> Option<EntraTenantStatus> {
    let client_id = client_id(&tenant.spec, &context.settings.ambient);
    let facts = Facts {
        access: &standing.found,
        generation: standing.generation()?,
        client_id: client_id.as_deref(),
        credentials: (context.credentials)(&tenant.name_any()),
        denial: selectors(tenant).next().and_then(|_| context.tenants.namespaces().denial()),
    };
    report::status(previous, &facts, context.seams.clock.now())
}

/// What a pass finds out. The list of what was abandoned is kept by others.
fn described(status: &EntraTenantStatus) -> EntraTenantStatus {
    EntraTenantStatus { abandoned: Vec::new(), ..status.clone() }
}

fn is_written(tenant: &EntraTenant, status: &EntraTenantStatus) -> bool {
    tenant.status.as_ref().and_then(|written| written.read().ok()) == Some(status)
}

/// Of a Ready that is new or has another status or reason.
fn event(previous: &EntraTenantStatus, status: &EntraTenantStatus) -> Option<Event> {
    let ready = ready(status)?;
    let is_same = ready_of(previous) == ready_of(status);
    (!is_same).then(|| Event {
        type_: if ready.status == "True" { EventType::Normal } else { EventType::Warning },
        reason: ready.reason.clone(),
        note: Some(ready.message[..ready.message.floor_char_boundary(MAX_NOTE)].to_owned()),
        action: "SignIn".to_owned(),
        secondary: None,
    })
}

fn ready(status: &EntraTenantStatus) -> Option<&Condition> {
    status.conditions.iter().find(|condition| condition.type_ == "Ready")
}

fn ready_of(status: &EntraTenantStatus) -> Option<(&str, &str)> {
    ready(status).map(|condition| (condition.status.as_str(), condition.reason.as_str()))
}

/// An event that is lost is no reason to do anything again.
async fn announce(tenant: &EntraTenant, event: &Event, context: &Context) {
    if let Err(error) = within_deadline(context.recorder.publish(event, &tenant.object_ref(&()))).await {
        tracing::warn!(tenant = tenant.name_any(), %error, "event not published");
    }
}
