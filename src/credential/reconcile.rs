//! From an event of the watch to a pass, and from its end to the next one.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use entra_types::{ClientId, TenantId};
use kube::ResourceExt as _;
use kube::runtime::controller::Action;
use rotation::{Ledger, Reason, Refusal};
use tokio::time::Instant;
use tracing::{Instrument as _, error, info_span, warn};
use uuid::Uuid;

use super::context::Context;
use super::desk::Desk;
use super::grants::{self, Granted, Wanted};
use super::layout::Names;
use super::pass::{PASS, Pass};
use super::policy::{Surroundings, policy};
use super::record;
use super::refuse::{Unreadable, refuse};
use crate::api::v1alpha1::{CredentialKind, ServicePrincipalCredential};
use crate::tenant::{Access, Tenant, Tenants};

/// Another resource of the same application has the lock, or another pass the desk.
const BUSY: Duration = Duration::from_secs(3);
/// A pass that panicked met something that was thought impossible: others go on, this one waits.
const AFTER_PANIC: Duration = Duration::from_secs(300);
/// A pass is over by then; a task that is not is left to end by itself.
const GRACE: Duration = Duration::from_secs(90);

/// One reconciliation. The pass runs as a task of its own: giving up waiting for it must not drop a write between its answer and its record.
pub(super) async fn reconcile(resource: Arc<ServicePrincipalCredential>, context: Arc<Context>) -> Result<Action, Infallible> {
    let started = Instant::now();
    let span = info_span!("credential", namespace = resource.namespace(), name = resource.name_any());
    let task = tokio::spawn(one_pass(Arc::clone(&resource), Arc::clone(&context)).instrument(span.clone()));
    let wait = match tokio::time::timeout(PASS + GRACE, task).await {
        Ok(Ok(wait)) => wait,
        Ok(Err(panic)) => {
            span.in_scope(|| error!(panicked = panic.is_panic(), "a pass ended by a defect of the operator; please report it"));
            AFTER_PANIC
        }
        Err(_) => {
            span.in_scope(|| warn!("a pass takes too long"));
            BUSY
        }
    };
    context.metrics.reconciled("ServicePrincipalCredential", started.elapsed());
    Ok(Action::requeue(wait))
}

async fn one_pass(watched: Arc<ServicePrincipalCredential>, context: Arc<Context>) -> Duration {
    let uid = watched.uid().unwrap_or_default();
    let Some(mut desk) = context.registry.desk(&uid, context.now()) else { return BUSY };
    let resource = desk.newer(watched);
    let wanted = match Wanted::of(&resource) {
        Ok(wanted) => wanted,
        Err(error) => return refuse(&context, &mut desk, &resource, &Unreadable::Target(error.to_string())).await,
    };
    let ledger = match read(&resource, wanted.kind) {
        Ok(ledger) => ledger,
        Err(unreadable) => return refuse(&context, &mut desk, &resource, &unreadable).await,
    };
    pass(&context, &mut desk, resource, ledger, &wanted).await
}

/// The ledger in the status. A status of a newer protocol is not touched.
fn read(resource: &ServicePrincipalCredential, kind: CredentialKind) -> Result<Ledger, Unreadable> {
    let Some(status) = &resource.status else { return Ok(Ledger::default()) };
    if let Some(number) = newer_protocol(resource) {
        return Err(Unreadable::Newer(number));
    }
    let status = status.read().map_err(|unreadable| Unreadable::Status(format!("status.{unreadable}")))?;
    record::ledger(status, kind).map_err(|unreadable| Unreadable::Status(unreadable.to_string()))
}

/// A newer protocol may change any field, so only its number is read.
fn newer_protocol(resource: &ServicePrincipalCredential) -> Option<u64> {
    let number = match resource.status.as_ref()?.read() {
        Ok(status) => status.protocol.map(u64::from),
        Err(unreadable) => unreadable.raw.get("protocol").and_then(serde_json::Value::as_u64),
    };
    number.filter(|number| *number > u64::from(record::PROTOCOL))
}

async fn pass(context: &Context, desk: &mut Desk, resource: Arc<ServicePrincipalCredential>, ledger: Ledger, wanted: &Wanted) -> Duration {
    let tenant_name = &resource.spec.tenant_ref.name;
    let tenant = context.tenants.get(tenant_name);
    let is_open = |tenant: &Tenant| matches!(tenant.access, Access::Unknown) || grants::is_undecided(&resource, wanted, tenant);
    if tenant.as_ref().is_some_and(is_open) {
        return BUSY;
    }
    let recorded = ledger.target.as_ref().map(|target| target.tenant_id);
    let named = tenant.as_ref().and_then(|tenant| tenant.tenant_id);
    // Without a tenant nothing is sent anywhere; the nil id only keeps such resources together.
    let tenant_id = recorded.or(named).unwrap_or_else(|| TenantId::new(Uuid::nil()));
    let granted = entitle(&resource, wanted, tenant.as_ref(), tenant_id, context);
    let policy = {
        let surroundings = Surroundings { settings: &context.settings, now: context.now() };
        policy(&resource, wanted, tenant.as_ref(), tenant_id, granted.as_ref(), &surroundings)
    };
    let read = desk.memory.history().latest().map(|directory| directory.client_id);
    let known = ledger.target.as_ref().map(|target| target.client_id).or(read);
    let app = wanted.app(tenant_id, known);
    let Some(_lock) = context.registry.try_lock(app) else { return BUSY };
    let names = names(&context.tenants, &resource, tenant_id, known);
    let mut pass = Pass {
        context,
        desk,
        resource,
        policy,
        ledger,
        granted: granted.ok(),
        names,
        app,
        started: Instant::now(),
        clocks: (Instant::now(), context.now()),
        is_confirmed: false,
        is_in_vain: false,
    };
    pass.share();
    match pass.paused() {
        Some(left) => left,
        None => pass.run().await,
    }
}

fn entitle(
    resource: &ServicePrincipalCredential,
    wanted: &Wanted,
    tenant: Option<&Tenant>,
    tenant_id: TenantId,
    context: &Context,
) -> Result<Granted, Refusal> {
    let name = &resource.spec.tenant_ref.name;
    let Some(tenant) = tenant else {
        let unreadable = context.tenants.unreadable(name).map(|message| Refusal::new(Reason::TenantNotReady, message));
        return Err(unreadable.unwrap_or_else(|| Refusal::new(Reason::TenantNotFound, format!("EntraTenant {name} does not exist."))));
    };
    if tenant.tenant_id != Some(tenant_id) {
        let message = format!("EntraTenant {name} names another tenant than {tenant_id}, in which this resource's credentials are.");
        return Err(Refusal::new(Reason::TenantNotFound, message));
    }
    grants::resolve(resource, wanted, tenant, &context.settings.namespace)
}

/// What stands in every output, once the clientID is known.
pub(super) fn names(
    tenants: &Tenants,
    resource: &ServicePrincipalCredential,
    tenant_id: TenantId,
    known: Option<ClientId>,
) -> Option<Names> {
    let declared = || resource.spec.target.client_id.as_deref().and_then(|id| id.parse().ok());
    let tenant = tenants.get(&resource.spec.tenant_ref.name)?;
    Some(Names { tenant_id, client_id: known.or_else(declared)?, endpoints: grants::endpoints(&tenant)? })
}
