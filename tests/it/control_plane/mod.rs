//! A real control plane for tests: etcd, kube-apiserver with RBAC, and the controllers of kube-controller-manager that
//! aggregate roles, collect garbage, empty deleted namespaces and make default service accounts.
//!
//! The programs come from `hack/tools/build`, which `cargo xtask test` runs first; nothing is built in here. Nothing runs
//! pods. The garbage collector learns of a new custom resource within about half a minute.

mod error;
mod kubeconfig;
mod outage;
mod pki;
mod processes;
mod start;
mod tools;

use std::{ffi::OsStr, fs, path::PathBuf, process::Stdio, sync::Mutex};

pub(crate) use self::{
    error::Error,
    pki::{Issuer, service_account_key},
    processes::Processes,
};
use self::{kubeconfig::Identity, pki::Pki, start::Ports, tools::Tools};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api, Client, Config,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::{io::AsyncWriteExt as _, process::Command, sync::OnceCell};

/// A running control plane. Dropping it, or the end of the process by whatever cause, ends its programs and removes its files.
pub(crate) struct ControlPlane {
    tools: Tools,
    pki: Pki,
    server: String,
    ports: Ports,
    folder: PathBuf,
    processes: Mutex<Processes>,
}

impl ControlPlane {
    /// The control plane that the tests of this binary share, with our custom resource definitions installed; the first to
    /// ask starts it. Work in a namespace of your own.
    ///
    /// # Errors
    /// As for [`start`](Self::start), or [`Error::Run`] where the definitions are refused.
    pub(crate) async fn shared() -> Result<&'static Self, Error> {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start_with_definitions).await
    }

    async fn start_with_definitions() -> Result<Self, Error> {
        let cluster = Self::start().await?;
        let definitions = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
        cluster.kubectl(&["apply", "--server-side", "-k", definitions]).await?;
        cluster.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).await?;
        Ok(cluster)
    }

    /// A control plane of one's own, without our definitions, for a test that breaks or fills it. Takes some five seconds, and two minutes at most.
    ///
    /// # Errors
    /// [`Error::FindTools`] where `cargo xtask tools` has not run; others where a program does not start.
    pub(crate) async fn start() -> Result<Self, Error> {
        start::start(&Tools::find()?).await
    }

    /// The kubeconfig of an administrator (`system:masters`).
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    /// The API server's record of what service accounts asked of it: one event of audit.k8s.io/v1 a line, metadata only. An event
    /// stands here before its answer is out, save for watches, which are recorded as they begin.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.folder.join(start::AUDIT_LOG)
    }

    /// A client for the administrator, on the runtime of the caller: a client dies with the runtime that made it.
    ///
    /// # Errors
    /// [`Error::Connect`] if the kubeconfig cannot be used.
    pub(crate) async fn client(&self) -> Result<Client, Error> {
        client(&self.kubeconfig()).await
    }

    /// Runs kubectl as the administrator and returns what it prints.
    ///
    /// # Errors
    /// [`Error::Run`] with what kubectl says, if it does not succeed.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<String, Error> {
        self.run("kubectl", arguments, "").await
    }

    /// Like [`kubectl`](Self::kubectl), with something on its standard input, for `-f -`.
    ///
    /// # Errors
    /// [`Error::Run`] with what kubectl says, if it does not succeed.
    pub(crate) async fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Result<String, Error> {
        self.run("kubectl", arguments, input).await
    }

    /// Runs helm as the administrator and returns what it prints.
    ///
    /// # Errors
    /// [`Error::Run`] with what helm says, if it does not succeed.
    pub(crate) async fn helm(&self, arguments: &[&str]) -> Result<String, Error> {
        self.run("helm", arguments, "").await
    }

    /// Makes a kubeconfig that carries a token of that service account, good for an hour at this API server.
    ///
    /// # Errors
    /// [`Error::RequestToken`] if there is no such service account.
    pub(crate) async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf, Error> {
        let token = self.service_account_token(namespace, name).await?;
        let path = self.folder.join(format!("{namespace}.{name}.kubeconfig"));
        kubeconfig::write(&path, &self.server, &self.pki.authority, &Identity::Token(&token))?;
        Ok(path)
    }

    /// A token of that service account, good for an hour at this API server.
    ///
    /// # Errors
    /// [`Error::RequestToken`] if there is no such service account.
    pub(crate) async fn service_account_token(&self, namespace: &str, name: &str) -> Result<String, Error> {
        let accounts = Api::<ServiceAccount>::namespaced(self.client().await?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() },
            ..TokenRequest::default()
        };
        let answer = accounts.create_token_request(name, &PostParams::default(), &request).await;
        let answer = answer.map_err(|source| Error::RequestToken { account: format!("{namespace}/{name}"), source })?;
        Ok(answer.status.map(|status| status.token).unwrap_or_default())
    }

    async fn run(&self, program: &'static str, arguments: &[&str], input: &str) -> Result<String, Error> {
        let mut command = Command::new(self.tools.path(program));
        command.args(arguments).env("KUBECONFIG", self.kubeconfig()).env("HOME", self.folder.join("home"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let failed = |source| Error::Spawn { program, source };
        let mut child = command.spawn().map_err(failed)?;
        let mut stdin = child.stdin.take();
        let (_, output) = tokio::join!(
            // A program that does not read its input closes it: what matters is what it says.
            async { stdin.take().expect("stdin is piped").write_all(input.as_bytes()).await },
            child.wait_with_output()
        );
        let output = output.map_err(failed)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if !output.status.success() {
            let said = text(&output.stderr) + &text(&output.stdout);
            return Err(Error::Run { program, arguments: arguments.join(" "), status: output.status, said });
        }
        Ok(text(&output.stdout))
    }
}

/// A client by the kubeconfig at that path, on the runtime of the caller, that sends no request twice.
///
/// # Errors
/// [`Error::Connect`] if the kubeconfig cannot be read or used.
pub(crate) async fn client(kubeconfig: &(impl AsRef<OsStr> + ?Sized)) -> Result<Client, Error> {
    let kubeconfig = fs::read_to_string(kubeconfig.as_ref()).map_err(|error| Error::Connect(error.into()))?;
    let kubeconfig = Kubeconfig::from_yaml(&kubeconfig).map_err(|error| Error::Connect(error.into()))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(|error| Error::Connect(error.into()))?;
    config.default_retry = false;
    Client::try_from(config).map_err(|error| Error::Connect(error.into()))
}
