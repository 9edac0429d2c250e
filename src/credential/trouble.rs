//! What went wrong in a pass, as the protocol's reasons.

use std::time::Duration;

use chrono::TimeDelta;
use entra::{Category, Failure, Retry};
use rotation::{Lateness, Reason, Trouble};

use crate::election::is_fenced;

/// Why a look or an act did not succeed.
#[derive(Debug)]
pub(crate) enum Upset {
    /// Entra answered otherwise.
    Entra(Failure),
    /// The API server answered otherwise.
    Cluster(ClusterError),
    /// A key could not be made or used.
    Key(String),
    /// We do not hold the Lease any more: nothing is sent.
    NotLeader,
    /// Too little of the pass is left for another act.
    OutOfTime,
    /// Somebody else wrote the resource meanwhile.
    Overtaken,
    /// What stays in Entra could not be listed on the EntraTenant.
    Books(String),
    /// An application that rolls itself cannot be worked with.
    Own(String),
    /// The resource that proves possession cannot be used.
    Proof(String),
}

/// A request to the API server that failed.
#[derive(Debug, thiserror::Error)]
#[error("Cannot {attempt}: {error}.")]
pub(crate) struct ClusterError {
    /// The attempted act, with the object's name.
    pub(crate) attempt: String,
    /// What the API server, or the way to it, said.
    pub(crate) error: ClusterCause,
}

/// How a request to the API server failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterCause {
    /// No answer in time.
    #[error("no answer within {} s", super::cluster::TIMEOUT.as_secs())]
    Timeout,
    /// An answer that does not say what it must. It may be a Secret, and serde quotes values, so nothing of its error is kept.
    #[error("the answer cannot be understood")]
    Understand,
    /// An answer that is a refusal, or none.
    #[error("{0}")]
    Kube(Box<kube::Error>),
}

impl ClusterCause {
    pub(crate) fn of(error: kube::Error) -> Self {
        match error {
            kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => Self::Understand,
            other => Self::Kube(Box::new(other)),
        }
    }
}

impl ClusterError {
    /// The HTTP status of the answer, if there was one.
    pub(crate) fn code(&self) -> Option<u16> {
        match &self.error {
            ClusterCause::Kube(error) => match error.as_ref() {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            ClusterCause::Timeout | ClusterCause::Understand => None,
        }
    }

    pub(crate) fn is_denied(&self) -> bool {
        matches!(self.code(), Some(401 | 403))
    }

    /// Not sent, as we cannot rely on the Lease any more.
    pub(crate) fn is_fenced(&self) -> bool {
        matches!(&self.error, ClusterCause::Kube(error) if is_fenced(error))
    }

    pub(crate) fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }
}

/// What the status says of it.
pub(crate) fn trouble(upset: &Upset, late: Lateness) -> Option<Trouble> {
    match upset {
        Upset::Entra(failure) => {
            Some(Trouble { reason: reason(failure.category), message: sentence(failure), wait: wait(failure.retry, late) })
        }
        Upset::Cluster(error) if error.is_fenced() => None,
        Upset::Cluster(error) => {
            let reason = if error.code() == Some(403) { Reason::ClusterDenied } else { Reason::ClusterUnavailable };
            Some(Trouble { reason, message: error.to_string(), wait: None })
        }
        Upset::Key(message) => Some(Trouble { reason: Reason::InvalidRequest, message: message.clone(), wait: None }),
        Upset::Books(message) => Some(Trouble { reason: Reason::ClusterUnavailable, message: message.clone(), wait: None }),
        Upset::Own(why) => {
            let message = format!("The application cannot roll its own certificate: {why}.");
            Some(Trouble { reason: Reason::SelfCredentialExpired, message, wait: Some(late.late() * 4) })
        }
        Upset::Proof(message) => Some(Trouble { reason: Reason::ProofNotUsable, message: message.clone(), wait: None }),
        Upset::NotLeader | Upset::OutOfTime | Upset::Overtaken => None,
    }
}

/// How long a throttle asks us to rest. A throttle is a rest, not a failure.
pub(crate) fn throttled(upset: &Upset) -> Option<Duration> {
    match upset {
        Upset::Entra(failure) if failure.category == Category::Throttled => match failure.retry {
            Retry::After(wait) => Some(wait),
            Retry::Backoff | Retry::OnChange => None,
        },
        _ => None,
    }
}

fn sentence(failure: &Failure) -> String {
    let text = failure.to_string();
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

fn wait(retry: Retry, late: Lateness) -> Option<TimeDelta> {
    match retry {
        Retry::After(wait) => TimeDelta::from_std(wait).ok(),
        // Nothing changes by itself here; a look once in a while is enough.
        Retry::OnChange => Some(late.late() * 4),
        Retry::Backoff => None,
    }
}

fn reason(category: Category) -> Reason {
    match category {
        Category::PermissionDenied => Reason::PermissionDenied,
        Category::TargetNotFound => Reason::TargetNotFound,
        Category::ProofRefused => Reason::ProofRefused,
        Category::PropertyLocked => Reason::PropertyLocked,
        Category::PolicyForbidsType => Reason::PolicyForbidsType,
        Category::PolicyForbidsLifetime => Reason::PolicyForbidsLifetime,
        Category::ObjectFull => Reason::ObjectFull,
        Category::InvalidRequest => Reason::InvalidRequest,
        Category::Conflict => Reason::Conflict,
        Category::Throttled => Reason::Throttled,
        Category::Unavailable => Reason::Unavailable,
        Category::InvalidAnswer => Reason::InvalidAnswer,
        Category::TokenRefused | Category::FederationRefused | Category::TenantNotFound => Reason::TenantNotReady,
        Category::ClockSkew => Reason::ClockSkew,
        Category::CredentialRefused => Reason::CredentialRefused,
        Category::CannotProve => Reason::CannotProve,
        Category::Unauthorized => Reason::Unauthorized,
    }
}
