//! Requests to the API server: each with a deadline, none repeated.

use std::future::Future;
use std::time::Duration;

use kube::core::Status;

use super::layout::Data;
use super::trouble::{ClusterCause, ClusterError};

/// A request that takes longer has failed: a hung one would hold its resource for ever.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(20);

/// Runs one request. `attempt` completes the sentence "Cannot …".
pub(crate) async fn ask<T>(attempt: impl Into<String>, request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, ClusterError> {
    let error = match tokio::time::timeout(TIMEOUT, request).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => ClusterCause::of(error),
        Err(_) => ClusterCause::Timeout,
    };
    Err(ClusterError { attempt: attempt.into(), error })
}

/// Runs one request that carries this data. What admission refuses it may quote, and then its words go no further.
pub(crate) async fn ask_with<T>(
    data: &Data,
    attempt: impl Into<String>,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, ClusterError> {
    ask(attempt, request).await.map_err(|mut error| {
        if let ClusterCause::Kube(cause) = &mut error.error
            && let kube::Error::Api(status) = cause.as_mut()
            && data.values().any(|value| quotes(status, value))
        {
            let code = status.code;
            **status =
                Status::failure("the request was refused with words that quote it, which are not repeated here", "Refused").with_code(code);
        }
        error
    })
}

fn quotes(status: &Status, secret: &[u8]) -> bool {
    keys::quotes(&serde_json::to_string(status).unwrap_or_default(), secret)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::future::ready;

    use data_encoding::BASE64;
    use rstest::rstest;

    use super::*;
    use crate::credential::trouble::{Upset, trouble};

    const SECRET: &str = "c4n4ry~s3cret.value_with-all~kinds";

    fn refused(message: &str) -> kube::Error {
        kube::Error::Api(Status::failure(message, "Invalid").with_code(422).boxed())
    }

    async fn said(error: kube::Error) -> (String, ClusterError) {
        let data =
            Data::from([("AZURE_CLIENT_ID".to_owned(), b"an id".to_vec()), ("AZURE_CLIENT_SECRET".to_owned(), SECRET.as_bytes().to_vec())]);
        let error = ask_with(&data, "create Secret payroll", ready(Err::<(), _>(error))).await.unwrap_err();
        let upset = Upset::Cluster(error);
        let trouble = trouble(&upset, rotation::Lateness::default()).unwrap();
        let shown = format!("{upset:?} {upset:#?} {}", trouble.message);
        let Upset::Cluster(error) = upset else { unreachable!() };
        (shown, error)
    }

    #[rstest]
    #[case::as_it_is(SECRET.to_owned())]
    #[case::as_it_was_sent(BASE64.encode(SECRET.as_bytes()))]
    #[case::cut(SECRET[3..14].to_owned())]
    #[tokio::test]
    async fn a_refusal_that_quotes_what_was_sent_is_kept_without_its_words(#[case] quoted: String) {
        let (shown, error) = said(refused(&format!("admission webhook denied: data {quoted} is not allowed"))).await;
        assert!(!shown.contains(&quoted), "{shown}");
        assert!(shown.contains("with words that quote it"), "{shown}");
        assert_eq!(error.code(), Some(422));
    }

    #[tokio::test]
    async fn another_refusal_keeps_its_words() {
        let (shown, _) = said(refused("exceeded quota: secrets")).await;
        assert!(shown.contains("exceeded quota: secrets"), "{shown}");
    }

    #[tokio::test]
    async fn of_an_answer_that_is_no_secret_nothing_is_kept() {
        let wrong = serde_json::from_str::<u8>(&format!("\"{SECRET}\"")).unwrap_err();
        assert!(wrong.to_string().contains(SECRET), "serde quotes what it read");
        let (shown, _) = said(kube::Error::SerdeError(wrong)).await;
        assert!(!shown.contains(SECRET) && shown.contains("the answer cannot be understood"), "{shown}");
    }
}
