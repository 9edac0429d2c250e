//! What the chart's files say about each other, without a cluster.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

#[test]
fn the_charts_readme_lists_every_value_once_and_nothing_else() {
    let values: Value = serde_saphyr::from_str(&chart_file("values.yaml")).unwrap();
    let readme = chart_file("README.md");
    let (_, table) = readme.split_once("## Values\n").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let listed: Vec<_> = rows.map(str::to_owned).collect();
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), leaves("", &values));
    assert_eq!(listed.len(), leaves("", &values).len());
}

#[test]
fn the_charts_schema_knows_every_value_and_nothing_else() {
    let values: Value = serde_saphyr::from_str(&chart_file("values.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&chart_file("values.schema.json")).unwrap();
    let mut known = properties("", &schema);
    // Helm hands this to every chart.
    assert!(known.remove("global"));
    assert_eq!(known, leaves("", &values));
}

#[test]
fn the_charts_default_image_is_of_the_version_that_this_workspace_builds() {
    let chart: Value = serde_saphyr::from_str(&chart_file("Chart.yaml")).unwrap();
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn the_image_is_built_from_nothing_and_holds_the_binary_and_the_roots_that_it_trusts() {
    let file = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Containerfile")).unwrap();
    let (build, image) = file.split_once("\nFROM scratch\n").expect("the image begins with nothing");
    assert!(build.contains("-alpine AS build"), "musl, and so a static binary");
    let added: Vec<_> = image.lines().filter(|line| ["COPY", "ADD", "RUN"].iter().any(|word| line.starts_with(word))).collect();
    let roots = "COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt";
    assert_eq!(added, [roots, "COPY --from=build /entra-rotator /entra-rotator"]);
    assert!(image.contains("\nUSER 65532:65532\n") && image.contains("\nENTRYPOINT [\"/entra-rotator\"]"));
}

/// The paths of all values that are not objects with values of their own.
fn leaves(path: &str, value: &Value) -> BTreeSet<String> {
    match value.as_object().filter(|object| !object.is_empty()) {
        Some(_) if path == "resources" => BTreeSet::from([path.to_owned()]),
        Some(object) => object.iter().flat_map(|(name, value)| leaves(&joined(path, name), value)).collect(),
        None => BTreeSet::from([path.to_owned()]),
    }
}

/// The paths of all properties that do not have properties of their own; each object of the chart's own is closed.
fn properties(path: &str, schema: &Value) -> BTreeSet<String> {
    let Some(named) = schema["properties"].as_object() else { return BTreeSet::from([path.to_owned()]) };
    assert_eq!(schema["additionalProperties"], false, "{path}");
    named.iter().flat_map(|(name, schema)| properties(&joined(path, name), schema)).collect()
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn chart_file(name: &str) -> String {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/entra-rotator");
    fs::read_to_string(chart.join(name)).unwrap()
}
