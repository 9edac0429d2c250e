//! What kubelet and Prometheus ask for, over plain HTTP: `/livez`, `/readyz`, `/metrics`. Nothing else, and nothing secret.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, TimeDelta, Utc};
use entra::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::metrics::Metrics;

/// Answers until told to stop.
///
/// # Errors
/// When the socket fails.
pub async fn serve(listener: TcpListener, health: Health, metrics: Metrics, mut stop: watch::Receiver<bool>) -> io::Result<()> {
    let stopped = async move {
        // An error means that nobody is left to say it.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    axum::serve(listener, router(health, metrics)).with_graceful_shutdown(stopped).await
}

/// The three pages.
pub fn router(health: Health, metrics: Metrics) -> Router {
    let probes = Router::new().route("/livez", get(livez)).route("/readyz", get(readyz)).with_state(health);
    Router::new().route("/metrics", get(scrape)).with_state(metrics).merge(probes)
}

async fn livez(State(health): State<Health>) -> Response {
    answer(health.live())
}

async fn readyz(State(health): State<Health>) -> Response {
    answer(health.ready())
}

async fn scrape(State(metrics): State<Metrics>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], metrics.encode())
}

fn answer(verdict: Result<(), impl fmt::Display>) -> Response {
    match verdict {
        Ok(()) => "ok\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

/// How the process fares: told by its parts, read by the probes. Clones share one state.
#[derive(Clone)]
pub struct Health {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    begun: (DateTime<Utc>, Instant),
    patience: Duration,
    state: Mutex<Current>,
}

struct Current {
    turned: Instant,
    phase: Phase,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Phase {
    Starting,
    StandingBy,
    FillingStores,
    Working,
    Stopping,
}

/// Why the process should be started again.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotLive {
    /// The election has not come round for so long.
    #[error("the election is stuck: it last came round {0:?} ago")]
    ElectionStuck(Duration),
    /// The wall clock ran apart from the monotonic clock, as after a step or a suspended machine: what was timed by the one is wrong by the other.
    #[error("since the start the wall clock and the monotonic clock ran apart by {} s", .0.num_seconds())]
    ClocksApart(TimeDelta),
}

/// Why the process does not count as ready.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotReady {
    /// It has not competed for the Lease yet.
    #[error("starting")]
    Starting,
    /// It works, but has not listed all resources yet.
    #[error("waiting for the first lists of resources")]
    FillingStores,
    /// It was told to end.
    #[error("stopping")]
    Stopping,
}

impl Health {
    /// Of a process that has just begun. The election must come round within four times the Lease's duration.
    pub fn new(clock: Arc<dyn Clock>, lease_duration: Duration) -> Self {
        let now = Instant::now();
        let begun = (clock.now(), now);
        let state = Mutex::new(Current { turned: now, phase: Phase::Starting });
        Self { shared: Arc::new(Shared { clock, begun, patience: lease_duration * 4, state }) }
    }

    /// The election came round: it won, waits its turn, or renewed.
    pub fn election_turned(&self) {
        self.lock().turned = Instant::now();
    }

    /// Another replica works; this one is ready to go on in its place.
    pub fn standing_by(&self) {
        self.enter(Phase::StandingBy);
    }

    /// This replica works, and lists what there is.
    pub fn filling_stores(&self) {
        self.enter(Phase::FillingStores);
    }

    /// All first lists are there.
    pub fn stores_filled(&self) {
        self.enter(Phase::Working);
    }

    /// The work in hand is brought to an end. Final; the election need not come round any more.
    pub fn stopping(&self) {
        self.enter(Phase::Stopping);
    }

    /// Whether the process can do its work at all.
    ///
    /// # Errors
    /// When only a new start helps.
    pub fn live(&self) -> Result<(), NotLive> {
        let (since, phase) = {
            let state = self.lock();
            (state.turned.elapsed(), state.phase)
        };
        if phase != Phase::Stopping && since > self.shared.patience {
            return Err(NotLive::ElectionStuck(since));
        }
        match self.clocks_apart() {
            apart if apart.abs() > APART => Err(NotLive::ClocksApart(apart)),
            _ => Ok(()),
        }
    }

    /// Whether it does its work, or could at once.
    ///
    /// # Errors
    /// While it starts or stops.
    pub fn ready(&self) -> Result<(), NotReady> {
        match self.lock().phase {
            Phase::Starting => Err(NotReady::Starting),
            Phase::FillingStores => Err(NotReady::FillingStores),
            Phase::Stopping => Err(NotReady::Stopping),
            Phase::StandingBy | Phase::Working => Ok(()),
        }
    }

    fn clocks_apart(&self) -> TimeDelta {
        let (wall, monotonic) = self.shared.begun;
        let elapsed = TimeDelta::from_std(monotonic.elapsed()).unwrap_or(TimeDelta::MAX);
        self.shared.clock.now() - wall - elapsed
    }

    fn enter(&self, phase: Phase) {
        let mut state = self.lock();
        if state.phase != Phase::Stopping {
            state.phase = phase;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Timers wait by the monotonic clock: by this much they may be late for what the wall clock says.
const APART: TimeDelta = TimeDelta::minutes(5);

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use rotation::Reason;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tower::ServiceExt as _;

    use super::*;

    /// A wall clock that follows tokio's, and can be set forward.
    struct Wall {
        begun: Instant,
        ahead: Mutex<TimeDelta>,
    }

    impl Clock for Wall {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH + self.begun.elapsed() + *self.ahead.lock().unwrap()
        }
    }

    fn health() -> (Arc<Wall>, Health) {
        let wall = Arc::new(Wall { begun: Instant::now(), ahead: Mutex::default() });
        (wall.clone(), Health::new(wall, Duration::from_secs(15)))
    }

    async fn ask(health: &Health, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router(health.clone(), Metrics::new()).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_is_ready_when_it_stands_by_or_has_filled_its_stores() {
        let (_, health) = health();
        assert_eq!(ask(&health, "/readyz").await, (503, "starting\n".to_owned()));
        health.standing_by();
        assert_eq!(ask(&health, "/readyz").await, (200, "ok\n".to_owned()));
        health.filling_stores();
        assert_eq!(ask(&health, "/readyz").await, (503, "waiting for the first lists of resources\n".to_owned()));
        health.stores_filled();
        assert_eq!(ask(&health, "/readyz").await, (200, "ok\n".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_was_told_to_stop_is_never_ready_again() {
        let (_, health) = health();
        health.stopping();
        health.stores_filled();
        assert_eq!(ask(&health, "/readyz").await, (503, "stopping\n".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_election_that_does_not_come_round_ends_the_process() {
        let (_, health) = health();
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(ask(&health, "/livez").await, (200, "ok\n".to_owned()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(ask(&health, "/livez").await, (503, "the election is stuck: it last came round 61s ago\n".to_owned()));
        health.election_turned();
        assert_eq!(ask(&health, "/livez").await.0, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_stops_may_take_its_time() {
        let (_, health) = health();
        health.stopping();
        tokio::time::advance(Duration::from_secs(90)).await;
        assert_eq!(health.live(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_was_set_ends_the_process() {
        let (wall, health) = health();
        for (minutes, live) in [(5, true), (6, false), (-5, true), (-6, false)] {
            *wall.ahead.lock().unwrap() = TimeDelta::minutes(minutes);
            assert_eq!(health.live().is_ok(), live, "{minutes} minutes");
        }
        assert_eq!(
            ask(&health, "/livez").await,
            (503, "since the start the wall clock and the monotonic clock ran apart by -360 s\n".to_owned())
        );
    }

    #[tokio::test]
    async fn metrics_are_served_over_http_until_told_to_stop() {
        let (_, health) = health();
        let metrics = Metrics::new();
        metrics.failed(Reason::NotGranted);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let server = tokio::spawn(serve(listener, health, metrics, stopped));

        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{answer}");
        assert!(answer.contains("entra_rotator_failures_total{reason=\"NotGranted\"} 1"), "{answer}");
        assert!(answer.ends_with("# EOF\n"), "{answer}");

        stop.send(true).unwrap();
        server.await.unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }
}
