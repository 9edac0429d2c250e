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

/// Serves a strict stand-in for Microsoft Graph, the Entra token endpoint and federation metadata over HTTPS.
///
/// Point a client at it by its authority host and Graph endpoint, for example https://localhost:8443, and let the client trust the certificate
/// authority that is written to --ca-out. The emulator keeps everything in memory and forgets it when it ends. Whoever reaches it can
/// change everything through its admin API under /_emulator/, so let it listen on loopback only, and put no real secrets into its seed.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// YAML or JSON file with the tenants, applications and credentials to start with.
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,

    /// Address and port to listen on; port 0 picks a free one, which is printed.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,

    /// Address and port of an instance metadata service over plain HTTP, for clients that sign in by managed identity. Without it there is none
    /// but the one that the main address serves over HTTPS. Python finds it by AZURE_POD_IDENTITY_AUTHORITY_HOST.
    #[arg(long, value_name = "ADDRESS")]
    metadata_listen: Option<SocketAddr>,

    /// File that receives the PEM of the certificate authority, made anew at every start. Without it the PEM is printed.
    #[arg(long, value_name = "FILE")]
    ca_out: Option<PathBuf>,

    /// Host name or address that the server certificate is for; may be given several times. Without it: localhost, 127.0.0.1, ::1 and the listen address.
    #[arg(long = "hostname", value_name = "NAME")]
    hostnames: Vec<String>,

    /// Number that ids, secrets and choices follow from, so that a run can be repeated. Without it they differ from run to run.
    #[arg(long, value_name = "NUMBER")]
    random_seed: Option<u64>,

    /// National cloud to stand in for: Global, USGovernmentL4, USGovernmentL5 or China. A seed file may name another one.
    #[arg(long, value_name = "CLOUD", default_value = "Global", value_parser = parse_cloud)]
    cloud: Cloud,

    /// Use eight fixed private keys for signing certificates instead of making new ones: faster, and the same in every run.
    #[arg(long)]
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
