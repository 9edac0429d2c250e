//! Requests to the API server: each with a deadline, none repeated.

use std::future::Future;
use std::time::Duration;

use super::trouble::{ClusterCause, ClusterError};

/// A request that takes longer has failed: a hung one would hold its resource for ever.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// Runs one request. `attempt` completes the sentence "Cannot …".
pub(crate) async fn ask<T>(attempt: impl Into<String>, request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, ClusterError> {
    let error = match tokio::time::timeout(TIMEOUT, request).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => ClusterCause::Kube(Box::new(error)),
        Err(_) => ClusterCause::Timeout,
    };
    Err(ClusterError { attempt: attempt.into(), error })
}
