//! The real operator, as a process of its own.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::cluster::Cluster;
use crate::manifests::OPERATOR_NAMESPACE;

/// LATE: how long a write that Entra did not answer may take to show. 15 minutes in earnest.
pub(crate) const LATE: u64 = 6;

/// Why there is no operator to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperatorError {
    #[error("cannot run {program} to build the operator: {source}")]
    RunCargo { program: String, source: io::Error },
    #[error("cannot build the operator: cargo ended with {0}; what is wrong is said above")]
    Build(ExitStatus),
    #[error("cannot find the operator that cargo built: its output names no executable entra-rotator")]
    Find,
    #[error("cannot write {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot start {path}: {source}")]
    Start { path: PathBuf, source: io::Error },
}

/// Builds the operator's binary and gives its path. Beside it this example is named, so that cargo builds both with the same
/// features, and nothing twice.
pub(crate) async fn build() -> Result<PathBuf, OperatorError> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(&program);
    command.args(["build", "--quiet", "--package", "entra-rotator", "--bin", "entra-rotator", "--example", "try"]);
    command.arg("--message-format=json-render-diagnostics").current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    let output = command.stderr(Stdio::inherit()).kill_on_drop(true).output().await;
    let output = output.map_err(|source| OperatorError::RunCargo { program, source })?;
    if !output.status.success() {
        return Err(OperatorError::Build(output.status));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    messages.lines().find_map(executable).ok_or(OperatorError::Find)
}

/// The path, if this message of cargo's names the operator's binary.
fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_ours = message["target"]["name"] == "entra-rotator" && message["target"]["kind"] == json!(["bin"]);
    is_ours.then(|| message["executable"].as_str().map(PathBuf::from))?
}

/// The running operator. It does not outlive this value.
pub(crate) struct Operator {
    child: Child,
    /// Where its log goes.
    pub(crate) log: PathBuf,
}

impl Operator {
    /// Starts the binary against the API server, with files in `folder`.
    pub(crate) fn start(binary: &Path, cluster: &Cluster, folder: &Path) -> Result<Self, OperatorError> {
        let (kubeconfig, log) = (folder.join("kubeconfig.yaml"), folder.join("operator.log"));
        write(&kubeconfig, cluster.kubeconfig().to_string().as_bytes())?;
        let output = File::create(&log).map_err(|source| OperatorError::Write { path: log.clone(), source })?;
        let errors = output.try_clone().map_err(|source| OperatorError::Write { path: log.clone(), source })?;
        let mut command = Command::new(binary);
        match cluster {
            // Without our environment: a proxy or a log level in it is none of the demonstration's.
            Cluster::Simulated { .. } => command.env_clear(),
            // The way to your cluster may need it; the way to the emulator must not lead through a proxy.
            Cluster::Yours { .. } => command.env_remove("LOG_LEVEL").env("NO_PROXY", "localhost").env("no_proxy", "localhost"),
        };
        command.env("KUBECONFIG", &kubeconfig).args(arguments()).stdin(Stdio::null()).stdout(output).stderr(errors);
        let child = command.kill_on_drop(true).spawn();
        let child = child.map_err(|source| OperatorError::Start { path: binary.to_owned(), source })?;
        Ok(Self { child, log })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(&mut self) -> String {
        self.child.wait().await.map_or_else(|error| error.to_string(), |status| status.to_string())
    }

    /// Tells it to stop, as kubelet does, and kills it if it does not.
    pub(crate) async fn stop(mut self) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(pid) = pid
            && kill_process(pid, Signal::TERM).is_ok()
            && tokio::time::timeout(GRACE, self.child.wait()).await.is_ok()
        {
            return;
        }
        // It is gone already, or else dropping kills it.
        let _ = self.child.kill().await;
    }
}

const GRACE: Duration = Duration::from_secs(5);

fn arguments() -> Vec<String> {
    let namespace = format!("--namespace={OPERATOR_NAMESPACE}");
    let late = format!("--late={LATE}s");
    let fixed = ["--identity=demonstration", "--listen=127.0.0.1:0", "--allow-custom-endpoints"];
    [namespace, late].into_iter().chain(fixed.map(str::to_owned)).collect()
}

fn write(path: &Path, contents: &[u8]) -> Result<(), OperatorError> {
    std::fs::write(path, contents).map_err(|source| OperatorError::Write { path: path.to_owned(), source })
}

/// The last lines of the operator's log.
pub(crate) fn tail(log: &Path, lines: usize) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let all: Vec<_> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
