//! From arrival to answer: carrying a request out now, later or never, and sending the truth or something else.
//!
//! What is carried out later waits in the world, not in a task: the next look at the world carries it out, with the time at which it was due. So
//! a caller that hangs up changes nothing, and nothing runs by itself.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ids::{ObjectId, ObjectKind};
use http::header::RETRY_AFTER;
use http::{Response, StatusCode};

use crate::answer::{Answer, Visit};
use crate::directory::Address;
use crate::dispatch;
use crate::faults::{Application, Effect, Sent, Subject};
use crate::refusal::Refusal;
use crate::route::{Inbound, Operation, PolicyPath, Route};
use crate::token::TokenError;
use crate::world::World;

/// A request that is carried out later.
#[derive(Debug)]
pub(crate) struct Pending {
    due: DateTime<Utc>,
    sequence: u64,
    inbound: Inbound,
    visit: Visit,
    slot: Slot,
}

/// Where the service's own answer is put.
type Slot = Arc<OnceLock<Answer>>;

/// A request on its way to an answer.
pub(crate) struct Delivery {
    sequence: u64,
    effect: Effect,
    is_graph: bool,
    visit: Visit,
    slot: Slot,
}

impl Delivery {
    /// Receives a request, and carries it out if nothing holds it back.
    pub(crate) fn begin(world: &mut World, inbound: Inbound) -> Self {
        let now = world.clock.now();
        let subject = subject(world, &inbound, now);
        let effect = world.faults.choose(&subject);
        let (sequence, mut visit) = dispatch::arrive(world, &inbound, now);
        if let Some(call) = world.record.call_mut(sequence) {
            call.disturbed = effect != Effect::default();
        }
        let is_graph = !matches!(inbound.operation(), Operation::Token | Operation::Metadata | Operation::Discovery);
        let slot = Slot::default();
        let wait = match effect.application {
            Application::Applied => Some(effect.held),
            Application::Late(after) => Some(effect.held.saturating_add(after)),
            Application::Never => None,
        };
        match wait {
            Some(Duration::ZERO) => {
                let _ = slot.set(dispatch::handle(world, &inbound, &mut visit, sequence));
            }
            Some(wait) => {
                let due = TimeDelta::from_std(wait).ok().and_then(|wait| now.checked_add_signed(wait)).unwrap_or(DateTime::<Utc>::MAX_UTC);
                world.pending.push(Pending { due, sequence, inbound, visit: visit.clone(), slot: Arc::clone(&slot) });
            }
            None => {}
        }
        Self { sequence, effect, is_graph, visit, slot }
    }

    /// How long the caller waits for the service.
    pub(crate) fn held(&self) -> Duration {
        self.effect.held
    }

    /// How long it waits for the answer besides.
    pub(crate) fn answer_held(&self) -> Duration {
        self.effect.answer_held
    }

    /// What will be sent; `None` cuts the connection.
    pub(crate) fn answer(&self, world: &mut World) -> Option<Answer> {
        if self.effect.application == Application::Applied {
            carry_out_one(world, self.sequence);
        }
        let now = world.clock.now();
        let visit = Visit { now, ..self.visit.clone() };
        let genuine = if matches!(self.effect.application, Application::Applied) { self.slot.get().cloned() } else { None };
        let answer = self.sent(&visit, genuine)?;
        let skew = world.behaviour.date_skew.saturating_add(self.effect.date_skew);
        let skew = TimeDelta::try_seconds(skew).unwrap_or_default();
        Some(answer.dated(now.checked_add_signed(skew).unwrap_or(now)))
    }

    /// Notes that the answer went out.
    pub(crate) fn finish(&self, world: &mut World, answer: Option<Answer>) -> io::Result<Response<Bytes>> {
        let Some(answer) = answer else { return Err(io::Error::new(io::ErrorKind::ConnectionReset, "the emulator cut the connection")) };
        if let Some(call) = world.record.call_mut(self.sequence) {
            call.answered = Some(answer.status.as_u16());
        }
        Ok(answer.into_response())
    }

    fn sent(&self, visit: &Visit, genuine: Option<Answer>) -> Option<Answer> {
        let answer = match &self.effect.answer {
            Sent::Genuine => return genuine,
            Sent::Cut => return None,
            Sent::Truncated => return genuine.map(truncated),
            Sent::Failure { status, code, message, retry_after } => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                self.failure(visit, status, code.as_deref(), message.as_deref(), retry_after.as_deref())
            }
            Sent::Aadsts { status, error, number } => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST);
                TokenError::injected(status, error, *number).answer(visit)
            }
            Sent::Raw { status, content_type, body } => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::OK);
                let mut answer = Answer::new(status, "text/plain", body.clone());
                answer.set(http::header::CONTENT_TYPE, content_type);
                return Some(answer);
            }
            Sent::Html => {
                return Some(Answer::new(StatusCode::OK, "text/html", "<html><body><h1>Sign in to the network</h1></body></html>"));
            }
            Sent::Empty => return Some(Answer::new(StatusCode::OK, "application/json", "")),
            Sent::Huge => {
                return Some(Answer::new(StatusCode::OK, "application/json", format!("{{\"value\":\"{}\"}}", "x".repeat(10 << 20))));
            }
        };
        Some(if self.is_graph { answer.with_graph_headers(visit) } else { answer.with_login_headers(visit) })
    }

    fn failure(&self, visit: &Visit, status: StatusCode, code: Option<&str>, message: Option<&str>, retry_after: Option<&str>) -> Answer {
        let mut answer = if self.is_graph {
            let mut refusal = Refusal::of_status(status);
            if let Some(code) = code {
                refusal.code = code.to_owned().into();
            }
            if let Some(message) = message {
                message.clone_into(&mut refusal.message);
            }
            Answer::refused(&refusal, visit)
        } else {
            TokenError::server().with_status(status).answer(visit)
        };
        if let Some(after) = retry_after {
            answer.set(RETRY_AFTER, after);
        }
        answer
    }
}

/// Carries out everything that is due, in the order in which it became due.
pub(crate) fn settle(world: &mut World) {
    let now = world.clock.now();
    loop {
        let due = world.pending.iter().enumerate().filter(|(_, pending)| pending.due <= now);
        let Some(next) = due.min_by_key(|(_, pending)| (pending.due, pending.sequence)).map(|(place, _)| place) else { return };
        let pending = world.pending.remove(next);
        carry_out(world, pending);
    }
}

fn carry_out_one(world: &mut World, sequence: u64) {
    if let Some(place) = world.pending.iter().position(|pending| pending.sequence == sequence) {
        let mut pending = world.pending.remove(place);
        pending.due = pending.due.min(world.clock.now());
        carry_out(world, pending);
    }
}

fn carry_out(world: &mut World, pending: Pending) {
    let Pending { due, sequence, inbound, mut visit, slot } = pending;
    visit.now = due;
    let _ = slot.set(dispatch::handle(world, &inbound, &mut visit, sequence));
}

fn truncated(answer: Answer) -> Answer {
    let half = answer.body.slice(..answer.body.len() / 2);
    Answer { body: half, ..answer }
}

/// What a request is about, for the faults to choose by.
fn subject(world: &World, inbound: &Inbound, now: DateTime<Utc>) -> Subject {
    let addressed = match &inbound.route {
        Route::Object { kind, address, .. }
        | Route::Policy(PolicyPath::Of { kind, address, .. } | PolicyPath::Assigned { kind, address, .. }) => {
            address.as_ref().ok().map(|address| (*kind, *address))
        }
        Route::Federated { address, .. } => address.as_ref().ok().map(|address| (ObjectKind::Application, *address)),
        Route::Token { .. } => form_client(inbound).map(|client| (ObjectKind::ServicePrincipal, Address::AppId(client))),
        Route::Metadata { .. } => {
            let appid = inbound.query.iter().find(|(name, _)| name.eq_ignore_ascii_case("appid"));
            appid.and_then(|(_, id)| id.parse().ok()).map(|client| (ObjectKind::ServicePrincipal, Address::AppId(client)))
        }
        _ => None,
    };
    let find = |kind, address| -> Option<ObjectId> {
        let found = |tenant| world.directory.find(tenant, kind, address, now, TimeDelta::zero());
        world.directory.tenants().find_map(found).map(|object| object.id)
    };
    let object = addressed.and_then(|(kind, address)| match address {
        Address::Id(id) => Some(id),
        address @ Address::AppId(_) => find(kind, address),
    });
    let client = addressed.and_then(|(_, address)| match address {
        Address::AppId(client) => Some(client),
        Address::Id(id) => world.directory.stored(id).map(|object| object.app_id),
    });
    Subject { operation: inbound.operation(), method: inbound.method.to_string(), object, client }
}

fn form_client(inbound: &Inbound) -> Option<entra_types::ids::ClientId> {
    form_urlencoded::parse(&inbound.body).find(|(name, _)| name == "client_id")?.1.parse().ok()
}
