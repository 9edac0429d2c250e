//! One HTTP exchange: budget, token, request, judgement.

use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use keys::Sensitive;
use serde::Serialize;
use tower::ServiceExt as _;

use crate::category::Category;
use crate::discretion::{discreet, secrets};
use crate::environment::Outcome;
use crate::failure::{Details, Failure, Retry};
use crate::graph::Graph;
use crate::operation::Operation;
use crate::pacing::{Lane, Pacing, Permit};
use crate::refusal::Refusal;
use crate::table::Asked;
use crate::token::Token;
use crate::wire::WireError;
use crate::{retry_after, table, text};

/// After a refusal for want of a role, a token older than this is fetched anew: roles granted since are not in it.
const STALE_ROLES: chrono::TimeDelta = chrono::TimeDelta::minutes(5);

/// What Graph would say of a limit that is used up, where it does not say how long to wait either.
const OVER_THE_LIMIT: f64 = 1.8;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// What is attempted, on what, and what must not come back in a message.
pub(crate) struct Call {
    pub(crate) operation: Operation,
    pub(crate) object: String,
    lane: Lane,
    asked: Asked,
    conceal: Option<Sensitive<String>>,
}

/// The request of a call, without its authorisation.
pub(crate) struct Content {
    method: Method,
    url: String,
    header: Option<(HeaderName, HeaderValue)>,
    body: Option<(HeaderValue, Bytes)>,
}

impl Call {
    pub(crate) fn new(operation: Operation, object: String) -> Self {
        Self { operation, object, lane: lane(operation), asked: table::asked(operation), conceal: None }
    }

    /// The same, with something that must not come back in a message.
    pub(crate) fn concealing(self, secret: Option<Sensitive<String>>) -> Self {
        Self { conceal: secret, ..self }
    }

    /// The same, of another service than the operation's usual one.
    pub(crate) fn asking(self, asked: Asked) -> Self {
        Self { asked, ..self }
    }

    /// A failure before anything was sent.
    pub(crate) fn unsent(&self, category: Category, retry: Retry, message: impl Into<String>) -> Failure {
        Failure::unsent(self.operation, &self.object, category, retry, message.into())
    }
}

const fn lane(operation: Operation) -> Lane {
    match operation {
        Operation::GetToken => Lane::Token,
        Operation::Read | Operation::ReadPolicies => Lane::Read,
        Operation::ReadWithKeys => Lane::ReadWithKeys,
        Operation::SignIn => Lane::Trial,
        Operation::ReadMetadata => Lane::Metadata,
        Operation::AddTokenSigningCertificate
        | Operation::AddKey
        | Operation::RemoveKey
        | Operation::ReplaceCredentials
        | Operation::AddPassword
        | Operation::RemovePassword
        | Operation::SetPreferredThumbprint
        | Operation::SetNotificationAddresses => Lane::Write,
    }
}

impl Content {
    pub(crate) fn get(url: String) -> Self {
        Self { method: Method::GET, url, header: None, body: None }
    }

    pub(crate) fn json(method: Method, url: String, body: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { method, url, header: None, body: Some((JSON, serde_json::to_vec(body)?.into())) })
    }

    pub(crate) fn form(url: String, body: String) -> Self {
        Self { method: Method::POST, url, header: None, body: Some((FORM, body.into())) }
    }

    /// The same with a header.
    pub(crate) fn with(self, header: (HeaderName, HeaderValue)) -> Self {
        Self { header: Some(header), ..self }
    }
}

/// A whole answer, or as much of it as came.
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    pub(crate) body: Result<Bytes, WireError>,
}

impl Answer {
    fn of(sent: Result<Response<Bytes>, WireError>) -> Result<Self, WireError> {
        match sent {
            Ok(response) => {
                let (head, body) = response.into_parts();
                Ok(Self { status: head.status, headers: head.headers, body: Ok(body) })
            }
            Err(error) => match error.status() {
                Some(status) => Ok(Self { status, headers: HeaderMap::new(), body: Err(error) }),
                None => Err(error),
            },
        }
    }

    /// The body; empty if none came.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_default()
    }

    pub(crate) fn date(&self) -> Option<DateTime<Utc>> {
        self.header(DATE.as_str()).and_then(retry_after::http_date)
    }

    /// How much of a limit of Graph's is used, once that is much: 0.8 to 1.8.
    fn limit_used(&self) -> Option<f64> {
        self.header("x-ms-throttle-limit-percentage")?.trim().parse().ok()
    }

    fn request_id(&self) -> Option<String> {
        self.header("request-id").or_else(|| self.header("x-ms-request-id")).map(ToOwned::to_owned)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Graph {
    /// One request to Graph under our token. A token that Graph refuses is forgotten.
    pub(crate) async fn ask<T>(&self, call: &Call, content: &Content, read: impl Fn(&Answer) -> Result<T, String>) -> Result<T, Failure> {
        let (permit, token) = self.admit_with_token(call).await?;
        let result = self.exchange(call, content, permit, Some(token.header()), read).await;
        if let Err(failure) = &result {
            self.reconsider(&token, failure).await;
        }
        result
    }

    /// The same for something harmless: if Graph refuses the token, once more with a fresh one. The fresh one is kept even if it is refused too, or
    /// every call would fetch two.
    pub(crate) async fn ask_twice<T>(
        &self,
        call: &Call,
        content: &Content,
        read: impl Fn(&Answer) -> Result<T, String>,
    ) -> Result<T, Failure> {
        match self.ask(call, content, &read).await {
            Err(failure) if is_token_refused(&failure) => {
                let (permit, token) = self.admit_with_token(call).await?;
                self.exchange(call, content, permit, Some(token.header()), read).await
            }
            result => result,
        }
    }

    async fn admit_with_token(&self, call: &Call) -> Result<(Permit, Arc<Token>), Failure> {
        let permit = self.admit(call)?;
        Ok((permit, self.token().await?))
    }

    /// One request without our token: its sender, if any, is named in the body.
    pub(crate) async fn ask_unsigned<T>(
        &self,
        call: &Call,
        content: &Content,
        read: impl Fn(&Answer) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let permit = self.admit(call)?;
        self.exchange(call, content, permit, None, read).await
    }

    /// Drops a token that Graph refuses, or that may lack roles granted since. Not on `Authentication_MissingOrMalformed`: that is about the proof.
    async fn reconsider(&self, token: &Arc<Token>, failure: &Failure) {
        let age = self.environment.clock.now() - token.fetched;
        // Most tenants do not let us read policies, and there is no harm in it.
        let is_denied = failure.category == Category::PermissionDenied && failure.operation != Operation::ReadPolicies;
        if is_token_refused(failure) || (is_denied && age >= STALE_ROLES) {
            self.tokens.forget(token).await;
        }
    }

    fn admit(&self, call: &Call) -> Result<Permit, Failure> {
        let now = self.environment.clock.now();
        let taken = self.pacing().take(call.lane, &self.share, now);
        let permit = taken.map(|()| Permit::new(&self.pacing, &self.environment.clock, call.lane, &self.share));
        permit.map_err(|ready| {
            self.environment.observer.request(call.operation, Outcome::HeldBack);
            let wait = (ready - now).to_std().unwrap_or_default().max(retry_after::LEAST);
            let message = format!("not sent: the budget of requests to tenant {} is used up for the moment", self.tenant_id);
            call.unsent(Category::Throttled, Retry::After(wait), message)
        })
    }

    async fn exchange<T>(
        &self,
        call: &Call,
        content: &Content,
        mut permit: Permit,
        authorization: Option<HeaderValue>,
        read: impl Fn(&Answer) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let request = self
            .request(content, authorization.clone())
            .map_err(|error| call.unsent(Category::InvalidRequest, Retry::OnChange, error.to_string()))?;
        permit.sent();
        let sent = if call.operation.mutates() { self.send_permitted(request).await } else { self.wire.clone().oneshot(request).await };
        if sent.as_ref().is_err_and(WireError::is_unsent) {
            permit.not_sent();
        }
        drop(permit);
        let body = content.body.as_ref().map_or(&[][..], |(_, body)| body);
        let result = self.judge(call, sent, read).map_err(|failure| discreet(failure, body, authorization.as_ref()));
        let outcome = result.as_ref().map_or_else(|failure| Outcome::Failed(failure.category), |_| Outcome::Success);
        self.environment.observer.request(call.operation, outcome);
        result
    }

    async fn send_permitted(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, WireError> {
        if let Some(permission) = &self.permission {
            if !permission.holds() {
                return Err(WireError::Withheld);
            }
            request.extensions_mut().insert(permission.clone());
        }
        self.wire.clone().oneshot(request).await
    }

    fn pacing(&self) -> MutexGuard<'_, Pacing> {
        self.pacing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request(&self, content: &Content, authorization: Option<HeaderValue>) -> Result<Request<Bytes>, http::Error> {
        let id = self.environment.ids.uuid().to_string();
        let mut request =
            Request::builder().method(&content.method).uri(&content.url).header("client-request-id", id).header(ACCEPT, "*/*");
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        if let Some((name, value)) = &content.header {
            request = request.header(name, value);
        }
        if let Some((content_type, _)) = &content.body {
            request = request.header(CONTENT_TYPE, content_type);
        }
        request.body(content.body.as_ref().map(|(_, body)| body.clone()).unwrap_or_default())
    }

    /// Turns what came back into a value or a failure.
    fn judge<T>(
        &self,
        call: &Call,
        sent: Result<Response<Bytes>, WireError>,
        read: impl Fn(&Answer) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let answer = Answer::of(sent).map_err(|error| call.broken(&error))?;
        tracing::debug!(operation = %call.operation, object = call.object, status = answer.status.as_u16(), request_id = answer.request_id(), "answered");
        if let Some(used) = answer.limit_used() {
            self.pacing().strain(used, self.environment.clock.now());
        }
        if !answer.status.is_success() {
            return Err(self.refused(call, &answer));
        }
        match &answer.body {
            // A write that was answered with success is done, whatever became of the rest of the answer.
            Err(error) if !call.operation.mutates() => Err(call.answered(&answer, error.category(), Retry::Backoff, error.to_string())),
            _ => read(&answer).map_err(|reason| {
                let message = format!("the answer cannot be used: {reason}");
                call.answered(&answer, Category::InvalidAnswer, Retry::Backoff, message)
            }),
        }
    }

    fn refused(&self, call: &Call, answer: &Answer) -> Failure {
        let refusal = Refusal::read(answer.bytes());
        let message = refusal.message.unwrap_or_else(|| answer.nothing_said());
        let (category, retry) = table::classify(call.asked, answer.status.as_u16(), refusal.code.as_deref(), &message);
        let now = self.environment.clock.now();
        let pause = answer.header(RETRY_AFTER.as_str()).and_then(|value| retry_after::parse(value, answer.date().unwrap_or(now)));
        match (category, pause) {
            (Category::Throttled, Some(pause)) => self.pacing().close(call.lane, now, pause),
            (Category::Throttled, None) if call.lane == Lane::Write => self.pacing().strain(OVER_THE_LIMIT, now),
            _ => {}
        }
        let retry = match (retry, pause) {
            (Retry::Backoff, Some(pause)) => Retry::After(pause),
            (retry, _) => retry,
        };
        let mut details = Details::from(call.answered(answer, category, retry, message));
        details.code = refusal.code.map(|code| text::clean(&code, 128));
        details.request_id = details.request_id.or_else(|| refusal.request_id.map(|id| text::clean(&id, 64)));
        Failure::from(details).without(call.concealed())
    }
}

impl Answer {
    fn nothing_said(&self) -> String {
        let content_type = self.header(CONTENT_TYPE.as_str()).unwrap_or("no content type");
        format!("the answer is no error of Entra's but {} bytes of {content_type}; a proxy may have answered instead", self.bytes().len())
    }
}

impl Call {
    /// A failure with the facts of its answer, and none of its secrets.
    fn answered(&self, answer: &Answer, category: Category, retry: Retry, message: String) -> Failure {
        let status = answer.status.as_u16();
        let concealed = self.conceal.iter().filter(|secret| !secret.expose().is_empty());
        let message = concealed.fold(message, |message, secret| message.replace(secret.expose(), "[redacted]"));
        Failure::from(Details {
            settled: !self.operation.mutates() || matches!(status, 400 | 401 | 403 | 404 | 405),
            status: Some(status),
            request_id: answer.request_id().map(|id| text::clean(&id, 64)),
            date: answer.date(),
            ..Details::from(self.unsent(category, retry, text::clean(&message, text::MAX_MESSAGE)))
        })
        .without(self.concealed().chain(secrets(answer.bytes())))
    }

    fn concealed(&self) -> impl Iterator<Item = Sensitive<Vec<u8>>> {
        self.conceal.iter().map(|secret| Sensitive::new(secret.expose().as_bytes().to_vec()))
    }

    /// A failure without an answer.
    fn broken(&self, error: &WireError) -> Failure {
        Failure::from(Details {
            settled: !self.operation.mutates() || error.is_unsent(),
            ..Details::from(self.unsent(error.category(), Retry::Backoff, text::clean(&error.to_string(), text::MAX_MESSAGE)))
        })
    }
}

impl WireError {
    const fn category(&self) -> Category {
        match self {
            Self::TooLarge(_) => Category::InvalidAnswer,
            Self::Connect(_) | Self::Withheld | Self::Timeout | Self::Cut(_) | Self::Body(..) => Category::Unavailable,
        }
    }
}

/// Whether Graph refused our access token.
fn is_token_refused(failure: &Failure) -> bool {
    failure.code.as_deref() == Some("InvalidAuthenticationToken")
}
