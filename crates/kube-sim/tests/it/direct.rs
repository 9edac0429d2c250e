//! Looking at and changing the store past the API; time; namespaces; old events.

use std::time::Duration;

use k8s_openapi::api::{core::v1::Secret, events::v1::Event};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, PostParams},
    core::GroupVersionKind,
};
use kube_sim::KubeSim;
use serde_json::json;

use crate::world::{start, widget, widgets};

#[tokio::test(start_paused = true)]
async fn what_is_put_is_kept_as_it_is_and_watched_like_anything_else() {
    let sim = start();
    let made = widgets(&sim).create(&PostParams::default(), &widget("a", &json!({"owner": "me"}))).await.unwrap();
    let mut object = sim.get("widgets.test.example", "default", "a").unwrap();
    object["spec"]["color"] = json!("no color at all");
    let put = sim.put(object);
    assert_eq!(put["metadata"]["uid"], json!(made.metadata.uid));
    assert_ne!(put["metadata"]["resourceVersion"], json!(made.metadata.resource_version));
    assert_eq!(widgets(&sim).get("a").await.unwrap().data["spec"]["color"], "no color at all");
    assert_eq!(sim.list("widgets.test.example", Some("default")).len(), 1);
    assert_eq!(sim.list("widgets.test.example", Some("other")).len(), 0);
    assert!(sim.delete("widgets.test.example", "default", "a"));
    assert!(!sim.delete("widgets.test.example", "default", "a"));
}

#[tokio::test(start_paused = true)]
async fn times_come_from_the_clock_that_was_handed_in() {
    let sim = start();
    tokio::time::advance(Duration::from_secs(3600)).await;
    let secret: Secret = serde_json::from_value(json!({"metadata": {"name": "s"}})).unwrap();
    let made = Api::<Secret>::namespaced(sim.client(), "default").create(&PostParams::default(), &secret).await.unwrap();
    assert_eq!(json!(made.metadata.creation_timestamp), "2026-01-01T01:00:00Z");
    assert_eq!(sim.requests()[0].at.to_rfc3339(), "2026-01-01T01:00:00+00:00");
}

#[tokio::test(start_paused = true)]
async fn an_event_goes_an_hour_after_it_last_happened() {
    let sim = start();
    let api: Api<Event> = Api::namespaced(sim.client(), "default");
    let event = |name: &str| -> Event {
        serde_json::from_value(json!({
            "metadata": {"name": name}, "type": "Normal", "reason": "R", "action": "A", "eventTime": "2026-01-01T00:00:00.000000Z",
            "reportingController": "c", "reportingInstance": "i", "regarding": {"kind": "Widget", "name": "a", "namespace": "default"},
        }))
        .unwrap()
    };
    api.create(&PostParams::default(), &event("first")).await.unwrap();
    tokio::time::advance(Duration::from_secs(3000)).await;
    api.create(&PostParams::default(), &event("second")).await.unwrap();
    assert_eq!(sim.list("events", None).len(), 2);
    tokio::time::advance(Duration::from_secs(3000)).await;
    api.create(&PostParams::default(), &event("third")).await.unwrap();
    let left: Vec<_> = sim.list("events", None).iter().map(|event| event["metadata"]["name"].clone()).collect();
    assert_eq!(left, ["second", "third"]);
}

#[tokio::test(start_paused = true)]
async fn a_definition_that_cannot_be_served_is_refused_by_name() {
    let broken = crate::world::WIDGETS.replace("pattern: '^[a-z]+$'", "pattern: '(['");
    let error = KubeSim::builder().crd_yaml(broken).build().err().unwrap().to_string();
    assert!(error.starts_with("the CustomResourceDefinition widgets.test.example has a pattern that cannot be read"), "{error}");
    let broken = crate::world::WIDGETS.replace("rule: self == oldSelf", "rule: self === oldSelf");
    let error = kube_sim::KubeSim::builder().crd_yaml(broken).build().err().unwrap().to_string();
    assert!(error.contains("has a rule that cannot be compiled"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_operators_own_definitions_are_served() {
    let definitions =
        [include_str!("../../../../crds/entratenants.yaml"), include_str!("../../../../crds/serviceprincipalcredentials.yaml")];
    let sim = definitions.into_iter().fold(KubeSim::builder(), kube_sim::Builder::crd_yaml).build().unwrap();
    let api: Api<DynamicObject> = Api::default_namespaced_with(
        sim.client(),
        &ApiResource::from_gvk(&GroupVersionKind::gvk("entra-rotator.io", "v1alpha1", "ServicePrincipalCredential")),
    );
    let mut object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential", "metadata": {"name": "a"},
        "spec": {"target": {"clientID": "8c9f3d52-0000-4000-8000-000000000000"}, "clientCertificate": {}, "secretName": "a"},
    }))
    .unwrap();
    let made = api.create(&PostParams::default(), &object).await.unwrap();
    assert_eq!(made.data["spec"]["tenantRef"], json!({"name": "default"}));
    assert_eq!(made.data["status"], json!({"observedGeneration": -1}));
    object.data["spec"]["target"]["clientID"] = json!("8c9f3d52-0000-4000-8000-000000000001");
    object.metadata.resource_version = made.metadata.resource_version;
    let refused = api.replace("a", &PostParams::default(), &object).await.unwrap_err();
    assert!(refused.to_string().contains("target cannot change"), "{refused}");
}
