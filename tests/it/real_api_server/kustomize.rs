//! The kustomize base is the chart with its defaults, for those who do not use Helm.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{CHART, objects};
use crate::control_plane::ControlPlane;

const BASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/base");
const OVERLAY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/examples/kustomize");
const NAMED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/examples/kustomize-named");
const OPTIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/examples/kustomize-options");

#[tokio::test]
async fn the_base_says_what_the_chart_says_by_its_defaults() {
    assert_like_the_chart(BASE, &[]).await;
}

#[tokio::test]
async fn the_components_say_what_the_charts_values_say() {
    let values = "workloadIdentity.enabled=true,workloadIdentity.webhook=false,verbsPolicy.enabled=true,replicas=2";
    assert_like_the_chart(OPTIONS, &["--set", values]).await;
}

#[tokio::test]
async fn single_outputs_are_served_as_by_the_chart() {
    assert_like_the_chart(NAMED, &["--set", "rbac.mode=Named", "--set", "rbac.outputs.payroll={payroll-api,payroll-saml}"]).await;
}

async fn assert_like_the_chart(folder: &str, values: &[&str]) {
    let cluster = ControlPlane::shared().await.unwrap();
    let mut base = comparable(&cluster.kubectl(&["kustomize", folder]).await.unwrap());
    let template = ["template", "entra-rotator", CHART, "-n", "entra-rotator"];
    let chart = comparable(&cluster.helm(&[&template[..], values].concat()).await.unwrap());
    base.remove("Namespace /entra-rotator").unwrap();
    assert_eq!(base.keys().collect::<Vec<_>>(), chart.keys().collect::<Vec<_>>());
    for (name, object) in base {
        assert_eq!(object, chart[&name], "{name}");
    }
}

#[tokio::test]
async fn the_base_can_be_applied_to_an_empty_cluster() {
    let cluster = ControlPlane::start().await.unwrap();
    let applied = cluster.kubectl(&["apply", "--server-side", "-k", BASE]).await.unwrap();
    assert_eq!(applied.lines().filter(|line| line.ends_with("serverside-applied")).count(), 14, "{applied}");
}

#[tokio::test]
async fn the_operator_watches_the_namespaces_where_it_has_rights() {
    let cluster = ControlPlane::shared().await.unwrap();
    for folder in [BASE, OVERLAY] {
        let objects = objects(&cluster.kubectl(&["kustomize", folder]).await.unwrap());
        assert_eq!(watched(&objects), bound(&objects), "{folder}");
    }
}

fn watched(objects: &[Value]) -> BTreeSet<&str> {
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let arguments = deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().unwrap();
    arguments.iter().filter_map(|argument| argument.as_str().unwrap().strip_prefix("--watch-namespace=")).collect()
}

fn bound(objects: &[Value]) -> BTreeSet<&str> {
    let bindings = objects.iter().filter(|object| object["roleRef"]["name"] == "entra-rotator-secrets");
    bindings.map(|binding| binding["metadata"]["namespace"].as_str().unwrap()).collect()
}

/// The objects by kind, namespace and name, without what differs by nature: the labels that say who installed them.
fn comparable(yaml: &str) -> BTreeMap<String, Value> {
    objects(yaml).into_iter().map(|object| (key(&object), without_provenance(object))).collect()
}

fn key(object: &Value) -> String {
    let metadata = &object["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{} {}/{}", text(&object["kind"]), text(&metadata["namespace"]), text(&metadata["name"]))
}

fn without_provenance(mut object: Value) -> Value {
    drop_labels(&mut object["metadata"]["labels"]);
    if object["kind"] == "Deployment" {
        drop_labels(&mut object["spec"]["selector"]["matchLabels"]);
        drop_labels(&mut object["spec"]["template"]["metadata"]["labels"]);
        let affinity = &mut object["spec"]["template"]["spec"]["affinity"];
        let terms = "/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/0/podAffinityTerm/labelSelector/matchLabels";
        if let Some(labels) = affinity.pointer_mut(terms) {
            drop_labels(labels);
        }
    }
    if object["kind"] == "PodDisruptionBudget" {
        drop_labels(&mut object["spec"]["selector"]["matchLabels"]);
    }
    if object["kind"] == "Service" {
        drop_labels(&mut object["spec"]["selector"]);
    }
    object
}

fn drop_labels(labels: &mut Value) {
    let provenance = ["instance", "managed-by", "version"].map(|label| format!("app.kubernetes.io/{label}"));
    if let Some(labels) = labels.as_object_mut() {
        labels.retain(|label, _| label != "helm.sh/chart" && !provenance.contains(label));
    }
}
