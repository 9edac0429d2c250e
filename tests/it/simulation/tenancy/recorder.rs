//! Who asked for what: each request to the cluster and to Entra, with the resource in whose pass it was made.
//!
//! Whoever wants to know of secrets as they pass, or to have answers that repeat them, hands in a [`Tap`].

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use kube_sim::{Interceptor, RequestInfo, Verb, Verdict};
use tower::ServiceExt as _;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Registry};

use super::judge::Judge;
use super::tap::Tap;

/// The resource in whose pass something happens.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Actor {
    pub(super) namespace: String,
    pub(super) name: String,
}

/// One request to the API server.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) verb: Verb,
    pub(super) resource: String,
    pub(super) subresource: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    /// Of an event: the kind, namespace and name of the object that it is about.
    pub(super) regarding: Option<[String; 3]>,
}

/// One request to Entra.
#[derive(Clone, Debug)]
pub(super) struct Called {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    /// The client in the access token, and its tenant.
    pub(super) bearer: Option<(String, String)>,
    /// The client that asks for a token.
    pub(super) client: Option<String>,
}

/// Judges each request as it is made, and counts.
#[derive(Clone)]
pub(super) struct Recorder(Arc<Inner>);

struct Inner {
    judge: Judge,
    tap: Option<Tap>,
    tally: Mutex<Tally>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) of_passes: usize,
    pub(super) of_graph: usize,
    pub(super) beside: usize,
    pub(super) faults: Vec<String>,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.of_passes += other.of_passes;
        self.of_graph += other.of_graph;
        self.beside += other.beside;
    }
}

impl Recorder {
    pub(super) fn new(judge: Judge, tap: Option<Tap>) -> Self {
        Self(Arc::new(Inner { judge, tap, tally: Mutex::default() }))
    }

    pub(super) fn tally(&self) -> Tally {
        self.0.tally.lock().unwrap().clone()
    }

    /// A service that hands on what it has recorded.
    pub(super) async fn hand_on(
        self,
        inner: entra_emulator::EmulatorService,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, std::io::Error> {
        let (actor, called) = (actor(), Called::read(&request));
        let verdict = self.0.judge.of_entra(actor.as_ref(), &called);
        self.note(actor.is_some(), true, verdict);
        match &self.0.tap {
            Some(tap) => tap.exchange(inner, request).await,
            None => inner.oneshot(request).await,
        }
    }

    fn note(&self, of_pass: bool, of_graph: bool, verdict: Result<(), String>) {
        let mut tally = self.0.tally.lock().unwrap();
        tally.of_passes += usize::from(of_pass);
        tally.of_graph += usize::from(of_graph);
        tally.beside += usize::from(!of_pass);
        tally.faults.extend(verdict.err());
    }
}

impl Interceptor for Recorder {
    fn before(&self, request: &RequestInfo) -> Verdict {
        let (actor, asked) = (actor(), Asked::read(request));
        let verdict = self.0.judge.of_cluster(actor.as_ref(), &asked);
        self.note(actor.is_some(), false, verdict);
        self.0.tap.as_ref().map_or(Verdict::Pass, |tap| tap.admit(request))
    }
}

impl Asked {
    fn read(request: &RequestInfo) -> Self {
        let regarding = request.body().map(|body| &body["regarding"]).filter(|regarding| !regarding.is_null());
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            verb: request.verb,
            resource: request.resource.clone(),
            subresource: request.subresource.clone(),
            namespace: request.namespace.clone(),
            name: request.name.clone(),
            regarding: regarding.map(|regarding| ["kind", "namespace", "name"].map(|field| text(&regarding[field]))),
        }
    }
}

impl Called {
    fn read(request: &Request<Bytes>) -> Self {
        let bearer = request.headers().get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let body = std::str::from_utf8(request.body()).unwrap_or_default();
        let client = body.split('&').find_map(|pair| pair.strip_prefix("client_id=")).map(str::to_owned);
        Self {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            bearer: bearer.and_then(claims),
            client,
        }
    }
}

fn claims(bearer: &str) -> Option<(String, String)> {
    let payload = data_encoding::BASE64URL_NOPAD.decode(bearer.split('.').nth(1)?.as_bytes()).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    Some((claims["appid"].as_str()?.to_owned(), claims["tid"].as_str()?.to_owned()))
}

/// Remembers in each pass's span whose pass it is.
pub(super) struct Passes;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Passes {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().name() != "credential" {
            return;
        }
        let mut actor = Actor::default();
        attributes.record(&mut actor);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(actor);
        }
    }
}

impl Visit for Actor {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "namespace" => value.clone_into(&mut self.namespace),
            "name" => value.clone_into(&mut self.name),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// In whose pass this is called, if [`Passes`] listens.
pub(super) fn actor() -> Option<Actor> {
    tracing::dispatcher::get_default(|dispatch| {
        let registry = dispatch.downcast_ref::<Registry>()?;
        let current = registry.current_span();
        let span = registry.span(current.id()?)?;
        span.scope().find_map(|span| span.extensions().get::<Actor>().cloned())
    })
}
