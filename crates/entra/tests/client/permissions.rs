//! Writes that may be sent only while something holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use entra::{Category, Detail, Permission};

use crate::stand_in::{StandIn, application, certificate, object, reply, service_principal};

fn refused() -> Permission {
    Permission::new(|| false)
}

#[tokio::test]
async fn a_write_that_is_not_permitted_any_more_is_not_sent_and_settled() {
    let stand_in = StandIn::answering([]);
    let graph = stand_in.graph().only_while(refused());
    let failure = graph.set_preferred_thumbprint(&service_principal(), certificate(4).thumbprint()).await.unwrap_err();
    assert_eq!((failure.settled, failure.status, failure.category), (true, None, Category::Unavailable));
    assert!(failure.to_string().contains("withheld"), "{failure}");
    assert!(stand_in.graph_requests().is_empty());
}

#[tokio::test]
async fn permission_is_asked_after_the_token_was_fetched() {
    let stand_in = StandIn::answering([reply(204, "")]);
    let (seen, asked_at) = (stand_in.clone(), Arc::new(AtomicUsize::new(0)));
    let asked = Arc::clone(&asked_at);
    let permission = Permission::new(move || {
        asked.store(seen.seen().len(), Ordering::SeqCst);
        true
    });
    let graph = stand_in.graph().only_while(permission);
    graph.set_preferred_thumbprint(&service_principal(), certificate(4).thumbprint()).await.unwrap();
    assert_eq!(
        (asked_at.load(Ordering::SeqCst), stand_in.seen().len()),
        (1, 2),
        "one request for the token, then the question, then the write"
    );
}

#[tokio::test]
async fn reading_needs_no_permission() {
    let stand_in = StandIn::answering([reply(200, object().to_string())]);
    stand_in.graph().only_while(refused()).read(&application(), Detail::Plain).await.unwrap();
    assert_eq!(stand_in.graph_requests().len(), 1);
}
