//! The server as its users hold it.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use ::http::{Request, Response};
use chrono::{DateTime, Utc};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    AnswerBody, ConnectionLost, CrdError, Interceptor, Recorded, Verb, builtin, crds,
    http::{BoxError, handle},
    kind::Kind,
    record::Record,
    store::{Clock, State},
};

/// A simulated API server. Clones share one store.
///
/// ```no_run
/// # async fn example(crd: String) -> Result<(), Box<dyn std::error::Error>> {
/// use k8s_openapi::api::core::v1::Secret;
/// use kube_sim::{KubeSim, RequestInfo, Verb, Verdict};
///
/// let sim = KubeSim::builder().crd_yaml(crd).seed(1).build()?;
/// sim.intercept(|request: &RequestInfo| if request.verb == Verb::Create { Verdict::ApplyThenDrop } else { Verdict::Pass });
/// let secrets: kube::Api<Secret> = kube::Api::default_namespaced(sim.client());
/// assert!(secrets.create(&Default::default(), &Secret::default()).await.is_err());
/// assert_eq!(sim.requests()[0].status, 422);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KubeSim(Arc<Shared>);

/// What all handles, connections and watches of a server share.
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    state: Mutex<State>,
    record: Mutex<Record>,
    interceptor: Mutex<Option<Arc<dyn Interceptor>>>,
}

/// Settings of a [`KubeSim`] to be.
pub struct Builder {
    definitions: Vec<String>,
    clock: Clock,
    seed: u64,
    history: usize,
}

impl KubeSim {
    /// A server with the built-in kinds, the wall clock and the namespaces of every cluster.
    pub fn builder() -> Builder {
        Builder { definitions: Vec::new(), clock: Arc::new(Utc::now), seed: 0, history: 1024 }
    }

    /// A client of the server, within the process.
    pub fn client(&self) -> kube::Client {
        kube::Client::new(self.service(), "default")
    }

    /// The server as a tower service, for a client with layers of its own.
    pub fn service(&self) -> Service {
        Service(self.0.clone())
    }

    /// Serves plain HTTP/1.1 until the future is dropped. Watches of open connections end with the server's last handle.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn serve(&self, listener: TcpListener) -> std::io::Result<Infallible> {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await?;
            let service = hyper_util::service::TowerToHyperService::new(self.service());
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            connections.spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "connection ended");
                }
            });
            while connections.try_join_next().is_some() {}
        }
    }

    /// Refuses, loses or delays requests from now on, instead of any earlier interceptor.
    pub fn intercept(&self, interceptor: impl Interceptor + 'static) {
        *lock(&self.0.interceptor) = Some(Arc::new(interceptor));
    }

    /// Serves all requests again.
    pub fn stop_intercepting(&self) {
        *lock(&self.0.interceptor) = None;
    }

    /// The latest requests for resources, oldest first: at most 100,000.
    pub fn requests(&self) -> Vec<Recorded> {
        self.0.record().latest()
    }

    /// How many requests there were, by verb and resource (as `secrets` or `widgets/status`).
    pub fn tally(&self) -> BTreeMap<(Verb, String), u64> {
        self.0.record().tally()
    }

    /// Forgets which requests there were.
    pub fn forget_requests(&self) {
        *self.0.record() = Record::default();
    }

    /// An object as it is stored. The resource is a plural with its group, such as `secrets` or `leases.coordination.k8s.io`;
    /// the namespace of cluster-scoped objects is empty.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.shared(resource, namespace, name).map(Arc::unwrap_or_clone)
    }

    /// The same without a copy, for those that look at it again and again.
    pub fn shared(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.0.state().get(resource, &(namespace.into(), name.into()))
    }

    /// All objects of a resource, in one namespace or in all, in the order of namespaces and names.
    pub fn list(&self, resource: &str, namespace: Option<&str>) -> Vec<Value> {
        let objects = self.0.state().list(resource, namespace);
        objects.iter().map(|object| Value::clone(object)).collect()
    }

    /// Removes an object at once, finalizers or not. Its dependents go with it. False if there was none.
    pub fn delete(&self, resource: &str, namespace: &str, name: &str) -> bool {
        self.0.state().expunge(resource, &(namespace.into(), name.into())).is_some()
    }

    /// Stores an object as it is, unchecked, in place of any that has its name. The uid and creationTimestamp are kept, or
    /// set if missing; the resourceVersion is always new. Needs kind and apiVersion of a known kind, and a name.
    ///
    /// # Panics
    /// If the kind is unknown or the name missing: that is a mistake of the test.
    #[allow(clippy::panic)]
    pub fn put(&self, mut object: Value) -> Value {
        let mut state = self.0.state();
        let known = state.catalogue.all().find(|kind| object["kind"] == kind.kind && object["apiVersion"] == kind.api_version());
        let Some(kind) = known.cloned() else { panic!("put: no kind {} {}", object["apiVersion"], object["kind"]) };
        let Some(name) = object["metadata"]["name"].as_str().map(str::to_owned) else { panic!("put: an object without a name") };
        let key = (object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned(), name);
        let old = state.get(&kind.table, &key);
        let fresh = json!({"uid": state.random.uid(), "creationTimestamp": state.timestamp()});
        for field in ["uid", "creationTimestamp"] {
            if object["metadata"][field].is_null() {
                object["metadata"][field] = old.as_ref().map_or(&fresh[field], |old| &old["metadata"][field]).clone();
            }
        }
        let object = crate::event::stored(&kind, object);
        Value::clone(&state.put(&kind.table, &key, object))
    }

    /// Creates a namespace, if there is none of the name.
    pub fn create_namespace(&self, name: &str) {
        if self.get("namespaces", "", name).is_none() {
            self.put(namespace(name));
        }
    }

    /// Makes every resourceVersion that was handed out so far too old: a watch from one gets 410.
    pub fn expire_history(&self) {
        self.0.state().forget();
    }

    /// Ends all watches that are open, as a restart of the server would.
    pub fn cut_watches(&self) {
        self.0.state().cut();
    }

    /// While held, watches see nothing new: caches grow stale. Lists and gets are not affected.
    pub fn hold_watches(&self, held: bool) {
        self.0.state().hold(held);
    }
}

impl Builder {
    /// Serves the kinds that the definitions in a YAML text define (several documents may stand in it).
    #[must_use]
    pub fn crd_yaml(mut self, yaml: impl Into<String>) -> Self {
        self.definitions.push(yaml.into());
        self
    }

    /// Tells the server the time. Timeouts of watches follow tokio's clock, whatever this one says.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// From what uids and generated names are drawn.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many changes of each kind a watch can look back (1024 if not set); from further back it gets 410.
    #[must_use]
    pub fn history(mut self, changes: usize) -> Self {
        self.history = changes;
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    /// If a definition cannot be served.
    pub fn build(self) -> Result<KubeSim, CrdError> {
        let mut state = State::new(self.clock.clone(), self.seed, self.history);
        for kind in builtin::kinds() {
            state.catalogue.add(kind);
        }
        let shared = Shared { clock: self.clock, state: Mutex::new(state), record: Mutex::default(), interceptor: Mutex::default() };
        let server = KubeSim(Arc::new(shared));
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            server.create_namespace(name);
        }
        for yaml in &self.definitions {
            for definition in crds::parse(yaml)? {
                server.define(definition)?;
            }
        }
        Ok(server)
    }
}

impl KubeSim {
    fn define(&self, definition: Value) -> Result<(), CrdError> {
        let kinds: Vec<Kind> = Kind::from_crd(&definition)?;
        for kind in kinds {
            self.0.state().catalogue.add(kind);
        }
        let definition = builtin::definition(definition).map_err(CrdError::Parse)?;
        self.put(definition);
        Ok(())
    }
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        lock(&self.record)
    }

    pub(crate) fn interceptor(&self) -> Option<Arc<dyn Interceptor>> {
        lock(&self.interceptor).clone()
    }
}

/// A test that panicked elsewhere does not make the server unusable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn namespace(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
    })
}

/// The server as a [`tower::Service`] from HTTP requests to answers. An error means that the connection broke.
#[derive(Clone)]
pub struct Service(Arc<Shared>);

impl<B> tower::Service<Request<B>> for Service
where
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<AnswerBody>;
    type Error = ConnectionLost;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(handle(self.0.clone(), request))
    }
}
