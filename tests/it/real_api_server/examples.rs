//! Every manifest that is shown, in a page or as a file, is accepted as it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{CHART, objects};
use crate::control_plane::ControlPlane;
use crate::crds;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/examples");

/// The groups of tools that this cluster does not have. Of all other groups every kind must be served.
const OF_OTHER_TOOLS: [&str; 6] = [
    "argoproj.io",
    "kustomize.config.k8s.io",
    "kustomize.toolkit.fluxcd.io",
    "helm.toolkit.fluxcd.io",
    "source.toolkit.fluxcd.io",
    "monitoring.coreos.com",
];

#[tokio::test]
async fn every_manifest_that_is_shown_is_accepted_as_it_stands() {
    let cluster = ControlPlane::shared().await.unwrap();
    let shown = shown();
    create_namespaces(cluster, shown.values().flatten()).await;
    let mut kinds = BTreeSet::new();
    for (place, manifests) in &shown {
        let ours: Vec<_> = manifests.iter().filter(|manifest| !is_of_another_tool(manifest)).collect();
        kinds.extend(ours.iter().map(|manifest| manifest["kind"].as_str().unwrap().to_owned()));
        if !ours.is_empty() {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": ours}).to_string();
            let arguments = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"];
            cluster.kubectl_with_input(&arguments, &list).await.unwrap_or_else(|error| panic!("{}: {error}", place.display()));
        }
    }
    for kind in ["EntraTenant", "ServicePrincipalCredential", "RoleBinding", "Secret", "Deployment"] {
        assert!(kinds.contains(kind), "no page or example shows a manifest of kind {kind}");
    }
}

#[test]
fn what_is_shown_and_is_no_manifest_does_not_look_like_one() {
    for (place, documents) in documents() {
        for document in documents.iter().filter(|document| !is_manifest(document)) {
            let looks = ["apiVersion", "kind", "spec"].iter().any(|field| document.get(field).is_some());
            assert!(!looks, "{}: a manifest needs apiVersion, kind and metadata.name: {document}", place.display());
        }
    }
}

#[test]
fn every_manifest_of_ours_that_is_shown_is_one_that_the_operator_can_read() {
    for (place, manifests) in shown() {
        for manifest in manifests.into_iter().filter(|manifest| group(manifest) == "entra-rotator.io") {
            let read = crds::read(manifest["kind"].as_str().unwrap(), manifest.clone());
            read.unwrap_or_else(|error| panic!("{}: {error}: {manifest}", place.display()));
        }
    }
}

#[test]
fn every_field_of_a_credential_and_of_a_tenant_is_shown_in_a_page() {
    let pages = shown().into_iter().filter(|(place, _)| place.extension().is_some_and(|extension| extension == "md"));
    let manifests: Vec<Value> = pages.flat_map(|(_, manifests)| manifests).collect();
    for kind in ["ServicePrincipalCredential", "EntraTenant"] {
        let shown: BTreeSet<String> = manifests
            .iter()
            .filter(|manifest| manifest["kind"] == kind)
            .flat_map(|manifest| crds::fields_in("spec", &manifest["spec"]))
            .collect();
        let missing: Vec<_> = crds::fields(kind).into_iter().filter(|field| !shown.contains(field)).collect();
        assert!(missing.is_empty(), "no page shows these fields of {kind}: {missing:#?}");
    }
}

#[tokio::test]
async fn the_values_that_gitops_examples_give_are_the_charts() {
    let cluster = ControlPlane::shared().await.unwrap();
    for (file, kind, pointer) in
        [("flux/operator.yaml", "HelmRelease", "/spec/values"), ("argocd/operator.yaml", "Application", "/spec/source/helm/valuesObject")]
    {
        let text = fs::read_to_string(Path::new(EXAMPLES).join(file)).unwrap();
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

async fn create_namespaces<'a>(cluster: &ControlPlane, manifests: impl Iterator<Item = &'a Value>) {
    let named: BTreeSet<_> = manifests.filter_map(|manifest| manifest["metadata"]["namespace"].as_str()).collect();
    let namespace = |name: &&str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": named.iter().map(namespace).collect::<Value>()});
    cluster.kubectl_with_input(&["apply", "--server-side", "-f", "-"], &list.to_string()).await.unwrap();
}

fn is_manifest(document: &Value) -> bool {
    document["apiVersion"].is_string()
        && document["kind"].is_string()
        && (document["metadata"]["name"].is_string() || is_kustomization(document))
}

/// A file for kustomize itself, which has no name.
fn is_kustomization(document: &Value) -> bool {
    group(document) == "kustomize.config.k8s.io"
}

fn group(manifest: &Value) -> &str {
    manifest["apiVersion"].as_str().and_then(|version| version.split_once('/')).map_or("", |(group, _)| group)
}

fn is_of_another_tool(manifest: &Value) -> bool {
    OF_OTHER_TOOLS.contains(&group(manifest))
}

/// The manifests among the documents.
fn shown() -> BTreeMap<PathBuf, Vec<Value>> {
    let only_manifests = |documents: Vec<Value>| documents.into_iter().filter(is_manifest).collect();
    documents().into_iter().map(|(place, documents)| (place, only_manifests(documents))).collect()
}

/// Every YAML document in the pages and in the examples, by file.
fn documents() -> BTreeMap<PathBuf, Vec<Value>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md")];
    ["docs", "charts", "crates/entra-emulator", "deploy/examples"].iter().for_each(|folder| collect(&root.join(folder), &mut files));
    let found = files.into_iter().filter_map(|file| {
        let text = |file: &Path| fs::read_to_string(file).unwrap();
        let yaml = match file.extension()?.to_str()? {
            "md" => blocks(&text(&file)),
            "yaml" if file.starts_with(root.join("deploy")) => vec![text(&file)],
            _ => return None,
        };
        let documents = yaml.iter().flat_map(|yaml| objects(yaml)).collect();
        Some((file.strip_prefix(root).unwrap().to_owned(), documents))
    });
    found.collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

/// The blocks of a page that are fenced as YAML, in lists as well.
fn blocks(page: &str) -> Vec<String> {
    let mut lines = page.lines();
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        let fence = line.trim_start();
        if fence.starts_with("```yaml") || fence.starts_with("```yml") {
            let indent = line.len() - fence.len();
            let inside = lines.by_ref().take_while(|line| line.trim() != "```");
            blocks.push(inside.map(|line| line.get(indent..).unwrap_or_default().to_owned() + "\n").collect());
        }
    }
    blocks
}
