use std::{
    fs,
    hash::{BuildHasher as _, RandomState},
    io,
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::Duration,
};

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout};

use super::{
    ControlPlane, Error, client,
    kubeconfig::{self, Identity},
    pki::Pki,
    processes::Processes,
    tools::Tools,
};

const CONTROLLERS: [&str; 4] =
    ["clusterrole-aggregation-controller", "garbage-collector-controller", "namespace-controller", "serviceaccount-controller"];
/// The name of the file that requests of service accounts are recorded in.
pub(super) const AUDIT_LOG: &str = "audit.log";
/// The name of the folder that etcd keeps its data in.
pub(super) const ETCD_DATA: &str = "etcd";
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  userGroups: [system:serviceaccounts]
- level: None
";
const ATTEMPTS: usize = 3;
pub(super) const READY_WITHIN: Duration = Duration::from_secs(300);
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);
pub(super) const POLL: Duration = Duration::from_millis(100);

/// Starts everything and waits until it answers. Another process may take a port between its choice and its use, and on a busy machine the API server
/// gives up on an etcd that is slow to come: then again.
pub(super) async fn start(tools: &Tools) -> Result<ControlPlane, Error> {
    for _ in 1..ATTEMPTS {
        match attempt(tools).await {
            Err(Error::Exited { .. }) => {}
            done => return done,
        }
    }
    attempt(tools).await
}

async fn attempt(tools: &Tools) -> Result<ControlPlane, Error> {
    let folder = tempfile::Builder::new().prefix("control-plane-").tempdir()?.keep();
    let mut processes = Processes::in_folder(&folder)?;
    fs::create_dir(folder.join("home"))?;
    fs::write(folder.join("audit-policy.yaml"), AUDIT_POLICY)?;
    let pki = Pki::generate(&folder)?;
    let ports = Ports::free()?;
    let server = format!("https://127.0.0.1:{}", ports.apiserver);
    let admin = folder.join("admin.kubeconfig");
    let identity = Identity::Certificate { certificate: &pki.admin_certificate, key: &pki.admin_key };
    kubeconfig::write(&admin, &server, &pki.both_authorities(), &identity)?;
    processes.start(ETCD, &mut etcd_command(tools, &folder, ports))?;
    processes.start(APISERVER, &mut apiserver_command(tools, &folder, ports))?;
    let client = client(&admin).await?;
    until_ready(&mut processes, || answers_readyz(&client)).await?;
    processes.start("kube-controller-manager", &mut controller_manager_command(tools, &admin))?;
    until_ready(&mut processes, || has_default_account(&client)).await?;
    Ok(ControlPlane { tools: tools.clone(), pki, server, ports, folder, processes: Mutex::new(processes) })
}

pub(super) const ETCD: &str = "etcd";
pub(super) const APISERVER: &str = "kube-apiserver";

/// Where the programs listen.
#[derive(Clone, Copy)]
pub(super) struct Ports {
    etcd: u16,
    peer: u16,
    pub(super) apiserver: u16,
}

impl Ports {
    fn free() -> Result<Self, Error> {
        let [etcd, peer, apiserver] = free_ports()?;
        Ok(Self { etcd, peer, apiserver })
    }
}

/// Below those that the kernel gives to connections: while a server is away, one of the many that ask for it could get its port.
const LISTENING: RangeInclusive<u16> = 18_000..=32_000;

/// Ports that nobody listens on, all reserved at once so that they differ.
fn free_ports<const N: usize>() -> Result<[u16; N], Error> {
    let reserve = |_| reserve();
    let listeners: Vec<_> = (0..N).map(reserve).collect::<Result<_, _>>().map_err(Error::ReservePort)?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr().map_err(Error::ReservePort)?.port();
    }
    Ok(ports)
}

/// The first free one from anywhere in the range on, so that test processes side by side seldom meet.
fn reserve() -> io::Result<TcpListener> {
    let begin = usize::try_from(RandomState::new().hash_one(()) % LISTENING.len() as u64).unwrap_or_default();
    let mut ports = LISTENING.cycle().skip(begin).take(LISTENING.len());
    let bound = ports.find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
    bound.ok_or_else(|| io::ErrorKind::AddrInUse.into())
}

pub(super) fn etcd_command(tools: &Tools, folder: &Path, ports: Ports) -> Command {
    let (client, peer) = (format!("http://127.0.0.1:{}", ports.etcd), format!("http://127.0.0.1:{}", ports.peer));
    let mut command = Command::new(tools.path("etcd"));
    command.arg(flag("data-dir", folder.join(ETCD_DATA).display()));
    command.args([flag("listen-client-urls", &client), flag("advertise-client-urls", &client)]);
    command.args([flag("listen-peer-urls", &peer), flag("initial-advertise-peer-urls", &peer)]);
    command.args([flag("initial-cluster", format_args!("default={peer}")), "--unsafe-no-fsync".to_owned()]);
    command
}

pub(super) fn apiserver_command(tools: &Tools, folder: &Path, ports: Ports) -> Command {
    let file = |name: &str| folder.join(name).display().to_string();
    let mut command = Command::new(tools.path("kube-apiserver"));
    command.args([flag("etcd-servers", format_args!("http://127.0.0.1:{}", ports.etcd))]);
    command.args([flag("bind-address", "127.0.0.1"), flag("advertise-address", "127.0.0.1"), flag("secure-port", ports.apiserver)]);
    command.arg(flag("endpoint-reconciler-type", "none"));
    command.args([flag("authorization-mode", "RBAC"), flag("client-ca-file", file("ca.crt"))]);
    command.args([flag("tls-cert-file", file("server.crt")), flag("tls-private-key-file", file("server.key"))]);
    command.args([flag("cert-dir", file("generated")), flag("service-cluster-ip-range", "10.0.0.0/24")]);
    command.args([flag("audit-policy-file", file("audit-policy.yaml")), flag("audit-log-path", file(AUDIT_LOG))]);
    command.arg(flag("service-account-issuer", "https://kubernetes.default.svc.cluster.local"));
    command.arg(flag("service-account-key-file", file("service-account.pub")));
    command.arg(flag("service-account-signing-key-file", file("service-account.key")));
    command
}

fn controller_manager_command(tools: &Tools, admin: &PathBuf) -> Command {
    let mut command = Command::new(tools.path("kube-controller-manager"));
    command.arg("--kubeconfig").arg(admin);
    command.args([flag("controllers", CONTROLLERS.join(",")), flag("leader-elect", false), flag("secure-port", 0)]);
    command
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

async fn until_ready<F>(processes: &mut Processes, mut ready: impl FnMut() -> F) -> Result<(), Error>
where
    F: Future<Output = kube::Result<()>>,
{
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        processes.check()?;
        let answer = timeout(ANSWER_WITHIN, ready()).await;
        match answer.map_err(|late| late.to_string()).and_then(|answer| answer.map_err(|error| error.to_string())) {
            Ok(()) => return Ok(()),
            Err(last) if Instant::now() > deadline => {
                return Err(Error::WaitUntilReady { seconds: READY_WITHIN.as_secs(), last });
            }
            Err(_) => sleep(POLL).await,
        }
    }
}

pub(super) async fn answers_readyz(client: &Client) -> kube::Result<()> {
    let request = http::Request::get("/readyz").body(Vec::new()).expect("a path is a valid request");
    client.request_text(request).await.map(drop)
}

/// Shows that kube-controller-manager is at work.
async fn has_default_account(client: &Client) -> kube::Result<()> {
    Api::<ServiceAccount>::namespaced(client.clone(), "default").get("default").await.map(drop)
}
