//! A cluster, a tenant and an operator in one thread, with time that jumps from event to event.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entra::{Clock, Ids, NetworkError, NetworkOptions, Wire};
use entra_emulator::{Emulator, Operation, Registered, TokioTime};
use entra_rotator::metrics::Metrics;
use entra_rotator::operator;
use entra_rotator::seams::{KeySource, Seams, Wires};
use entra_rotator::serve::Health;
use entra_rotator::settings::Settings;
use entra_types::{Cloud, ObjectId};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use keys::{KeyError, KeySize, PrivateKey};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube_sim::KubeSim;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use tower::Layer as _;
use uuid::Uuid;

use super::effects::{Effects, Moment, Process, TIME};
pub(super) use super::setup::{Kind, Setup};
use super::setup::{place, register, settings};

pub(super) const TENANT: &str = "cccccccc-0000-4000-8000-000000000001";
pub(super) const OUTPUT: &str = "payroll-credential";
pub(super) const SECRET: &str = "operator-secret-0123456789abcdef~";
pub(super) const NAMESPACE: &str = "payroll";
pub(super) const NAME: &str = "payroll";

/// How often the watcher is told that time has gone by: while something is awaited, and else.
const SHORT: Duration = Duration::from_secs(300);
const LONG: Duration = Duration::from_secs(6 * 3_600);

/// The world and one resource in it.
pub(super) struct World {
    pub(super) cluster: KubeSim,
    pub(super) entra: Emulator,
    pub(super) target: Registered,
    /// The one of the target's objects whose credentials are kept.
    pub(super) object: ObjectId,
    pub(super) effects: Effects,
    pub(super) kind: Kind,
    settings: Settings,
    started: Started,
    ids: Arc<Counted>,
    keys: Arc<Fixtures>,
}

/// When the world began, by both clocks.
#[derive(Clone, Copy)]
pub(super) struct Started {
    wall: DateTime<Utc>,
    monotonic: Instant,
}

impl Clock for Started {
    fn now(&self) -> DateTime<Utc> {
        self.wall + TimeDelta::from_std(self.monotonic.elapsed()).unwrap()
    }
}

/// UUIDs by number.
struct Counted(AtomicU64);

impl Ids for Counted {
    fn uuid(&self) -> Uuid {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        // The number leads, as nonces are made of the first digits.
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

struct ToEmulator(Emulator, Process);

impl Wires for ToEmulator {
    fn open(&self, _: &NetworkOptions) -> Result<Wire, NetworkError> {
        Ok(entra::in_process(self.1.layer(self.0.service())))
    }
}

impl World {
    /// A world with one resource of this spec, and credentials of somebody else's on its target.
    pub(super) async fn new(spec: &Value, effects: Effects) -> Self {
        Self::begin(Setup { effects, ..Setup::of(spec.clone()) }).await
    }

    /// A world whose resource is there already.
    pub(super) async fn begin(setup: Setup) -> Self {
        let world = Self::empty(&setup).await;
        world.declare(&setup.spec).await;
        world
    }

    /// A world without the resource.
    pub(super) async fn empty(setup: &Setup) -> Self {
        let started = Started { wall: "2026-01-01T00:00:00Z".parse().unwrap(), monotonic: Instant::now() };
        let cluster = cluster(started);
        let entra =
            Emulator::builder().time(TokioTime::starting_at(started.wall)).cloud(setup.cloud.unwrap_or(Cloud::Global)).build().unwrap();
        let (operator, target) = register(&entra, started.wall, setup);
        let kind = Kind::of(&setup.spec);
        let on_service_principal = kind == Kind::Signing || setup.spec["target"]["object"] == "ServicePrincipal";
        let world = Self {
            cluster,
            entra,
            target,
            object: if on_service_principal { target.service_principal } else { target.application },
            effects: setup.effects.clone(),
            kind,
            settings: settings(),
            started,
            ids: Arc::new(Counted(AtomicU64::new(1))),
            keys: Arc::new(Fixtures(AtomicUsize::new(0))),
        };
        world.populate(&operator, setup).await;
        world
    }

    async fn populate(&self, operator: &Registered, setup: &Setup) {
        for namespace in ["entra-rotator", NAMESPACE] {
            self.cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
        }
        let secret: Secret = serde_json::from_value(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sign-in"},
            "stringData": {"AZURE_CLIENT_SECRET": SECRET}}))
        .unwrap();
        let secrets: Api<Secret> = Api::namespaced(self.cluster.client(), "entra-rotator");
        secrets.create(&PostParams::default(), &secret).await.unwrap();
        let (client, object) = (self.target.client_id.to_string(), self.object.to_string());
        let adoption = if setup.allow_adoption { "Always" } else { "Never" };
        let mut spec = json!({
            "tenantID": TENANT,
            "signIn": {"clientSecret": {"clientID": operator.client_id.to_string(), "secretRef": {"name": "sign-in"}}},
            "grants": [{"name": "payroll", "namespaces": [NAMESPACE], "clientIDs": [client], "objectIDs": [object],
                "credentials": ["ClientCertificate", "ClientSecret", "TokenSigningCertificate"], "allowAdoption": adoption}]});
        spec.as_object_mut().unwrap().extend(place(setup.cloud));
        self.create(
            json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "EntraTenant", "metadata": {"name": "default"}, "spec": spec}),
        )
        .await;
    }

    /// Creates the resource. Its target is named by clientID unless the spec names the object.
    pub(super) async fn declare(&self, spec: &Value) {
        let mut spec = spec.clone();
        if spec["target"]["objectID"].is_null() {
            spec["target"]["clientID"] = json!(self.target.client_id.to_string());
        }
        if spec["configMapName"].is_null() {
            spec["secretName"] = json!(OUTPUT);
            spec.as_object_mut().unwrap().remove("configMapName");
        }
        self.create(json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential",
            "metadata": {"name": NAME, "namespace": NAMESPACE}, "spec": spec}))
            .await;
    }

    /// Creates an object of our own kinds as a user would.
    pub(super) async fn create(&self, object: Value) {
        let api = self.ours(object["kind"].as_str().unwrap(), object["metadata"]["namespace"].as_str());
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap();
    }

    /// Edits the resource as `kubectl patch --type=merge` does.
    pub(super) async fn edit(&self, patch: Value) {
        let api = self.ours("ServicePrincipalCredential", Some(NAMESPACE));
        api.patch(NAME, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }

    /// Deletes the resource as `kubectl delete --wait=false` does.
    pub(super) async fn delete(&self) {
        let api = self.ours("ServicePrincipalCredential", Some(NAMESPACE));
        api.delete(NAME, &DeleteParams::default()).await.unwrap();
    }

    fn ours(&self, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("entra-rotator.io", "v1alpha1", kind));
        match namespace {
            Some(namespace) => Api::namespaced_with(self.cluster.client(), namespace, &resource),
            None => Api::all_with(self.cluster.client(), &resource),
        }
    }

    /// Runs operators one after the other for this long: a crashed one is replaced after a second. Fails if a watcher of the effects found fault.
    pub(super) async fn run_for(&self, span: TimeDelta) {
        self.run(Instant::now() + span.to_std().unwrap(), LONG, |_| false).await;
    }

    /// Runs until something is so, for `limit` at most.
    pub(super) async fn run_until(&self, limit: TimeDelta, what: &str, is_so: impl Fn(&Self) -> bool) {
        self.run(Instant::now() + limit.to_std().unwrap(), SHORT, &is_so).await;
        assert!(is_so(self), "never seen: {what}; {:#}", self.find_resource().unwrap_or_default()["status"]);
    }

    async fn run(&self, end: Instant, pace: Duration, is_over: impl Fn(&Self) -> bool) {
        while Instant::now() < end && !is_over(self) {
            self.run_one(end, pace, &is_over).await;
            self.effects.assert_faultless();
        }
    }

    /// One process, until it crashes or the time is over.
    async fn run_one(&self, end: Instant, pace: Duration, is_over: impl Fn(&Self) -> bool) {
        let process = Process::new(&self.effects);
        let (stop, stopped) = watch::channel(false);
        let mut running = tokio::spawn(self.operator(&process, stopped));
        let mut clock = tokio::time::interval(pace);
        loop {
            tokio::select! {
                biased;
                () = self.effects.crashed() => {
                    running.abort();
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    break;
                }
                ended = &mut running => panic!("the operator ended: {ended:?}"),
                _ = clock.tick() => self.effects.tell(Moment::After, TIME),
                () = tokio::time::sleep_until(end) => {
                    stop.send(true).unwrap();
                    break;
                }
            }
            if is_over(self) {
                stop.send(true).unwrap();
                break;
            }
        }
        let ended = running.await;
        assert!(ended.as_ref().is_ok_and(Result::is_ok) || ended.as_ref().is_err_and(tokio::task::JoinError::is_cancelled), "{ended:?}");
    }

    fn operator(
        &self,
        process: &Process,
        stop: watch::Receiver<bool>,
    ) -> impl Future<Output = Result<(), operator::Error>> + Send + 'static {
        let client = kube::Client::new(process.layer(self.cluster.service()), "default");
        let seams = Seams {
            clock: Arc::new(self.started),
            ids: Arc::clone(&self.ids) as Arc<dyn Ids>,
            keys: Arc::clone(&self.keys) as Arc<dyn KeySource>,
            wires: Arc::new(ToEmulator(self.entra.clone(), process.clone())),
        };
        let health = Health::new(Arc::new(self.started), self.settings.lease_duration);
        operator::run(client, self.settings.clone(), seams, Metrics::new(), health, stop)
    }

    /// The simulated time.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.started.now()
    }

    /// The resource as it is stored.
    pub(super) fn resource(&self) -> Value {
        self.find_resource().expect("the resource")
    }

    /// The resource, if it is still there.
    pub(super) fn find_resource(&self) -> Option<Value> {
        self.cluster.get("serviceprincipalcredentials.entra-rotator.io", NAMESPACE, NAME)
    }

    /// What is published: a Secret or a ConfigMap.
    pub(super) fn output(&self) -> Option<Value> {
        let secret = self.cluster.get("secrets", NAMESPACE, OUTPUT);
        secret.or_else(|| self.cluster.get("configmaps", NAMESPACE, OUTPUT))
    }

    /// The status of the EntraTenant.
    pub(super) fn tenant_status(&self) -> Value {
        self.cluster.get("entratenants.entra-rotator.io", "", "default").unwrap()["status"].clone()
    }

    /// A condition of the resource as `True/Reason`; empty where there is none.
    pub(super) fn condition(&self, name: &str) -> String {
        let status = &self.resource()["status"];
        let found = status["conditions"].as_array().and_then(|conditions| conditions.iter().find(|condition| condition["type"] == name));
        found.map_or_else(String::new, |condition| {
            format!("{}/{}", condition["status"].as_str().unwrap(), condition["reason"].as_str().unwrap())
        })
    }

    /// What a condition says.
    pub(super) fn message(&self, name: &str) -> String {
        let status = &self.resource()["status"];
        let found = status["conditions"].as_array().and_then(|conditions| conditions.iter().find(|condition| condition["type"] == name));
        found.map_or_else(String::new, |condition| condition["message"].as_str().unwrap().to_owned())
    }

    /// The ledger.
    pub(super) fn entries(&self) -> Vec<Value> {
        self.resource()["status"]["credentials"].as_array().cloned().unwrap_or_default()
    }

    /// The entry in use.
    pub(super) fn current(&self) -> Value {
        self.entries().into_iter().find(|entry| entry["use"] == "Current").unwrap_or_default()
    }

    /// The entries of both lists of the object in Entra.
    pub(super) fn listed(&self) -> Vec<Value> {
        credentials(&self.entra.object(self.object).expect("the target"))
    }

    /// What the operator wrote to Entra so far, by name.
    pub(super) fn writes(&self) -> Vec<Operation> {
        self.entra.calls().iter().filter(|call| call.operation.is_write()).map(|call| call.operation).collect()
    }
}

/// The entries of both lists.
pub(super) fn credentials(object: &Value) -> Vec<Value> {
    ["keyCredentials", "passwordCredentials"].iter().flat_map(|list| object[list].as_array().cloned().unwrap_or_default()).collect()
}

fn cluster(started: Started) -> KubeSim {
    let crds = ["crds/entratenants.yaml", "crds/serviceprincipalcredentials.yaml"].map(|path| std::fs::read_to_string(path).unwrap());
    let builder = KubeSim::builder().clock(move || started.now());
    crds.iter().fold(builder, kube_sim::Builder::crd_yaml).build().unwrap()
}
