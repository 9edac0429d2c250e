//! What can go wrong with a Lease.

use std::time::Duration;

/// Why this process must not write.
#[derive(Debug, thiserror::Error)]
pub enum NotLeader {
    /// It never had the Lease, or lost it or gave it up.
    #[error("this replica does not hold the Lease {lease}")]
    Unheld {
        /// `namespace/name`.
        lease: String,
    },
    /// Another process holds it, or nobody.
    #[error("the Lease {lease} was taken by {holder:?}: that replica goes on with the work")]
    Taken {
        /// `namespace/name`.
        lease: String,
        /// Who holds it; empty for nobody.
        holder: String,
    },
    /// It could not be renewed for so long that another may take it before a write is out.
    #[error("the Lease {lease} was last renewed {age:?} ago: see the log for why it cannot be renewed")]
    Stale {
        /// `namespace/name`.
        lease: String,
        /// Since the last renewal was sent.
        age: Duration,
    },
    /// It could not be read.
    #[error("cannot read the Lease {lease}: {source}")]
    Read {
        /// `namespace/name`.
        lease: String,
        /// Why.
        source: CallError,
    },
}

/// Why a Lease that was held is held no more.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// By [`Election::release`](super::Election::release); or it was never acquired.
    #[error("the Lease {lease} was given up")]
    Released {
        /// `namespace/name`.
        lease: String,
    },
    /// Another process took it, or a person cleared it.
    #[error("the Lease {lease} was taken by {holder:?}: that replica goes on with the work")]
    Taken {
        /// `namespace/name`.
        lease: String,
        /// Who holds it; empty for nobody.
        holder: String,
    },
    /// Somebody deleted it.
    #[error("the Lease {lease} was deleted")]
    Deleted {
        /// `namespace/name`.
        lease: String,
    },
    /// The API server does not know what it had acknowledged.
    #[error(
        "the Lease {lease} is as it was before its last renewal: the cluster was restored from a backup, and the operator must begin anew"
    )]
    Forgotten {
        /// `namespace/name`.
        lease: String,
    },
    /// It could not be renewed for so long that others may soon take it.
    #[error(
        "cannot renew the Lease {lease} within {trust:?}: check the connection to the Kubernetes API server and the right to update this Lease"
    )]
    Unrenewed {
        /// `namespace/name`.
        lease: String,
        /// For how long a renewal is relied on: two thirds of the Lease's duration.
        trust: Duration,
    },
}

/// Why a request about the Lease failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server took too long.
    #[error("no answer from the Kubernetes API server within {0:?}")]
    Await(Duration),
    /// The API server refused, or could not be reached.
    #[error("{}", causes(.0))]
    Send(#[from] Box<kube::Error>),
}

/// With all causes: kube does not say why there is no connection, such as a certificate that is not trusted.
fn causes(error: &kube::Error) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    causes.map(ToString::to_string).fold(String::new(), |said, cause| match said.as_str() {
        "" => cause,
        _ if said.contains(&cause) => said,
        _ => format!("{said}: {cause}"),
    })
}

impl CallError {
    /// Whether somebody else wrote first: the object exists already, or has another version.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Send(error) if matches!(error.as_ref(), kube::Error::Api(status) if status.code == 409))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("client error (Connect)")]
    struct Connect(#[source] std::io::Error);

    #[test]
    fn why_there_is_no_connection_is_told_once() {
        let cause = Connect(std::io::Error::other("invalid peer certificate: UnknownIssuer"));
        let error = CallError::from(Box::new(kube::Error::Service(Box::new(cause))));
        assert_eq!(error.to_string(), "ServiceError: client error (Connect): invalid peer certificate: UnknownIssuer");
    }
}
