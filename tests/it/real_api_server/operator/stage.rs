use std::{path::PathBuf, time::Duration};

use tokio::sync::{Mutex, MutexGuard, OnceCell};

use super::{deployed::Deployed, entra::Entra, process::Operator};
use crate::{control_plane::ControlPlane, real_api_server::CHART};

/// Far longer than anything here takes on a busy machine.
pub(super) const LONG: Duration = Duration::from_secs(90);
/// Where the operator is installed, and the name of the release.
pub(super) const OPERATOR: &str = "entra-rotator";
/// A namespace that the operator serves.
pub(super) const TEAM: &str = "payroll";
/// Another one.
pub(super) const OTHER_TEAM: &str = "crm";
/// A namespace that it has no rights in.
pub(super) const UNSERVED: &str = "elsewhere";

/// As much in the log as anybody could ask for; helm takes a comma for the end of a value.
pub(super) const EVERYTHING: &str = r"logLevel=trace\,kube=trace\,hyper=trace\,hyper_util=trace\,rustls=trace\,reqwest=trace\,tower=trace";

/// Rights in the namespaces of both teams.
const TEAMS: &str = "rbac.namespaces={payroll,crm}";

/// A cluster with the operator installed, and Entra.
pub(super) struct Stage {
    pub(super) cluster: ControlPlane,
    pub(super) entra: Entra,
    pub(super) deployed: Deployed,
    pub(super) kubeconfig: PathBuf,
    values: &'static [&'static str],
}

impl Stage {
    /// The stage that most tests share, and the one operator on it, which logs all it can.
    pub(super) async fn shared() -> (&'static Self, &'static Operator) {
        static SHARED: OnceCell<(Stage, Operator)> = OnceCell::const_new();
        let (stage, operator) = SHARED.get_or_init(Self::open).await;
        (stage, operator)
    }

    async fn open() -> (Self, Operator) {
        let cluster = ControlPlane::start().await.unwrap();
        let definitions = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
        cluster.kubectl(&["apply", "--server-side", "-k", definitions]).await.unwrap();
        let established = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
        cluster.kubectl(&established).await.unwrap();
        let values = &["--set", TEAMS, "--set", "crds.enabled=false", "--set", EVERYTHING, "--set", "extraArgs={--late=3s}"];
        let stage = Self::set(cluster, values).await;
        let operator = stage.operator("entra-rotator-0").await;
        (stage, operator)
    }

    /// The stage for tests that start and end operators themselves, or uninstall them; one at a time. Nobody holds the Lease:
    /// a replica of the test before would else have to be waited for, as long as its Lease lasts.
    pub(super) async fn alone() -> MutexGuard<'static, Self> {
        static ALONE: OnceCell<Mutex<Stage>> = OnceCell::const_new();
        let stage = ALONE.get_or_init(Self::open_alone).await.lock().await;
        stage.cluster.kubectl(&["delete", "lease", OPERATOR, "-n", OPERATOR, "--ignore-not-found"]).await.unwrap();
        stage
    }

    async fn open_alone() -> Mutex<Self> {
        let cluster = ControlPlane::start().await.unwrap();
        Mutex::new(Self::set(cluster, &["--set", TEAMS, "--set", "extraArgs={--late=3s,--lease-duration=6s}"]).await)
    }

    /// A stage for one test, whose operator logs all it can, with these values besides.
    pub(super) async fn own(values: &'static [&'static str]) -> Self {
        let cluster = ControlPlane::start().await.unwrap();
        Self::set(cluster, values).await
    }

    async fn set(cluster: ControlPlane, values: &'static [&'static str]) -> Self {
        for namespace in [TEAM, OTHER_TEAM, UNSERVED] {
            cluster.kubectl(&["create", "namespace", namespace]).await.unwrap();
        }
        install(&cluster, values).await;
        let deployed = Deployed::read(cluster.client().await.unwrap(), OPERATOR, OPERATOR).await;
        let kubeconfig = cluster.service_account_kubeconfig(OPERATOR, deployed.service_account()).await.unwrap();
        Self { cluster, entra: Entra::start(), deployed, kubeconfig, values }
    }

    /// Installs what was uninstalled. The service account is another one of the same name.
    pub(super) async fn install_again(&self) {
        install(&self.cluster, self.values).await;
        let anew = Deployed::read(self.cluster.client().await.unwrap(), OPERATOR, OPERATOR).await;
        assert_eq!(anew, self.deployed);
        let kubeconfig = self.cluster.service_account_kubeconfig(OPERATOR, anew.service_account()).await.unwrap();
        assert_eq!(kubeconfig, self.kubeconfig);
    }

    /// Brings the namespaces and what the chart puts into them back.
    pub(super) async fn restore(&self, namespace: &str) {
        self.cluster.kubectl(&["create", "namespace", namespace]).await.unwrap();
        self.cluster.helm(&["upgrade", OPERATOR, CHART, "-n", OPERATOR, "--reuse-values"]).await.unwrap();
    }

    /// Runs a replica.
    pub(super) async fn operator(&self, pod: &str) -> Operator {
        Operator::start(&self.deployed, &self.kubeconfig, pod).await
    }
}

async fn install(cluster: &ControlPlane, values: &[&str]) {
    let install = ["install", OPERATOR, CHART, "-n", OPERATOR, "--create-namespace"];
    let common = ["--set", "allowCustomEndpoints=true"];
    cluster.helm(&[&install[..], &common, values].concat()).await.unwrap();
}
