//! The wire over TCP and TLS.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tower::util::{BoxCloneSyncService, service_fn};

use crate::permission::Permission;
use crate::wire::{MAX_ANSWER, TIMEOUT, Wire, WireError, within_limits};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How to reach Entra.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct NetworkOptions {
    /// PEM of the only certificate authorities to trust, instead of the system's. For stand-ins and inspecting proxies.
    pub ca: Option<String>,
    /// Go directly, whatever proxy the environment names.
    pub direct: bool,
    /// The one root that this wire goes to, and the only one that may be plain http: that of the instance metadata service.
    pub only: Option<String>,
}

impl NetworkOptions {
    /// For the instance metadata service at `root`, by default [`INSTANCE_METADATA`](crate::INSTANCE_METADATA): directly, to nobody else.
    pub fn instance_metadata(root: &str) -> Self {
        Self { ca: None, direct: true, only: Some(root.trim_end_matches('/').to_owned()) }
    }
}

/// Why no wire could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The CA bundle cannot be read.
    #[error("cannot read the CA bundle: {0}; expected PEM with one or more sections CERTIFICATE")]
    ReadCa(String),
    /// The HTTP client cannot be made.
    #[error("cannot set up the HTTP client: {0}")]
    Build(String),
}

/// A wire over HTTPS, or to the one root that is named: no redirects, no repeats, ten seconds to connect. The proxy settings of the environment hold
/// unless it goes directly.
///
/// # Errors
/// [`NetworkError::ReadCa`] when the bundle holds no certificate, [`NetworkError::Build`] when TLS cannot be set up.
pub fn network(options: &NetworkOptions) -> Result<Wire, NetworkError> {
    let client = client(options)?;
    let only = options.only.clone();
    Ok(BoxCloneSyncService::new(service_fn(move |request| {
        let allowed = only.as_deref().is_none_or(|root| is_below(root, &request));
        within_limits(exchange(client.clone(), request, allowed))
    })))
}

/// Whether the request goes to this root.
fn is_below(root: &str, request: &Request<Bytes>) -> bool {
    request.uri().to_string().strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
}

fn client(options: &NetworkOptions) -> Result<reqwest::Client, NetworkError> {
    let mut builder = reqwest::Client::builder()
        .https_only(options.only.is_none())
        .redirect(reqwest::redirect::Policy::none())
        // The default repeats requests that the server says it has not begun. Our caller decides what is sent again.
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .user_agent("entra-rotator");
    if let Some(pem) = &options.ca {
        builder = builder.tls_certs_only(authorities(pem)?);
    }
    if options.direct {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| NetworkError::Build(chain(&error)))
}

fn authorities(pem: &str) -> Result<Vec<reqwest::Certificate>, NetworkError> {
    let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(|error| NetworkError::ReadCa(chain(&error)))?;
    if certificates.is_empty() { Err(NetworkError::ReadCa("it holds no certificate".to_owned())) } else { Ok(certificates) }
}

async fn exchange(client: reqwest::Client, request: Request<Bytes>, allowed: bool) -> Result<Response<Bytes>, WireError> {
    if !allowed {
        return Err(WireError::Connect("this wire goes to one place only, and that is another".to_owned()));
    }
    let (request, withheld) = permitted(request);
    let request = request.try_into().map_err(|error: reqwest::Error| WireError::Connect(chain(&error)))?;
    let sent = client.execute(request).await;
    if withheld.load(Ordering::Acquire) {
        return Err(WireError::Withheld);
    }
    let mut answer = sent.map_err(unanswered)?;
    let body = body(&mut answer).await?;
    let mut whole = Response::new(body);
    *whole.status_mut() = answer.status();
    *whole.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(whole)
}

/// The request with a body that asks for permission before it is read, and what tells whether that was refused.
fn permitted(mut request: Request<Bytes>) -> (Request<reqwest::Body>, Arc<AtomicBool>) {
    let withheld = Arc::new(AtomicBool::new(false));
    let permission = request.extensions_mut().remove::<Permission>();
    let request = request.map(|bytes| match permission {
        Some(permission) => reqwest::Body::wrap(Permitted { bytes: Some(bytes), permission, withheld: Arc::clone(&withheld) }),
        None => bytes.into(),
    });
    (request, withheld)
}

/// A body that is given out in one piece, or not at all.
struct Permitted {
    bytes: Option<Bytes>,
    permission: Permission,
    withheld: Arc<AtomicBool>,
}

impl Body for Permitted {
    type Data = Bytes;
    type Error = WireError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, WireError>>> {
        let Some(bytes) = self.bytes.take() else { return Poll::Ready(None) };
        if self.permission.holds() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        self.withheld.store(true, Ordering::Release);
        Poll::Ready(Some(Err(WireError::Withheld)))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, Bytes::len) as u64)
    }
}

async fn body(answer: &mut reqwest::Response) -> Result<Bytes, WireError> {
    let status = answer.status();
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| WireError::Body(status, chain(&error)))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(WireError::TooLarge(status));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn unanswered(error: reqwest::Error) -> WireError {
    // A timeout while connecting is both; nothing was sent then.
    match (error.is_connect() || error.is_builder(), error.is_timeout()) {
        (true, _) => WireError::Connect(chain(&error.without_url())),
        (false, true) => WireError::Timeout,
        (false, false) => WireError::Cut(chain(&error.without_url())),
    }
}

/// The error and its causes: reqwest's own text says only that something failed.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.take(8).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
