//! The emulator over real TLS, in process and as a binary.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use entra_emulator::{Authority, Effect, Emulator, Fault, Match, Operation, Seed};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::stage::TENANT;

const EXAMPLE: &str = include_str!("../../examples/seed.yaml");
const SIGN_IN: &str = "grant_type=client_credentials&client_id=1d5d1c6e-7c0e-4a0e-9a55-5b9d0c3f7a02&client_secret=payroll~secret&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default";

/// One request over a connection of its own; everything that came back.
async fn talk(port: u16, ca: &str, request: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut stream = TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8(answer).unwrap())
}

fn post(path: &str, media: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn sign_in() -> String {
    post(&format!("/{TENANT}/oauth2/v2.0/token"), "application/x-www-form-urlencoded", SIGN_IN)
}

struct Server {
    emulator: Emulator,
    authority: Authority,
    port: u16,
}

async fn start() -> Server {
    let emulator = Emulator::builder().build().unwrap();
    emulator.load(Seed::parse(EXAMPLE).unwrap()).unwrap();
    let authority = Authority::new(&["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (server, ca) = (emulator.clone(), authority.clone());
    tokio::spawn(async move { server.serve(listener, &ca).await });
    Server { emulator, authority, port }
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_signs_in_over_https() {
    let server = start().await;
    let answer = talk(server.port, server.authority.ca_pem(), &sign_in()).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(answer.to_lowercase().matches("\r\ndate:").count(), 1);
}

#[tokio::test]
async fn a_client_that_trusts_another_authority_does_not_connect() {
    let server = start().await;
    let other = Authority::new(&["localhost".to_owned()]).unwrap();
    let error = talk(server.port, other.ca_pem(), &sign_in()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn a_cut_connection_is_really_closed_without_an_answer() {
    let server = start().await;
    server.emulator.inject(Fault::once(Match::operation(Operation::Token), Effect::answer_lost()));
    let answer = talk(server.port, server.authority.ca_pem(), &sign_in()).await;
    assert!(answer.as_ref().map_or(true, String::is_empty), "{answer:?}");
    assert_eq!(server.emulator.calls()[0].handled, Some(200));
    assert!(talk(server.port, server.authority.ca_pem(), &sign_in()).await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_body_beyond_four_megabytes_is_refused() {
    let server = start().await;
    let request = post("/v1.0/applications", "application/json", &"x".repeat((4 << 20) + 1));
    let answer = talk(server.port, server.authority.ca_pem(), &request).await;
    assert!(answer.map_or(true, |answer| answer.starts_with("HTTP/1.1 413")));
}

/// Ends the process with the test, whatever becomes of it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_binary_serves_a_seed_file_writes_its_authority_and_listens_to_its_admin_api() {
    let folder = tempfile::tempdir().unwrap();
    let (seed, ca) = (folder.path().join("seed.yaml"), folder.path().join("ca.pem"));
    std::fs::write(&seed, EXAMPLE).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_entra-emulator"));
    command.args(["--listen", "127.0.0.1:0", "--fixture-keys", "--seed"]).arg(&seed).arg("--ca-out").arg(&ca);
    let mut running = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().rsplit_once(':').unwrap().1.parse().unwrap();
    let ca = std::fs::read_to_string(ca).unwrap();
    assert!(talk(port, &ca, &sign_in()).await.unwrap().starts_with("HTTP/1.1 200"));
    let advance = post("/_emulator/clock", "application/json", &json!({"advance": 3 * 366 * 86_400}).to_string());
    assert!(talk(port, &ca, &advance).await.unwrap().starts_with("HTTP/1.1 200"));
    let late = talk(port, &ca, &sign_in()).await.unwrap();
    assert!(late.contains("AADSTS7000222"), "{late}");
}

#[tokio::test]
async fn the_binary_gives_tokens_to_the_machine_over_plain_http_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("seed.yaml");
    std::fs::write(&seed, EXAMPLE).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_entra-emulator"));
    command.args(["--listen", "127.0.0.1:0", "--metadata-listen", "127.0.0.1:0", "--fixture-keys", "--seed"]).arg(&seed);
    command.arg("--ca-out").arg(folder.path().join("ca.pem"));
    let mut running = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let line = lines.nth(1).unwrap().unwrap();
    let port: u16 = line.strip_prefix("instance metadata on http://127.0.0.1:").unwrap().parse().unwrap();
    let plainly = async |path: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let token = plainly("/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://graph.microsoft.com").await;
    assert!(token.starts_with("HTTP/1.1 200") && token.contains("\"token_type\":\"Bearer\""), "{token}");
    for path in ["/_emulator/state", "/v1.0/applications"] {
        assert!(plainly(path).await.starts_with("HTTP/1.1 404"), "{path}");
    }
}

#[test]
fn the_binary_says_which_clouds_there_are() {
    let output = Command::new(env!("CARGO_BIN_EXE_entra-emulator")).args(["--cloud", "Moon"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("it must be one of Global, USGovernmentL4, USGovernmentL5, China"));
}

#[test]
fn the_binary_says_what_is_wrong_with_its_seed_file() {
    let output = Command::new(env!("CARGO_BIN_EXE_entra-emulator")).args(["--seed", "/nonexistent/seed.yaml"]).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot read seed file /nonexistent/seed.yaml"));
}

#[test]
fn the_help_of_the_binary_explains_every_argument() {
    let output = Command::new(env!("CARGO_BIN_EXE_entra-emulator")).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for argument in ["--seed", "--listen", "--metadata-listen", "--ca-out", "--hostname", "--cloud", "--random-seed", "--fixture-keys"] {
        assert!(help.contains(argument), "{argument}");
    }
    let described = |text: &str| {
        text.lines().filter(|line| line.starts_with("          ") && !line.trim().starts_with('[')).map(str::to_owned).collect::<Vec<_>>()
    };
    let (options, _) = help.split_once("--help").unwrap();
    let sentences = described(options).into_iter().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>();
    assert!(sentences.len() >= 8);
    assert!(sentences.iter().all(|line| line.trim_end().ends_with('.')), "{sentences:?}");
}
