//! Counts requests to the Kubernetes API server by verb.

use std::task::{Context, Poll};

use http::{Method, Request, Uri};
use tower::{Layer, Service};

use super::Metrics;

/// A tower layer that counts each request by its verb. Goes into `kube::client::ClientBuilder::with_layer`, or round any service
/// that takes the same requests.
#[derive(Clone)]
pub struct CountRequests {
    metrics: Metrics,
}

impl CountRequests {
    /// A layer that counts in these metrics.
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics }
    }
}

impl<S> Layer<S> for CountRequests {
    type Service = CountedRequests<S>;

    fn layer(&self, inner: S) -> CountedRequests<S> {
        CountedRequests { inner, metrics: self.metrics.clone() }
    }
}

/// The service that [`CountRequests`] makes of another.
#[derive(Clone)]
pub struct CountedRequests<S> {
    inner: S,
    metrics: Metrics,
}

impl<S, B> Service<Request<B>> for CountedRequests<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.metrics.kube_request(Verb::of(request.method(), request.uri()));
        self.inner.call(request)
    }
}

/// What a request does, in the words of Kubernetes' RBAC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verb {
    Create,
    Delete,
    Get,
    List,
    Patch,
    Update,
    Watch,
}

impl Verb {
    pub(super) const ALL: [Self; 7] = [Self::Create, Self::Delete, Self::Get, Self::List, Self::Patch, Self::Update, Self::Watch];

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Get => "get",
            Self::List => "list",
            Self::Patch => "patch",
            Self::Update => "update",
            Self::Watch => "watch",
        }
    }

    /// The verb of a request; of one that is for no resource, such as `/version`, `get`.
    pub(super) fn of(method: &Method, uri: &Uri) -> Self {
        match *method {
            Method::POST => Self::Create,
            Method::PUT => Self::Update,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            _ if watches(uri.query().unwrap_or_default()) => Self::Watch,
            _ if is_collection(uri.path()) => Self::List,
            _ => Self::Get,
        }
    }
}

fn watches(query: &str) -> bool {
    query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1"))
}

/// Whether the path ends with the plural of a resource: `/api/v1/secrets`, `/apis/G/V/namespaces/N/R`.
fn is_collection(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (["api", _, rest @ ..] | ["apis", _, _, rest @ ..]) = parts.as_slice() else {
        return false;
    };
    matches!(rest, [_] | ["namespaces", _, _])
}
