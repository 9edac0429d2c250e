//! `entra-emulator`: Microsoft Graph, the Entra token endpoint and federation metadata on your own machine.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};

use clap::Parser;
use entra_emulator::{Authority, Cloud, Emulator, FixtureKeys, KeySource, Seed, default_hosts, parse_cloud};
use keys::{KeyError, KeySize, PrivateKey};
use tokio::net::TcpListener;

/// Serves a strict stand-in for Microsoft Graph, the Entra token endpoint, federation metadata and the instance metadata service over HTTPS.
///
/// Point a client at it by its authority host and Graph endpoint, for example https://localhost:8443, and let the client trust the certificate
/// authority that is written to --ca-out. The emulator keeps everything in memory and forgets it when it ends. Whoever reaches it can
/// change everything through its admin API under /_emulator/, so let it listen on loopback only, and put no real secrets into its seed.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The emulator starts with the tenants, applications and credentials of this YAML or JSON file.
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    seed: Option<PathBuf>,

    /// The emulator listens on this address and port. Port 0 picks a free one, which is printed.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443", verbatim_doc_comment)]
    listen: SocketAddr,

    /// The instance metadata service, which gives tokens to managed identities, is served over plain HTTP on this address and port.
    /// Without it that service is reached over HTTPS only, at the main address. Python finds it by AZURE_POD_IDENTITY_AUTHORITY_HOST.
    #[arg(long, value_name = "ADDRESS", verbatim_doc_comment)]
    metadata_listen: Option<SocketAddr>,

    /// The certificate authority, which is made anew at every start, is written to this file as PEM. Without it the PEM is printed.
    #[arg(long, value_name = "FILE", verbatim_doc_comment)]
    ca_out: Option<PathBuf>,

    /// The server certificate is for this host name or address. The argument may be given several times.
    /// Without it the certificate is for localhost, 127.0.0.1, ::1 and the address that is listened on.
    #[arg(long = "hostname", value_name = "NAME", verbatim_doc_comment)]
    hostnames: Vec<String>,

    /// The emulator stands in for this national cloud: Global, USGovernmentL4, USGovernmentL5 or China. A seed file may name another one.
    #[arg(long, value_name = "CLOUD", default_value = "Global", value_parser = parse_cloud, verbatim_doc_comment)]
    cloud: Cloud,

    /// Ids, secrets and choices follow from this number, so that a run can be repeated. Without it they differ from run to run.
    #[arg(long, value_name = "NUMBER", verbatim_doc_comment)]
    random_seed: Option<u64>,

    /// Signing certificates get eight fixed private keys in turn instead of new ones, which is faster and the same in every run.
    #[arg(long, verbatim_doc_comment)]
    fixture_keys: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match start(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("entra-emulator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let emulator = emulator(&arguments)?;
    if let Some(path) = &arguments.seed {
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read seed file {}: {error}", path.display()))?;
        let made = emulator.load(Seed::parse(&text)?)?;
        tracing::info!(applications = made.len(), "seed loaded");
    }
    let hosts = if arguments.hostnames.is_empty() { default_hosts(arguments.listen.ip()) } else { arguments.hostnames };
    let authority = Authority::new(&hosts)?;
    let listener = bind(arguments.listen).await?;
    match &arguments.ca_out {
        Some(path) => std::fs::write(path, authority.ca_pem()).map_err(|error| format!("cannot write {}: {error}", path.display()))?,
        None => print!("{}", authority.ca_pem()),
    }
    let machine = match arguments.metadata_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    println!("entra-emulator listens on https://{}", listener.local_addr()?);
    if let Some(machine) = &machine {
        println!("instance metadata on http://{}", machine.local_addr()?);
    }
    std::io::stdout().flush()?;
    tokio::select! {
        ended = emulator.serve(listener, &authority) => Ok(ended?),
        ended = metadata(&emulator, machine) => Ok(ended?),
        stopped = tokio::signal::ctrl_c() => Ok(stopped?),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))
}

/// Serves instance metadata where a listener for it was asked for.
async fn metadata(emulator: &Emulator, listener: Option<TcpListener>) -> std::io::Result<()> {
    match listener {
        Some(listener) => emulator.serve_instance_metadata(listener).await,
        None => std::future::pending().await,
    }
}

fn emulator(arguments: &Arguments) -> Result<Emulator, Box<dyn std::error::Error>> {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    let builder = Emulator::builder().cloud(arguments.cloud).seed(arguments.random_seed.unwrap_or(high ^ low));
    let builder = if arguments.fixture_keys { builder.keys(FixtureKeys) } else { builder.keys(Stock::new()?) };
    Ok(builder.build()?)
}

/// Keys made ahead on a thread of their own, since each takes a tenth of a second or more.
struct Stock(Mutex<Receiver<Result<PrivateKey, KeyError>>>);

impl Stock {
    fn new() -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(4);
        let make = move || while sender.send(PrivateKey::generate(KeySize::Rsa2048)).is_ok() {};
        std::thread::Builder::new().name("keys".to_owned()).spawn(make)?;
        Ok(Self(Mutex::new(receiver)))
    }
}

impl KeySource for Stock {
    fn key(&self, _: usize) -> Result<PrivateKey, KeyError> {
        let stock = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        stock.recv().unwrap_or_else(|_| PrivateKey::generate(KeySize::Rsa2048))
    }
}
