//! The files of the custom resource definitions are what the types say.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{env, fs, path::Path};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

const FOLDERS: [&str; 2] = ["crds", "charts/entra-rotator/files/crds"];
const COMMAND: &str = "UPDATE_CRDS=1 cargo test -p entra-rotator --lib crd_files";

/// With `UPDATE_CRDS=1` in the environment, writes the files first.
#[test]
fn the_files_of_the_definitions_are_what_the_types_say() {
    let update = env::var_os("UPDATE_CRDS").is_some_and(|value| value == "1");
    for crd in super::crds() {
        let text = text(&crd);
        for folder in FOLDERS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            let path = folder.join(format!("{}.yaml", crd.spec.names.plural));
            if update {
                fs::create_dir_all(&folder).unwrap();
                fs::write(&path, &text).unwrap();
            }
            let written = fs::read_to_string(&path).unwrap_or_default();
            assert!(written == text, "{} is not what src/api says. Write it anew with: {COMMAND}", path.display());
        }
    }
}

#[test]
fn the_text_of_a_definition_reads_back_as_it_was() {
    for crd in super::crds() {
        let read: CustomResourceDefinition = serde_saphyr::from_str(&text(&crd)).unwrap();
        assert_eq!(read, crd);
    }
}

#[test]
fn everything_in_a_definition_is_described_in_sentences() {
    for crd in super::crds() {
        let schema = crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap();
        let schema = serde_json::to_value(schema).unwrap();
        let mut undescribed = Vec::new();
        for part in ["spec", "status"] {
            describe(part, &schema["properties"][part], &mut undescribed);
        }
        assert!(undescribed.is_empty(), "{}: no sentence says what these are: {undescribed:#?}", crd.spec.names.kind);
    }
}

fn describe(path: &str, schema: &Value, undescribed: &mut Vec<String>) {
    let is_sentence =
        |text: &str| text.starts_with(char::is_uppercase) && text.ends_with('.') && text.contains(' ') && !text.contains("  ");
    if !schema["description"].as_str().is_some_and(is_sentence) {
        undescribed.push(path.to_owned());
    }
    for properties in [&schema["properties"], &schema["items"]["properties"]] {
        for (name, property) in properties.as_object().into_iter().flatten() {
            describe(&format!("{path}.{name}"), property, undescribed);
        }
    }
}

/// The text of a file. The comment is in it so that nobody edits a file in vain.
fn text(crd: &CustomResourceDefinition) -> String {
    let mut value = serde_json::to_value(crd).unwrap();
    write_whole(&mut value);
    let body = serde_saphyr::to_string(&value).unwrap();
    format!("# Made from src/api: do not edit. To write it anew: {COMMAND}\n{body}")
}

/// Writes whole numbers without a fraction, as the API server does: the types hold bounds as `f64`.
fn write_whole(value: &mut Value) {
    match value {
        Value::Number(number) if number.as_f64().is_some_and(|float| float.fract() == 0.0) => {
            *value = number.to_string().trim_end_matches(".0").parse().unwrap();
        }
        Value::Array(items) => items.iter_mut().for_each(write_whole),
        Value::Object(fields) => fields.values_mut().for_each(write_whole),
        _ => {}
    }
}
