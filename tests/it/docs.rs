//! What the front page and `docs/` say, held against what there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use entra_rotator::api::v1alpha1::{EntraTenant, ServicePrincipalCredential};
use entra_rotator::metrics::Metrics;
use entra_rotator::tenant;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use kube::{Api, Client};
use kube_sim::KubeSim;
use serde_json::Value;

#[tokio::test]
async fn every_manifest_of_ours_is_accepted_as_it_stands() {
    let mut count = 0;
    for page in pages() {
        // One cluster for each page: their manifests show the same objects in different ways.
        let client = cluster();
        for manifest in manifests(&page) {
            apply(&client, &manifest).await.unwrap_or_else(|error| panic!("{}: {error}\n{manifest}", page.display()));
            count += 1;
        }
    }
    assert!(count >= 5, "only {count} manifests were found");
}

fn cluster() -> Client {
    let crds =
        ["entratenants", "serviceprincipalcredentials"].map(|name| fs::read_to_string(root().join(format!("crds/{name}.yaml"))).unwrap());
    let server = crds.into_iter().fold(KubeSim::builder(), kube_sim::Builder::crd_yaml).build().unwrap();
    ["payroll", "crm", "entra-rotator"].iter().for_each(|namespace| server.create_namespace(namespace));
    server.client()
}

async fn apply(client: &Client, manifest: &Value) -> Result<(), kube::Error> {
    let name = manifest["metadata"]["name"].as_str().unwrap();
    let api: Api<DynamicObject> = match manifest["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &ApiResource::erase::<ServicePrincipalCredential>(&())),
        None => Api::all_with(client.clone(), &ApiResource::erase::<EntraTenant>(&())),
    };
    let parameters = PatchParams::apply("test").validation_strict();
    api.patch(name, &parameters, &Patch::Apply(manifest)).await.map(drop)
}

/// The documents of our own API in the YAML blocks of a page.
fn manifests(page: &Path) -> Vec<Value> {
    let text = fs::read_to_string(page).unwrap();
    let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split_once("\n```").unwrap().0);
    let documents = blocks.flat_map(|block| serde_saphyr::from_multiple::<Value>(block).unwrap());
    documents.filter(|document| document["apiVersion"] == "entra-rotator.io/v1alpha1").collect()
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://")) {
            assert!(leads_somewhere(&page, link), "{} links to {link}, which does not exist", page.display());
        }
    }
}

/// Whether a link leads to a file, and, behind a `#`, to a heading in it.
fn leads_somewhere(page: &Path, link: &str) -> bool {
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() { page.to_owned() } else { page.parent().unwrap().join(file) };
    let names = |line: &str| line.starts_with('#') && anchor(line) == heading;
    target.exists() && (heading.is_empty() || fs::read_to_string(target).is_ok_and(|text| text.lines().any(names)))
}

/// What a heading is called in a link.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter))
        .map(|letter| if letter == ' ' { '-' } else { letter })
        .collect()
}

#[test]
fn what_consumers_are_advised_to_do_is_what_the_real_clients_do() {
    let page = fs::read_to_string(root().join("docs/consumers.md")).unwrap();
    let of_clients = |file: &str| fs::read_to_string(root().join("tests/clients").join(file)).unwrap();
    for (language, script) in [("python", "python/following.py"), ("javascript", "node/following.mjs")] {
        let shown = format!("```{language}\n{}```\n", of_clients(script));
        assert!(page.contains(&shown), "docs/consumers.md does not show {script} as it is");
    }
    let package: Value = serde_json::from_str(&of_clients("node/package.json")).unwrap();
    let of_node = package["dependencies"].as_object().unwrap().iter().map(|(library, pin)| format!("{library} {}", pin.as_str().unwrap()));
    let of_python = of_clients("python/requirements.in");
    let of_python = of_python.lines().filter_map(|line| line.split_once("==")).map(|(library, pin)| format!("{library} {pin}"));
    let missing: Vec<_> = of_node.chain(of_python).filter(|pin| !page.contains(pin)).collect();
    assert!(missing.is_empty(), "docs/consumers.md does not say that it was tested with {missing:?}");
}

#[test]
fn every_reason_is_listed_with_its_remedy_and_no_other() {
    let page = fs::read_to_string(root().join("docs/status.md")).unwrap();
    let of_credentials = rotation::Reason::ALL.iter().map(|reason| (reason.as_str(), reason.remedy()));
    let of_tenants = tenant::Reason::ALL.iter().map(|reason| (reason.as_str(), reason.remedy()));
    let rows: BTreeSet<_> = of_credentials.chain(of_tenants).map(|(reason, remedy)| format!("| `{reason}` | {remedy} |")).collect();
    let missing: Vec<_> = rows.iter().filter(|row| !page.lines().any(|line| line == *row)).collect();
    assert!(missing.is_empty(), "docs/status.md lacks these rows: {missing:#?}");
    let tables = page.split("| Reason |").skip(1);
    let reasons = tables.flat_map(|table| table.lines().take_while(|line| line.ends_with('|')));
    let stale: Vec<_> = reasons.filter(|line| line.starts_with("| `") && !rows.contains(*line)).collect();
    assert!(stale.is_empty(), "docs/status.md lists what is no reason, or has another remedy: {stale:#?}");
}

#[test]
fn every_other_reason_of_a_condition_and_every_event_is_explained() {
    let page = fs::read_to_string(root().join("docs/status.md")).unwrap();
    let report = ["report.rs", "report/stage.rs", "report/risk.rs"].map(|file| format!("crates/rotation/src/{file}"));
    let sources = report.iter().map(String::as_str).chain(["src/credential/events.rs", "src/tenant/abandon.rs"]);
    let words: BTreeSet<String> = sources.flat_map(|file| words(&fs::read_to_string(root().join(file)).unwrap())).collect();
    assert!(words.len() > 40, "the reasons are not where this test looks for them: {words:?}");
    // Parts of sentences and of logs, which are no reasons.
    let others = ["Activate", "Publish", "True", "LetGo", "Licensed", "Named", "Recovered"];
    let missing: Vec<_> = words.iter().filter(|word| !others.contains(&word.as_str()) && !page.contains(&format!("`{word}`"))).collect();
    assert!(missing.is_empty(), "docs/status.md does not explain {missing:?}");
}

#[test]
fn every_state_that_is_printed_can_be_found_from_the_page_of_conditions() {
    let page = fs::read_to_string(root().join("docs/status.md")).unwrap();
    let states = fs::read_dir(root().join("docs/states")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let missing: Vec<_> = states.filter(|state| !page.contains(&format!("](states/{state})"))).collect();
    assert!(missing.is_empty(), "docs/status.md does not link to {missing:?}");
}

/// The texts of a source file that are one word in CamelCase.
fn words(source: &str) -> Vec<String> {
    let is_word = |text: &&str| text.len() > 3 && text.starts_with(char::is_uppercase) && text.chars().all(char::is_alphabetic);
    source.lines().flat_map(|line| line.split('"').skip(1).step_by(2)).filter(is_word).map(str::to_owned).collect()
}

#[test]
fn every_metric_is_listed_and_no_other() {
    let page = fs::read_to_string(root().join("docs/status.md")).unwrap();
    let listed = page.lines().filter_map(|line| line.strip_prefix("| `entra_rotator_")?.split('`').next().map(str::to_owned));
    let metrics = Metrics::new();
    metrics.tenant("default", Some(true));
    let exposed = metrics.encode();
    let families = exposed.lines().filter_map(|line| line.strip_prefix("# TYPE entra_rotator_")?.split_once(' '));
    let suffixed = families.map(|(name, kind)| match kind {
        "counter" => format!("{name}_total"),
        "info" => format!("{name}_info"),
        _ => name.to_owned(),
    });
    assert_eq!(listed.collect::<BTreeSet<_>>(), suffixed.collect());
}

#[test]
fn every_key_label_and_annotation_of_an_output_is_explained() {
    let page = fs::read_to_string(root().join("docs/outputs.md")).unwrap();
    let sources = fs::read_dir(root().join("src/credential/layout")).unwrap().map(|entry| entry.unwrap().path());
    let sources = sources.filter(|path| path.is_file() && !path.ends_with("tests.rs")).map(|path| fs::read_to_string(path).unwrap());
    let names: BTreeSet<String> = sources.flat_map(|source| constants(&source)).collect();
    assert!(names.len() > 20, "the names of the keys are not where this test looks for them: {names:?}");
    let missing: Vec<_> = names.iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/outputs.md does not explain {missing:?}");
}

/// The texts in the constants of a source file.
fn constants(source: &str) -> Vec<String> {
    let values = source.split("const ").skip(1).filter_map(|rest| rest.split_once(" =")?.1.split(';').next());
    let texts = values.flat_map(|value| value.split('"').skip(1).step_by(2));
    texts.map(str::to_owned).collect()
}

/// The front page, and every page of `docs/` itself.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    docs.chain([root().join("README.md")]).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
