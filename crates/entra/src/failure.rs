//! The one error of the client.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use chrono::{DateTime, Utc};
use keys::Sensitive;

use crate::category::Category;
use crate::operation::Operation;

/// Why a call failed, with all that is needed to report it and to decide when to try again. Its fields are those of [`Details`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure(Box<Details>);

/// The fields of a [`Failure`]. None of them holds a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Details {
    /// What was attempted.
    pub operation: Operation,
    /// On what, for people: `service principal 8c9f…`.
    pub object: String,
    /// Why it failed.
    pub category: Category,
    /// When trying again makes sense.
    pub retry: Retry,
    /// Whether a write is certain not to be applied later: it was refused with 400, 401, 403, 404 or 405, or was never sent. A write that was
    /// answered otherwise, or not at all, may still happen. Always true of reads and sign-ins.
    pub settled: bool,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Graph's `code`, or `AADSTS…` at the token endpoint. At most 128 characters.
    pub code: Option<String>,
    /// The id to quote to Microsoft. At most 64 characters.
    pub request_id: Option<String>,
    /// The `Date` of the answer.
    pub date: Option<DateTime<Utc>>,
    /// The reason for people. Others' text, but without control characters and of at most 512 characters.
    pub message: String,
}

/// When to try again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retry {
    /// Not before this much time has passed: at least a second, at most an hour.
    After(Duration),
    /// With the caller's backoff.
    Backoff,
    /// When a person has changed something. That may be in Entra, which sends no event: look again now and then.
    OnChange,
}

impl From<Details> for Failure {
    fn from(details: Details) -> Self {
        Self(Box::new(details))
    }
}

impl From<Failure> for Details {
    fn from(failure: Failure) -> Self {
        *failure.0
    }
}

impl Deref for Failure {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl Failure {
    /// A failure that needed no answer: nothing reached Entra.
    pub(crate) fn unsent(operation: Operation, object: &str, category: Category, retry: Retry, message: String) -> Self {
        Self::from(Details {
            operation,
            object: object.to_owned(),
            category,
            retry,
            settled: true,
            status: None,
            code: None,
            request_id: None,
            date: None,
            message,
        })
    }
}

impl Failure {
    /// Without anything of these secrets in what the other side said.
    pub(crate) fn without(self, secrets: impl IntoIterator<Item = Sensitive<Vec<u8>>>) -> Self {
        let mut details = Details::from(self);
        for secret in secrets {
            let conceal = |text: &mut String| *text = crate::text::conceal(std::mem::take(text), secret.expose());
            [Some(&mut details.message), details.code.as_mut(), details.request_id.as_mut()].into_iter().flatten().for_each(conceal);
        }
        details.into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.operation, self.object, self.message)?;
        let status = self.status.map(|status| format!("status {status}"));
        let request = self.request_id.as_ref().map(|id| format!("request-id {id}"));
        let facts: Vec<_> = [status, self.code.clone(), request].into_iter().flatten().collect();
        if facts.is_empty() { Ok(()) } else { write!(f, " ({})", facts.join(", ")) }
    }
}

impl std::error::Error for Failure {}
