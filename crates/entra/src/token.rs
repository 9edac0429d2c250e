//! Access tokens: one held per client of Graph, fetched by one flight at a time.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use entra_types::ClientId;
use http::HeaderValue;
use keys::Sensitive;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::failure::Failure;
use crate::identity::Identity;

/// A token is not used in its last five minutes, nor in the second half of a shorter life.
const MARGIN: TimeDelta = TimeDelta::minutes(5);
/// Entra's longest tokens live a day or so. More is not believed.
const LONGEST_LIFE: i64 = 86_400;
const MAX_TOKEN: usize = 64 * 1024;

/// An access token.
pub(crate) struct Token {
    header: HeaderValue,
    pub(crate) identity: Identity,
    pub(crate) fetched: DateTime<Utc>,
    usable_until: DateTime<Utc>,
    /// When the answer was given, by the clock of whoever gave it.
    pub(crate) date: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    #[serde(default)]
    expires_in: Value,
    /// Only the instance metadata service says it.
    client_id: Option<String>,
}

impl Token {
    pub(crate) fn dated(self, date: Option<DateTime<Utc>>) -> Self {
        Self { date, ..self }
    }

    /// Reads an answer with a token. It tells who we are, where that is not known before.
    pub(crate) fn read(body: &[u8], client_id: Option<ClientId>, now: DateTime<Utc>) -> Result<Self, String> {
        let answer: TokenAnswer = serde_json::from_slice(body).map_err(|_| "it holds no access_token".to_owned())?;
        let token = Sensitive::new(answer.access_token);
        let told = || answer.client_id.as_deref().and_then(|id| id.parse().ok());
        let life = TimeDelta::seconds(seconds(&answer.expires_in).clamp(0, LONGEST_LIFE));
        Ok(Self {
            header: header(token.expose()).ok_or("its access_token is empty, too long or no header value")?,
            identity: Identity::of_token(client_id.or_else(told), token.expose())?,
            fetched: now,
            usable_until: now + life - MARGIN.min(life / 2),
            date: None,
        })
    }

    /// The value of `Authorization`.
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    fn is_usable(&self, now: DateTime<Utc>) -> bool {
        now < self.usable_until
    }
}

fn header(token: &str) -> Option<HeaderValue> {
    let plain = !token.is_empty() && token.len() <= MAX_TOKEN && token.bytes().all(|b| b.is_ascii_graphic());
    let mut value = plain.then(|| HeaderValue::try_from(format!("Bearer {token}")).ok())??;
    value.set_sensitive(true);
    Some(value)
}

/// A number, or a number as text, as managed identities write it.
fn seconds(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_f64().map(|number| number as i64)).or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

/// Holds the token of one identity.
#[derive(Default)]
pub(crate) struct Tokens {
    held: Mutex<Held>,
    flights: AtomicU64,
}

#[derive(Default)]
struct Held {
    token: Option<Arc<Token>>,
    failure: Option<Failure>,
}

impl Tokens {
    /// The held token, or a fresh one. Whoever asks during a flight shares its result, failure included.
    pub(crate) async fn get(
        &self,
        now: impl Fn() -> DateTime<Utc>,
        fetch: impl Future<Output = Result<Token, Failure>>,
    ) -> Result<Arc<Token>, Failure> {
        let flights = self.flights.load(Ordering::SeqCst);
        let mut held = self.held.lock().await;
        if let Some(token) = held.token.as_ref().filter(|token| token.is_usable(now())) {
            return Ok(Arc::clone(token));
        }
        if let Some(failure) = held.failure.as_ref().filter(|_| flights != self.flights.load(Ordering::SeqCst)) {
            return Err(failure.clone());
        }
        let result = fetch.await.map(Arc::new);
        self.flights.fetch_add(1, Ordering::SeqCst);
        *held = Held { token: result.as_ref().ok().cloned(), failure: result.as_ref().err().cloned() };
        result
    }

    /// Drops this token, unless another has taken its place already.
    pub(crate) async fn forget(&self, refused: &Arc<Token>) {
        let mut held = self.held.lock().await;
        if held.token.as_ref().is_some_and(|token| Arc::ptr_eq(token, refused)) {
            held.token = None;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_authorization_header_is_not_printed() {
        let value = header("canary").unwrap();
        assert_eq!((value.to_str().unwrap(), format!("{value:?}").as_str()), ("Bearer canary", "Sensitive"));
    }
}
