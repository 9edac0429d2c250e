//! Calls to the Kubernetes API server, each with a deadline: kube's client has none of its own.

use std::future::Future;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(20);

/// Why a call to the Kubernetes API server failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No answer within 20 s.
    #[error("the Kubernetes API server did not answer within {} s", DEADLINE.as_secs())]
    Await,
    /// It was refused, or broke off.
    #[error(transparent)]
    Call(#[from] kube::Error),
}

impl CallError {
    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Call(kube::Error::Api(status)) => Some(status.code),
            Self::Await | Self::Call(_) => None,
        }
    }
}

/// The call's answer, if it comes in time.
pub(super) async fn within_deadline<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, CallError> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(CallError::Await),
    }
}
