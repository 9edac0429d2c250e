//! Hears every secret that passes to and from Entra and the cluster, and now and then answers with all that it heard.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use data_encoding::BASE64;
use entra_emulator::EmulatorService;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Response};
use kube_sim::{Failure, RequestInfo, Verb, Verdict};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::chance::Chance;
use crate::canary::Canaries;

/// One answer in so many repeats what it heard.
const ONE_IN: usize = 9;

/// What the panics of a tap say, besides what they quote.
pub(super) const PANIC: &str = "q~c4nary.of_a-panic~0123456789.abcdef";

/// Registers what it hears with the canaries.
#[derive(Clone)]
pub(super) struct Tap {
    canaries: Canaries,
    chance: Arc<Mutex<Chance>>,
    echoes: Arc<Mutex<usize>>,
    panics: bool,
}

impl Tap {
    pub(super) fn new(canaries: &Canaries, seed: u64) -> Self {
        Self { canaries: canaries.clone(), chance: Arc::new(Mutex::new(Chance::of(seed))), echoes: Arc::default(), panics: false }
    }

    /// The same, but every request that a pass sends to Graph ends by a panic that quotes it.
    pub(super) fn panicking(self) -> Self {
        Self { panics: true, ..self }
    }

    /// How many answers repeated what they heard.
    pub(super) fn echoes(&self) -> usize {
        *self.echoes.lock().unwrap()
    }

    fn one_in(&self, bound: usize) -> bool {
        self.chance.lock().unwrap().one_in(bound)
    }

    fn pick<T: Copy>(&self, items: &[T]) -> T {
        *self.chance.lock().unwrap().pick(items)
    }

    pub(super) async fn exchange(&self, inner: EmulatorService, request: Request<Bytes>) -> Result<Response<Bytes>, std::io::Error> {
        let heard = self.hear(&request);
        assert!(!self.panics || !request.uri().path().starts_with("/v1.0/"), "{PANIC} and {heard}");
        // Applied or not: the answer is not what it should be.
        let echoed = self.one_in(ONE_IN).then(|| self.echo(&heard, &request));
        let is_lost = echoed.is_some() && self.one_in(2);
        let answer = if is_lost { None } else { Some(inner.oneshot(request).await?) };
        answer.iter().for_each(|answer| self.hear_answer(answer.body()));
        match (echoed, answer) {
            (Some(echoed), _) => Ok(echoed),
            (None, Some(answer)) => Ok(answer),
            (None, None) => Err(std::io::Error::other("lost")),
        }
    }

    /// Everything in the request that is secret, as it stands there.
    fn hear(&self, request: &Request<Bytes>) -> String {
        let bearer = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let token = bearer.strip_prefix("Bearer ").unwrap_or_default();
        if !token.is_empty() {
            self.canaries.token("an access token", token);
        }
        let body = std::str::from_utf8(request.body()).unwrap_or_default();
        for pair in body.split('&') {
            match pair.split_once('=') {
                Some(("client_secret", secret)) => self.canaries.text("a client secret that was sent", &percent_decoded(secret)),
                Some(("client_assertion", assertion)) => self.canaries.token("an assertion", assertion),
                _ => {}
            }
        }
        if let Ok(body) = serde_json::from_str::<Value>(body) {
            self.hear_json(&body);
        }
        format!("{bearer} {body}")
    }

    fn hear_answer(&self, body: &Bytes) {
        if let Ok(body) = serde_json::from_slice::<Value>(body) {
            self.hear_json(&body);
        }
    }

    fn hear_json(&self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.hear_json(item)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value.as_str()) {
                        ("access_token", Some(token)) => self.canaries.token("an access token", token),
                        ("proof", Some(proof)) => self.canaries.token("a proof", proof),
                        ("secretText", Some(secret)) => self.canaries.text("a client secret or password", secret),
                        ("key", Some(key)) if fields.get("type") == Some(&json!("X509CertAndPassword")) => self.hear_pfx(key),
                        _ => self.hear_json(value),
                    }
                }
            }
            _ => {}
        }
    }

    /// Its head and foot are the same in all of them.
    fn hear_pfx(&self, key: &str) {
        let pfx = BASE64.decode(key.as_bytes()).unwrap();
        self.canaries.bytes("a PFX", &pfx[pfx.len() / 4..pfx.len() / 4 * 3]);
    }

    /// An answer that repeats all it was told: as a refusal of Graph's, as one of the token endpoint's, as a success that makes no sense, or as text.
    fn echo(&self, heard: &str, request: &Request<Bytes>) -> Response<Bytes> {
        *self.echoes.lock().unwrap() += 1;
        let said = if self.one_in(3) { BASE64.encode(heard.as_bytes()) } else { heard.to_owned() };
        // The secret must not be cut off before it is seen.
        let tail: String = said.chars().skip(said.chars().count().saturating_sub(450)).collect();
        let said = self.pick(&[said.as_str(), tail.as_str()]).to_owned();
        let status = self.pick(&[200, 400, 401, 403, 404, 409, 429, 500, 503]);
        let is_login = request.uri().path().ends_with("/token");
        let (content_type, body) = match (is_login, self.pick(&[0, 1, 2, 3])) {
            (_, 0) => ("text/html", format!("<html>{said}</html>")),
            (_, 1) => ("application/json", json!({"keyId": said, "secretText": [said], "access_token": {"value": said}, "value": said, "id": said, "appId": said, "keyCredentials": said}).to_string()),
            (true, _) => ("application/json", json!({"error": said, "error_description": format!("AADSTS7000215: {said}"), "error_codes": [7_000_215], "trace_id": said}).to_string()),
            (false, _) => ("application/json", json!({"error": {"code": said, "message": format!("It said: {said}"), "innerError": {"request-id": said}}}).to_string()),
        };
        Response::builder().status(status).header(CONTENT_TYPE, content_type).body(Bytes::from(body)).unwrap()
    }

    /// Registers what is written to a Secret, and now and then refuses that in its own words, as an admission webhook may.
    pub(super) fn admit(&self, request: &RequestInfo) -> Verdict {
        let writes = request.resource == "secrets" && matches!(request.verb, Verb::Create | Verb::Patch);
        let Some(body) = request.body().filter(|_| writes) else { return Verdict::Pass };
        self.canaries.secret_object(body);
        if !self.one_in(ONE_IN) {
            return Verdict::Pass;
        }
        *self.echoes.lock().unwrap() += 1;
        let decoded = body["data"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(_, value)| BASE64.decode(value.as_str().unwrap_or_default().as_bytes()).unwrap_or_default());
        let decoded = String::from_utf8_lossy(&decoded.collect::<Vec<_>>().concat()).into_owned();
        let said = self.pick(&[decoded.as_str(), &body.to_string()]).to_owned();
        let (code, reason) = self.pick(&[(403, "Forbidden"), (422, "Invalid"), (400, "BadRequest"), (500, "InternalError")]);
        Verdict::Fail(Failure::new(code, reason, format!("admission webhook \"policy\" denied the request: {said}")))
    }
}

fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = (*first == b'%').then(|| std::str::from_utf8(&after[..2]).unwrap());
        decoded.push(hex.map_or(if *first == b'+' { b' ' } else { *first }, |hex| u8::from_str_radix(hex, 16).unwrap()));
        rest = if hex.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(decoded).unwrap()
}
