//! The server over HTTP, in real time.

use std::pin::pin;

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client, Config,
    api::{PostParams, WatchEvent, WatchParams},
};
use kube_sim::{KubeSim, RequestInfo, Verdict};
use serde_json::json;
use tokio::net::TcpListener;

/// A server on a socket, and a client of it.
async fn serve() -> (KubeSim, Client) {
    let sim = KubeSim::builder().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = Config::new(format!("http://{}", listener.local_addr().unwrap()).parse().unwrap());
    config.default_retry = false;
    let server = sim.clone();
    tokio::spawn(async move { server.serve(listener).await });
    (sim, Client::try_from(config).unwrap())
}

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"a": "b"}})).unwrap()
}

#[tokio::test]
async fn objects_and_watches_are_served_over_http() {
    let (_sim, client) = serve().await;
    assert_eq!(client.apiserver_version().await.unwrap().minor, "36");
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let mut events = pin!(api.watch(&WatchParams::default(), "0").await.unwrap());
    api.create(&PostParams::default(), &config_map("c")).await.unwrap();
    let begun = events.try_next().await.unwrap();
    assert!(matches!(&begun, Some(WatchEvent::Bookmark(_))), "the initial events end: {begun:?}");
    let event = events.try_next().await.unwrap();
    assert!(matches!(&event, Some(WatchEvent::Added(object)) if object.metadata.name.as_deref() == Some("c")), "{event:?}");
}

#[tokio::test]
async fn a_lost_answer_breaks_the_connection_and_the_next_request_gets_another() {
    let (sim, client) = serve().await;
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    sim.intercept(|_: &RequestInfo| Verdict::ApplyThenDrop);
    let lost = api.create(&PostParams::default(), &config_map("c")).await.unwrap_err();
    assert!(matches!(lost, kube::Error::HyperError(_) | kube::Error::Service(_)), "{lost:?}");
    sim.stop_intercepting();
    assert_eq!(api.get("c").await.unwrap().data.unwrap()["a"], "b");
}
