//! The emulator over HTTPS, with an authority of its own.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use chrono::Utc;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::emulator::Emulator;

/// Longer request bodies are refused with 413, as Graph does.
const MAX_BODY: usize = 4 << 20;

/// Why an authority could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// A certificate could not be issued: a host name is none, say.
    #[error("cannot issue a certificate for {hosts:?}: {source}")]
    Issue {
        /// The hosts that were asked for.
        hosts: Vec<String>,
        /// Why.
        source: rcgen::Error,
    },
    /// TLS does not take the certificate.
    #[error("cannot serve TLS with the certificate: {0}")]
    Configure(#[from] rustls::Error),
}

/// A certificate authority made for one run, and a server certificate of it.
#[derive(Clone)]
pub struct Authority {
    ca: String,
    config: Arc<ServerConfig>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// An authority whose server certificate is for these host names or addresses, for a year.
    ///
    /// # Errors
    /// When a name is none, or TLS cannot be set up.
    pub fn new(hosts: &[String]) -> Result<Self, AuthorityError> {
        let (ca, chain, key) = issue(hosts).map_err(|source| AuthorityError::Issue { hosts: hosts.to_vec(), source })?;
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Self { ca, config: Arc::new(config) })
    }

    /// The authority's certificate as PEM: what clients must trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca
    }
}

type Issued = (String, Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn issue(hosts: &[String]) -> Result<Issued, rcgen::Error> {
    let mut ca = params(Vec::new(), "entra-emulator authority")?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
    let ca_key = KeyPair::generate()?;
    let ca_certificate = ca.self_signed(&ca_key)?;
    let issuer = Issuer::new(ca, ca_key);
    let mut server = params(hosts.to_vec(), "entra-emulator")?;
    server.use_authority_key_identifier_extension = true;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    Ok((ca_certificate.pem(), vec![certificate.der().clone()], key))
}

fn params(hosts: Vec<String>, name: &str) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    let day = |days: i64| time::OffsetDateTime::from_unix_timestamp(Utc::now().timestamp() + days * 86_400);
    params.not_before = day(-1).unwrap_or(params.not_before);
    params.not_after = day(365).unwrap_or(params.not_after);
    Ok(params)
}

impl Emulator {
    /// Serves HTTPS on a listener until dropped. A connection that a fault cuts is really closed.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve(&self, listener: TcpListener, authority: &Authority) -> io::Result<()> {
        let acceptor = TlsAcceptor::from(Arc::clone(&authority.config));
        each(listener, |stream| converse(self.clone(), acceptor.clone(), stream)).await
    }

    /// Serves the instance metadata service over plain HTTP, as a machine in Azure has it, and nothing else, until dropped.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve_instance_metadata(&self, listener: TcpListener) -> io::Result<()> {
        each(listener, |stream| {
            let emulator = self.clone();
            async move {
                let service = service_fn(move |request| of_machine(emulator.clone(), request));
                talk(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
            }
        })
        .await
    }
}

/// Runs every connection as a task of its own.
async fn each<F: Future<Output = ()> + Send + 'static>(listener: TcpListener, converse: impl Fn(TcpStream) -> F) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => return Err(error),
        };
        while connections.try_join_next().is_some() {}
        connections.spawn(converse(stream));
    }
}

fn talk(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

async fn of_machine(emulator: Emulator, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    if request.uri().path().starts_with("/metadata/") {
        return exchange(emulator, request).await;
    }
    let mut nothing = Response::new(Full::default());
    *nothing.status_mut() = StatusCode::NOT_FOUND;
    Ok(nothing)
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

async fn converse(emulator: Emulator, acceptor: TlsAcceptor, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => return tracing::info!(%error, "TLS handshake failed; does the client trust the emulator's authority?"),
    };
    let service = service_fn(move |request| exchange(emulator.clone(), request));
    talk(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

async fn exchange(emulator: Emulator, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            let mut refusal = Response::new(Full::default());
            *refusal.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            return Ok(refusal);
        }
    };
    let (method, path) = (head.method.clone(), head.uri.path().to_owned());
    let answer = emulator.service().oneshot(Request::from_parts(head, body)).await;
    match &answer {
        Ok(answer) => tracing::info!(%method, path, status = answer.status().as_u16(), "answered"),
        Err(_) => tracing::info!(%method, path, "connection cut by a fault"),
    }
    answer.map(|answer| answer.map(Full::new))
}

/// The hosts that a server on this address is reached by, if none are given.
pub fn default_hosts(address: IpAddr) -> Vec<String> {
    let local = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let own = (!address.is_unspecified()).then(|| address.to_string());
    local.into_iter().chain(own.filter(|own| !["127.0.0.1", "::1"].contains(&own.as_str()))).collect()
}
