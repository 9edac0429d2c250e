//! The examples are accepted as they stand.

use std::{fs, path::PathBuf};

use serde_json::Value;

use super::{CHART, objects};
use crate::control_plane::ControlPlane;

#[tokio::test]
async fn the_sample_resources_are_accepted() {
    let cluster = ControlPlane::shared().await.unwrap();
    let samples = samples();
    assert!(samples.len() >= 4, "{samples:?}");
    for namespace in ["payroll", "crm"] {
        cluster.kubectl(&["create", "namespace", namespace]).await.unwrap();
    }
    for sample in samples {
        cluster.kubectl(&["apply", "--server-side", "--dry-run=server", "-f", sample.to_str().unwrap()]).await.unwrap();
    }
}

#[tokio::test]
async fn the_values_that_gitops_examples_give_are_the_charts() {
    let cluster = ControlPlane::shared().await.unwrap();
    for (file, kind, pointer) in
        [("flux/operator.yaml", "HelmRelease", "/spec/values"), ("argocd/operator.yaml", "Application", "/spec/source/helm/valuesObject")]
    {
        let text = fs::read_to_string(examples().join(file)).unwrap();
        let object = objects(&text).into_iter().find(|object| object["kind"] == kind).unwrap();
        let values = tempfile::NamedTempFile::new().unwrap();
        fs::write(values.path(), object.pointer(pointer).unwrap().to_string()).unwrap();
        let rendered = cluster.helm(&["template", "example", CHART, "-f", values.path().to_str().unwrap()]).await.unwrap();
        let deployment = objects(&rendered).into_iter().find(|object| object["kind"] == "Deployment").unwrap();
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["image"], "registry.example/entra-rotator:0.1.0", "{file}");
        assert!(container["args"].as_array().unwrap().contains(&Value::from("--watch-namespace=crm")), "{file}");
    }
}

fn examples() -> PathBuf {
    concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/examples").into()
}

/// The manifests of our own resources: the files that lie in the folder itself.
fn samples() -> Vec<PathBuf> {
    let entries = fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}
