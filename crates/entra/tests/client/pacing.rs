//! Budgets and throttling.

use std::time::Duration;

use chrono::TimeDelta;
use entra::{Category, Detail, Operation, Outcome, Retry, WireError};
use rstest::rstest;
use tower::util::{BoxCloneSyncService, service_fn};

use crate::stand_in::{StandIn, application, certificate, certificate_sign_in, object, proof, refusal, reply, reply_with, secret};

#[tokio::test]
async fn the_151st_read_with_keys_of_a_minute_is_not_sent() {
    let stand_in = StandIn::answering((0..152).map(|_| reply(200, object().to_string())));
    let graph = stand_in.graph();
    for _ in 0..150 {
        graph.read(&application(), Detail::WithKeys).await.unwrap();
    }
    let failure = graph.clone().read(&application(), Detail::WithKeys).await.unwrap_err();
    assert_eq!((failure.category, failure.settled, failure.status), (Category::Throttled, true, None));
    assert!(matches!(failure.retry, Retry::After(wait) if (60_000..60_200).contains(&wait.as_millis())), "{failure:?}");
    assert_eq!(stand_in.graph_requests().len(), 150);
    assert_eq!(stand_in.heard().last(), Some(&(Operation::ReadWithKeys, Outcome::HeldBack)));

    graph.read(&application(), Detail::Plain).await.unwrap();
    stand_in.advance(TimeDelta::milliseconds(60_200));
    graph.read(&application(), Detail::WithKeys).await.unwrap();
}

#[tokio::test]
async fn what_was_never_sent_does_not_use_the_budget_up() {
    let stand_in = StandIn::default();
    let refused = || Err(WireError::Connect("refused".to_owned()));
    let nowhere = BoxCloneSyncService::new(service_fn(move |_| async move { refused() }));
    for _ in 0..200 {
        let failure = stand_in.graph_over(nowhere.clone(), secret("s")).read(&application(), Detail::WithKeys).await.unwrap_err();
        assert_eq!(failure.category, Category::Unavailable);
    }
    let graph = stand_in.graph_over(nowhere, secret("s"));
    for _ in 0..200 {
        assert_eq!(graph.read(&application(), Detail::WithKeys).await.unwrap_err().category, Category::Unavailable);
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_counts_as_sent() {
    let stand_in = StandIn::default();
    let graph = stand_in.graph();
    graph.identity().await.unwrap();
    for _ in 0..150 {
        let address = application();
        let mut read = Box::pin(graph.read(&address, Detail::WithKeys));
        assert!(std::future::poll_fn(|context| std::task::Poll::Ready(read.as_mut().poll(context).is_pending())).await);
        // Else tokio would make the next one wait before it sends.
        drop(read);
        tokio::task::yield_now().await;
    }
    assert_eq!(graph.read(&application(), Detail::WithKeys).await.unwrap_err().category, Category::Throttled);
}

#[tokio::test]
async fn a_share_leaves_room_for_others_of_the_same_tenant() {
    let stand_in = StandIn::answering((0..300).map(|_| reply(200, object().to_string())));
    let payroll = stand_in.graph().for_share("payroll");
    let sent = async |graph: &entra::Graph| {
        let mut sent = 0;
        while graph.read(&application(), Detail::WithKeys).await.is_ok() {
            sent += 1;
        }
        sent
    };
    assert_eq!(sent(&payroll).await, 30, "a burst");
    stand_in.advance(TimeDelta::seconds(20));
    assert_eq!(sent(&payroll.clone()).await, 30, "another, of the same share");
    assert_eq!(sent(&payroll.for_share("billing")).await, 30);
    assert_eq!(sent(&payroll.signed_in_as(certificate_sign_in(0)).for_share("")).await, 60, "all that is left");
    assert_eq!(stand_in.token_requests().len(), 2, "shares of one identity have one token");
}

#[tokio::test]
async fn a_limit_that_is_near_slows_writes_down_and_leaves_reads_alone() {
    let near = |used: &'static str| reply_with(200, "x-ms-throttle-limit-percentage", used, object().to_string());
    let stand_in = StandIn::answering([near("garbage"), near("1.2"), reply(200, object().to_string())]);
    let graph = stand_in.graph();
    let set = async || graph.set_preferred_thumbprint(&application(), certificate(0).thumbprint()).await;
    graph.read(&application(), Detail::Plain).await.unwrap();
    graph.read(&application(), Detail::Plain).await.unwrap();
    let failure = set().await.unwrap_err();
    assert_eq!((failure.category, failure.retry, failure.status), (Category::Throttled, Retry::After(Duration::from_secs(1)), None));
    graph.read(&application(), Detail::Plain).await.unwrap();
    stand_in.advance(TimeDelta::milliseconds(290));
    set().await.unwrap();
    assert!(set().await.is_err());
    stand_in.advance(TimeDelta::seconds(10));
    for _ in 0..50 {
        set().await.unwrap();
    }
}

#[tokio::test]
async fn identities_of_one_tenant_share_its_budget() {
    let stand_in = StandIn::answering((0..200).map(|_| reply(200, object().to_string())));
    let graph = stand_in.graph();
    for _ in 0..150 {
        graph.read(&application(), Detail::WithKeys).await.unwrap();
    }
    let failure = graph.signed_in_as(certificate_sign_in(0)).read(&application(), Detail::WithKeys).await.unwrap_err();
    assert_eq!(failure.category, Category::Throttled);
}

#[tokio::test]
async fn a_throttled_write_closes_writes_until_the_pause_is_over_and_nothing_else() {
    let stand_in = StandIn::answering([reply_with(429, "retry-after", "10", ""), reply(200, object().to_string())]);
    let graph = stand_in.graph();
    let add = async || graph.add_key(&application(), &certificate(1), &proof()).await;
    let failure = add().await.unwrap_err();
    assert_eq!((failure.category, failure.retry, failure.settled), (Category::Throttled, Retry::After(Duration::from_secs(10)), false));

    stand_in.advance(TimeDelta::seconds(4));
    let held_back = add().await.unwrap_err();
    assert_eq!((held_back.category, held_back.retry, held_back.settled), (Category::Throttled, Retry::After(Duration::from_secs(6)), true));
    assert_eq!(stand_in.graph_requests().len(), 1);
    graph.read(&application(), Detail::Plain).await.unwrap();

    stand_in.advance(TimeDelta::seconds(6));
    add().await.unwrap();
}

#[tokio::test]
async fn a_throttled_write_without_a_time_slows_writes_down() {
    let stand_in = StandIn::answering([reply(429, "")]);
    let graph = stand_in.graph();
    let set = async || graph.set_preferred_thumbprint(&application(), certificate(0).thumbprint()).await;
    let failure = set().await.unwrap_err();
    assert_eq!((failure.category, failure.retry, failure.status), (Category::Throttled, Retry::Backoff, Some(429)));
    for _ in 0..3 {
        let failure = set().await.unwrap_err();
        assert_eq!((failure.category, failure.retry, failure.status), (Category::Throttled, Retry::After(Duration::from_secs(1)), None));
        stand_in.advance(TimeDelta::seconds(1));
        set().await.unwrap();
    }
}

#[tokio::test]
async fn a_throttled_trial_does_not_keep_us_from_our_own_token() {
    let stand_in = StandIn::default();
    stand_in.answers_tokens([reply_with(429, "retry-after", "10", "")]);
    let graph = stand_in.graph();
    assert_eq!(graph.sign_in(&secret("x")).await.unwrap_err().category, Category::Throttled);
    assert_eq!(graph.sign_in(&secret("x")).await.unwrap_err().status, None);
    graph.identity().await.unwrap();
    assert_eq!(stand_in.token_requests().len(), 2);
}

#[rstest]
#[case::seconds("10", Retry::After(Duration::from_secs(10)))]
#[case::decimals("2.128", Retry::After(Duration::from_millis(2128)))]
#[case::date_by_graphs_own_clock("Thu, 20 Aug 2026 10:00:33 GMT", Retry::After(Duration::from_secs(30)))]
#[case::zero("0", Retry::After(Duration::from_secs(1)))]
#[case::a_year("31536000", Retry::After(Duration::from_secs(3600)))]
#[case::garbage("soon", Retry::Backoff)]
#[tokio::test]
async fn retry_after_is_obeyed(#[case] value: &'static str, #[case] retry: Retry) {
    for status in [429, 503] {
        let stand_in = StandIn::answering([reply_with(status, "retry-after", value, "")]);
        let failure = stand_in.graph().read(&application(), Detail::Plain).await.unwrap_err();
        assert_eq!((failure.retry, failure.status), (retry, Some(status)));
    }
}

#[tokio::test]
async fn an_unavailable_graph_closes_nothing_and_a_permanent_refusal_waits_for_a_change_whatever_the_header_says() {
    let denied = refusal(403, "Authorization_RequestDenied").map(|mut response| {
        response.headers_mut().insert("retry-after", "10".parse().unwrap());
        response
    });
    let stand_in = StandIn::answering([reply_with(503, "retry-after", "10", ""), denied]);
    let graph = stand_in.graph();
    graph.read(&application(), Detail::Plain).await.unwrap_err();
    let failure = graph.read(&application(), Detail::Plain).await.unwrap_err();
    assert_eq!((failure.category, failure.retry), (Category::PermissionDenied, Retry::OnChange));
}
