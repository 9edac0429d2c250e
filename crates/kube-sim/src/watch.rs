//! Watches: a stream of changes since a resourceVersion.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use futures::{Stream, stream};
use http_body::Frame;
use serde_json::{Value, json};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::Instant,
};

use crate::{
    Shared,
    failure::Failure,
    kind::Kind,
    render::View,
    request::Query,
    selector::Selector,
    store::{Change, State},
};

/// How long a watch lasts that does not say so itself.
const DEFAULT_LIFE: Duration = Duration::from_secs(1800);

/// A watch that lasts no longer ends without a bookmark.
const SHORT_LIFE: Duration = Duration::from_secs(2);

/// A watch that has been accepted.
pub(crate) struct Watch {
    server: Arc<Shared>,
    kind: Arc<Kind>,
    namespace: Option<String>,
    selector: Selector,
    view: View,
    news: broadcast::Receiver<()>,
    cuts: u64,
    /// Everything up to here has been served.
    revision: u64,
    ends: Instant,
    bookmarks: bool,
    lines: VecDeque<Bytes>,
    over: bool,
}

impl Watch {
    /// Accepts a watch. Objects that exist already are served first if no resourceVersion, or 0, is given.
    pub(crate) fn start(
        server: &Arc<Shared>,
        state: &mut State,
        kind: &Arc<Kind>,
        namespace: Option<&str>,
        selector: Selector,
        view: View,
        query: &Query,
    ) -> Result<Self, Failure> {
        let from = from_revision(state, query)?;
        let news = state.subscribe(&kind.table);
        let life = query.number("timeoutSeconds").map_or(DEFAULT_LIFE, Duration::from_secs);
        let mut watch = Self {
            server: server.clone(),
            kind: kind.clone(),
            namespace: namespace.map(str::to_owned),
            selector,
            view,
            news,
            cuts: state.cuts,
            revision: from.unwrap_or(state.revision),
            ends: Instant::now() + life,
            bookmarks: query.flag("allowWatchBookmarks") && life > SHORT_LIFE,
            lines: VecDeque::new(),
            over: false,
        };
        if from.is_none() || query.flag("sendInitialEvents") {
            watch.send_existing(state, query.flag("allowWatchBookmarks"));
        }
        Ok(watch)
    }

    fn send_existing(&mut self, state: &State, marked: bool) {
        self.revision = state.revision;
        for object in state.list(&self.kind.table, self.namespace.as_deref()) {
            if self.selector.matches(&object) {
                self.send("ADDED", &object, state);
            }
        }
        if marked {
            self.bookmark(true);
        }
    }

    /// The body of the answer.
    pub(crate) fn stream(self) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + Send {
        stream::unfold(self, |mut watch| async move {
            let line = watch.next_line().await?;
            Some((Ok(Frame::data(line)), watch))
        })
    }

    async fn next_line(&mut self) -> Option<Bytes> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if self.over {
                return None;
            }
            self.news = self.news.resubscribe();
            self.catch_up();
            if self.lines.is_empty() && !self.over {
                self.wait().await;
            }
        }
    }

    async fn wait(&mut self) {
        tokio::select! {
            biased;
            // Having missed some of it is news as well.
            news = self.news.recv() => self.over = news == Err(RecvError::Closed),
            () = tokio::time::sleep_until(self.ends) => self.end(),
        }
    }

    fn end(&mut self) {
        self.catch_up();
        if self.bookmarks && !self.over {
            self.bookmark(false);
        }
        self.over = true;
    }

    fn catch_up(&mut self) {
        let server = self.server.clone();
        let state: MutexGuard<'_, State> = server.state();
        if state.cuts != self.cuts {
            self.over = true;
            return;
        }
        if state.held {
            return;
        }
        let Some(changes) = state.changes(&self.kind.table, self.revision) else {
            let message = format!("too old resource version: {} ({})", self.revision, state.revision);
            self.lines.push_back(line("ERROR", &Failure::expired(message).status()));
            self.over = true;
            return;
        };
        for change in &changes {
            match self.relevance(change) {
                // Out of sight, but not deleted: shown as it was when last in sight.
                Some("DELETED") if !change.deleted => {
                    let mut last = change.before.as_deref().cloned().unwrap_or_default();
                    last["metadata"]["resourceVersion"] = json!(change.revision.to_string());
                    self.send("DELETED", &last, &state);
                }
                Some(what) => self.send(what, &change.now, &state),
                None => {}
            }
        }
        self.revision = state.revision;
    }

    /// What a change means to somebody who sees only what the selector matches.
    fn relevance(&self, change: &Change) -> Option<&'static str> {
        let matches = |object: &Value| {
            let inside = self.namespace.as_ref().is_none_or(|namespace| object["metadata"]["namespace"] == **namespace);
            inside && self.selector.matches(object)
        };
        let before = change.before.as_deref().is_some_and(matches);
        let now = !change.deleted && matches(&change.now);
        match (before, now) {
            (false, true) => Some("ADDED"),
            (true, true) => Some("MODIFIED"),
            (true, false) => Some("DELETED"),
            (false, false) => None,
        }
    }

    fn send(&mut self, what: &str, object: &Value, state: &State) {
        let object = self.view.event(&self.kind, object, state.now());
        self.lines.push_back(line(what, &object));
    }

    /// Tells the client how far it has come.
    fn bookmark(&mut self, initial_end: bool) {
        let mut meta = json!({"resourceVersion": self.revision.to_string()});
        if initial_end {
            meta["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let object = self.view.bookmark(&self.kind, &meta);
        self.lines.push_back(line("BOOKMARK", &object));
    }
}

/// Where a watch starts; `None`: with what there is.
fn from_revision(state: &State, query: &Query) -> Result<Option<u64>, Failure> {
    let Some(text) = query.text("resourceVersion").filter(|text| *text != "0") else { return Ok(None) };
    let revision = text.parse().map_err(|_| {
        let why = format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax");
        Failure::new(500, "", why)
    })?;
    if revision > state.revision {
        let message = format!("Timeout: Too large resource version: {revision}, current: {}", state.revision);
        return Err(Failure::new(504, "Timeout", message).with_details(json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        })));
    }
    Ok(Some(revision))
}

fn line(what: &str, object: &Value) -> Bytes {
    let mut line = format!("{{\"type\":\"{what}\",\"object\":{object}}}");
    line.push('\n');
    line.into()
}
