//! What kube-apiserver refuses in the kinds that every cluster has, and in the metadata of all kinds.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::{
    kind::Kind,
    schema::{entries, strings},
    violation::Violation,
};

/// Secrets and ConfigMaps may hold a mebibyte of data.
const MAX_DATA: u64 = 1024 * 1024;
/// All annotations together.
const MAX_ANNOTATIONS: usize = 256 * 1024;
const IMMUTABLE_SET: &str = "field is immutable when `immutable` is set";

static SUBDOMAIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$").ok());
static LABEL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$").ok());
static QUALIFIED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$").ok());
static DATA_KEY: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[-._a-zA-Z0-9]+$").ok());

fn matches(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// The metadata of any object.
pub(crate) fn metadata(kind: &Kind, new: &Value, old: Option<&Value>) -> Vec<Violation> {
    let meta = &new["metadata"];
    let mut found = Vec::new();
    name(kind, meta["name"].as_str().unwrap_or_default(), &mut found);
    labels(&meta["labels"], &mut found);
    annotations(&meta["annotations"], &mut found);
    owners(&meta["ownerReferences"], &mut found);
    finalizers(&meta["finalizers"], &mut found);
    if let Some(old) = old {
        // kube-apiserver looks twice, and says everything twice.
        update(meta, &old["metadata"], &mut found);
        update(meta, &old["metadata"], &mut found);
    }
    found
}

fn name(kind: &Kind, name: &str, found: &mut Vec<Violation>) {
    if name.is_empty() {
        return found.push(Violation::required("metadata.name", "name or generateName is required"));
    }
    let (fits, limit, what) =
        if kind.kind == "Namespace" { (matches(&LABEL, name), 63, LABEL_RULE) } else { (matches(&SUBDOMAIN, name), 253, SUBDOMAIN_RULE) };
    if name.len() > limit {
        found.push(Violation::invalid("metadata.name", name, format!("must be no more than {limit} bytes")));
    }
    if limit == 63 && name.contains('.') {
        found.push(Violation::invalid("metadata.name", name, "must not contain dots"));
    } else if !fits {
        found.push(Violation::invalid("metadata.name", name, what));
    }
}

const SUBDOMAIN_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED_RULE: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const DATA_KEY_RULE: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

fn labels(labels: &Value, found: &mut Vec<Violation>) {
    for (key, value) in entries(labels) {
        qualified("metadata.labels", key, found);
        label_value("metadata.labels", value.as_str().unwrap_or_default(), found);
    }
}

/// The value of a label.
pub(crate) fn label_value(field: &str, value: &str, found: &mut Vec<Violation>) {
    if value.len() > 63 {
        found.push(Violation::invalid(field, value, "must be no more than 63 bytes"));
    }
    if !value.is_empty() && !matches(&QUALIFIED, value) {
        found.push(Violation::invalid(field, value, LABEL_VALUE_RULE));
    }
}

fn annotations(annotations: &Value, found: &mut Vec<Violation>) {
    let mut size = 0;
    for (key, value) in entries(annotations) {
        qualified("metadata.annotations", &key.to_lowercase(), found);
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > MAX_ANNOTATIONS {
        found.push(Violation::too_long("metadata.annotations", MAX_ANNOTATIONS as u64));
    }
}

/// `name` or `prefix/name`.
pub(crate) fn qualified(field: &str, key: &str, found: &mut Vec<Violation>) {
    let (prefix, name) = key.split_once('/').unwrap_or(("", key));
    if name.is_empty() {
        found.push(Violation::invalid(field, key, "name part must be non-empty"));
    }
    if !prefix.is_empty() && (!matches(&SUBDOMAIN, prefix) || prefix.len() > 253) {
        found.push(Violation::invalid(field, key, format!("prefix part {SUBDOMAIN_RULE}")));
    }
    if name.len() > 63 {
        found.push(Violation::invalid(field, key, "name part must be no more than 63 bytes"));
    }
    if !matches(&QUALIFIED, name) {
        found.push(Violation::invalid(field, key, QUALIFIED_RULE));
    }
}

fn owners(owners: &Value, found: &mut Vec<Violation>) {
    let field = "metadata.ownerReferences";
    let controllers = owners.as_array().into_iter().flatten().filter(|owner| owner["controller"] == true);
    if controllers.count() > 1 {
        found.push(Violation::invalid(field, owners.clone(), "Only one reference can have Controller set to true"));
    }
    for owner in owners.as_array().into_iter().flatten() {
        let version = owner["apiVersion"].as_str().unwrap_or_default();
        if version.matches('/').count() > 1 {
            let detail = format!("unexpected GroupVersion string: {version}");
            found.push(Violation::invalid(format!("{field}.apiVersion"), version, detail));
        }
        if owner["kind"] == "Event" && version == "v1" {
            found.push(Violation::invalid(field, owner.clone(), "/v1, Kind=Event is disallowed from being an owner"));
        }
    }
    for owner in owners.as_array().into_iter().flatten() {
        for (field, what) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if owner[field].as_str().unwrap_or_default().is_empty() {
                let field = format!("metadata.ownerReferences.{field}");
                found.push(Violation::invalid(field, "", what));
            }
        }
    }
}

fn finalizers(finalizers: &Value, found: &mut Vec<Violation>) {
    for finalizer in strings(finalizers) {
        qualified("metadata.finalizers", &finalizer, found);
    }
}

fn update(new: &Value, old: &Value, found: &mut Vec<Violation>) {
    let before = strings(&old["finalizers"]);
    let added: Vec<_> = strings(&new["finalizers"]).into_iter().filter(|name| !before.contains(name)).collect();
    if !old["deletionTimestamp"].is_null() && !added.is_empty() {
        let added: Vec<_> = added.iter().map(|name| format!("{name:?}")).collect();
        let detail =
            format!("no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}", added.join(", "));
        found.push(Violation::forbidden("metadata.finalizers", detail));
    }
    if old["uid"] != new["uid"] {
        found.push(Violation::immutable("metadata.uid", new["uid"].clone()));
    }
    if old["deletionTimestamp"] != new["deletionTimestamp"] {
        found.push(Violation::immutable("metadata.deletionTimestamp", new["deletionTimestamp"].clone()));
    }
}

/// A Secret. (No message repeats what it holds.)
pub(crate) fn secret(new: &Value, old: Option<&Value>) -> Vec<Violation> {
    let mut found = Vec::new();
    if old.is_some_and(|old| old["type"] != new["type"]) {
        found.push(Violation::immutable("type", new["type"].clone()));
    }
    frozen(new, old, &["data"], &mut found);
    let size = data(&new["data"], "data", decoded_length, &mut found);
    if size > MAX_DATA {
        found.push(Violation::too_long("data", MAX_DATA));
    }
    if new["type"] == "kubernetes.io/tls" {
        for key in ["tls.crt", "tls.key"] {
            if new["data"].get(key).is_none() {
                found.push(Violation::required(format!("data[{key}]"), ""));
            }
        }
    }
    found
}

/// A ConfigMap.
pub(crate) fn config_map(new: &Value, old: Option<&Value>) -> Vec<Violation> {
    let mut found = Vec::new();
    frozen(new, old, &["data", "binaryData"], &mut found);
    let text = data(&new["data"], "data", |text| text.len() as u64, &mut found);
    let binary = data(&new["binaryData"], "binaryData", decoded_length, &mut found);
    for (key, _) in entries(&new["data"]).filter(|(key, _)| new["binaryData"].get(key).is_some()) {
        let detail = "duplicate of key present in binaryData";
        found.push(Violation::invalid(format!("data[{key}]"), key.as_str(), detail));
    }
    if text + binary > MAX_DATA {
        found.push(Violation::too_long("", MAX_DATA));
    }
    found
}

fn frozen(new: &Value, old: Option<&Value>, fields: &[&str], found: &mut Vec<Violation>) {
    let Some(old) = old.filter(|old| old["immutable"] == true) else { return };
    if new["immutable"] != true {
        found.push(Violation::forbidden("immutable", IMMUTABLE_SET));
    }
    for field in fields.iter().filter(|field| old[**field] != new[**field]) {
        found.push(Violation::forbidden(*field, IMMUTABLE_SET));
    }
}

/// Checks the keys; returns the bytes of all values.
fn data(data: &Value, field: &str, length: fn(&str) -> u64, found: &mut Vec<Violation>) -> u64 {
    let mut size = 0;
    for (key, value) in entries(data) {
        if !matches(&DATA_KEY, key) {
            found.push(Violation::invalid(format!("{field}[{key}]"), key.as_str(), DATA_KEY_RULE));
        }
        size += length(value.as_str().unwrap_or_default());
    }
    size
}

fn decoded_length(base64: &str) -> u64 {
    let padding = base64.bytes().rev().take_while(|byte| *byte == b'=').count();
    (base64.len() / 4 * 3).saturating_sub(padding) as u64
}

/// A Lease.
pub(crate) fn lease(new: &Value, _: Option<&Value>) -> Vec<Violation> {
    let mut found = Vec::new();
    let spec = &new["spec"];
    if spec["leaseDurationSeconds"].as_i64().is_some_and(|seconds| seconds <= 0) {
        let value = spec["leaseDurationSeconds"].clone();
        found.push(Violation::invalid("spec.leaseDurationSeconds", value, "must be greater than 0"));
    }
    if spec["leaseTransitions"].as_i64().is_some_and(|count| count < 0) {
        let value = spec["leaseTransitions"].clone();
        found.push(Violation::invalid("spec.leaseTransitions", value, "must be greater than or equal to 0"));
    }
    found
}

/// A CustomResourceDefinition: what this server can serve.
pub(crate) fn definition(new: &Value, _: Option<&Value>) -> Vec<Violation> {
    let error = Kind::from_crd(new).err();
    error.map(|error| Violation::invalid("spec", "", error.to_string())).into_iter().collect()
}
