//! The Kubernetes API server: simulated in this process, or your own, which is left as it was found.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::runtime::conditions;
use kube::runtime::wait::{Error as WaitError, await_condition, delete};
use kube::{Api, Client, Config, Resource, ResourceExt as _};
use kube_sim::KubeSim;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::manifests::{OPERATOR_NAMESPACE, TEAM_NAMESPACE};

const CRDS: [&str; 2] = [include_str!("../../crds/entratenants.yaml"), include_str!("../../crds/serviceprincipalcredentials.yaml")];

/// On whatever the demonstration makes in a cluster of yours, and takes away again.
const MADE_BY: (&str, &str) = ("entra-rotator.io/made-by", "try");
/// How long a cluster may take to define or to delete something.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why there is no cluster to work with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterError {
    #[error("cannot listen on 127.0.0.1: {0}")]
    Listen(#[from] std::io::Error),
    #[error("cannot serve the custom resource definitions of crds/: {0}")]
    Simulate(#[from] kube_sim::CrdError),
    #[error("cannot read the custom resource definitions of crds/: {0}")]
    ReadDefinitions(String),
    #[error("cannot use context {context}: {source}; `kubectl config get-contexts` lists those that there are")]
    UseContext { context: String, source: KubeconfigError },
    #[error("cannot make a client of the Kubernetes API server: {0}")]
    MakeClient(Box<kube::Error>),
    #[error("cannot reach the Kubernetes API server: {0}")]
    ReadAddress(#[from] http::uri::InvalidUri),
    #[error("cannot {act} {object}: {source}")]
    Prepare { act: &'static str, object: String, source: Box<kube::Error> },
    #[error("cannot define {object}: {source}")]
    Define { object: String, source: Box<WaitError> },
    #[error("cannot delete {object}: {source}")]
    Delete { object: String, source: Box<delete::Error> },
    #[error("cannot {act} {object}: the cluster did not do so within {} s", PATIENCE.as_secs())]
    Late { act: &'static str, object: String },
    #[error(
        "{0} is there already and was not made by this demonstration, which would take it away with all that is in it: use a cluster without entra-rotator"
    )]
    InUse(String),
}

/// Where everything takes place.
pub(crate) enum Cluster {
    /// In this process, over plain HTTP.
    Simulated { simulation: KubeSim, url: String },
    /// Wherever the kubeconfig says.
    Yours { kubeconfig: Box<Kubeconfig>, client: Client, url: String },
}

impl Cluster {
    /// A simulated one, served by one of `servers`.
    pub(crate) async fn simulate(seed: u64, servers: &mut JoinSet<()>) -> Result<Self, ClusterError> {
        let simulation = CRDS.into_iter().fold(KubeSim::builder().seed(seed), kube_sim::Builder::crd_yaml).build()?;
        let (listener, address) = listen().await?;
        let served = simulation.clone();
        servers.spawn(async move { drop(served.serve(listener).await) });
        Ok(Self::Simulated { simulation, url: format!("http://{address}") })
    }

    /// The one that a context of your kubeconfig names, once the definitions are in it. Refused if they, or our namespaces, are there already,
    /// unless an earlier demonstration made them.
    pub(crate) async fn of_context(context: &str) -> Result<Self, ClusterError> {
        let read = |source| ClusterError::UseContext { context: context.to_owned(), source };
        let mut kubeconfig = Kubeconfig::read().map_err(read)?;
        kubeconfig.current_context = Some(context.to_owned());
        let config = Config::from_custom_kubeconfig(kubeconfig.clone(), &KubeConfigOptions::default()).await.map_err(read)?;
        let url = config.cluster_url.to_string();
        let client = Client::try_from(config).map_err(|error| ClusterError::MakeClient(Box::new(error)))?;
        clear(&client).await?;
        define(&client).await?;
        Ok(Self::Yours { kubeconfig: Box::new(kubeconfig), client, url })
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Simulated { url, .. } | Self::Yours { url, .. } => url,
        }
    }

    /// A client, over HTTP as any other.
    pub(crate) fn client(&self) -> Result<Client, ClusterError> {
        match self {
            Self::Simulated { url, .. } => {
                Client::try_from(Config::new(url.parse()?)).map_err(|error| ClusterError::MakeClient(Box::new(error)))
            }
            Self::Yours { client, .. } => Ok(client.clone()),
        }
    }

    /// A kubeconfig for the operator, and for kubectl. A simulation asks nobody who he is.
    pub(crate) fn kubeconfig(&self) -> Value {
        match self {
            Self::Simulated { url, .. } => json!({
                "apiVersion": "v1", "kind": "Config", "current-context": "try",
                "clusters": [{"name": "try", "cluster": {"server": url}}],
                "users": [{"name": "try", "user": {}}],
                "contexts": [{"name": "try", "context": {"cluster": "try", "user": "try", "namespace": TEAM_NAMESPACE}}],
            }),
            Self::Yours { kubeconfig, .. } => json!(kubeconfig),
        }
    }

    /// All objects of a kind in a namespace, or in none.
    pub(crate) async fn list(&self, kind: Kind) -> Result<Vec<Value>, ClusterError> {
        let listed = kind.api(self.client()?).list(&ListParams::default()).await;
        let failed = |error| ClusterError::Prepare { act: "list", object: kind.kind.to_owned(), source: Box::new(error) };
        Ok(listed.map_err(failed)?.items.into_iter().map(|object| json!(object)).collect())
    }

    /// Takes away from a cluster of yours what was made in it.
    pub(crate) async fn leave(&self) -> Result<(), ClusterError> {
        match self {
            Self::Simulated { .. } => Ok(()),
            Self::Yours { client, .. } => clear(client).await,
        }
    }
}

/// A free port of this machine.
pub(crate) async fn listen() -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A kind of object, and where those are that the demonstration has to do with.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespace: Option<&'static str>,
}

impl Kind {
    pub(crate) const LEASES: Self = Self::of("coordination.k8s.io", "v1", "Lease", Some(OPERATOR_NAMESPACE));
    pub(crate) const TENANTS: Self = Self::of("entra-rotator.io", "v1alpha1", "EntraTenant", None);
    pub(crate) const CREDENTIALS: Self = Self::of("entra-rotator.io", "v1alpha1", "ServicePrincipalCredential", Some(TEAM_NAMESPACE));
    pub(crate) const SECRETS: Self = Self::of("", "v1", "Secret", Some(TEAM_NAMESPACE));
    pub(crate) const EVENTS: Self = Self::of("events.k8s.io", "v1", "Event", Some(TEAM_NAMESPACE));
    /// Those about EntraTenants, which are in no namespace.
    pub(crate) const EVENTS_OF_TENANTS: Self = Self::of("events.k8s.io", "v1", "Event", Some("default"));

    const fn of(group: &'static str, version: &'static str, kind: &'static str, namespace: Option<&'static str>) -> Self {
        Self { group, version, kind, namespace }
    }

    pub(crate) fn api(self, client: Client) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(self.group, self.version, self.kind));
        match self.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        }
    }
}

fn definitions() -> Result<Vec<Value>, ClusterError> {
    CRDS.into_iter().map(|yaml| serde_saphyr::from_str(yaml).map_err(|error| ClusterError::ReadDefinitions(error.to_string()))).collect()
}

async fn define(client: &Client) -> Result<(), ClusterError> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    for namespace in [OPERATOR_NAMESPACE, TEAM_NAMESPACE] {
        make(&namespaces, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})).await?;
    }
    for definition in definitions()? {
        let name = make(&crds, definition).await?;
        let established = timeout(PATIENCE, await_condition(crds.clone(), &name, conditions::is_crd_established())).await;
        let established = established.map_err(|_| ClusterError::Late { act: "define", object: name.clone() })?;
        established.map_err(|source| ClusterError::Define { object: name, source: Box::new(source) })?;
    }
    Ok(())
}

/// Makes an object that bears our mark, and gives its name.
async fn make<K: Clone + DeserializeOwned + Debug>(api: &Api<K>, mut object: Value) -> Result<String, ClusterError> {
    object["metadata"]["labels"][MADE_BY.0] = MADE_BY.1.into();
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let made = api.patch(&name, &PatchParams::apply("entra-rotator-try"), &Patch::Apply(object)).await;
    made.map(|_| name.clone()).map_err(|error| ClusterError::Prepare { act: "make", object: name, source: Box::new(error) })
}

/// Takes away what a demonstration made. Where somebody else made any of it, nothing is touched.
async fn clear(client: &Client) -> Result<(), ClusterError> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let defined: Vec<_> =
        definitions()?.iter().filter_map(|definition| Some(definition["metadata"]["name"].as_str()?.to_owned())).collect();
    let defined = made_by_us(&crds, &defined).await?;
    let named = made_by_us(&namespaces, &[OPERATOR_NAMESPACE, TEAM_NAMESPACE].map(str::to_owned)).await?;
    try_join_all(defined.iter().map(|name| take_away(&crds, name))).await?;
    try_join_all(named.iter().map(|name| take_away(&namespaces, name))).await?;
    Ok(())
}

/// Those of these objects that there are; an error if one of them does not bear our mark.
async fn made_by_us<K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug>(
    api: &Api<K>,
    names: &[String],
) -> Result<Vec<String>, ClusterError> {
    let mut ours = Vec::new();
    for name in names {
        let object = || format!("{} {name}", K::kind(&()));
        let found = api.get_opt(name).await;
        match found.map_err(|error| ClusterError::Prepare { act: "read", object: object(), source: Box::new(error) })? {
            None => {}
            Some(found) if found.labels().get(MADE_BY.0).is_some_and(|by| by == MADE_BY.1) => ours.push(name.clone()),
            Some(_) => return Err(ClusterError::InUse(object())),
        }
    }
    Ok(ours)
}

async fn take_away<K>(api: &Api<K>, name: &str) -> Result<(), ClusterError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let object = format!("{} {name}", K::kind(&()));
    let gone = timeout(PATIENCE, delete::delete_and_finalize(api.clone(), name, &DeleteParams::default())).await;
    let gone = gone.map_err(|_| ClusterError::Late { act: "delete", object: object.clone() })?;
    gone.map_err(|source| ClusterError::Delete { object, source: Box::new(source) })
}
