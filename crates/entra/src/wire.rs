//! The seam that all HTTP goes through.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower::util::{BoxCloneSyncService, service_fn};
use tower::{Service, ServiceExt as _};

/// Sends one request and gives back the whole answer, within [`TIMEOUT`] and [`MAX_ANSWER`].
pub type Wire = BoxCloneSyncService<Request<Bytes>, Response<Bytes>, WireError>;

/// How long one exchange may take, from its start to the last byte of the answer.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// The longest body of an answer, in bytes: thrice what an object with a thousand certificates takes.
pub const MAX_ANSWER: usize = 4 * 1024 * 1024;

/// Why there is no whole answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// No connection came about: the request was not sent.
    #[error("no connection: {0}")]
    Connect(String),
    /// The [`Permission`](crate::Permission) ended before the request was out: it was not carried out.
    #[error("withheld at the last moment, as it is not permitted any more")]
    Withheld,
    /// No whole answer within [`TIMEOUT`]: the request may have been carried out, or may yet be.
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Timeout,
    /// The connection broke before the answer began: the request may have been carried out, or may yet be.
    #[error("the connection broke: {0}")]
    Cut(String),
    /// The answer began and broke off.
    #[error("the answer broke off: {1}")]
    Body(StatusCode, String),
    /// The answer is longer than [`MAX_ANSWER`].
    #[error("the answer is longer than 4 MiB")]
    TooLarge(StatusCode),
}

impl WireError {
    /// Whether the request cannot have been carried out.
    pub(crate) const fn is_unsent(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Withheld)
    }

    /// The status, if one came.
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Body(status, _) | Self::TooLarge(status) => Some(*status),
            Self::Connect(_) | Self::Withheld | Self::Timeout | Self::Cut(_) => None,
        }
    }
}

/// A wire to a service in this process: no thread, no socket, so that tokio's paused clock holds. An error of the service counts as a cut connection.
pub fn in_process<S>(service: S) -> Wire
where
    S: Service<Request<Bytes>, Response = Response<Bytes>> + Clone + Send + Sync + 'static,
    S::Error: fmt::Display,
    S::Future: Send,
{
    BoxCloneSyncService::new(service_fn(move |request| {
        let service = service.clone();
        within_limits(async move { service.oneshot(request).await.map_err(|error| WireError::Cut(error.to_string())) })
    }))
}

/// Ends an exchange after [`TIMEOUT`] and refuses answers over [`MAX_ANSWER`].
pub(crate) async fn within_limits(
    exchange: impl Future<Output = Result<Response<Bytes>, WireError>>,
) -> Result<Response<Bytes>, WireError> {
    let answer = tokio::time::timeout(TIMEOUT, exchange).await.map_err(|_| WireError::Timeout)??;
    if answer.body().len() > MAX_ANSWER { Err(WireError::TooLarge(answer.status())) } else { Ok(answer) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::convert::Infallible;

    use super::*;

    async fn answer_of(wire: Wire) -> Result<Response<Bytes>, WireError> {
        wire.oneshot(Request::get("https://graph.example/").body(Bytes::new()).unwrap()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_never_answers_is_given_up_after_the_timeout() {
        let wire = in_process(service_fn(|_| std::future::pending::<Result<Response<Bytes>, Infallible>>()));
        let before = tokio::time::Instant::now();
        assert_eq!(answer_of(wire).await.unwrap_err(), WireError::Timeout);
        assert_eq!(before.elapsed(), TIMEOUT);
    }

    #[tokio::test]
    async fn an_oversized_answer_is_refused_with_its_status() {
        let body =
            |length| in_process(service_fn(move |_| async move { Ok::<_, Infallible>(Response::new(Bytes::from(vec![b'x'; length]))) }));
        assert_eq!(answer_of(body(MAX_ANSWER)).await.unwrap().body().len(), MAX_ANSWER);
        assert_eq!(answer_of(body(MAX_ANSWER + 1)).await.unwrap_err(), WireError::TooLarge(StatusCode::OK));
    }

    #[tokio::test]
    async fn an_error_of_the_service_is_a_cut_connection() {
        let wire = in_process(service_fn(|_| async { Err::<Response<Bytes>, _>("gone") }));
        assert_eq!(answer_of(wire).await.unwrap_err(), WireError::Cut("gone".to_owned()));
    }
}
