//! One process of the operator, as the world sees it: its requests, until it crashes.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use tokio::sync::Notify;
use tokio::time::Instant;
use tower::{Layer, Service};

use crate::effects::{self, Effects, Side};
use crate::fault::{self, Fault};

/// One process: once it has crashed, nothing of it reaches the world any more; while it is paused, nothing reaches either.
#[derive(Clone)]
pub struct Process {
    effects: Effects,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    is_dead: AtomicBool,
    crashed: Notify,
    resumes: Mutex<Option<Instant>>,
}

impl Process {
    /// A process whose effects are counted here.
    pub fn new(effects: &Effects) -> Self {
        Self { effects: effects.clone(), state: Arc::default() }
    }

    /// Whether it has crashed.
    pub fn is_dead(&self) -> bool {
        self.state.is_dead.load(Ordering::SeqCst)
    }

    /// Ends when the process crashes.
    pub async fn crashed(&self) {
        self.state.crashed.notified().await;
    }

    fn crash(&self) {
        self.state.is_dead.store(true, Ordering::SeqCst);
        self.state.crashed.notify_one();
    }

    fn pause(&self) {
        *self.state.resumes.lock().unwrap() = Some(Instant::now() + fault::PAUSE);
    }

    async fn resumed(&self) {
        let resumes = *self.state.resumes.lock().unwrap();
        if let Some(at) = resumes {
            tokio::time::sleep_until(at).await;
        }
    }

    /// Whether the other side can be reached; a silent one is waited for.
    async fn reach(&self, side: Side) -> Result<(), Failure> {
        let Some(outage) = self.effects.outage(side) else { return Ok(()) };
        if outage.is_silent {
            tokio::time::sleep_until(outage.until).await;
        }
        Err(Lost.into())
    }

    /// An answer reaches a process only while it runs.
    async fn deliver<B>(&self, answer: Result<Response<B>, Failure>) -> Result<Response<B>, Failure> {
        self.resumed().await;
        answer
    }
}

/// The error of a request whose process is dead, whose answer is lost, or that nobody takes.
#[derive(Debug)]
pub struct Lost;

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
pub struct Disturbed<S> {
    inner: S,
    process: Process,
}

/// A body that can be sent twice.
pub trait Repeatable: Sized {
    /// The same again; none for a stream.
    fn again(&self) -> Option<Self>;
}

impl Repeatable for Bytes {
    fn again(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl Repeatable for kube::client::Body {
    fn again(&self) -> Option<Self> {
        self.try_clone()
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Answer<B> = Pin<Box<dyn Future<Output = Result<Response<B>, Failure>> + Send>>;

impl<S, Q, B> Service<Request<Q>> for Disturbed<S>
where
    S: Service<Request<Q>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<Failure>,
    S::Future: Send,
    Q: Repeatable + Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = Failure;
    type Future = Answer<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Q>) -> Answer<B> {
        let mut disturbed = self.clone();
        Box::pin(async move { disturbed.exchange(request).await })
    }
}

impl<S> Disturbed<S> {
    async fn exchange<Q, B>(&mut self, request: Request<Q>) -> Result<Response<B>, Failure>
    where
        S: Service<Request<Q>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<Failure>,
        S::Future: Send,
        Q: Repeatable + Send + 'static,
        B: Send + 'static,
    {
        let (process, side) = (self.process.clone(), effects::side(&request));
        process.resumed().await;
        if process.is_dead() {
            return Err(Lost.into());
        }
        let Some(name) = effects::name(&request) else {
            process.reach(side).await?;
            let answer = serve(&mut self.inner, request).await;
            return process.deliver(answer).await;
        };
        let fault = process.effects.begin(&name);
        if process.effects.is_over() {
            return std::future::pending().await;
        }
        match fault {
            Some(Fault::CrashBefore) => {
                process.crash();
                return Err(Lost.into());
            }
            Some(Fault::PausedBefore) => {
                process.pause();
                process.resumed().await;
            }
            _ => {}
        }
        process.reach(side).await?;
        if fault == Some(Fault::AppliedLate) {
            return self.serve_late(name, request);
        }
        if fault == Some(Fault::DeliveredTwice)
            && let Some(twin) = twin(&request)
        {
            // What becomes of the first is nobody's to know.
            drop(serve(&mut self.inner, twin).await);
        }
        let answer = serve(&mut self.inner, request).await;
        process.effects.end(&name);
        match fault {
            Some(Fault::CrashAfter) => process.crash(),
            Some(Fault::AnswerLost) => {}
            Some(Fault::PausedAfter) => {
                process.pause();
                return process.deliver(answer).await;
            }
            _ => return process.deliver(answer).await,
        }
        Err(Lost.into())
    }

    fn serve_late<Q, B>(&self, name: String, request: Request<Q>) -> Result<Response<B>, Failure>
    where
        S: Service<Request<Q>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<Failure>,
        S::Future: Send,
        Q: Send + 'static,
        B: Send + 'static,
    {
        let (mut inner, effects) = (self.inner.clone(), self.process.effects.clone());
        tokio::spawn(async move {
            tokio::time::sleep(fault::LATE).await;
            // Nobody waits for the answer.
            drop(serve(&mut inner, request).await);
            effects.end(&name);
        });
        Err(Lost.into())
    }
}

async fn serve<S, Q, B>(service: &mut S, request: Request<Q>) -> Result<Response<B>, Failure>
where
    S: Service<Request<Q>, Response = Response<B>>,
    S::Error: Into<Failure>,
{
    std::future::poll_fn(|context| service.poll_ready(context)).await.map_err(Into::into)?;
    service.call(request).await.map_err(Into::into)
}

fn twin<Q: Repeatable>(request: &Request<Q>) -> Option<Request<Q>> {
    let mut twin = Request::new(request.body().again()?);
    *twin.method_mut() = request.method().clone();
    *twin.uri_mut() = request.uri().clone();
    *twin.version_mut() = request.version();
    *twin.headers_mut() = request.headers().clone();
    *twin.extensions_mut() = request.extensions().clone();
    Some(twin)
}
