//! An operator over a generated world, and somebody who changes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::BASE64;
use entra::{Clock, Ids, NetworkError, NetworkOptions, Wire};
use entra_emulator::{Effect, Emulator, Fault, Match, Operation, TokioTime};
use entra_rotator::metrics::Metrics;
use entra_rotator::operator;
use entra_rotator::seams::{KeySource, Seams, Wires};
use entra_rotator::serve::Health;
use entra_rotator::settings::{Ambient, Reach, Settings};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use keys::{KeyError, KeySize, PrivateKey};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube_sim::KubeSim;
use rotation::Lateness;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use tower::service_fn;
use uuid::Uuid;

use crate::canary::Canaries;

use super::chance::Chance;
use super::estate::{Estate, FOREIGN, Grants, TEAMS, labels, namespace};
use super::judge::{HOME, Judge};
use super::recorder::{Recorder, Tally};
use super::tap::Tap;

/// Keys in the pool.
pub(super) const FIXTURES: usize = 8;
const TENANTS: &str = "entratenants.entra-rotator.io";
const RESOURCES: &str = "serviceprincipalcredentials.entra-rotator.io";

/// A world, its operator, and whoever looks at both.
pub(super) struct Stage {
    pub(super) cluster: KubeSim,
    pub(super) entra: Emulator,
    pub(super) metrics: Metrics,
    estate: Estate,
    judge: Judge,
    recorder: Recorder,
    started: Started,
    reach: Reach,
}

#[derive(Clone, Copy)]
struct Started {
    wall: DateTime<Utc>,
    monotonic: Instant,
}

impl Clock for Started {
    fn now(&self) -> DateTime<Utc> {
        self.wall + TimeDelta::from_std(self.monotonic.elapsed()).unwrap()
    }
}

struct Counted(AtomicU64);

impl Ids for Counted {
    fn uuid(&self) -> Uuid {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        uuid::Builder::from_random_bytes((u128::from(number) << 80 | 0xfeed).to_be_bytes()).into_uuid()
    }
}

/// Keys from the pool: making one takes a thread, and a thread lets paused time jump.
struct Fixtures(AtomicUsize);

impl KeySource for Fixtures {
    fn generate(&self, _: KeySize) -> BoxFuture<'static, Result<PrivateKey, KeyError>> {
        let key = keys::fixtures::key(self.0.fetch_add(1, Ordering::SeqCst));
        async move { Ok(key) }.boxed()
    }
}

struct Recorded(Emulator, Recorder);

impl Wires for Recorded {
    fn open(&self, _: &NetworkOptions) -> Result<Wire, NetworkError> {
        let (entra, recorder) = (self.0.service(), self.1.clone());
        Ok(entra::in_process(service_fn(move |request| recorder.clone().hand_on(entra.clone(), request))))
    }
}

impl Stage {
    /// The world of this seed, before anybody worked in it.
    pub(super) async fn of(chance: &mut Chance, grants: Grants, reach: Reach, tap: Option<Tap>) -> Self {
        let started = Started { wall: "2026-01-01T00:00:00Z".parse().unwrap(), monotonic: Instant::now() };
        let cluster = cluster(started);
        let entra = Emulator::builder().time(TokioTime::starting_at(started.wall)).build().unwrap();
        let estate = Estate::generate(chance, &entra, grants);
        let judge = Judge::new(&cluster, &entra);
        let recorder = Recorder::new(judge.clone(), tap);
        let stage = Self { cluster, entra, metrics: Metrics::new(), estate, judge, recorder, started, reach };
        stage.populate().await;
        stage.disturb(chance);
        stage
    }

    async fn populate(&self) {
        self.estate.namespaces.iter().for_each(|namespace| drop(self.cluster.put(namespace.clone())));
        for team in TEAMS.iter().chain([&HOME]) {
            self.cluster.put(foreign_secret(team));
        }
        for identity in &self.estate.identities {
            let adoptable = json!({"entra-rotator.io/adopt-by": "api"});
            self.cluster.put(json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
                "metadata": {"name": format!("sign-in-{}", identity.name), "namespace": HOME, "annotations": adoptable},
                "data": {"AZURE_CLIENT_SECRET": BASE64.encode(identity.secret.as_bytes())}}));
        }
        for tenant in &self.estate.tenants {
            self.declare(tenant).await.unwrap();
        }
        for resource in &self.estate.resources {
            // Some are refused at admission.
            let _ = self.declare(resource).await;
        }
    }

    /// Refusals by Entra: of whole identities, of targets, of single operations.
    fn disturb(&self, chance: &mut Chance) {
        for status in [401, 403, 503] {
            if chance.one_in(3) {
                let client = chance.pick(&self.estate.applications).registered.client_id;
                self.entra.inject(
                    Fault::always(Match::any().client(client), Effect::failing(status))
                        .skip(chance.below(4) as u64)
                        .times(1 + chance.below(6) as u64),
                );
            }
        }
        if chance.one_in(4) {
            let client = chance.pick(&self.estate.identities).registered.client_id;
            self.entra.inject(
                Fault::always(Match::operation(Operation::Token).client(client), Effect::aadsts(401, "invalid_client", 7_000_215)).times(3),
            );
        }
    }

    /// Declares an object as a person would; the API server may refuse it.
    async fn declare(&self, object: &Value) -> Result<(), kube::Error> {
        let parsed: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        let api = self.api(object["kind"].as_str().unwrap(), object["metadata"]["namespace"].as_str());
        // Before the operator can have heard of it.
        self.judge.declared(object);
        api.create(&PostParams::default(), &parsed).await.map(drop)
    }

    fn api(&self, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("entra-rotator.io", "v1alpha1", kind));
        match namespace {
            Some(namespace) => Api::namespaced_with(self.cluster.client(), namespace, &resource),
            None => Api::all_with(self.cluster.client(), &resource),
        }
    }

    /// Lets an operator work for this long.
    pub(super) async fn run_for(&self, span: Duration) {
        self.cluster.intercept(self.recorder.clone());
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(self.operator(stopped));
        tokio::time::sleep(span).await;
        stop.send(true).unwrap();
        running.await.unwrap().unwrap();
        self.cluster.stop_intercepting();
    }

    fn operator(&self, stop: watch::Receiver<bool>) -> impl Future<Output = Result<(), operator::Error>> + Send + 'static {
        let seams = Seams {
            clock: Arc::new(self.started),
            ids: Arc::new(Counted(AtomicU64::new(self.cluster.requests().len() as u64))),
            keys: Arc::new(Fixtures(AtomicUsize::new(0))),
            wires: Arc::new(Recorded(self.entra.clone(), self.recorder.clone())),
        };
        let settings = settings(self.reach.clone());
        let health = Health::new(Arc::new(self.started), settings.lease_duration);
        operator::run(self.cluster.client(), settings, seams, self.metrics.clone(), health, stop)
    }

    /// Somebody changes one thing.
    pub(super) async fn change(&self, chance: &mut Chance) {
        match chance.below(6) {
            0 | 1 => self.change_grants(chance),
            2 => {
                self.judge.about_to_change();
                let (team, labels) = (*chance.pick(&TEAMS), labels(chance));
                self.cluster.put(namespace(team, &labels));
            }
            3 => self.delete_one(chance).await,
            4 => drop(self.declare(&self.estate.resource(chance)).await),
            _ => self.renew_all(),
        }
    }

    fn change_grants(&self, chance: &mut Chance) {
        self.judge.about_to_change();
        let name = chance.pick(&self.estate.identities).name;
        let mut tenant = self.cluster.get("entratenants.entra-rotator.io", "", name).unwrap();
        tenant["spec"]["grants"] = self.estate.grants(chance);
        tenant["metadata"]["generation"] = json!(tenant["metadata"]["generation"].as_i64().unwrap() + 1);
        self.cluster.put(tenant);
    }

    async fn delete_one(&self, chance: &mut Chance) {
        let resources = self.resources();
        if resources.is_empty() {
            return;
        }
        let resource = chance.pick(&resources);
        let api = self.api("ServicePrincipalCredential", resource["metadata"]["namespace"].as_str());
        api.delete(resource["metadata"]["name"].as_str().unwrap(), &DeleteParams::default()).await.unwrap();
    }

    /// Everybody asks for a successor.
    fn renew_all(&self) {
        for mut resource in self.resources() {
            resource["spec"]["rotation"]["notIssuedBefore"] = json!(self.started.now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
            resource["metadata"]["generation"] = json!(resource["metadata"]["generation"].as_i64().unwrap() + 1);
            self.cluster.put(resource);
        }
    }

    /// Every object in the cluster, of Secrets all but what they are for.
    pub(super) fn whole_cluster(&self) -> Vec<Value> {
        let kinds = ["namespaces", "secrets", "configmaps", "events", "leases.coordination.k8s.io", TENANTS, RESOURCES];
        let mut objects: Vec<_> = kinds.iter().flat_map(|kind| self.cluster.list(kind, None)).collect();
        for secret in objects.iter_mut().filter(|object| object["kind"] == "Secret") {
            secret.as_object_mut().unwrap().remove("data");
        }
        objects
    }

    /// What the operator's identities sign in with, and what others have.
    pub(super) fn register_with(&self, canaries: &Canaries) {
        self.cluster.list("secrets", None).iter().for_each(|secret| canaries.secret_object(secret));
        (0..FIXTURES).for_each(|number| canaries.private_key("a private key", keys::fixtures::key(number).to_pkcs8_pem().expose()));
    }

    pub(super) fn resources(&self) -> Vec<Value> {
        self.cluster.list(RESOURCES, None)
    }

    /// What was asked so far; the first fault that was found with it.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = self.recorder.tally();
        tally.faults.extend(self.foreign_credentials().err());
        tally.faults.extend(self.foreign_secrets().err());
        tally
    }

    /// Of the credentials of others only those went that somebody may adopt.
    fn foreign_credentials(&self) -> Result<(), String> {
        for mutation in self.entra.mutations().iter().filter(|mutation| mutation.caller.is_some()) {
            let is_foreign =
                |key: &str| self.estate.applications.iter().any(|application| application.foreign.iter().any(|known| known == key));
            let removed = mutation.keys_removed.iter().map(ToString::to_string).filter(|key| is_foreign(key));
            if let Some(key) = removed.into_iter().find(|key| !self.judge.may_adopt(&mutation.client_id.to_string(), key)) {
                return Err(format!("credential {key} of somebody else's was removed by {:?}", mutation.operation));
            }
        }
        Ok(())
    }

    fn foreign_secrets(&self) -> Result<(), String> {
        for team in TEAMS.iter().chain([&HOME]) {
            let now = self.cluster.get("secrets", team, FOREIGN);
            if now.as_ref().map(|now| &now["data"]) != Some(&foreign_secret(team)["data"]) {
                return Err(format!("Secret {team}/{FOREIGN} is not what it was"));
            }
        }
        Ok(())
    }
}

fn foreign_secret(team: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": FOREIGN, "namespace": team},
        "data": {"AZURE_CLIENT_SECRET": BASE64.encode(format!("f0r3ign~{team}~Qz8_xW.kE2-vR9~jT4").as_bytes())}})
}

/// A cluster with our definitions, whose clock this is.
pub(super) fn cluster(clock: impl Clock + 'static) -> KubeSim {
    let crds = ["crds/entratenants.yaml", "crds/serviceprincipalcredentials.yaml"].map(|path| std::fs::read_to_string(path).unwrap());
    let builder = KubeSim::builder().clock(move || clock.now());
    crds.iter().fold(builder, kube_sim::Builder::crd_yaml).build().unwrap()
}

fn settings(reach: Reach) -> Settings {
    Settings {
        namespace: HOME.to_owned(),
        identity: "operator-0".to_owned(),
        lease_name: "entra-rotator".to_owned(),
        lease_duration: Duration::from_secs(6 * 3_600),
        reach,
        late: Lateness::new(TimeDelta::minutes(1)),
        watch_timeout: Duration::from_secs(10 * 86_400),
        allow_custom_endpoints: true,
        ambient: Ambient::default(),
    }
}
