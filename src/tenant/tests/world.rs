//! A cluster, a tenant of Entra and the controller between them, in one process under tokio's paused clock.

use std::cell::RefCell;
use std::io::Write;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entra::Ids;
use entra_emulator::{Emulator, NewSecret, Registered, Registration, TokioTime};
use entra_types::Cloud;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use keys::{Certificate, CertificateRequest, KeyError, KeySize, PrivateKey, fixtures};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::events::{Recorder, Reporter};
use kube_sim::{KubeSim, Verb};
use rotation::Lateness;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::net::Net;
use crate::api::v1alpha1::EntraTenant;
use crate::metrics::Metrics;
use crate::seams::{KeySource, Seams};
use crate::settings::{Ambient, Reach, Settings};
use crate::tenant::{Context, Tenants, controller};

pub(super) const TENANT: &str = "8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10";
pub(super) const NAMESPACE: &str = "entra-rotator";
pub(super) const SECRET: &str = "sign-in";
/// Appears in no status, event or log.
pub(super) const CANARY: &str = "c4n4ry~Secret.Value-that_is~never.shown0";
const CRD: &str = include_str!("../../../crds/entratenants.yaml");

/// Everything that a test may look at and change.
pub(super) struct World {
    pub(super) sim: KubeSim,
    pub(super) emulator: Emulator,
    pub(super) operator: Registered,
    pub(super) net: Net,
    pub(super) tenants: Tenants,
    pub(super) credentials: Arc<AtomicU32>,
    pub(super) metrics: Metrics,
    logs: Logs,
    settings: Settings,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
    _logging: Collecting,
}

pub(super) fn start() -> DateTime<Utc> {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

impl World {
    /// The operator is registered with a role and a secret, which lies in the Secret; there is no EntraTenant yet.
    pub(super) fn new() -> Self {
        Self::with(false)
    }

    pub(super) fn with(allow_custom_endpoints: bool) -> Self {
        Self::in_cloud(Cloud::Global, settings(allow_custom_endpoints))
    }

    /// Entra is the one of this cloud.
    pub(super) fn in_cloud(cloud: Cloud, settings: Settings) -> Self {
        let logs = Logs::default();
        let time = TokioTime::starting_at(start());
        let emulator = Emulator::builder().time(time).cloud(cloud).build().unwrap();
        emulator.add_tenant(TENANT.parse().unwrap());
        let registration = Registration::named("operator").role("Application.ReadWrite.OwnedBy");
        let operator = emulator.register(TENANT.parse().unwrap(), &registration).unwrap();
        let sim = KubeSim::builder().crd_yaml(CRD).clock(move || entra_emulator::TimeSource::now(&time)).build().unwrap();
        sim.create_namespace(NAMESPACE);
        let (net, tenants, credentials) = (Net::new(emulator.clone()), Tenants::default(), Arc::new(AtomicU32::new(0)));
        let metrics = Metrics::new();
        let stop = watch::Sender::new(false);
        let running = run(&sim, &settings, &net, &tenants, &credentials, &metrics, &stop);
        let world =
            Self { _logging: logs.collect(), sim, emulator, operator, net, tenants, credentials, metrics, logs, settings, stop, running };
        world.register_secret(CANARY);
        world.put_secret(&json!({"AZURE_CLIENT_SECRET": CANARY}));
        world
    }

    /// A year for a client secret of the operator.
    pub(super) fn register_secret(&self, text: &str) -> entra_types::KeyId {
        let end = self.emulator.now() + TimeDelta::days(365);
        let secret = NewSecret { text: text.to_owned(), display_name: None, start: None, end };
        self.emulator.add_secret(self.operator.application, secret).unwrap()
    }

    /// Makes and registers a certificate of a year for this fixture key, and puts both into the Secret.
    pub(super) fn use_certificate(&self, number: usize) {
        let pem = certificate_pem(number);
        self.emulator.add_certificate(self.operator.application, &Certificate::from_pem(&pem).unwrap()).unwrap();
        self.put_secret(&json!({"tls.crt": pem, "tls.key": fixtures::key(number).to_pkcs8_pem().expose()}));
    }

    pub(super) fn put_secret(&self, contents: &Value) {
        let secret: Secret = serde_json::from_value(json!({"stringData": contents})).unwrap();
        let data: serde_json::Map<String, Value> = secret
            .string_data
            .unwrap_or_default()
            .into_iter()
            .map(|(key, text)| (key, serde_json::to_value(k8s_openapi::ByteString(text.into_bytes())).unwrap()))
            .collect();
        self.sim.put(json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": SECRET, "namespace": NAMESPACE}, "data": data}));
    }

    /// The spec of a tenant that is signed in to with the Secret.
    pub(super) fn spec(&self) -> Value {
        let sign_in = json!({"clientSecret": {"clientID": self.operator.client_id, "secretRef": {"name": SECRET}}});
        json!({"tenantID": TENANT, "signIn": sign_in})
    }

    /// The same with a certificate.
    pub(super) fn certificate_spec(&self) -> Value {
        let sign_in = json!({"clientCertificate": {"clientID": self.operator.client_id, "secretRef": {"name": SECRET}}});
        json!({"tenantID": TENANT, "signIn": sign_in})
    }

    fn api(&self) -> Api<EntraTenant> {
        Api::all(self.sim.client())
    }

    /// Creates the EntraTenant `default`, and gives the controller a second.
    pub(super) async fn declare(&self, spec: &Value) {
        self.declare_as("default", spec).await;
    }

    pub(super) async fn declare_as(&self, name: &str, spec: &Value) {
        let object = json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "EntraTenant", "metadata": {"name": name}, "spec": spec});
        self.api().create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
        pass(1).await;
    }

    pub(super) async fn change(&self, patch: &Value) {
        self.api().patch("default", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        pass(1).await;
    }

    pub(super) async fn delete(&self) {
        self.api().delete("default", &DeleteParams::default()).await.unwrap();
        pass(1).await;
    }

    /// Ends the controller and starts another, as a new process would.
    pub(super) async fn restart(&mut self) {
        self.running.abort();
        self.tenants = Tenants::default();
        self.running = run(&self.sim, &self.settings, &self.net, &self.tenants, &self.credentials, &self.metrics, &self.stop);
        pass(1).await;
    }

    /// Asks the controller to end.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.running.is_finished()
    }

    pub(super) fn status(&self) -> Value {
        self.sim.get("entratenants.entra-rotator.io", "", "default").unwrap()["status"].clone()
    }

    /// Status and reason of a condition.
    pub(super) fn condition(&self, r#type: &str) -> (String, String) {
        let condition = self.whole_condition(r#type);
        (condition["status"].as_str().unwrap().to_owned(), condition["reason"].as_str().unwrap().to_owned())
    }

    pub(super) fn message(&self, r#type: &str) -> String {
        self.whole_condition(r#type)["message"].as_str().unwrap().to_owned()
    }

    pub(super) fn whole_condition(&self, r#type: &str) -> Value {
        let status = self.status();
        let conditions = status["conditions"].as_array().unwrap_or_else(|| panic!("no conditions in {status}"));
        let found = conditions.iter().find(|condition| condition["type"] == r#type);
        found.unwrap_or_else(|| panic!("no {type} in {status}", r#type = r#type)).clone()
    }

    /// Type, reason and note of each event, oldest first.
    pub(super) fn events(&self) -> Vec<(String, String, String)> {
        let mut events = self.sim.list("events", Some("default"));
        events.sort_by_key(|event| event["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap());
        let text = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
        events.iter().map(|event| (text(event, "type"), text(event, "reason"), text(event, "message"))).collect()
    }

    /// The reasons of the events, oldest first.
    pub(super) fn event_reasons(&self) -> Vec<String> {
        self.events().into_iter().map(|(_, reason, _)| reason).collect()
    }

    pub(super) fn token_requests(&self) -> usize {
        self.net.sent().len()
    }

    /// Requests to the cluster as `get secrets`, watches and lists left out.
    pub(super) fn kube_requests(&self) -> Vec<String> {
        let is_following = |verb| matches!(verb, Verb::Watch | Verb::List);
        let requests = self.sim.requests().into_iter().map(|recorded| recorded.request);
        let shown = requests.filter(|request| !is_following(request.verb)).map(|request| {
            let subresource = request.subresource.map(|name| format!("/{name}")).unwrap_or_default();
            format!("{:?} {}{subresource}", request.verb, request.resource).to_lowercase()
        });
        shown.collect()
    }

    /// How often the status was written.
    pub(super) fn status_writes(&self) -> usize {
        self.kube_requests().iter().filter(|request| *request == "update entratenants/status").count()
    }

    pub(super) fn forget_requests(&self) {
        self.sim.forget_requests();
        self.net.forget();
    }

    /// Fails if a secret is anywhere that people can see. What was logged must be something, or this proves nothing.
    pub(super) fn assert_discreet(&self, secrets: &[&str]) {
        let mut shown = format!("{:?} {:?} {:?}", self.status(), self.events(), self.tenants.get("default"));
        let logged = self.logs.text();
        assert!(logged.contains("reconciling object"), "nothing was logged: {logged}");
        shown.push_str(&logged);
        for secret in secrets {
            assert!(!shown.contains(secret), "{secret} is in {shown}");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// A certificate of a year for a fixture key.
pub(super) fn certificate_pem(number: usize) -> String {
    let (not_before, not_after) = (start() - TimeDelta::days(1), start() + TimeDelta::days(365));
    let request = CertificateRequest { common_name: "operator".to_owned(), san_uris: Vec::new(), not_before, not_after, serial: [7; 16] };
    Certificate::self_signed(&fixtures::key(number), &request).unwrap().pem()
}

/// Lets this much time pass: at once, since everything that could happen in it does.
pub(super) async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn run(
    sim: &KubeSim,
    settings: &Settings,
    net: &Net,
    tenants: &Tenants,
    credentials: &Arc<AtomicU32>,
    metrics: &Metrics,
    stop: &watch::Sender<bool>,
) -> JoinHandle<()> {
    let count = Arc::clone(credentials);
    let reporter = Reporter { controller: "entra-rotator".to_owned(), instance: Some("test".to_owned()) };
    let context = Context {
        client: sim.client(),
        settings: settings.clone(),
        seams: seams(net),
        tenants: tenants.clone(),
        metrics: metrics.clone(),
        credentials: Arc::new(move |_| Some(count.load(Ordering::SeqCst))),
        recorder: Recorder::new(sim.client(), reporter),
    };
    let mut stop = stop.subscribe();
    tokio::spawn(controller(Arc::new(context), async move {
        stop.wait_for(|stop| *stop).await.unwrap();
    }))
}

pub(super) fn settings(allow_custom_endpoints: bool) -> Settings {
    Settings {
        namespace: NAMESPACE.to_owned(),
        identity: "test".to_owned(),
        lease_name: "entra-rotator".to_owned(),
        lease_duration: Duration::from_secs(15),
        reach: Reach::Cluster,
        late: Lateness::default(),
        watch_timeout: crate::settings::WATCH_TIMEOUT,
        allow_custom_endpoints,
        ambient: Ambient::default(),
    }
}

fn seams(net: &Net) -> Seams {
    Seams {
        clock: Arc::new(net.clone()),
        ids: Arc::new(Counting(AtomicU64::new(1))),
        keys: Arc::new(Fixtures),
        wires: Arc::new(net.clone()),
    }
}

struct Counting(AtomicU64);

impl Ids for Counting {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(self.0.fetch_add(1, Ordering::SeqCst).into())
    }
}

struct Fixtures;

impl KeySource for Fixtures {
    fn generate(&self, _: KeySize) -> BoxFuture<'static, Result<PrivateKey, KeyError>> {
        async { Ok(fixtures::key(0)) }.boxed()
    }
}

/// Everything that this thread logs, at every level.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

thread_local! {
    static COLLECTING: RefCell<Option<Logs>> = const { RefCell::new(None) };
}

/// Ends collecting when it is dropped.
struct Collecting;

impl Drop for Collecting {
    fn drop(&mut self) {
        COLLECTING.set(None);
    }
}

impl Logs {
    /// One subscriber for the whole process: whether a place logs at all is remembered for all threads, so one of a thread's own may miss it.
    fn collect(&self) -> Collecting {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let writer = || COLLECTING.with_borrow(|logs| logs.clone().unwrap_or_default());
            let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer(writer);
            tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
        });
        COLLECTING.set(Some(self.clone()));
        Collecting
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
