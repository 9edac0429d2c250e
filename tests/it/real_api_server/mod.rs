mod agreement;
mod chart;
mod crds;
mod examples;
mod harness;
mod kustomize;
mod operator;
mod rights;
mod verbs;

use serde_json::Value;

/// Where the chart is.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/entra-rotator");

/// The objects of a YAML stream.
fn objects(yaml: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    documents.into_iter().filter(|document| !document.is_null()).collect()
}
