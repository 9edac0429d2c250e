//! The way to Entra, in which tests stand.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use entra::{Clock, NetworkError, NetworkOptions, Wire, WireError};
use entra_emulator::Emulator;
use http::{Request, Response};
use tokio::sync::watch;
use tokio::time::Instant;
use tower::ServiceExt as _;
use tower::util::{BoxCloneSyncService, service_fn};

use crate::seams::Wires;

/// The emulator behind a line that can fail; and the operator's clock beside it.
#[derive(Clone)]
pub(super) struct Net(Arc<Shared>);

struct Shared {
    emulator: Emulator,
    skew: Mutex<TimeDelta>,
    sent: Mutex<Vec<(Instant, String)>>,
    is_down: Mutex<bool>,
    is_held: watch::Sender<bool>,
    answers: Mutex<VecDeque<Response<Bytes>>>,
    opened: AtomicU32,
}

impl Net {
    pub(super) fn new(emulator: Emulator) -> Self {
        Self(Arc::new(Shared {
            emulator,
            skew: Mutex::default(),
            sent: Mutex::default(),
            is_down: Mutex::default(),
            is_held: watch::Sender::default(),
            answers: Mutex::default(),
            opened: AtomicU32::new(0),
        }))
    }

    /// Whether no connection comes about.
    pub(super) fn down(&self, is_down: bool) {
        *self.0.is_down.lock().unwrap() = is_down;
    }

    /// Whether requests wait.
    pub(super) fn hold(&self, is_held: bool) {
        self.0.is_held.send_replace(is_held);
    }

    /// The next request is answered so.
    pub(super) fn answer(&self, answer: Response<Bytes>) {
        self.0.answers.lock().unwrap().push_back(answer);
    }

    /// How far the operator's clock is ahead of Entra's.
    pub(super) fn skew(&self, skew: TimeDelta) {
        *self.0.skew.lock().unwrap() = skew;
    }

    /// When which URL was asked for, also where no connection came about.
    pub(super) fn sent(&self) -> Vec<(Instant, String)> {
        self.0.sent.lock().unwrap().clone()
    }

    /// How many wires were opened.
    pub(super) fn opened(&self) -> u32 {
        self.0.opened.load(Ordering::SeqCst)
    }

    pub(super) fn forget(&self) {
        self.0.sent.lock().unwrap().clear();
    }

    async fn exchange(self, request: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        self.0.sent.lock().unwrap().push((Instant::now(), request.uri().to_string()));
        self.0.is_held.subscribe().wait_for(|is_held| !is_held).await.unwrap();
        if *self.0.is_down.lock().unwrap() {
            return Err(WireError::Connect("connection refused".to_owned()));
        }
        if let Some(answer) = self.0.answers.lock().unwrap().pop_front() {
            return Ok(answer);
        }
        let answer = self.0.emulator.service().oneshot(request).await;
        answer.map_err(|error| WireError::Cut(error.to_string()))
    }
}

impl Wires for Net {
    fn open(&self, options: &NetworkOptions) -> Result<Wire, NetworkError> {
        if options.ca.is_some() {
            // Only to hear what is wrong with it.
            entra::network(options)?;
        }
        self.0.opened.fetch_add(1, Ordering::SeqCst);
        let net = self.clone();
        Ok(BoxCloneSyncService::new(service_fn(move |request| net.clone().exchange(request))))
    }
}

impl Clock for Net {
    fn now(&self) -> DateTime<Utc> {
        self.0.emulator.now() + *self.0.skew.lock().unwrap()
    }
}
