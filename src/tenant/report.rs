//! What the status of an EntraTenant says. Pure.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::condition::{Aspect, renewed};
use super::reason::Reason;
use super::registry::{Access, SignedIn};
use crate::api::v1alpha1::{EntraTenantStatus, TenantIdentity};

/// Any of these lets the operator write credentials (Microsoft Graph permissions reference).
const SUFFICIENT: [&str; 3] = ["Application.ReadWrite.OwnedBy", "Application.ReadWrite.All", "Directory.ReadWrite.All"];
/// As many roles as the schema takes.
const MAX_ROLES: usize = 64;

/// What is to be reported.
pub(super) struct Facts<'a> {
    pub(super) access: &'a Access,
    pub(super) generation: i64,
    /// The `clientID` of the spec.
    pub(super) client_id: Option<&'a str>,
    /// How many credentials refer to the tenant, if that is known.
    pub(super) credentials: Option<u32>,
    /// Why grants by selector select nothing, if they do not.
    pub(super) denial: Option<String>,
}

/// The status after `previous`; `None` while there is nothing to say.
pub(super) fn status(previous: &EntraTenantStatus, facts: &Facts<'_>, now: DateTime<Utc>) -> Option<EntraTenantStatus> {
    let aspects = aspects(facts)?;
    Some(EntraTenantStatus {
        observed_generation: Some(facts.generation),
        conditions: renewed(&previous.conditions, aspects, facts.generation, now),
        identity: identity(previous, facts),
        credentials: facts.credentials.or(previous.credentials),
        abandoned: previous.abandoned.clone(),
    })
}

fn aspects(facts: &Facts<'_>) -> Option<Vec<Aspect>> {
    match facts.access {
        Access::Ready(signed_in) => Some(vec![
            aspect("Ready", true, "SignedIn", &format!("{}{}", welcome(signed_in), denial(facts))),
            aspect("Reconciling", false, "Realised", "The spec is realised."),
            aspect("Stalled", false, "NotStalled", "Nobody needs to act."),
        ]),
        Access::NotReady { reason, message } => Some(not_ready(*reason, message)),
        Access::Unknown => None,
    }
}

/// kstatus: Reconciling and Stalled exclude each other.
fn not_ready(reason: Reason, message: &str) -> Vec<Aspect> {
    let ready = aspect("Ready", false, reason.as_str(), message);
    if reason.is_refusal() {
        let reconciling = aspect("Reconciling", false, "Stalled", "See the condition Stalled.");
        return vec![ready, reconciling, aspect("Stalled", true, reason.as_str(), message)];
    }
    let reconciling = aspect("Reconciling", true, "Retrying", "The last attempt to sign in failed and is repeated.");
    vec![ready, reconciling, aspect("Stalled", false, "NotStalled", "Nobody needs to act.")]
}

fn aspect(r#type: &'static str, is_true: bool, reason: &str, message: &str) -> Aspect {
    Aspect { r#type, is_true, reason: reason.to_owned(), message: message.to_owned() }
}

fn welcome(signed_in: &SignedIn) -> String {
    let SignedIn { client_id, tenant_id, .. } = signed_in;
    let signed = format!("The operator is signed in to tenant {tenant_id} as client {client_id}.");
    if !lacks_permission(signed_in) {
        return signed;
    }
    let [owned, all, directory] = SUFFICIENT;
    format!(
        "{signed} Its token holds none of the application permissions {owned}, {all}, {directory}, so Entra will refuse to let it \
         rotate anything: grant {owned} with admin consent, and make it an owner of the applications."
    )
}

/// What is wrong beside the sign-in.
fn denial(facts: &Facts<'_>) -> String {
    let tell = |why: &String| {
        format!(
            " Grants by namespaceSelector select nothing, as the operator cannot list the namespaces: {why}. Give its service account the \
             right to list and watch namespaces, as the chart does."
        )
    };
    facts.denial.as_ref().map(tell).unwrap_or_default()
}

/// Where the token could be read. Graph's tokens are opaque by contract.
fn lacks_permission(signed_in: &SignedIn) -> bool {
    signed_in.object_id.is_some() && !signed_in.roles.iter().any(|role| SUFFICIENT.contains(&role.as_str()))
}

/// As whom the operator is signed in, or was last by the present spec.
fn identity(previous: &EntraTenantStatus, facts: &Facts<'_>) -> Option<TenantIdentity> {
    match facts.access {
        Access::Ready(signed_in) => Some(TenantIdentity {
            client_id: Some(signed_in.client_id.to_string()),
            object_id: signed_in.object_id.map(|id| id.to_string()),
            roles: roles(signed_in),
        }),
        Access::NotReady { .. } | Access::Unknown => previous.identity.clone().filter(|identity| {
            let same = identity.client_id.as_deref().zip(facts.client_id);
            same.is_some_and(|(was, is)| was.eq_ignore_ascii_case(is))
        }),
    }
}

/// In order and without repetitions, as the schema has them.
fn roles(signed_in: &SignedIn) -> Vec<String> {
    let distinct: BTreeSet<&String> = signed_in.roles.iter().collect();
    distinct.into_iter().take(MAX_ROLES).cloned().collect()
}
