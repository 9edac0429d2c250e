//! What Prometheus is told. Every counter exists from the start, at zero; labels other than names of objects are from closed sets.

mod credentials;
mod requests;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use entra::{Category, Observer, Operation, Outcome};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use rotation::{Cause, Reason};

pub use self::credentials::CredentialSample;
use self::credentials::Credentials;
use self::requests::Verb;
pub use self::requests::{CountRequests, CountedRequests};

/// The kinds of credential, as the label `kind` names them.
pub const KINDS: [&str; 3] = ["ClientCertificate", "ClientSecret", "TokenSigningCertificate"];

/// The kinds of resource, as the label `resource` of `entra_rotator_reconcile_seconds` names them.
pub const RESOURCES: [&str; 2] = ["EntraTenant", "ServicePrincipalCredential"];

/// Counts and measures. Clones share the same series.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Registry,
    rotations: Family<RotationLabels, Counter>,
    failures: Family<FailureLabels, Counter>,
    graph_requests: Family<GraphLabels, Counter>,
    kube_requests: Family<KubeLabels, Counter>,
    reconciles: Family<ResourceLabels, Histogram, fn() -> Histogram>,
    credentials: Credentials,
    tenants: Family<TenantLabels, Gauge>,
    leader: Gauge,
}

impl Metrics {
    /// All series, at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("entra_rotator");
        let shared = Shared {
            rotations: counters(
                &mut registry,
                "rotations",
                "Credentials published in place of an earlier one or of none",
                rotation_labels(),
            ),
            failures: counters(&mut registry, "failures", "Failed attempts and refusals", failure_labels()),
            graph_requests: counters(&mut registry, "graph_requests", "Requests to Microsoft Graph and the token endpoint", graph_labels()),
            kube_requests: counters(&mut registry, "kube_requests", "Requests to the Kubernetes API server", kube_labels()),
            reconciles: reconciles(&mut registry),
            credentials: credentials(&mut registry),
            tenants: registered(&mut registry, "tenant_ready", "Whether the operator can sign in to the EntraTenant"),
            leader: registered(&mut registry, "leader", "Whether this replica holds the Lease"),
            registry: build_info(registry),
        };
        Self { shared: Arc::new(shared) }
    }

    /// A credential of this kind (one of [`KINDS`]) was published, for this reason.
    pub fn rotated(&self, kind: &'static str, cause: Cause) {
        self.shared.rotations.get_or_create(&RotationLabels { kind, cause: cause.as_str() }).inc();
    }

    /// Something was refused or failed.
    pub fn failed(&self, reason: Reason) {
        self.shared.failures.get_or_create(&FailureLabels { reason: reason.as_str() }).inc();
    }

    /// Shows a ServicePrincipalCredential as it is now, in place of what was shown of it before.
    pub fn describe(&self, sample: &CredentialSample) {
        self.shared.credentials.describe(sample);
    }

    /// Shows a ServicePrincipalCredential no more.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.shared.credentials.forget(namespace, name);
    }

    /// Shows whether the operator can sign in to an EntraTenant; `None` once it is deleted.
    pub fn tenant(&self, name: &str, ready: Option<bool>) {
        let labels = TenantLabels { tenant: name.to_owned() };
        match ready {
            Some(ready) => {
                self.shared.tenants.get_or_create(&labels).set(ready.into());
            }
            None => {
                self.shared.tenants.remove(&labels);
            }
        }
    }

    /// Shows whether this replica holds the Lease.
    pub fn leader(&self, leads: bool) {
        self.shared.leader.set(leads.into());
    }

    /// A pass over a resource of this kind (one of [`RESOURCES`]) took so long.
    pub fn reconciled(&self, resource: &'static str, took: Duration) {
        self.shared.reconciles.get_or_create(&ResourceLabels { resource }).observe(took.as_secs_f64());
    }

    /// Everything, as OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut page = String::new();
        if text::encode(&mut page, &self.shared.registry).is_err() {
            // Not possible while a String can be written to. Without its end a scrape is refused, so nothing false is taken for true.
            page.clear();
        }
        page
    }

    fn kube_request(&self, verb: Verb) {
        self.shared.kube_requests.get_or_create(&KubeLabels { verb: verb.label() }).inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for Metrics {
    fn request(&self, operation: Operation, outcome: Outcome) {
        self.shared.graph_requests.get_or_create(&GraphLabels { operation: operation.label(), outcome: outcome.label() }).inc();
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RotationLabels {
    kind: &'static str,
    cause: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct FailureLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct GraphLabels {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct KubeLabels {
    verb: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ResourceLabels {
    resource: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct TenantLabels {
    tenant: String,
}

fn rotation_labels() -> impl Iterator<Item = RotationLabels> {
    KINDS.into_iter().flat_map(|kind| Cause::ALL.iter().map(move |cause| RotationLabels { kind, cause: cause.as_str() }))
}

fn failure_labels() -> impl Iterator<Item = FailureLabels> {
    Reason::ALL.iter().map(|reason| FailureLabels { reason: reason.as_str() })
}

fn graph_labels() -> impl Iterator<Item = GraphLabels> {
    let failed = Category::ALL.iter().map(|category| Outcome::Failed(*category));
    let outcomes: Vec<_> = [Outcome::Success, Outcome::HeldBack].into_iter().chain(failed).collect();
    Operation::ALL.into_iter().flat_map(move |operation| {
        let labels = |outcome: &Outcome| GraphLabels { operation: operation.label(), outcome: outcome.label() };
        outcomes.iter().map(labels).collect::<Vec<_>>()
    })
}

fn kube_labels() -> impl Iterator<Item = KubeLabels> {
    Verb::ALL.into_iter().map(|verb| KubeLabels { verb: verb.label() })
}

fn counters<L>(registry: &mut Registry, name: &str, help: &str, all: impl Iterator<Item = L>) -> Family<L, Counter<u64, AtomicU64>>
where
    L: Clone + std::fmt::Debug + EncodeLabelSet + Eq + std::hash::Hash + Send + Sync + 'static,
{
    let family: Family<L, Counter> = registered(registry, name, help);
    all.for_each(|labels| drop(family.get_or_create(&labels)));
    family
}

fn registered<M: prometheus_client::registry::Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

fn reconciles(registry: &mut Registry) -> Family<ResourceLabels, Histogram, fn() -> Histogram> {
    let family = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
    RESOURCES.into_iter().for_each(|resource| drop(family.get_or_create(&ResourceLabels { resource })));
    registry.register("reconcile_seconds", "How long a pass over one resource took", family.clone());
    family
}

fn credentials(registry: &mut Registry) -> Credentials {
    let credentials = Credentials::default();
    registry.register_collector(Box::new(credentials.clone()));
    credentials
}

fn build_info(mut registry: Registry) -> Registry {
    registry.register("build", "The version of the operator", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
    registry
}

/// From one look at a cache to the longest that a pass may take.
const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0, 120.0];
