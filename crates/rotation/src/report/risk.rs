//! What will keep the next rotation from happening in time without help.

use super::{moment, stage};
use crate::case::{Case, Wait};
use crate::rules::cause;
use crate::schedule;
use crate::token_signing::{self, Overdue};

/// The reason and the message of `RotationAtRisk`, but for what is refused.
pub(super) fn risk(case: &Case<'_>, wait: Option<&Wait>) -> Option<(&'static str, String)> {
    locked_out_soon(case).or_else(|| held_back(case)).or_else(|| withdrawn(case)).or_else(|| overdue(case, wait))
}

/// An application that rolls itself needs a person as soon as its certificate ends, so that a single failure is worth an alert.
fn locked_out_soon(case: &Case<'_>) -> Option<(&'static str, String)> {
    let current = case.ledger.current().filter(|_| case.policy.is_self_rolled())?;
    let is_due = schedule::due(current, case.policy).is_some_and(|due| due <= case.now);
    if !is_due || case.ledger.rotation.failures == 0 {
        return None;
    }
    let end = moment(current.not_after);
    let message =
        format!("The application must roll its certificate before {end}; from then on it cannot sign in to do so, and a person must help.");
    Some(("SelfCredentialExpired", message))
}

/// Due, and not begun because the spec says so.
fn held_back(case: &Case<'_>) -> Option<(&'static str, String)> {
    let current = case.ledger.current().filter(|_| cause(case).is_some())?;
    let end = moment(current.not_after);
    if case.policy.suspend {
        return Some(("Suspended", format!("A rotation is due, and spec.suspend is set. Take it away before {end}.")));
    }
    let pinned = token_signing::pinned(case).filter(|pinned| current.thumbprint() == Some(*pinned))?;
    let message =
        format!("A rotation is due, and {pinned} is pinned. Take spec.tokenSigningCertificate.pinnedThumbprint away before {end}.");
    Some(("Pinned", message))
}

fn withdrawn(case: &Case<'_>) -> Option<(&'static str, String)> {
    if !token_signing::is_withdrawn(case) {
        return None;
    }
    let current = case.ledger.current()?;
    let deadline = moment(Some(schedule::deadline(case.ledger, current, case.policy.late)));
    let message = format!(
        "Nobody approved the successor of credential {} before {deadline}, so it was withdrawn. Credential {} ends at {}, and nothing takes its place \
         before. To have another one to approve, set spec.rotation.notIssuedBefore to now.",
        current.id,
        current.id,
        moment(current.not_after)
    );
    Some(("ApprovalOverdue", message))
}

fn overdue(case: &Case<'_>, wait: Option<&Wait>) -> Option<(&'static str, String)> {
    let upcoming = case.ledger.upcoming()?;
    let id = &upcoming.id;
    match token_signing::overdue(case, &stage::waits_for(case, upcoming, wait)?)? {
        Overdue::Metadata(deadline) => {
            let deadline = moment(Some(deadline));
            let message = format!("The federation metadata still do not list credential {id}. It is activated all the same at {deadline}.");
            Some(("MetadataOverdue", message))
        }
        Overdue::Approval { deadline, rivals } => {
            let annotate = format!("Annotate the resource with entra-rotator.io/approve: {id}.");
            let names: Vec<_> = rivals.iter().map(ToString::to_string).collect();
            let consequence = match (names.is_empty(), case.now < deadline) {
                (true, true) => format!("Its deadline is {}.", moment(Some(deadline))),
                (true, false) => format!("Its deadline was {}.", moment(Some(deadline))),
                (false, _) => format!(
                    "Its deadline was {}, and it was not withdrawn, because Entra would then sign with {}.",
                    moment(Some(deadline)),
                    names.join(", ")
                ),
            };
            Some(("ApprovalOverdue", format!("Credential {id} waits for approval. {consequence} {annotate}")))
        }
    }
}
