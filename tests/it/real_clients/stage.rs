use std::{
    fs,
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use entra_emulator::{Authority, Call, Emulator, Lag, NewSecret, Operation, Registered, Registration};
use entra_types::{KeyId, TenantId};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
};
use kube_sim::KubeSim;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use uuid::Uuid;

use super::output::Output;

const OPERATOR: &str = "entra-rotator";
const TEAM: &str = "payroll";
/// LATE of the operator. Everything else is short beside a quarter of an hour, and so is this.
const LATE: &str = "3s";
/// How long a credential goes on working once its successor is published.
const OVERLAP: &str = "12s";
/// Far longer than a rotation takes on a busy machine.
const LONG: Duration = Duration::from_secs(120);

/// A cluster and Entra, each behind a socket, and the operator at work between them.
pub(super) struct Stage {
    pub(super) folder: TempDir,
    emulator: Emulator,
    entra: String,
    cluster: Client,
    tenant: TenantId,
    operator: Registered,
    changes: watch::Receiver<u64>,
    process: Child,
    _servers: JoinSet<()>,
}

impl Stage {
    pub(super) async fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let emulator = Emulator::builder().build().unwrap();
        let authority = Authority::new(&["localhost".to_owned()]).unwrap();
        fs::write(folder.path().join("ca.pem"), authority.ca_pem()).unwrap();
        let tenant = TenantId::new(Uuid::new_v4());
        emulator.add_tenant(tenant);
        let operator = Registration::named(OPERATOR).role("Application.ReadWrite.OwnedBy");
        let operator = emulator.register(tenant, &operator).unwrap();
        emulator.set_lag(lag());
        // Libraries take a token for expired five minutes before its end: a client that is kept asks for one each time.
        emulator.adjust(|behaviour| behaviour.token_lifetime = Duration::from_secs(60));
        let changes = count_changes(&emulator);
        let kube = cluster();
        let ([kube_listener, entra_listener], mut servers) = ([listen().await, listen().await], JoinSet::new());
        let kube_url = format!("http://{}", kube_listener.local_addr().unwrap());
        let entra = format!("https://localhost:{}", entra_listener.local_addr().unwrap().port());
        let (served, cluster) = (emulator.clone(), kube.client());
        servers.spawn(async move { served.serve(entra_listener, &authority).await.unwrap() });
        servers.spawn(async move { drop(kube.serve(kube_listener).await) });
        let process = start_operator(folder.path(), &kube_url);
        Self { folder, emulator, entra, cluster, tenant, operator, changes, process, _servers: servers }
    }

    /// What clients must trust.
    pub(super) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// An application that the operator owns.
    pub(super) fn application(&self, name: &str) -> Registered {
        let owned = Registration::named(name).owner(self.operator.service_principal);
        self.emulator.register(self.tenant, &owned).unwrap()
    }

    /// Lets the team have any credential of these applications.
    pub(super) async fn admit(&self, targets: &[&Registered]) {
        let text = format!("{}~{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let new = NewSecret { text: text.clone(), display_name: None, start: None, end: Utc::now() + TimeDelta::days(1) };
        self.emulator.add_secret(self.operator.application, new).unwrap();
        let sign_in = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sign-in", "namespace": OPERATOR},
            "stringData": {"AZURE_CLIENT_SECRET": text},
        });
        self.apply(&sign_in).await;
        self.apply(&self.tenant_of(targets)).await;
    }

    fn tenant_of(&self, targets: &[&Registered]) -> Value {
        let clients: Vec<_> = targets.iter().map(|target| target.client_id.to_string()).collect();
        let ca = data_encoding::BASE64.encode(&fs::read(self.ca()).unwrap());
        json!({
            "apiVersion": "entra-rotator.io/v1alpha1", "kind": "EntraTenant", "metadata": {"name": "default"},
            "spec": {
                "tenantID": self.tenant, "cloud": "Custom", "minimumValidity": "1m",
                "endpoints": {"login": self.entra, "graph": self.entra, "caBundle": ca},
                "signIn": {"clientSecret": {"clientID": self.operator.client_id, "secretRef": {"name": "sign-in"}}},
                "grants": [{"name": "team", "namespaces": [TEAM], "clientIDs": clients, "credentials": ["ClientCertificate", "ClientSecret"]}],
            },
        })
    }

    /// Declares a credential of an application.
    pub(super) async fn declare(&self, name: &str, target: &Registered, kind: &Value) {
        self.apply(&credential(name, target, kind, None)).await;
    }

    /// Follows what is published under a name.
    pub(super) fn follow(&self, name: &str) -> Output {
        Output::follow(Api::<Secret>::namespaced(self.cluster.clone(), TEAM), name, self.folder.path())
    }

    /// Asks for a successor of what is published by now, and waits until its predecessor went from Entra.
    pub(super) async fn rotate(&self, name: &str, target: &Registered, kind: &Value) {
        let gone = self.removals(target).len();
        self.apply(&credential(name, target, kind, Some(Utc::now()))).await;
        let mut changes = self.changes.clone();
        let removed = timeout(LONG, changes.wait_for(|_| self.removals(target).len() > gone)).await.is_ok();
        assert!(removed, "the predecessor in {name} was not removed; the operator said:\n{}", self.log());
    }

    /// What went from the application, and when.
    pub(super) fn removals(&self, target: &Registered) -> Vec<(KeyId, DateTime<Utc>)> {
        let changes = self.emulator.mutations_of(target.application);
        changes.iter().flat_map(|change| change.keys_removed.iter().map(|key| (*key, change.at))).collect()
    }

    /// How many sign-ins of the application were answered with a token.
    pub(super) fn tokens(&self, target: &Registered) -> usize {
        let is_token = |call: &Call| call.operation == Operation::Token && call.caller == Some(target.client_id) && call.is_applied();
        self.emulator.calls().into_iter().filter(is_token).count()
    }

    async fn apply(&self, object: &Value) {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text("/apiVersion").split_once('/').unwrap_or_else(|| ("", text("/apiVersion")));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("/kind")));
        let api: Api<DynamicObject> = match text("/metadata/namespace") {
            "" => Api::all_with(self.cluster.clone(), &resource),
            namespace => Api::namespaced_with(self.cluster.clone(), namespace, &resource),
        };
        api.patch(text("/metadata/name"), &PatchParams::apply("kubectl"), &Patch::Apply(object)).await.unwrap();
    }

    /// Whether the operator is still at work.
    pub(super) fn is_operated(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// The end of what the operator said.
    pub(super) fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.path().join(LOG)).unwrap();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

fn credential(name: &str, target: &Registered, kind: &Value, not_issued_before: Option<DateTime<Utc>>) -> Value {
    let mut rotation = json!({"validity": "1h", "renewBefore": "20m", "overlap": OVERLAP});
    if let Some(bound) = not_issued_before {
        rotation["notIssuedBefore"] = bound.to_rfc3339_opts(SecondsFormat::Secs, true).into();
    }
    let mut spec = json!({"target": {"clientID": target.client_id}, "secretName": name, "rotation": rotation});
    spec.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
    json!({
        "apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential",
        "metadata": {"name": name, "namespace": TEAM}, "spec": spec,
    })
}

/// Instances of Entra that hear of a change a moment later.
fn lag() -> Lag {
    let instances = || [0, 50, 120].map(Duration::from_millis).to_vec();
    Lag { graph: instances(), sign_in: instances(), metadata: Vec::new() }
}

/// Counts the changes in Entra.
fn count_changes(emulator: &Emulator) -> watch::Receiver<u64> {
    let (sender, changes) = watch::channel(0);
    emulator.observe(move |_| sender.send_modify(|count| *count += 1));
    changes
}

fn cluster() -> KubeSim {
    let definition = |name: &str| fs::read_to_string(format!("{}/crds/{name}.yaml", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let definitions = ["entratenants", "serviceprincipalcredentials"].map(definition);
    let cluster = definitions.into_iter().fold(KubeSim::builder(), kube_sim::Builder::crd_yaml).build().unwrap();
    [OPERATOR, TEAM].iter().for_each(|namespace| cluster.create_namespace(namespace));
    cluster
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

const LOG: &str = "operator.log";

fn start_operator(folder: &Path, kube_url: &str) -> Child {
    let kubeconfig = folder.join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "sim",
        "clusters": [{"name": "sim", "cluster": {"server": kube_url}}],
        "users": [{"name": "sim", "user": {}}],
        "contexts": [{"name": "sim", "context": {"cluster": "sim", "user": "sim"}}],
    });
    fs::write(&kubeconfig, config.to_string()).unwrap();
    let log = File::create(folder.join(LOG)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_entra-rotator"));
    command.args(["--namespace", OPERATOR, "--identity", "pod-0", "--listen", "127.0.0.1:0", "--late", LATE, "--allow-custom-endpoints"]);
    command.env_clear().env("KUBECONFIG", kubeconfig).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.kill_on_drop(true).spawn().unwrap()
}
