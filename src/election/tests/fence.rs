//! What the rest of the operator can still write.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams};

use super::*;

fn note(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "ours"}})).unwrap()
}

/// Every kind of write, by whether it was let through.
async fn write_all(client: &Client, name: &str) -> [bool; 4] {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "ours");
    let (post, patch) = (PostParams::default(), PatchParams::apply("test"));
    let passed = [
        api.create(&post, &note(name)).await.map(drop),
        api.replace(name, &post, &note(name)).await.map(drop),
        api.patch(name, &patch, &Patch::Apply(&note(name))).await.map(drop),
        api.delete(name, &DeleteParams::default()).await.map(drop),
    ];
    passed.map(|outcome| match outcome {
        Ok(()) => true,
        Err(error) => {
            assert!(is_fenced(&error), "{error}");
            false
        }
    })
}

fn writes_of_notes(sim: &KubeSim) -> usize {
    sim.requests().iter().filter(|recorded| recorded.request.changes("configmaps")).count()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_before_the_lease_is_won_nor_after_it_is_given_up() {
    let sim = cluster();
    let first = replica(&sim, "first");
    let client = first.fence(&sim.client());
    assert_eq!(write_all(&client, "before").await, [false; 4]);
    assert_eq!(writes_of_notes(&sim), 0);
    first.acquire().await;
    assert_eq!(write_all(&client, "while").await, [true; 4]);
    first.release().await;
    assert_eq!(write_all(&client, "after").await, [false; 4]);
    assert_eq!(writes_of_notes(&sim), 4);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_once_the_lease_could_not_be_renewed_long_before_anybody_takes_it() {
    let sim = cluster();
    let first = replica(&sim, "first");
    let client = first.fence(&sim.client());
    first.acquire().await;
    sleep(TRUST - Duration::from_millis(1)).await;
    assert_eq!(write_all(&client, "in-time").await, [true; 4]);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(write_all(&client, "late").await, [false; 4]);
    assert_eq!(holder(&sim), "first");
}

#[tokio::test(start_paused = true)]
async fn reading_needs_no_lease() {
    let sim = cluster();
    let client = replica(&sim, "idle").fence(&sim.client());
    let api: Api<ConfigMap> = Api::namespaced(client, "ours");
    assert!(api.get_opt("none").await.unwrap().is_none());
    assert!(api.list(&kube::api::ListParams::default()).await.unwrap().items.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_under_way_when_the_lease_was_lost_writes_nothing_more() {
    let (sim, first) = led().await;
    let client = first.fence(&sim.client());
    let working = tokio::spawn(async move {
        let api: Api<ConfigMap> = Api::namespaced(client, "ours");
        for number in 0.. {
            let written = api.create(&PostParams::default(), &note(&format!("note-{number}"))).await;
            if let Err(error) = written {
                return (number, is_fenced(&error));
            }
            sleep(Duration::from_millis(100)).await;
        }
        unreachable!("it writes until it is stopped")
    });
    sleep(Duration::from_secs(1)).await;
    usurp(&sim, "second");
    assert!(matches!(first.hold().await, Lost::Taken { .. }));
    let lost = writes_of_notes(&sim);
    let (written, fenced) = working.await.unwrap();
    assert!(fenced);
    assert_eq!((written, writes_of_notes(&sim)), (lost, lost));
}
