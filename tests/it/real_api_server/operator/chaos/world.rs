use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use entra_emulator::{Operation, Registered};
use entra_types::ObjectId;
use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::relay::Relay;
use crate::{
    control_plane::{ControlPlane, Issuer},
    real_api_server::{
        CHART,
        operator::{
            deployed::Deployed,
            entra::{Entra, Tenant, by_client},
            process::Operator,
            published::Published,
            scene::{credentials, sleep_until},
            stage::{OPERATOR, TEAM},
        },
    },
};

/// LATE and the duration of the Lease, as short as a busy machine allows.
const ARGUMENTS: &str = "extraArgs={--late=3s,--lease-duration=9s}";
const TENANT: &str = "chaos";
/// How long a signing certificate is published before it signs.
pub(super) const SOAK: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(300);
/// Requests of the harness that are under way at once.
const AT_ONCE: usize = 16;

/// A cluster of one's own with the operator installed, an Entra, and a relay before each of them.
pub(super) struct World {
    pub(super) cluster: ControlPlane,
    pub(super) entra: Entra,
    /// Before the API server.
    pub(super) api: Relay,
    /// Before Graph and the login service.
    pub(super) graph: Relay,
    pub(super) resources: Vec<Declared>,
    /// What is on each object from the beginning.
    pub(super) foreign: BTreeMap<ObjectId, Vec<Value>>,
    pub(super) client: Client,
    pub(super) deployed: Deployed,
    tenant: Tenant,
    programs: Vec<PathBuf>,
}

/// A resource, and what it is about. Three share an application.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) target: Registered,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Secret,
    Certificate,
    Signing,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Secret, Self::Certificate, Self::Signing];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Certificate => "certificate",
            Self::Signing => "signing",
        }
    }

    fn spec(self, overlap: &str) -> Value {
        let rotation = json!({"validity": "2h", "renewBefore": "40m", "overlap": overlap});
        match self {
            Self::Secret => json!({"clientSecret": {}, "rotation": rotation}),
            Self::Certificate => json!({"clientCertificate": {}, "rotation": rotation}),
            Self::Signing => {
                json!({"tokenSigningCertificate": {"activation": {"soak": format!("{}s", SOAK.as_secs())}}, "rotation": rotation})
            }
        }
    }

    /// Whether this write to its object is about a credential of this kind.
    pub(super) fn is_written_by(self, operation: Operation) -> bool {
        let of_secrets = matches!(operation, Operation::AddPassword | Operation::RemovePassword);
        operation.is_write() && of_secrets == (self == Self::Secret)
    }
}

impl Declared {
    /// The object whose credentials are kept.
    pub(super) fn object(&self) -> ObjectId {
        if self.kind == Kind::Signing { self.target.service_principal } else { self.target.application }
    }
}

impl World {
    /// A world in which so many resources are about to be declared; `programs` are the operator's binaries, by turns, if not the one that belongs to these tests.
    pub(super) async fn set(programs: Vec<PathBuf>, resources: usize) -> Self {
        let cluster = ControlPlane::start().await.unwrap();
        let client = cluster.client().await.unwrap();
        let namespaces = Api::<Namespace>::all(client.clone());
        let team = serde_json::from_value(json!({"metadata": {"name": TEAM}})).unwrap();
        namespaces.create(&PostParams::default(), &team).await.unwrap();
        let served = format!("rbac.namespaces={{{TEAM}}}");
        let install = ["install", OPERATOR, CHART, "-n", OPERATOR, "--create-namespace", "--set", "allowCustomEndpoints=true,replicas=2"];
        cluster.helm(&[&install[..], &["--set", &served, "--set", ARGUMENTS]].concat()).await.unwrap();
        cluster.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).await.unwrap();
        let deployed = Deployed::read(client.clone(), OPERATOR, OPERATOR).await;
        let entra = Entra::start();
        let tenant = entra.tenant();
        let address: SocketAddr = entra.url().trim_start_matches("https://").parse().unwrap();
        let (api, graph) = (Relay::to(cluster.address()), Relay::to(address));
        let resources = declared(&entra, &tenant, resources);
        let objects = resources.iter().flat_map(|resource| [resource.target.application, resource.target.service_principal]);
        let foreign = objects.map(|object| (object, entra.entries(object))).collect();
        let world = Self { cluster, entra, api, graph, resources, foreign, client, deployed, tenant, programs };
        world.admit().await;
        world
    }

    /// Where the operator finds Entra.
    pub(super) fn way_to_graph(&self) -> String {
        format!("https://{}", self.graph.address())
    }

    async fn admit(&self) {
        let secret = json!({"metadata": {"name": "sign-in"}, "stringData": {"AZURE_CLIENT_SECRET": self.tenant.secret}});
        let secrets = Api::<Secret>::namespaced(self.client.clone(), OPERATOR);
        secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
        let clients: BTreeSet<_> = self.resources.iter().map(|resource| resource.target.client_id.to_string()).collect();
        let clients: Vec<_> = clients.into_iter().collect();
        let grants: Vec<_> = clients.chunks(50).enumerate().map(|(number, clients)| grant(number, clients)).collect();
        let way = self.way_to_graph();
        let tenant = json!({
            "apiVersion": "entra-rotator.io/v1alpha1", "kind": "EntraTenant", "metadata": {"name": TENANT},
            "spec": {
                "tenantID": self.tenant.id, "cloud": "Custom", "minimumValidity": "1m",
                "endpoints": {"login": way, "graph": way, "caBundle": data_encoding::BASE64.encode(self.entra.authority().as_bytes())},
                "signIn": {"clientSecret": {"clientID": self.tenant.operator.client_id, "secretRef": {"name": "sign-in"}}},
                "grants": grants,
            },
        });
        self.cluster.kubectl_with_input(&["create", "-f", "-"], &tenant.to_string()).await.unwrap();
    }

    /// Runs a replica, which goes through the relays and finds its token in a file of its own.
    pub(super) async fn operator(&self, pod: &str, issuer: Issuer, turn: usize) -> Operator {
        let token = self.cluster.file(&format!("{pod}.token"));
        if !token.exists() {
            fs::write(&token, self.cluster.service_account_token(OPERATOR, self.deployed.service_account()).await.unwrap()).unwrap();
        }
        let kubeconfig = self.cluster.token_file_kubeconfig(pod, self.api.address(), issuer, &token).unwrap();
        Operator::start_by(&mut self.command(pod, &kubeconfig, turn)).await
    }

    /// How the API server's record calls the token of this pod.
    pub(super) fn token_id(&self, pod: &str) -> String {
        let token = fs::read_to_string(self.cluster.file(&format!("{pod}.token"))).unwrap();
        let claims = data_encoding::BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        format!("JTI={}", claims["jti"].as_str().unwrap())
    }

    fn command(&self, pod: &str, kubeconfig: &Path, turn: usize) -> Command {
        let deployed = self.deployed.command(pod, kubeconfig);
        let Some(program) = self.programs.iter().cycle().nth(turn) else { return deployed };
        let mut command = Command::new(program);
        command.args(deployed.get_args()).env_clear();
        command.envs(deployed.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    /// Declares every resource.
    pub(super) async fn declare(&self, overlap: &str) {
        let api = self.api();
        let (api, overlap) = (&api, &overlap);
        let created = self.resources.iter().map(|resource| async move {
            let mut spec = resource.kind.spec(overlap);
            let more = json!({"tenantRef": {"name": TENANT}, "target": by_client(resource.target.client_id), "secretName": resource.name});
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let object = json!({
                "apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential",
                "metadata": {"name": resource.name}, "spec": spec,
            });
            let object: DynamicObject = serde_json::from_value(object).unwrap();
            at_last(async || api.create(&PostParams::default(), &object).await).await;
        });
        stream::iter(created).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    }

    /// When the youngest of all published credentials was made.
    pub(super) async fn last_issue(&self) -> DateTime<Utc> {
        let states = self.states_at_last().await;
        let issued = states.values().filter_map(|state| state["status"]["notBefore"].as_str()?.parse::<DateTime<Utc>>().ok());
        issued.max().unwrap()
    }

    /// Asks for the successors of all credentials.
    pub(super) async fn renew(&self) {
        let bound = self.last_issue().await + TimeDelta::seconds(1);
        sleep_until(bound).await;
        let patch = Patch::Merge(json!({"spec": {"rotation": {"notIssuedBefore": bound.to_rfc3339_opts(SecondsFormat::Secs, true)}}}));
        let api = self.api();
        let (api, patch) = (&api, &patch);
        let edited = self.resources.iter().map(|resource| async move {
            at_last(async || api.patch(&resource.name, &PatchParams::default(), patch).await).await;
        });
        stream::iter(edited).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    }

    /// All resources as they are, by name; nothing while the API server does not answer.
    pub(super) async fn try_states(&self) -> Option<BTreeMap<String, Value>> {
        let list = timeout(ANSWER_WITHIN, self.api().list(&ListParams::default())).await.ok()?.ok()?;
        Some(list.items.into_iter().map(|item| (item.metadata.name.clone().unwrap(), json!(item))).collect())
    }

    /// The same, as soon as it answers.
    pub(super) async fn states_at_last(&self) -> BTreeMap<String, Value> {
        loop {
            match self.try_states().await {
                Some(states) => return states,
                None => sleep(POLL).await,
            }
        }
    }

    /// All outputs, by name.
    pub(super) async fn outputs(&self) -> kube::Result<BTreeMap<String, Published>> {
        let outputs = Api::<Secret>::namespaced(self.client.clone(), TEAM).list(&ListParams::default()).await?;
        let named = outputs.items.into_iter().map(|secret| (secret.metadata.name.clone().unwrap(), Published::new(secret)));
        Ok(named.collect())
    }

    /// One of them; nothing while the API server does not answer, or where there is none.
    pub(super) async fn try_output(&self, name: &str) -> Option<Published> {
        let secrets = Api::<Secret>::namespaced(self.client.clone(), TEAM);
        timeout(ANSWER_WITHIN, secrets.get_opt(name)).await.ok()?.ok()?.map(Published::new)
    }

    /// Writes of this resource's credentials that Entra received, whatever it answered.
    pub(super) fn writes(&self) -> BTreeMap<String, usize> {
        let calls = self.entra.emulator().calls();
        let of = |resource: &Declared| {
            let is_about =
                |call: &&entra_emulator::Call| call.object == Some(resource.object()) && resource.kind.is_written_by(call.operation);
            (resource.name.clone(), calls.iter().filter(is_about).count())
        };
        self.resources.iter().map(of).collect()
    }

    fn api(&self) -> Api<DynamicObject> {
        credentials(TEAM).api(self.client.clone())
    }
}

/// Asks until the API server has done it: it may be away.
async fn at_last(ask: impl AsyncFn() -> kube::Result<DynamicObject>) {
    loop {
        match timeout(ANSWER_WITHIN, ask()).await {
            Ok(Ok(_)) => return,
            // The answer to an earlier request was lost.
            Ok(Err(kube::Error::Api(status))) if status.reason == "AlreadyExists" => return,
            Ok(Err(kube::Error::Api(status))) if status.code < 500 => panic!("{status}"),
            _ => sleep(POLL).await,
        }
    }
}

fn grant(number: usize, clients: &[String]) -> Value {
    let kinds = ["ClientCertificate", "ClientSecret", "TokenSigningCertificate"];
    json!({"name": format!("team-{number}"), "namespaces": [TEAM], "clientIDs": clients, "credentials": kinds})
}

fn declared(entra: &Entra, tenant: &Tenant, count: usize) -> Vec<Declared> {
    let targets: Vec<_> = (0..count.div_ceil(3)).map(|number| entra.application(tenant, &format!("Target {number}"))).collect();
    let of = |number: usize| {
        let kind = Kind::ALL[number % 3];
        Declared { name: format!("{}-{}", kind.name(), number / 3), kind, target: targets[number / 3] }
    };
    (0..count).map(of).collect()
}
