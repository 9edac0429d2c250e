//! What the client does not take for itself: time, randomness, an ear.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::category::Category;
use crate::operation::Operation;

/// Tells the time of day.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> DateTime<Utc>;
}

/// Makes ids that do not repeat: `client-request-id`, `jti`.
pub trait Ids: Send + Sync {
    /// A fresh id.
    fn uuid(&self) -> Uuid;
}

/// Hears of every request, for metrics.
pub trait Observer: Send + Sync {
    /// A request was answered, broke off, or was held back by the budget. Must return at once.
    fn request(&self, operation: Operation, outcome: Outcome);
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// With an answer that could be used.
    Success,
    /// With a failure.
    Failed(Category),
    /// It was not sent, because the tenant's budget is used up or Entra asked us to wait.
    HeldBack,
}

impl Outcome {
    /// The outcome as a metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Failed(category) => category.label(),
            Self::HeldBack => "HeldBack",
        }
    }
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn request(&self, _: Operation, _: Outcome) {}
}

/// Time, ids and an ear, shared by all clients of a process.
#[derive(Clone)]
pub struct Environment {
    /// The time of day: expiry of tokens, times in assertions and proofs, budgets.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
    /// Hears of every request.
    pub observer: Arc<dyn Observer>,
}

impl Environment {
    /// An environment that nobody listens to.
    pub fn new(clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { clock, ids, observer: Arc::new(Unobserved) }
    }

    /// The same, heard by somebody.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer, ..self }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}
