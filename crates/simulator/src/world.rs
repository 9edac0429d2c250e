//! A cluster, a tenant and an operator in one thread, with time that jumps from event to event.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use entra::{Clock, Ids, NetworkError, NetworkOptions, Wire};
use entra_emulator::{Emulator, Operation, Registered, TokioTime};
use entra_rotator::seams::{KeySource, Wires};
use entra_rotator::settings::Settings;
use entra_types::{Cloud, ObjectId};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use keys::{KeyError, KeySize, PrivateKey};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube_sim::KubeSim;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::Layer as _;
use uuid::Uuid;

use crate::edit::Edited;
use crate::effects::Effects;
use crate::process::Process;
pub use crate::setup::{Kind, Setup};
use crate::setup::{Replicas, place, register};

/// The tenant in which everything is.
pub const TENANT: &str = "cccccccc-0000-4000-8000-000000000001";
/// The name of what is published.
pub const OUTPUT: &str = "payroll-credential";
/// What the operator signs in with.
pub const SECRET: &str = "operator-secret-0123456789abcdef~";
/// Where the resource is.
pub const NAMESPACE: &str = "payroll";
/// The name of the resource.
pub const NAME: &str = "payroll";

/// The world and one resource in it.
pub struct World {
    /// The API server.
    pub cluster: KubeSim,
    /// That of another cluster, whose operator keeps the same resource for the same target.
    pub neighbour: Option<KubeSim>,
    /// Entra.
    pub entra: Emulator,
    /// The application whose credentials are kept.
    pub target: Registered,
    /// The one of the target's objects whose credentials are kept.
    pub object: ObjectId,
    /// What the operator did, and what is to happen to it.
    pub effects: Effects,
    /// What is kept.
    pub kind: Kind,
    pub(crate) operator: Registered,
    pub(crate) replicas: Vec<Settings>,
    pub(crate) clock: Arc<Skewed>,
    pub(crate) ids: Arc<Counted>,
    pub(crate) keys: Arc<Fixtures>,
    pub(crate) edited: Arc<Edited>,
    started: Started,
}

/// When the world began, by both clocks.
#[derive(Clone, Copy)]
pub struct Started {
    wall: DateTime<Utc>,
    monotonic: Instant,
}

impl Clock for Started {
    fn now(&self) -> DateTime<Utc> {
        self.wall + TimeDelta::from_std(self.monotonic.elapsed()).unwrap()
    }
}

/// The operator's clock, which can be wrong.
pub(crate) struct Skewed {
    started: Started,
    seconds: AtomicI64,
    jumped: AtomicBool,
}

impl Skewed {
    /// Sets how far it is ahead.
    pub(crate) fn set(&self, ahead: TimeDelta) {
        self.jumped.fetch_or(!ahead.is_zero(), Ordering::SeqCst);
        self.seconds.store(ahead.num_seconds(), Ordering::SeqCst);
    }

    /// Whether it was ever set.
    pub(crate) fn has_jumped(&self) -> bool {
        self.jumped.load(Ordering::SeqCst)
    }
}

impl Clock for Skewed {
    fn now(&self) -> DateTime<Utc> {
        self.started.now() + TimeDelta::seconds(self.seconds.load(Ordering::SeqCst))
    }
}

/// UUIDs by number.
pub(crate) struct Counted(AtomicU64);

impl Ids for Counted {
    fn uuid(&self) -> Uuid {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        // The number leads, as nonces are made of the first digits.
        uuid::Builder::from_random_bytes((u128::from(number) << 80 | 0xfeed).to_be_bytes()).into_uuid()
    }
}

/// Keys from the pool: making one takes a thread, and a thread lets paused time jump.
pub(crate) struct Fixtures(AtomicUsize);

impl KeySource for Fixtures {
    fn generate(&self, size: KeySize) -> BoxFuture<'static, Result<PrivateKey, KeyError>> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        let key = if size == KeySize::Rsa2048 { keys::fixtures::key(number) } else { keys::fixtures::longer_key(number) };
        async move { Ok(key) }.boxed()
    }
}

pub(crate) struct ToEmulator(pub(crate) Emulator, pub(crate) Process);

impl Wires for ToEmulator {
    fn open(&self, _: &NetworkOptions) -> Result<Wire, NetworkError> {
        Ok(entra::in_process(self.1.layer(self.0.service())))
    }
}

impl Drop for World {
    /// What watches it holds it in turn: without this none would ever be freed.
    fn drop(&mut self) {
        self.effects.let_go();
        self.entra.dismiss_observers();
    }
}

impl World {
    /// A world with one resource of this spec, and credentials of somebody else's on its target.
    pub async fn new(spec: &Value, effects: Effects) -> Self {
        Self::begin(Setup { effects, ..Setup::of(spec.clone()) }).await
    }

    /// A world whose resource is there already.
    pub async fn begin(setup: Setup) -> Self {
        let world = Self::empty(&setup).await;
        world.declare(&setup.spec).await;
        world
    }

    /// A world without the resource.
    pub async fn empty(setup: &Setup) -> Self {
        let started = Started { wall: "2026-01-01T00:00:00Z".parse().unwrap(), monotonic: Instant::now() };
        let neighbour = match setup.more_replicas {
            Replicas::OtherCluster => Some(cluster(started, 2)),
            Replicas::Clone => Some(cluster(started, 0)),
            Replicas::None | Replicas::StandingBy | Replicas::Unelected => None,
        };
        let cluster = cluster(started, 0);
        let entra =
            Emulator::builder().time(TokioTime::starting_at(started.wall)).cloud(setup.cloud.unwrap_or(Cloud::Global)).build().unwrap();
        let (operator, target) = register(&entra, started.wall, setup);
        let kind = Kind::of(&setup.spec);
        let on_service_principal = kind == Kind::Signing || setup.spec["target"]["object"] == "ServicePrincipal";
        let world = Self {
            cluster,
            neighbour,
            entra,
            target,
            object: if on_service_principal { target.service_principal } else { target.application },
            effects: setup.effects.clone(),
            kind,
            operator,
            replicas: setup.replicas(),
            clock: Arc::new(Skewed { started, seconds: AtomicI64::new(0), jumped: AtomicBool::new(false) }),
            ids: Arc::new(Counted(AtomicU64::new(1))),
            keys: Arc::new(Fixtures(AtomicUsize::new(0))),
            edited: Arc::default(),
            started,
        };
        for cluster in world.clusters() {
            world.populate(cluster, &operator, setup).await;
        }
        world
    }

    /// Every cluster there is.
    pub fn clusters(&self) -> impl Iterator<Item = &KubeSim> {
        std::iter::once(&self.cluster).chain(&self.neighbour)
    }

    async fn populate(&self, cluster: &KubeSim, operator: &Registered, setup: &Setup) {
        for namespace in ["entra-rotator", NAMESPACE] {
            cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
        }
        let secret: Secret = serde_json::from_value(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sign-in"},
            "stringData": {"AZURE_CLIENT_SECRET": SECRET}}))
        .unwrap();
        let secrets: Api<Secret> = Api::namespaced(cluster.client(), "entra-rotator");
        secrets.create(&PostParams::default(), &secret).await.unwrap();
        let (client, object) = (self.target.client_id.to_string(), self.object.to_string());
        let adoption = if setup.allow_adoption { "Always" } else { "Never" };
        let mut spec = json!({
            "tenantID": TENANT,
            "signIn": {"clientSecret": {"clientID": operator.client_id.to_string(), "secretRef": {"name": "sign-in"}}},
            "grants": [{"name": "payroll", "namespaces": [NAMESPACE], "clientIDs": [client], "objectIDs": [object],
                "credentials": ["ClientCertificate", "ClientSecret", "TokenSigningCertificate"], "allowAdoption": adoption}]});
        spec.as_object_mut().unwrap().extend(place(setup.cloud));
        let tenant =
            json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "EntraTenant", "metadata": {"name": "default"}, "spec": spec});
        create(cluster, tenant).await;
    }

    /// Creates the resource, in every cluster. Its target is named by clientID unless the spec names the object.
    pub async fn declare(&self, spec: &Value) {
        let mut spec = spec.clone();
        if spec["target"]["objectID"].is_null() {
            spec["target"]["clientID"] = json!(self.target.client_id.to_string());
        }
        if spec["configMapName"].is_null() {
            spec["secretName"] = json!(OUTPUT);
            spec.as_object_mut().unwrap().remove("configMapName");
        }
        for cluster in self.clusters() {
            let resource = json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential",
                "metadata": {"name": NAME, "namespace": NAMESPACE}, "spec": spec});
            create(cluster, resource).await;
        }
    }

    /// Creates an object of our own kinds as a user would.
    pub async fn create(&self, object: Value) {
        create(&self.cluster, object).await;
    }

    /// Edits the resource as `kubectl patch --type=merge` does.
    pub async fn edit(&self, patch: Value) {
        let api = ours(&self.cluster, "ServicePrincipalCredential", Some(NAMESPACE));
        api.patch(NAME, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
        // An edit may have come while this was on its way.
        self.edited.course_goes_on(&patch["spec"]);
    }

    /// Deletes the resource as `kubectl delete --wait=false` does.
    pub async fn delete(&self) {
        let api = ours(&self.cluster, "ServicePrincipalCredential", Some(NAMESPACE));
        api.delete(NAME, &DeleteParams::default()).await.unwrap();
    }

    /// Deletes the namespace as `kubectl delete namespace --wait=false` does.
    pub async fn delete_namespace(&self) {
        let namespaces: Api<Namespace> = Api::all(self.cluster.client());
        namespaces.delete(NAMESPACE, &DeleteParams::default()).await.unwrap();
    }

    /// LATE, for the operators of this world.
    pub fn late(&self) -> TimeDelta {
        self.replicas[0].late.late()
    }

    /// The simulated time.
    pub fn now(&self) -> DateTime<Utc> {
        self.started.now()
    }

    /// The resource as it is stored.
    pub fn resource(&self) -> Value {
        self.find_resource().expect("the resource")
    }

    /// The resource, if it is still there.
    pub fn find_resource(&self) -> Option<Value> {
        self.cluster.get(crate::oracle::RESOURCE, NAMESPACE, NAME)
    }

    fn stored(&self) -> Arc<Value> {
        self.cluster.shared(crate::oracle::RESOURCE, NAMESPACE, NAME).expect("the resource")
    }

    /// What is published: a Secret or a ConfigMap.
    pub fn output(&self) -> Option<Value> {
        let secret = self.cluster.get("secrets", NAMESPACE, OUTPUT);
        secret.or_else(|| self.cluster.get("configmaps", NAMESPACE, OUTPUT))
    }

    /// The status of the EntraTenant.
    pub fn tenant_status(&self) -> Value {
        self.cluster.get("entratenants.entra-rotator.io", "", "default").unwrap()["status"].clone()
    }

    /// A condition of the resource as `True/Reason`; empty where there is none.
    pub fn condition(&self, name: &str) -> String {
        self.find_condition(name).map_or_else(String::new, |condition| {
            format!("{}/{}", condition["status"].as_str().unwrap(), condition["reason"].as_str().unwrap())
        })
    }

    /// What a condition says.
    pub fn message(&self, name: &str) -> String {
        self.find_condition(name).map_or_else(String::new, |condition| condition["message"].as_str().unwrap().to_owned())
    }

    fn find_condition(&self, name: &str) -> Option<Value> {
        let conditions = &self.stored()["status"]["conditions"];
        conditions.as_array()?.iter().find(|condition| condition["type"] == name).cloned()
    }

    /// The ledger.
    pub fn entries(&self) -> Vec<Value> {
        self.stored()["status"]["credentials"].as_array().cloned().unwrap_or_default()
    }

    /// The entry in use.
    pub fn current(&self) -> Value {
        self.entries().into_iter().find(|entry| entry["use"] == "Current").unwrap_or_default()
    }

    /// The entries of both lists of the object in Entra.
    pub fn listed(&self) -> Vec<Value> {
        credentials(&self.entra.object(self.object).expect("the target"))
    }

    /// What the operator wrote to Entra so far, by name.
    pub fn writes(&self) -> Vec<Operation> {
        self.entra.calls().iter().filter(|call| call.operation.is_write()).map(|call| call.operation).collect()
    }
}

/// The entries of both lists.
pub fn credentials(object: &Value) -> Vec<Value> {
    ["keyCredentials", "passwordCredentials"].iter().flat_map(|list| object[list].as_array().cloned().unwrap_or_default()).collect()
}

async fn create(cluster: &KubeSim, object: Value) {
    let api = ours(cluster, object["kind"].as_str().unwrap(), object["metadata"]["namespace"].as_str());
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &object).await.unwrap();
}

fn ours(cluster: &KubeSim, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("entra-rotator.io", "v1alpha1", kind));
    match namespace {
        Some(namespace) => Api::namespaced_with(cluster.client(), namespace, &resource),
        None => Api::all_with(cluster.client(), &resource),
    }
}

/// A cluster with our definitions, whose uids follow from the seed.
fn cluster(started: Started, seed: u64) -> KubeSim {
    let builder = KubeSim::builder().seed(seed).clock(move || started.now());
    CRDS.into_iter().fold(builder, kube_sim::Builder::crd_yaml).build().unwrap()
}

/// The definitions as they are installed.
const CRDS: [&str; 2] = [include_str!("../../../crds/entratenants.yaml"), include_str!("../../../crds/serviceprincipalcredentials.yaml")];
