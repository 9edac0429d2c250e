//! One pass over an EntraTenant.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use kube::runtime::events::Recorder;
use kube::{Client, ResourceExt as _};
use tokio::time::Instant;

use super::attempt::Attempt;
use super::call::CallError;
use super::publish::publish;
use super::registry::{Access, Tenants};
use super::standing::Standing;
use crate::api::v1alpha1::EntraTenant;
use crate::metrics::Metrics;
use crate::seams::Seams;
use crate::settings::Settings;

/// No pass takes longer.
const DEADLINE: Duration = Duration::from_secs(120);
/// The watch brings the newer version of the object; this is for the case that it does not.
const AFTER_CONFLICT: Duration = Duration::from_secs(5);

/// Counts the ServicePrincipalCredentials that refer to the EntraTenant of this name; `None` as long as that is not known, as before they
/// are listed. Must return at once.
pub type CountCredentials = Arc<dyn Fn(&str) -> Option<u32> + Send + Sync>;

/// The surroundings of the reconciler of EntraTenant.
#[derive(Clone)]
pub struct Context {
    /// The cluster.
    pub client: Client,
    /// The operator's own namespace, and whether Custom clouds are served.
    pub settings: Settings,
    /// Time, randomness and the way to Entra.
    pub seams: Seams,
    /// Where the results are kept.
    pub tenants: Tenants,
    /// Counts every request to Entra, also of those that others send by the clients kept in `tenants`; and shows which are ready.
    pub metrics: Metrics,
    /// Counts the ServicePrincipalCredentials of a tenant.
    pub credentials: CountCredentials,
    /// Publishes events.
    pub recorder: Recorder,
}

/// Why a pass failed. What is wrong with a tenant or its sign-in is a condition instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The status could not be written.
    #[error("cannot write the status of EntraTenant {tenant}: {source}")]
    WriteStatus {
        /// The name of the EntraTenant.
        tenant: String,
        /// What the API server said.
        source: CallError,
    },
    /// The pass took too long.
    #[error("the pass over EntraTenant {0} took more than {limit} s and was given up", limit = DEADLINE.as_secs())]
    Finish(String),
}

/// Signs in if that is due, and keeps the status up to date.
///
/// # Errors
/// When the status cannot be written.
pub async fn reconcile(tenant: Arc<EntraTenant>, context: Arc<Context>) -> Result<Action, Error> {
    // The store holds what could be read last, which is not what is declared any more.
    let is_unreadable = context.tenants.unreadable(&tenant.name_any()).is_some();
    if tenant.metadata.deletion_timestamp.is_some() || is_unreadable {
        return Ok(Action::await_change());
    }
    let begun = Instant::now();
    let passed = tokio::time::timeout(DEADLINE, pass(&tenant, &context)).await;
    context.metrics.reconciled("EntraTenant", begun.elapsed());
    passed.unwrap_or_else(|_| Err(Error::Finish(tenant.name_any())))
}

async fn pass(tenant: &EntraTenant, context: &Context) -> Result<Action, Error> {
    let standing = current(tenant, context).await;
    match publish(tenant, &standing, context).await {
        Ok(left) => {
            let rest = standing.rest(Instant::now());
            Ok(Action::requeue(left.map_or(rest, |left| left.min(rest))))
        }
        Err(error) if error.status() == Some(404) => Ok(Action::await_change()),
        Err(error) if error.status() == Some(409) => Ok(Action::requeue(AFTER_CONFLICT)),
        Err(source) => Err(Error::WriteStatus { tenant: tenant.name_any(), source }),
    }
}

/// How the tenant stands, after another attempt if one is due.
async fn current(tenant: &EntraTenant, context: &Context) -> Standing {
    let name = tenant.name_any();
    let standing = context.tenants.standing(&name, tenant);
    let shown = context.tenants.secret_version(tenant);
    if !standing.is_due(tenant, shown.as_ref(), Instant::now()) {
        return standing;
    }
    let attempt = Attempt::make(&tenant.spec, standing.opened.clone(), context).await;
    let standing = standing.after(attempt, tenant, shown, Instant::now());
    log(&name, &standing.found);
    context.metrics.tenant(&name, Some(matches!(standing.found, Access::Ready(_))));
    context.tenants.keep(&name, standing.clone());
    standing
}

fn log(tenant: &str, access: &Access) {
    match access {
        Access::Ready(signed_in) => tracing::info!(tenant, client_id = %signed_in.client_id, "signed in"),
        Access::NotReady { reason, message } => tracing::warn!(tenant, %reason, message, "cannot sign in"),
        Access::Unknown => {}
    }
}
