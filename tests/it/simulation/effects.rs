//! Everything that the operator changes, counted, and a fault at one of them.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use tokio::sync::Notify;
use tower::{Layer, Service};

/// What goes wrong at one effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The process ends before the request leaves it.
    CrashBefore,
    /// The process ends before the answer reaches it.
    CrashAfter,
    /// The request is served, and its answer lost.
    AnswerLost,
}

impl Fault {
    pub(super) const ALL: [Self; 3] = [Self::CrashBefore, Self::CrashAfter, Self::AnswerLost];
}

/// The effects of a run, in order.
#[derive(Clone, Default)]
pub(super) struct Effects(Arc<Inner>);

#[derive(Default)]
struct Inner {
    log: Mutex<Vec<String>>,
    fault: Mutex<Option<(usize, Fault)>>,
    crash: Notify,
    watcher: Mutex<Option<Arc<Watcher>>>,
    faults_found: Mutex<Vec<String>>,
}

/// Called before and after each effect, with its name. What it finds fault with ends the test: not by a panic, which would be the operator's to survive.
pub(super) type Watcher = dyn Fn(Moment, &str) -> Result<(), String> + Send + Sync;

/// The name of an effect that is none: time goes by.
pub(super) const TIME: &str = "some time";

/// Which side of an effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Moment {
    Before,
    After,
}

impl Effects {
    /// With a fault at the effect of this number.
    pub(super) fn with_fault(at: usize, fault: Fault) -> Self {
        let effects = Self::default();
        *effects.0.fault.lock().unwrap() = Some((at, fault));
        effects
    }

    pub(super) fn log(&self) -> Vec<String> {
        self.0.log.lock().unwrap().clone()
    }

    /// Ends when the process crashes.
    pub(super) async fn crashed(&self) {
        self.0.crash.notified().await;
    }

    pub(super) fn watch(&self, watcher: impl Fn(Moment, &str) -> Result<(), String> + Send + Sync + 'static) {
        *self.0.watcher.lock().unwrap() = Some(Arc::new(watcher));
    }

    /// Nobody looks any more.
    pub(super) fn look_away(&self) {
        *self.0.watcher.lock().unwrap() = None;
    }

    pub(super) fn assert_faultless(&self) {
        let found = self.0.faults_found.lock().unwrap();
        assert!(found.is_empty(), "{} faults; the first: {}", found.len(), found[0]);
    }

    fn begin(&self, name: &str) -> Option<Fault> {
        self.tell(Moment::Before, name);
        let mut log = self.0.log.lock().unwrap();
        let fault = self.0.fault.lock().unwrap().filter(|(at, _)| *at == log.len()).map(|(_, fault)| fault);
        log.push(name.to_owned());
        fault
    }

    pub(super) fn tell(&self, moment: Moment, name: &str) {
        let watcher = self.0.watcher.lock().unwrap().clone();
        let fault = watcher.and_then(|watcher| watcher(moment, name).err());
        self.0.faults_found.lock().unwrap().extend(fault);
    }
}

/// One process: once it has crashed, nothing of it reaches the world any more.
#[derive(Clone)]
pub(super) struct Process {
    effects: Effects,
    dead: Arc<AtomicBool>,
}

impl Process {
    pub(super) fn new(effects: &Effects) -> Self {
        Self { effects: effects.clone(), dead: Arc::default() }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    fn crash(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.effects.0.crash.notify_one();
    }
}

/// The error of a request whose process is dead or whose answer is lost.
#[derive(Debug)]
pub(super) struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer was lost")
    }
}

impl std::error::Error for Lost {}

impl<S: Clone> Layer<S> for Process {
    type Service = Disturbed<S>;

    fn layer(&self, inner: S) -> Disturbed<S> {
        Disturbed { inner, process: self.clone() }
    }
}

/// A service whose effects are counted and disturbed.
#[derive(Clone)]
pub(super) struct Disturbed<S> {
    inner: S,
    process: Process,
}

type Answer<B> = Pin<Box<dyn Future<Output = Result<Response<B>, Box<dyn std::error::Error + Send + Sync>>> + Send>>;

impl<S, Q, B> Service<Request<Q>> for Disturbed<S>
where
    S: Service<Request<Q>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send,
    Q: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Answer<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Q>) -> Answer<B> {
        let (mut inner, process) = (self.inner.clone(), self.process.clone());
        Box::pin(async move {
            if process.is_dead() {
                return Err(Lost.into());
            }
            let name = effect(&request);
            let fault = name.as_deref().and_then(|name| process.effects.begin(name));
            if fault == Some(Fault::CrashBefore) {
                process.crash();
                return Err(Lost.into());
            }
            std::future::poll_fn(|context| inner.poll_ready(context)).await.map_err(Into::into)?;
            let answer = inner.call(request).await.map_err(Into::into)?;
            if let Some(name) = &name {
                process.effects.tell(Moment::After, name);
            }
            match fault {
                Some(Fault::CrashAfter) => process.crash(),
                Some(Fault::AnswerLost) => {}
                _ => return Ok(answer),
            }
            Err(Lost.into())
        })
    }
}

/// The name of a request that changes something: status and Secrets in the cluster, credentials in Entra. Events and the Lease are not counted.
fn effect<Q>(request: &Request<Q>) -> Option<String> {
    let path = request.uri().path();
    let beside = path.contains("/events") || path.contains("/leases/") || path.ends_with("/leases") || path.ends_with("/oauth2/v2.0/token");
    if matches!(*request.method(), Method::GET | Method::HEAD) || beside || path.contains("/entratenants/") {
        return None;
    }
    let short = path.rsplit('/').take(2).collect::<Vec<_>>();
    Some(format!("{} {}/{}", request.method(), short.last().unwrap_or(&""), short.first().unwrap_or(&"")))
}
