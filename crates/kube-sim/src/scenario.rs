//! Requests and the answers to them, as data: the same are put to this server and to kube-apiserver.

use std::collections::BTreeMap;

use http::Request;
use kube::client::Body;
use serde::Deserialize;
use serde_json::{Value, json};

/// The definition of the custom resource that the scenarios are about; it must be served before they run.
pub const WIDGETS: &str = include_str!("../scenarios/widgets.crd.yaml");

/// A sequence of requests. What else than [`WIDGETS`] it needs, it creates; what it created, it deletes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Scenario {
    /// What it is about.
    pub name: String,
    /// The requests, in order.
    pub steps: Vec<Step>,
}

/// A request and what is expected of its answer. `${name}` stands for something that an earlier step kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Step {
    /// What is to be seen, as a sentence.
    pub name: String,
    /// Method and path, such as `GET /api/v1/namespaces`.
    request: String,
    /// The Content-Type; a JSON merge patch for PATCH, else JSON, if not given.
    #[serde(rename = "type")]
    content_type: Option<String>,
    #[serde(default)]
    accept: Option<String>,
    #[serde(default)]
    body: Value,
    /// The expected status; if none is given, any will do: then only a comparison tells what is right.
    #[serde(default)]
    code: Option<u16>,
    /// What the answer must hold: objects may hold more fields, lists not more items.
    #[serde(default)]
    answer: Value,
    /// JSON pointers to what the answer must not hold.
    #[serde(default)]
    absent: Vec<String>,
    /// What to keep of the answer for later steps: a name, and a JSON pointer. If the answer lacks it, what was kept stays.
    #[serde(default)]
    keep: BTreeMap<String, String>,
    /// Whether it may take a while until the answer is as expected: asked again, up to a hundred times.
    #[serde(default)]
    eventually: bool,
}

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// The step's name.
    pub step: String,
    /// The HTTP status.
    pub code: u16,
    /// The body; for a watch, the list of its events.
    pub body: Value,
}

/// How a server answered a scenario.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// All answers, in order.
    pub exchanges: Vec<Exchange>,
    /// What was not as expected; empty if all was well.
    pub unexpected: Vec<String>,
}

/// Why a scenario could not be put to a server.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// There was no answer.
    #[error("{step}: the request failed: {source}")]
    Send {
        /// The step's name.
        step: String,
        /// What the client says.
        source: kube::Error,
    },
    /// The step's request cannot be built: a mistake of the scenario.
    #[error("{step}: the request cannot be built: {source}")]
    Build {
        /// The step's name.
        step: String,
        /// What is wrong with it.
        source: http::Error,
    },
}

impl Scenario {
    /// All scenarios of this crate.
    ///
    /// # Errors
    /// If a file cannot be read as a scenario.
    pub fn all() -> Result<Vec<Self>, String> {
        let files = [
            include_str!("../scenarios/custom-resources.yaml"),
            include_str!("../scenarios/built-in.yaml"),
            include_str!("../scenarios/apply.yaml"),
            include_str!("../scenarios/deletion.yaml"),
            include_str!("../scenarios/reading.yaml"),
            include_str!("../scenarios/definitions.yaml"),
        ];
        files.into_iter().map(|file| serde_saphyr::from_str(file).map_err(|error| error.to_string())).collect()
    }

    /// Whether a step waits for what a controller does in its own time.
    pub fn waits(&self) -> bool {
        self.steps.iter().any(|step| step.eventually)
    }

    /// Puts the requests to a server. `pause` is waited for before a request is repeated.
    ///
    /// # Errors
    /// If a request cannot be sent; an answer that is not as expected is noted in the result.
    pub async fn replay<P: Future<Output = ()>>(&self, client: &kube::Client, mut pause: impl FnMut() -> P) -> Result<Replay, ReplayError> {
        let mut kept = BTreeMap::new();
        let mut replay = Replay::default();
        for step in &self.steps {
            let mut exchange = step.send(client, &kept).await?;
            let mut verdict = step.check(&exchange, &kept);
            let mut tries = if step.eventually { 100 } else { 0 };
            while verdict.is_err() && tries > 0 {
                pause().await;
                exchange = step.send(client, &kept).await?;
                verdict = step.check(&exchange, &kept);
                tries -= 1;
            }
            if let Err(what) = verdict {
                let Exchange { step, code, body } = &exchange;
                replay.unexpected.push(format!("{}: {step}: {what}, in the answer {code} {body}", self.name));
            }
            step.keep(&exchange, &mut kept);
            replay.exchanges.push(exchange);
        }
        Ok(replay)
    }
}

type Kept = BTreeMap<String, String>;

impl Step {
    /// Method and path, as the scenario gives them.
    pub fn request(&self) -> &str {
        &self.request
    }

    async fn send(&self, client: &kube::Client, kept: &Kept) -> Result<Exchange, ReplayError> {
        let sent = |source| ReplayError::Send { step: self.name.clone(), source };
        let request = self.build(kept).map_err(|source| ReplayError::Build { step: self.name.clone(), source })?;
        let answer = client.send(request).await.map_err(sent)?;
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect_bytes().await.map_err(sent)?;
        let text = String::from_utf8_lossy(&bytes);
        let body = serde_json::from_str(&text).unwrap_or_else(|_| lines(&text));
        let is_watch = self.request.contains("watch=");
        let body = if is_watch && body.is_object() && code == 200 { json!([body]) } else { body };
        Ok(Exchange { step: self.name.clone(), code, body })
    }

    fn build(&self, kept: &Kept) -> Result<Request<Body>, http::Error> {
        let request = fill_text(&self.request, kept);
        let (method, path) = request.split_once(' ').unwrap_or(("GET", &request));
        let default_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let body = match fill(&self.body, kept) {
            Value::Null => Vec::new(),
            // Whole text is sent as it is, to try what is no JSON.
            Value::String(text) => text.into_bytes(),
            body => body.to_string().into_bytes(),
        };
        Request::builder()
            .method(method)
            .uri(path)
            .header("Content-Type", self.content_type.as_deref().unwrap_or(default_type))
            .header("Accept", self.accept.as_deref().unwrap_or("application/json"))
            .header("User-Agent", "scenario/1")
            .body(Body::from(body))
    }

    fn keep(&self, exchange: &Exchange, kept: &mut Kept) {
        for (name, pointer) in &self.keep {
            let Some(value) = exchange.body.pointer(pointer) else { continue };
            kept.insert(name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }

    fn check(&self, exchange: &Exchange, kept: &Kept) -> Result<(), String> {
        if let Some(code) = self.code.filter(|code| *code != exchange.code) {
            return Err(format!("expected {code}"));
        }
        contains(&exchange.body, &fill(&self.answer, kept), "")?;
        match self.absent.iter().find(|pointer| exchange.body.pointer(pointer).is_some()) {
            Some(pointer) => Err(format!("{pointer} should not be there")),
            None => Ok(()),
        }
    }
}

/// The events of a watch: one JSON text per line.
fn lines(text: &str) -> Value {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| json!(line))).collect()
}

fn contains(actual: &Value, expected: &Value, path: &str) -> Result<(), String> {
    match (actual, expected) {
        (_, Value::Null) => Ok(()),
        (Value::Object(actual), Value::Object(expected)) => expected.iter().try_for_each(|(name, expected)| {
            let path = format!("{path}/{name}");
            let actual = actual.get(name).ok_or_else(|| format!("{path} is missing"))?;
            contains(actual, expected, &path)
        }),
        (Value::Array(actual), Value::Array(expected)) if actual.len() == expected.len() => {
            let mut pairs = actual.iter().zip(expected).enumerate();
            pairs.try_for_each(|(index, (actual, expected))| contains(actual, expected, &format!("{path}/{index}")))
        }
        (actual, expected) if actual == expected => Ok(()),
        (actual, expected) => Err(format!("{path} is {actual}, expected {expected}")),
    }
}

fn fill(value: &Value, kept: &Kept) -> Value {
    match value {
        Value::String(text) => Value::String(fill_text(text, kept)),
        Value::Array(list) => list.iter().map(|item| fill(item, kept)).collect(),
        Value::Object(map) => map.iter().map(|(name, value)| (fill_text(name, kept), fill(value, kept))).collect(),
        other => other.clone(),
    }
}

fn fill_text(text: &str, kept: &Kept) -> String {
    kept.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}
