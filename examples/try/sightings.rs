//! What can be seen from outside while the operator works: every write to the cluster and to Entra, in the order in which they happen.

use std::collections::BTreeSet;
use std::future::ready;
use std::time::Instant;

use entra_emulator::Mutation;
use futures::{StreamExt as _, pin_mut};
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use kube_sim::{Interceptor, KubeSim, RequestInfo, Verb, Verdict};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::cluster::{Cluster, Kind};
use crate::consumer::Check;
use crate::stage::Stage;

/// One of the credentials that are kept, of every kind one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Sample {
    ClientSecret,
    ClientCertificate,
    TokenSigning,
}

impl Sample {
    pub(crate) const ALL: [Self; 3] = [Self::ClientSecret, Self::ClientCertificate, Self::TokenSigning];

    /// The name of the resource, and of its Secret.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ClientSecret => "payroll-job",
            Self::ClientCertificate => "payroll-api",
            Self::TokenSigning => "payroll-saml",
        }
    }

    /// For people.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::ClientSecret => "client secret",
            Self::ClientCertificate => "client certificate",
            Self::TokenSigning => "token signing",
        }
    }

    /// The sample whose resource or Secret has this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sample| sample.name() == name)
    }
}

/// Something that happened.
pub(crate) enum Seen {
    /// The operator took the Lease.
    Lease,
    /// The status of the EntraTenant was written.
    Tenant(Value),
    /// The status of a sample was written: the whole object.
    Status(Sample, Value),
    /// A Secret of a sample was written.
    Output(Sample, Value),
    /// A staging Secret was made or deleted: its name.
    Slot(Sample, String, Verb),
    /// The operator published a warning.
    Warning(String),
    /// An object in Entra was changed.
    Changed(Box<Mutation>),
    /// A consumer used what is published.
    Checked(Check),
}

/// Something that happened, and when.
pub(crate) struct Sighting {
    pub(crate) at: Instant,
    pub(crate) seen: Seen,
}

/// Where sightings are sent.
#[derive(Clone)]
pub(crate) struct Reporter(UnboundedSender<Sighting>);

impl Reporter {
    pub(crate) fn report(&self, seen: Seen) {
        // An error means that nobody looks any more.
        let _ = self.0.send(Sighting { at: Instant::now(), seen });
    }
}

/// Looks at both servers from now on. The emulator and a simulated cluster tell what they did before they answer, so that the order is the true
/// one; a cluster of yours is watched, by one of `tasks` for each kind.
pub(crate) fn watch(stage: &Stage, tasks: &mut JoinSet<()>) -> (Reporter, UnboundedReceiver<Sighting>) {
    let (sender, receiver) = unbounded_channel();
    let reporter = Reporter(sender);
    let heard = reporter.clone();
    stage.emulator.observe(move |mutation| heard.report(Seen::Changed(Box::new(mutation.clone()))));
    match &stage.cluster {
        Cluster::Simulated { simulation, .. } => {
            simulation.intercept(Onlooker { kube: simulation.clone(), reporter: reporter.clone() });
        }
        Cluster::Yours { client, .. } => {
            for kind in [Kind::LEASES, Kind::TENANTS, Kind::CREDENTIALS, Kind::SECRETS, Kind::EVENTS] {
                tasks.spawn(follow(kind, kind.api(client.clone()), reporter.clone()));
            }
        }
    }
    (reporter, receiver)
}

/// Reports what a watch shows of a kind.
async fn follow(kind: Kind, api: Api<DynamicObject>, reporter: Reporter) {
    let mut names = BTreeSet::new();
    let events = watcher(api, watcher::Config::default()).default_backoff().filter_map(|event| ready(event.ok()));
    pin_mut!(events);
    while let Some(event) = events.next().await {
        let seen = match event {
            Event::Apply(object) | Event::InitApply(object) => {
                let is_new = names.insert(object.name_any());
                shown(kind.kind, json!(object), is_new)
            }
            Event::Delete(object) if kind.kind == "Secret" => slot(&object.name_any(), Verb::Delete),
            Event::Delete(_) | Event::Init | Event::InitDone => None,
        };
        seen.into_iter().for_each(|seen| reporter.report(seen));
    }
}

fn shown(kind: &str, object: Value, is_new: bool) -> Option<Seen> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    match kind {
        "Lease" if is_new => Some(Seen::Lease),
        "EntraTenant" => Some(Seen::Tenant(object)),
        "ServicePrincipalCredential" => Some(Seen::Status(Sample::named(name)?, object)),
        "Secret" => match Sample::named(name) {
            Some(sample) => Some(Seen::Output(sample, object)),
            None if is_new => slot(name, Verb::Create),
            None => None,
        },
        "Event" if is_new => warning(&object),
        _ => None,
    }
}

struct Onlooker {
    kube: KubeSim,
    reporter: Reporter,
}

impl Interceptor for Onlooker {
    fn before(&self, _: &RequestInfo) -> Verdict {
        Verdict::Pass
    }

    fn after(&self, request: &RequestInfo, status: u16) {
        let is_write = !matches!(request.verb, Verb::Get | Verb::List | Verb::Watch);
        if is_write
            && (200..300).contains(&status)
            && let Some(seen) = self.interpret(request)
        {
            self.reporter.report(seen);
        }
    }
}

impl Onlooker {
    fn interpret(&self, request: &RequestInfo) -> Option<Seen> {
        let name = request.name.as_deref().unwrap_or_default();
        let stored = |resource: &str| self.kube.get(resource, request.namespace.as_deref().unwrap_or_default(), name);
        match (request.resource.as_str(), request.subresource.as_deref()) {
            ("leases", None) if request.verb == Verb::Create => Some(Seen::Lease),
            ("events", None) => warning(request.body()?),
            ("entratenants", Some("status")) => Some(Seen::Tenant(stored("entratenants.entra-rotator.io")?)),
            ("serviceprincipalcredentials", Some("status")) => {
                Some(Seen::Status(Sample::named(name)?, stored("serviceprincipalcredentials.entra-rotator.io")?))
            }
            ("secrets", None) => match Sample::named(name) {
                Some(sample) => Some(Seen::Output(sample, stored("secrets")?)),
                None => slot(name, request.verb),
            },
            _ => None,
        }
    }
}

fn slot(name: &str, verb: Verb) -> Option<Seen> {
    Some(Seen::Slot(owner_of_slot(name)?, name.to_owned(), verb))
}

fn owner_of_slot(name: &str) -> Option<Sample> {
    Sample::named(name.strip_suffix("-entra-a").or_else(|| name.strip_suffix("-entra-b"))?)
}

fn warning(event: &Value) -> Option<Seen> {
    let text = |field: &str| event[field].as_str().unwrap_or_default();
    (text("type") == "Warning").then(|| Seen::Warning(format!("{}: {}", text("reason"), text("note"))))
}
