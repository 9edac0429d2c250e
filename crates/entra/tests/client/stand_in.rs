//! A scripted stand-in for Entra, and a client that talks to it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use entra::{Address, Clock, Environment, Graph, Ids, Observer, Operation, Outcome, Proof, SignIn, Wire, in_process};
use entra_types::{Endpoints, ObjectKind};
use http::{HeaderMap, Request, Response};
use keys::{Certificate, CertificateRequest, Sensitive, fixtures};
use serde_json::{Value, json};
use tower::util::service_fn;
use uuid::Uuid;

pub(crate) const TENANT: &str = "8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10";
pub(crate) const CLIENT: &str = "11111111-1111-4111-8111-111111111111";
pub(crate) const OBJECT: &str = "22222222-2222-4222-8222-222222222222";
pub(crate) const KEY: &str = "33333333-3333-4333-8333-333333333333";

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn form(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.body.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn asks_for_token(&self) -> bool {
        self.uri.ends_with("/oauth2/v2.0/token")
    }
}

/// What comes back; an error is a cut connection.
pub(crate) type Reply = io::Result<Response<Bytes>>;

pub(crate) fn reply(status: u16, body: impl Into<Bytes>) -> Reply {
    Ok(Response::builder().status(status).header("date", "Thu, 20 Aug 2026 10:00:03 GMT").body(body.into()).unwrap())
}

pub(crate) fn reply_with(status: u16, name: &'static str, value: &'static str, body: impl Into<Bytes>) -> Reply {
    reply(status, body).map(|mut response| {
        response.headers_mut().insert(name, value.parse().unwrap());
        response
    })
}

pub(crate) fn refusal(status: u16, code: &str) -> Reply {
    let error = json!({"error": {"code": code, "message": format!("{code}, in words."), "innerError": {"request-id": "r-1"}}});
    reply(status, error.to_string())
}

pub(crate) fn login_refusal(status: u16, number: u64) -> Reply {
    let description = format!("AADSTS{number}: No. Trace ID: t-1 Timestamp: 2026-08-20 10:00:00Z");
    reply(
        status,
        json!({"error": "invalid_client", "error_description": description, "error_codes": [number], "trace_id": "t-1"}).to_string(),
    )
}

pub(crate) fn token(value: &str, expires_in: i64) -> Reply {
    reply(200, json!({"token_type": "Bearer", "expires_in": expires_in, "access_token": value}).to_string())
}

pub(crate) fn object() -> Value {
    json!({"id": OBJECT, "appId": CLIENT, "displayName": "Payroll", "keyCredentials": [], "passwordCredentials": []})
}

/// Records every request. Graph requests get the scripted replies, or 204; token requests theirs, or a new token of an hour.
#[derive(Clone, Default)]
pub(crate) struct StandIn(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    replies: VecDeque<Reply>,
    token_replies: VecDeque<Reply>,
    heard: Vec<(Operation, Outcome)>,
    offset: TimeDelta,
    ids: u128,
}

impl StandIn {
    pub(crate) fn answering(replies: impl IntoIterator<Item = Reply>) -> Self {
        let stand_in = Self::default();
        stand_in.answers(replies);
        stand_in
    }

    pub(crate) fn answers(&self, replies: impl IntoIterator<Item = Reply>) {
        self.0.lock().unwrap().replies.extend(replies);
    }

    pub(crate) fn answers_tokens(&self, replies: impl IntoIterator<Item = Reply>) {
        self.0.lock().unwrap().token_replies.extend(replies);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.0.lock().unwrap().seen.clone()
    }

    pub(crate) fn graph_requests(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| !seen.asks_for_token()).collect()
    }

    pub(crate) fn token_requests(&self) -> Vec<Seen> {
        self.seen().into_iter().filter(Seen::asks_for_token).collect()
    }

    pub(crate) fn heard(&self) -> Vec<(Operation, Outcome)> {
        self.0.lock().unwrap().heard.clone()
    }

    pub(crate) fn advance(&self, step: TimeDelta) {
        self.0.lock().unwrap().offset += step;
    }

    pub(crate) fn wire(&self) -> Wire {
        let stand_in = self.clone();
        in_process(service_fn(move |request: Request<Bytes>| {
            let stand_in = stand_in.clone();
            async move {
                // Others get their turn, as on a network.
                tokio::task::yield_now().await;
                stand_in.take(request)
            }
        }))
    }

    fn take(&self, request: Request<Bytes>) -> Reply {
        let (head, body) = request.into_parts();
        let body = String::from_utf8(body.to_vec()).unwrap();
        let seen = Seen { method: head.method.to_string(), uri: head.uri.to_string(), headers: head.headers, body };
        let mut state = self.0.lock().unwrap();
        state.seen.push(seen.clone());
        if seen.asks_for_token() {
            let count = state.seen.iter().filter(|seen| seen.asks_for_token()).count();
            state.token_replies.pop_front().unwrap_or_else(|| token(&format!("token-{count}"), 3599))
        } else {
            state.replies.pop_front().unwrap_or_else(|| reply(204, ""))
        }
    }

    pub(crate) fn graph(&self) -> Graph {
        self.graph_over(self.wire(), secret("s3cret~value"))
    }

    pub(crate) fn graph_as(&self, sign_in: SignIn) -> Graph {
        self.graph_over(self.wire(), sign_in)
    }

    pub(crate) fn graph_over(&self, wire: Wire, sign_in: SignIn) -> Graph {
        let environment = Environment::new(Arc::new(self.clone()), Arc::new(self.clone())).observed_by(Arc::new(self.clone()));
        let endpoints = Endpoints::custom("https://login.example", "https://graph.example").unwrap();
        Graph::new(wire, endpoints, TENANT.parse().unwrap(), sign_in, environment)
    }
}

pub(crate) fn start() -> DateTime<Utc> {
    "2026-08-20T10:00:00Z".parse().unwrap()
}

impl Clock for StandIn {
    fn now(&self) -> DateTime<Utc> {
        start() + self.0.lock().unwrap().offset
    }
}

impl Ids for StandIn {
    fn uuid(&self) -> Uuid {
        let mut state = self.0.lock().unwrap();
        state.ids += 1;
        Uuid::from_u128(state.ids)
    }
}

impl Observer for StandIn {
    fn request(&self, operation: Operation, outcome: Outcome) {
        self.0.lock().unwrap().heard.push((operation, outcome));
    }
}

pub(crate) fn secret(value: &str) -> SignIn {
    SignIn::ClientSecret { client_id: CLIENT.parse().unwrap(), secret: Sensitive::new(value.to_owned()) }
}

pub(crate) fn certificate(number: usize) -> Certificate {
    let request = CertificateRequest {
        common_name: "payroll".to_owned(),
        san_uris: vec![],
        not_before: start() - TimeDelta::days(1),
        not_after: start() + TimeDelta::days(180),
        serial: [1; 16],
    };
    Certificate::self_signed(&fixtures::key(number), &request).unwrap()
}

pub(crate) fn certificate_sign_in(number: usize) -> SignIn {
    SignIn::ClientCertificate { client_id: CLIENT.parse().unwrap(), key: fixtures::key(number), certificate: certificate(number) }
}

pub(crate) fn proof() -> Proof {
    Proof { object_id: OBJECT.parse().unwrap(), key: fixtures::key(0), certificate: certificate(0) }
}

pub(crate) fn application() -> Address {
    Address::by_id(ObjectKind::Application, OBJECT.parse().unwrap())
}

pub(crate) fn service_principal() -> Address {
    Address::by_client(ObjectKind::ServicePrincipal, CLIENT.parse().unwrap())
}
