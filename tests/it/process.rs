//! The operator's binary as a process: what kubelet, a terminal and whoever reads its logs see of it.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use kube_sim::KubeSim;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

/// A cluster over plain HTTP, and a kubeconfig for it.
struct Cluster {
    sim: KubeSim,
    kubeconfig: NamedTempFile,
}

impl Cluster {
    async fn start() -> Self {
        let definitions = ["entratenants", "serviceprincipalcredentials"];
        let yaml = definitions.map(|name| std::fs::read_to_string(format!("{}/crds/{name}.yaml", env!("CARGO_MANIFEST_DIR"))).unwrap());
        let sim = yaml.into_iter().fold(KubeSim::builder(), kube_sim::Builder::crd_yaml).build().unwrap();
        sim.create_namespace("ours");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kubeconfig = NamedTempFile::new().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "sim",
            "clusters": [{"name": "sim", "cluster": {"server": format!("http://{}", listener.local_addr().unwrap())}}],
            "users": [{"name": "sim", "user": {}}],
            "contexts": [{"name": "sim", "context": {"cluster": "sim", "user": "sim"}}],
        });
        std::fs::write(kubeconfig.path(), config.to_string()).unwrap();
        let served = sim.clone();
        tokio::spawn(async move { served.serve(listener).await });
        Self { sim, kubeconfig }
    }

    fn operator(&self, args: &[&str]) -> Operator {
        Operator::start(args, &[("KUBECONFIG", self.kubeconfig.path().to_str().unwrap())])
    }

    fn lease(&self) -> Option<Value> {
        self.sim.get("leases.coordination.k8s.io", "ours", "entra-rotator")
    }
}

/// The running binary; killed with its test.
struct Operator {
    child: Child,
    logs: Lines<BufReader<ChildStderr>>,
}

impl Operator {
    fn start(args: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_by(&mut Self::command(args, environment))
    }

    fn command(args: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_entra-rotator"));
        command.arg("--lease-duration=9s").args(args);
        if !args.iter().any(|arg| arg.starts_with("--listen")) {
            command.arg("--listen=127.0.0.1:0");
        }
        command.env_clear().env("POD_NAMESPACE", "ours").env("POD_NAME", "pod-0").envs(environment.iter().copied());
        command
    }

    fn start_by(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let logs = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, logs }
    }

    /// The fields of the first line that has this message, from here on.
    async fn says(&mut self, message: &str) -> Value {
        let search = async {
            while let Some(line) = self.logs.next_line().await.unwrap() {
                let line: Value = serde_json::from_str(&line).unwrap();
                if line["fields"]["message"] == message {
                    return Some(line["fields"].clone());
                }
            }
            None
        };
        let found = timeout(LONG, search).await.unwrap_or_else(|_| panic!("{message:?} is not said in time"));
        found.unwrap_or_else(|| panic!("the process ended without saying {message:?}"))
    }

    fn told_to_stop(&self) {
        let id = self.child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).unwrap()));
        rustix::process::kill_process(id.unwrap(), rustix::process::Signal::TERM).unwrap();
    }

    async fn ends(&mut self) -> ExitStatus {
        timeout(LONG, self.child.wait()).await.unwrap().unwrap()
    }
}

/// Far longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

async fn page(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn until_ready(address: &str) {
    while !page(address, "/readyz").await.starts_with("HTTP/1.1 200") {}
}

#[tokio::test]
async fn a_process_takes_the_lease_serves_its_pages_and_gives_the_lease_up_when_told_to_stop() {
    let cluster = Cluster::start().await;
    let mut operator = cluster.operator(&["--watch-namespace=ours"]);
    let address = operator.says("serving /livez, /readyz and /metrics").await["address"].as_str().unwrap().to_owned();
    operator.says("leading").await;
    assert_eq!(cluster.lease().unwrap()["spec"]["holderIdentity"], "pod-0");
    timeout(LONG, until_ready(&address)).await.unwrap();
    assert!(page(&address, "/livez").await.starts_with("HTTP/1.1 200"));
    let metrics = page(&address, "/metrics").await;
    assert!(metrics.contains("\nentra_rotator_kube_requests_total{verb=\"create\"} 1\n"), "{metrics}");
    assert!(page(&address, "/").await.starts_with("HTTP/1.1 404"));
    let asked = cluster.sim.requests();
    let agent = asked[0].request.user_agent.as_deref();
    assert_eq!(agent, Some(concat!("entra-rotator/", env!("CARGO_PKG_VERSION"))));

    operator.told_to_stop();
    assert_eq!(operator.ends().await.code(), Some(0));
    assert_eq!(cluster.lease().unwrap()["spec"]["holderIdentity"], "");
}

#[tokio::test]
async fn a_process_that_stands_by_is_ready_and_ends_when_told_to() {
    let cluster = Cluster::start().await;
    let mut first = cluster.operator(&[]);
    first.says("leading").await;
    let mut second = cluster.operator(&["--identity=pod-1"]);
    let address = second.says("serving /livez, /readyz and /metrics").await["address"].as_str().unwrap().to_owned();
    second.says("standing by").await;
    assert!(page(&address, "/readyz").await.starts_with("HTTP/1.1 200"));
    second.told_to_stop();
    assert_eq!(second.ends().await.code(), Some(0));
    assert_eq!(cluster.lease().unwrap()["spec"]["holderIdentity"], "pod-0");
}

#[tokio::test]
async fn a_process_that_lost_the_lease_ends_with_a_failure() {
    let cluster = Cluster::start().await;
    let mut operator = cluster.operator(&[]);
    operator.says("leading").await;
    let mut lease = cluster.lease().unwrap();
    lease["spec"]["holderIdentity"] = json!("pod-1");
    cluster.sim.put(lease);
    let why = operator.says("the operator ends").await["error"].as_str().unwrap().to_owned();
    assert!(why.contains("the Lease ours/entra-rotator was taken by \"pod-1\""), "{why}");
    assert_eq!(operator.ends().await.code(), Some(1));
    assert_eq!(cluster.lease().unwrap()["spec"]["holderIdentity"], "pod-1");
}

#[tokio::test]
async fn a_process_that_cannot_begin_says_why_and_what_to_do() {
    let mut homeless = Operator::start(&[], &[]);
    let why = homeless.says("the operator ends").await["error"].as_str().unwrap().to_owned();
    assert!(why.contains("run in a pod with a service account, or set KUBECONFIG"), "{why}");
    assert_eq!(homeless.ends().await.code(), Some(1));

    let occupied = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cluster = Cluster::start().await;
    let address = occupied.local_addr().unwrap().to_string();
    let mut second = cluster.operator(&[&format!("--listen={address}")]);
    let why = second.says("the operator ends").await["error"].as_str().unwrap().to_owned();
    assert!(why.starts_with(&format!("cannot listen on {address}: ")) && why.ends_with("; choose another address by --listen"), "{why}");
    assert_eq!(second.ends().await.code(), Some(1));
}

/// What the kernel shows of a process to others of its user. As root, who may see everything, the process runs as somebody else.
#[cfg(target_os = "linux")]
fn as_some_user(command: &mut Command) -> u32 {
    let user = rustix::process::geteuid();
    if !user.is_root() {
        return user.as_raw();
    }
    const NOBODY: u32 = 65_532;
    command.uid(NOBODY);
    NOBODY
}

/// Whom the memory of a process belongs to: its user, or root if the kernel lets nobody else look.
#[cfg(target_os = "linux")]
fn owner_of_memory(id: u32) -> u32 {
    use std::os::unix::fs::MetadataExt as _;

    std::fs::metadata(format!("/proc/{id}/mem")).unwrap().uid()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_running_process_leaves_no_core_and_its_memory_is_for_nobody_of_its_user() {
    let mut other = Command::new("cat");
    let user = as_some_user(&mut other);
    let other = other.stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    assert_eq!(owner_of_memory(other.id().unwrap()), user, "the memory of any other program is for its user to read");

    let cluster = Cluster::start().await;
    // Nothing in it is secret.
    std::fs::set_permissions(cluster.kubeconfig.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let mut command = Operator::command(&[], &[("KUBECONFIG", cluster.kubeconfig.path().to_str().unwrap())]);
    as_some_user(&mut command);
    let mut operator = Operator::start_by(&mut command);
    operator.says("leading").await;
    let id = operator.child.id().unwrap();
    assert_eq!(owner_of_memory(id), 0);
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let core: Vec<_> = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap().split_whitespace().collect();
    assert_eq!(core, ["0", "0", "bytes"]);
}
