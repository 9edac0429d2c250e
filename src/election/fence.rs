//! A client of the API server that falls silent with its term.

use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use tower::service_fn;

use super::{Election, NotLeader};

impl Election {
    /// The same client, which sends nothing that changes anything once this replica cannot rely on its term any more. For everything but
    /// the Lease itself: whatever a pass still has in hand when the term ends stops before its next write.
    #[must_use]
    pub fn fence(&self, client: &Client) -> Client {
        let (election, unfenced) = (self.clone(), client.clone());
        let fenced = service_fn(move |request: Request<Body>| {
            let refused = if is_change(request.method()) { election.holds().err() } else { None };
            let unfenced = unfenced.clone();
            async move {
                match refused {
                    Some(refused) => Err(kube::Error::Service(Box::new(refused))),
                    None => unfenced.send(request).await,
                }
            }
        });
        Client::new(fenced, client.default_namespace())
    }
}

/// Whether a request failed at the fence, and so was not sent.
pub(crate) fn is_fenced(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Service(cause) if cause.is::<NotLeader>())
}

fn is_change(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
