//! Events: one for each transition, and one when a person must act. They never make a pass fail.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use kube::Resource as _;
use kube::runtime::events::{Event, EventType};
use rotation::{Cause, Fact};
use sha2::{Digest as _, Sha256};
use tracing::debug;

use super::cluster::TIMEOUT;
use super::context::Context;
use crate::api::v1alpha1::ServicePrincipalCredential;

/// The API server's limit for a note, in bytes.
const NOTE: usize = 1_000;

/// The reason that an event of this fact has, and the word in logs.
pub(super) fn name(fact: &Fact) -> &'static str {
    match fact {
        Fact::Abandoned(_) => "Abandoned",
        Fact::Adopted(_) => "Adopted",
        Fact::Approved(_) => "Approved",
        Fact::ForeignLost(..) => "ForeignCredentialLost",
        Fact::Named(..) => "Named",
        Fact::Reinstated(_) => "Reinstated",
        Fact::Announced(_) => "Announced",
        Fact::Claimed(_) => "Claimed",
        Fact::Dropped(_) => "Removed",
        Fact::LeftToExpire(..) => "LeftToExpire",
        Fact::Failed(_) => "Failed",
        Fact::ForeignSigner(_) => "ForeignSigner",
        Fact::ForeignFound(_) => "ForeignFound",
        Fact::Identified(..) => "Created",
        Fact::Licensed(..) => "Licensed",
        Fact::Promoted(..) => "Promoted",
        Fact::Published(_) => "Published",
        Fact::Recovered => "Recovered",
        Fact::Retargeted => "Retargeted",
        Fact::Remembered(_) => "Remembered",
        Fact::Seeded(_) => "Seeded",
        Fact::Retired(..) => "Retiring",
    }
}

/// Publishes what a fact means to people.
pub(super) fn publish(context: &Context, resource: &ServicePrincipalCredential, fact: &Fact) {
    let Some((kind, note)) = describe(fact) else { return };
    send(context, resource, kind, name(fact), note);
}

/// Publishes a warning when a condition that asks for a person has become true, or has another reason.
pub(super) fn publish_changes(context: &Context, before: &ServicePrincipalCredential, after: &ServicePrincipalCredential) {
    let of = |resource: &ServicePrincipalCredential, name: &str| {
        let status = resource.status.as_ref().and_then(|status| status.read().ok())?;
        let condition = status.conditions.iter().find(|condition| condition.type_ == name && condition.status == "True")?;
        Some((condition.reason.clone(), condition.message.clone()))
    };
    let unrecorded = |resource: &ServicePrincipalCredential| {
        let status = resource.status.as_ref().and_then(|status| status.read().ok());
        status.and_then(|status| status.foreign_credentials.as_ref()).map(|foreign| foreign.unrecorded.clone()).unwrap_or_default()
    };
    let (known, found) = (unrecorded(before), unrecorded(after));
    if found.iter().any(|id| !known.contains(id)) {
        let note = format!(
            "Credentials on the object carry this operator's mark, and it has no record of them. If nobody uses them, have them removed: adoptKeyIDs: [{}]",
            found.join(", ")
        );
        send(context, after, EventType::Warning, "UnrecordedCredential", note);
    }
    for name in ["Stalled", "RotationAtRisk"] {
        if let Some((reason, message)) = of(after, name)
            && of(before, name).map(|(reason, _)| reason).as_ref() != Some(&reason)
        {
            send(context, after, EventType::Warning, &reason, message);
        }
    }
}

fn describe(fact: &Fact) -> Option<(EventType, String)> {
    let normal = |note: String| Some((EventType::Normal, note));
    match fact {
        Fact::Claimed(claim) => normal(format!("Credential {} is being issued: {}.", claim.id, why(claim.cause))),
        Fact::ForeignSigner(claim) => {
            normal(format!("A signing certificate that somebody else made is in use; it is recorded as {}.", claim.id))
        }
        Fact::ForeignFound(claim) => {
            normal(format!("The pinned signing certificate is one that somebody else made; it is recorded as {}.", claim.id))
        }
        Fact::Identified(id, identity) => normal(format!("Entra made signing certificate {} for credential {id}.", identity.thumbprint)),
        Fact::Announced(id) => normal(format!("The output shows credential {id} as the next one.")),
        Fact::Promoted(id, _) => normal(format!("Credential {id} is accepted and becomes the current one.")),
        Fact::Published(id) => normal(format!("The output holds credential {id}.")),
        Fact::Retired(id, _) => normal(format!("Credential {id} is being removed from Entra.")),
        Fact::Dropped(id) => normal(format!("Nothing of credential {id} is left in Entra.")),
        Fact::LeftToExpire(id, thumbprint) => {
            let thumbprint = thumbprint.map(|thumbprint| format!(", thumbprint {thumbprint}")).unwrap_or_default();
            let note = format!(
                "Entra never told the keyId of credential {id}{thumbprint}: it is not removed but expires. If it must go sooner, remove it in Entra by hand."
            );
            Some((EventType::Warning, note))
        }
        Fact::Abandoned(id) => Some((EventType::Warning, format!("Credential {id} was given up before it was used."))),
        Fact::Failed(trouble) => Some((EventType::Warning, format!("{} {}", trouble.message, trouble.reason.remedy()))),
        Fact::Retargeted => Some((EventType::Warning, "The target was deleted and made anew in Entra; starting afresh.".to_owned())),
        Fact::Adopted(claim) => normal(format!("A credential that somebody else made was handed over; it is recorded as {}.", claim.id)),
        Fact::Seeded(claim) => {
            normal(format!("The certificate in the output works; the application rolls it from here on. It is recorded as {}.", claim.id))
        }
        Fact::Remembered(claim) => {
            let note = format!(
                "Credential {} is published and listed in Entra, but the status did not know it, as one does that was restored from a backup. It is recorded again.",
                claim.id
            );
            Some((EventType::Warning, note))
        }
        Fact::Approved(id) => normal(format!("Credential {id} was approved.")),
        Fact::Reinstated(id) => normal(format!("Credential {id} was chosen to sign and is the current one.")),
        Fact::ForeignLost(_, lost) => {
            let lost: Vec<_> = lost.iter().map(ToString::to_string).collect();
            let note = format!(
                "Since a list of this object was updated, credentials of others are not listed any more: {}. If nobody removed them, add them again.",
                lost.join(", ")
            );
            Some((EventType::Warning, note))
        }
        Fact::Licensed(..) | Fact::Named(..) | Fact::Recovered => None,
    }
}

fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::FirstIssue => "there is none yet",
        Cause::Schedule => "its time has come",
        Cause::NotIssuedBefore => "notIssuedBefore asks for a newer one",
        Cause::RevokeIssuedBefore => "revokeIssuedBefore forbids the current one",
        Cause::SpecChanged => "the spec asks for another one",
        Cause::CredentialGone => "the current one was removed in Entra",
        Cause::OutputLost => "the key of the current one is lost",
    }
}

/// Events of one reason and action within minutes are counted under the first note, so another note must have another action.
fn action(note: &str) -> String {
    format!("Rotate-{}", HEXLOWER.encode(&Sha256::digest(note)[..4]))
}

pub(super) fn send(context: &Context, resource: &ServicePrincipalCredential, kind: EventType, reason: &str, note: String) {
    let mut note = note;
    while note.len() > NOTE {
        note.pop();
    }
    let action = action(&note);
    let event = Event { type_: kind, reason: reason.to_owned(), note: Some(note), action, secondary: None };
    let (recorder, reference) = (context.recorder.clone(), resource.object_ref(&()));
    let event = Arc::new(event);
    tokio::spawn(async move {
        match tokio::time::timeout(TIMEOUT, recorder.publish(&event, &reference)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(error = %error, "an event was not published"),
            Err(_) => debug!("an event was not published in time"),
        }
    });
}
