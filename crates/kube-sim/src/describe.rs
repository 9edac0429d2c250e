//! What the server says about itself: legacy discovery, version, health, and just enough OpenAPI for kubectl.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    failure::Failure,
    kind::{Catalogue, Kind},
};

/// The answer to a path that names no resource.
pub(crate) fn describe(path: &[&str], catalogue: &Catalogue) -> Result<Value, Failure> {
    match path {
        ["version"] => Ok(version()),
        ["healthz" | "livez" | "readyz"] => Ok(json!("ok")),
        ["api"] => Ok(json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})),
        ["apis"] => Ok(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups(catalogue)})),
        ["apis", name] => group(catalogue, name),
        ["api", version] => resources(catalogue, "", version),
        ["apis", group, version] => resources(catalogue, group, version),
        ["openapi", "v3"] => Ok(openapi_index(catalogue)),
        ["openapi", "v3", "api", version] => openapi(catalogue, "", version),
        ["openapi", "v3", "apis", group, version] => openapi(catalogue, group, version),
        _ => Err(Failure::no_such_path()),
    }
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "36", "gitVersion": "v1.36.1+kube-sim", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "",
    })
}

/// Groups, with their versions, in the order of their names.
fn groups(catalogue: &Catalogue) -> Vec<Value> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in catalogue.all().filter(|kind| !kind.group.is_empty()) {
        let known = versions.entry(&kind.group).or_default();
        if !known.contains(&kind.version.as_str()) {
            known.push(&kind.version);
        }
    }
    let describe = |(group, versions): (&str, Vec<&str>)| {
        let versions: Vec<_> =
            versions.iter().map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version})).collect();
        json!({"name": group, "preferredVersion": versions[0], "versions": versions})
    };
    versions.into_iter().map(describe).collect()
}

fn group(catalogue: &Catalogue, name: &str) -> Result<Value, Failure> {
    let found = groups(catalogue).into_iter().find(|group| group["name"] == name);
    let mut group = found.ok_or_else(Failure::no_such_path)?;
    group["kind"] = json!("APIGroup");
    group["apiVersion"] = json!("v1");
    Ok(group)
}

fn of<'a>(catalogue: &'a Catalogue, group: &'a str, version: &'a str) -> impl Iterator<Item = &'a Kind> {
    let fits = move |kind: &&Kind| kind.group == group && kind.version == version;
    catalogue.all().map(|kind| &**kind).filter(fits)
}

fn resources(catalogue: &Catalogue, group: &str, version: &str) -> Result<Value, Failure> {
    let resources: Vec<_> = of(catalogue, group, version).flat_map(describe_kind).collect();
    if resources.is_empty() {
        return Err(Failure::no_such_path());
    }
    let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Ok(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources}))
}

fn describe_kind(kind: &Kind) -> Vec<Value> {
    let verbs = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
    let mut resource = json!({
        "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind, "verbs": verbs,
    });
    for (field, list) in [("shortNames", &kind.short_names), ("categories", &kind.categories)] {
        if !list.is_empty() {
            resource[field] = json!(list);
        }
    }
    let status = json!({
        "name": format!("{}/status", kind.plural), "singularName": "", "namespaced": kind.namespaced, "kind": kind.kind,
        "verbs": ["get", "patch", "update"],
    });
    [Some(resource), kind.has_status.then_some(status)].into_iter().flatten().collect()
}

fn openapi_index(catalogue: &Catalogue) -> Value {
    let paths: BTreeMap<String, Value> = catalogue
        .all()
        .map(|kind| match kind.group.as_str() {
            "" => format!("api/{}", kind.version),
            group => format!("apis/{group}/{}", kind.version),
        })
        .map(|path| (path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash=0")})))
        .collect();
    json!({"paths": paths})
}

/// No schemas: kubectl only looks whether a kind's patch takes the parameter fieldValidation.
fn openapi(catalogue: &Catalogue, group: &str, version: &str) -> Result<Value, Failure> {
    let paths: BTreeMap<String, Value> = of(catalogue, group, version).map(patch_operation).collect();
    if paths.is_empty() {
        return Err(Failure::no_such_path());
    }
    Ok(json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.36.1"},
        "paths": paths, "components": {"schemas": {}},
    }))
}

fn patch_operation(kind: &Kind) -> (String, Value) {
    let root = if kind.group.is_empty() { "api".to_owned() } else { format!("apis/{}", kind.group) };
    let namespace = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
    let path = format!("/{root}/{}{namespace}/{}/{{name}}", kind.version, kind.plural);
    let parameter = json!({"name": "fieldValidation", "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let operation = json!({
        "operationId": format!("patch{}{}", kind.group, kind.kind),
        "parameters": [parameter],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
    });
    (path, json!({"patch": operation}))
}
