//! A cluster, a tenant and an operator in one thread, with time that jumps from event to event.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entra::{Clock, Ids, NetworkError, NetworkOptions, Wire};
use entra_emulator::{Emulator, Registered, Registration, TokioTime};
use entra_rotator::metrics::Metrics;
use entra_rotator::operator;
use entra_rotator::seams::{KeySource, Seams, Wires};
use entra_rotator::serve::Health;
use entra_rotator::settings::Settings;
use entra_types::TenantId;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use keys::{KeyError, KeySize, PrivateKey};
use kube::api::{Api, PostParams};
use kube_sim::KubeSim;
use rotation::Lateness;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use tower::Layer as _;
use uuid::Uuid;

use super::effects::{Effects, Process};

const TENANT: &str = "cccccccc-0000-4000-8000-000000000001";
const SECRET: &str = "operator-secret-0123456789abcdef~";
pub(super) const NAMESPACE: &str = "payroll";
pub(super) const NAME: &str = "payroll";

/// The world and one resource in it.
pub(super) struct World {
    pub(super) cluster: KubeSim,
    pub(super) entra: Emulator,
    pub(super) target: Registered,
    pub(super) effects: Effects,
    pub(super) signing: bool,
    pub(super) foreign: Value,
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
    /// A world with one resource of this spec, and a credential of somebody else's on its target.
    pub(super) async fn new(spec: &Value, effects: Effects) -> Self {
        let started = Started { wall: "2026-01-01T00:00:00Z".parse().unwrap(), monotonic: Instant::now() };
        let cluster = cluster(started);
        let entra = Emulator::builder().time(TokioTime::starting_at(started.wall)).build().unwrap();
        let tenant: TenantId = TENANT.parse().unwrap();
        entra.add_tenant(tenant);
        let operator = entra.register(tenant, &Registration::named("operator").role("Application.ReadWrite.OwnedBy")).unwrap();
        let end = started.wall + TimeDelta::days(20_000);
        let secret = entra_emulator::NewSecret { text: SECRET.to_owned(), display_name: None, start: None, end };
        entra.add_secret(operator.application, secret).unwrap();
        let target = entra.register(tenant, &Registration::named("Payroll").owner(operator.service_principal)).unwrap();
        let signing = spec.get("tokenSigningCertificate").is_some();
        let object = if signing { target.service_principal } else { target.application };
        entra.add_raw(object, true, foreign_entry()).unwrap();
        let settings = Settings {
            namespace: "entra-rotator".to_owned(),
            identity: "operator-0".to_owned(),
            lease_name: "entra-rotator".to_owned(),
            lease_duration: Duration::from_secs(6 * 3_600),
            watch_namespaces: vec![],
            late: Lateness::default(),
            watch_timeout: Duration::from_secs(10 * 86_400),
            allow_custom_endpoints: true,
            ambient: entra_rotator::settings::Ambient::default(),
        };
        let ids = Arc::new(Counted(AtomicU64::new(1)));
        let keys = Arc::new(Fixtures(AtomicUsize::new(0)));
        let foreign = Value::Object(foreign_entry());
        let world = Self { cluster, entra, target, effects, signing, foreign, settings, started, ids, keys };
        world.populate(&operator, spec).await;
        world
    }

    async fn populate(&self, operator: &Registered, spec: &Value) {
        for namespace in ["entra-rotator", NAMESPACE] {
            self.cluster.put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
        }
        let secret: Secret = serde_json::from_value(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sign-in"},
            "stringData": {"AZURE_CLIENT_SECRET": SECRET}}))
        .unwrap();
        let secrets: Api<Secret> = Api::namespaced(self.cluster.client(), "entra-rotator");
        secrets.create(&PostParams::default(), &secret).await.unwrap();
        self.create(json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "EntraTenant", "metadata": {"name": "default"}, "spec": {
            "tenantID": TENANT, "cloud": "Custom", "endpoints": {"login": "https://entra.example", "graph": "https://entra.example"},
            "signIn": {"clientSecret": {"clientID": operator.client_id.to_string(), "secretRef": {"name": "sign-in"}}},
            "grants": [{"name": "payroll", "namespaces": [NAMESPACE], "clientIDs": [self.target.client_id.to_string()],
                "credentials": ["ClientCertificate", "TokenSigningCertificate"]}]}}))
            .await;
        let mut spec = spec.clone();
        spec["target"] = json!({"clientID": self.target.client_id.to_string()});
        spec["secretName"] = json!("payroll-credential");
        self.create(json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential",
            "metadata": {"name": NAME, "namespace": NAMESPACE}, "spec": spec}))
            .await;
    }

    /// Creates an object of our own kinds as a user would.
    pub(super) async fn create(&self, object: Value) {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        let resource = kube::discovery::ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk("entra-rotator.io", "v1alpha1", &kind));
        let object: kube::api::DynamicObject = serde_json::from_value(object).unwrap();
        let api: Api<kube::api::DynamicObject> = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(self.cluster.client(), namespace, &resource),
            None => Api::all_with(self.cluster.client(), &resource),
        };
        api.create(&PostParams::default(), &object).await.unwrap();
    }

    /// Runs operators one after the other for this long: a crashed one is replaced after a second.
    pub(super) async fn run_for(&self, span: TimeDelta) {
        let end = Instant::now() + span.to_std().unwrap();
        while Instant::now() < end {
            let process = Process::new(&self.effects);
            let (stop, stopped) = watch::channel(false);
            let running = tokio::spawn(self.operator(&process, stopped));
            tokio::select! {
                () = self.effects.crashed() => {
                    running.abort();
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                () = tokio::time::sleep_until(end) => {
                    stop.send(true).unwrap();
                    running.await.unwrap().unwrap();
                    return;
                }
            }
            let _ = running.await;
        }
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

    /// The resource as it is stored.
    pub(super) fn resource(&self) -> Value {
        self.cluster.get("serviceprincipalcredentials.entra-rotator.io", NAMESPACE, NAME).expect("the resource")
    }

    /// The published Secret.
    pub(super) fn output(&self) -> Option<Value> {
        self.cluster.get("secrets", NAMESPACE, "payroll-credential")
    }
}

fn cluster(started: Started) -> KubeSim {
    let crds = ["crds/entratenants.yaml", "crds/serviceprincipalcredentials.yaml"].map(|path| std::fs::read_to_string(path).unwrap());
    let builder = KubeSim::builder().clock(move || started.now());
    crds.iter().fold(builder, kube_sim::Builder::crd_yaml).build().unwrap()
}

/// Somebody else's certificate, with a field that this version has never heard of.
fn foreign_entry() -> serde_json::Map<String, Value> {
    let entry = json!({"customKeyIdentifier": "Zm9yZWlnbg==", "displayName": "CN=foreign", "endDateTime": "2099-01-01T00:00:00Z", "key": null,
        "keyId": "dddddddd-0000-4000-8000-000000000001", "startDateTime": "2025-05-05T18:38:51.8100763Z", "type": "AsymmetricX509Cert",
        "usage": "Verify", "hint": {"new": [1.50, null]}});
    entry.as_object().unwrap().clone()
}
