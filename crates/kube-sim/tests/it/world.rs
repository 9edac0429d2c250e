//! A server with a kind of its own, under tokio's paused clock.

use chrono::{DateTime, Utc};
use kube::{
    Api,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
};
use kube_sim::KubeSim;
use serde_json::{Value, json};
use tokio::time::Instant;

pub(crate) const WIDGETS: &str = include_str!("../../scenarios/widgets.crd.yaml");

pub(crate) fn start() -> KubeSim {
    let begin = Instant::now();
    let epoch: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    KubeSim::builder().crd_yaml(WIDGETS).clock(move || epoch + begin.elapsed()).seed(1).build().unwrap()
}

pub(crate) fn widget_resource() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("test.example", "v1", "Widget"))
}

pub(crate) fn widgets(sim: &KubeSim) -> Api<DynamicObject> {
    Api::namespaced_with(sim.client(), "default", &widget_resource())
}

pub(crate) fn widget(name: &str, spec: &Value) -> DynamicObject {
    let object = json!({"apiVersion": "test.example/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec});
    serde_json::from_value(object).unwrap()
}
