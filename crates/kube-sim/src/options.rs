//! What kube-apiserver checks of a request's options before it looks at any object.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    Verb,
    failure::Failure,
    request::Query,
    selector::Selector,
    violation::{Cause, Violation},
};

/// Refuses options that no server knows.
pub(crate) fn check(verb: Verb, is_apply: bool, query: &Query, body: &Result<Arc<Value>, Failure>) -> Result<(), Failure> {
    let mut found = Vec::new();
    let kind = match verb {
        Verb::Create => "CreateOptions",
        Verb::Update => "UpdateOptions",
        Verb::Patch => {
            patching(is_apply, query, &mut found);
            "PatchOptions"
        }
        Verb::Delete | Verb::DeleteCollection => {
            deleting(query, body.as_ref().map_err(Failure::clone)?, &mut found)?;
            "DeleteOptions"
        }
        Verb::List | Verb::Watch => {
            Selector::check_syntax(query)?;
            listing(verb == Verb::Watch, query, &mut found);
            "ListOptions"
        }
        Verb::Get => return Ok(()),
    };
    if matches!(verb, Verb::Create | Verb::Update | Verb::Patch) {
        dry_run(query.text("dryRun").map(|text| json!([text])), &mut found);
        validation(query, &mut found);
    }
    if found.is_empty() { Ok(()) } else { Err(Failure::invalid_as("meta.k8s.io", kind, "", &found)) }
}

fn patching(is_apply: bool, query: &Query, found: &mut Vec<Violation>) {
    if is_apply && query.text("fieldManager").is_none() {
        found.push(Violation::required("fieldManager", "is required for apply patch"));
    }
    if !is_apply && query.text("force").is_some() {
        found.push(Violation::forbidden("force", "may not be specified for non-apply patch"));
    }
}

/// A body takes the place of all parameters in the query.
fn deleting(query: &Query, body: &Value, found: &mut Vec<Violation>) -> Result<(), Failure> {
    if body.is_null() {
        dry_run(query.text("dryRun").map(|text| json!([text])), found);
        propagation(query.text("propagationPolicy"), found);
        return Ok(());
    }
    let text = |field: &str, default: &str| body[field].as_str().unwrap_or(default).to_owned();
    let is_version = |version: &str| version == "v1" || version.ends_with("/v1") || version.ends_with("/v1alpha1");
    if !body.is_object() || text("kind", "DeleteOptions") != "DeleteOptions" || !is_version(&text("apiVersion", "v1")) {
        let message = format!("no kind {:?} is registered for version {:?}", text("kind", ""), text("apiVersion", ""));
        return Err(Failure::bad_request(message));
    }
    dry_run(body.get("dryRun").filter(|list| **list != json!([])).cloned(), found);
    propagation(body["propagationPolicy"].as_str(), found);
    Ok(())
}

fn dry_run(given: Option<Value>, found: &mut Vec<Violation>) {
    if let Some(given) = given.filter(|given| *given != json!(["All"])) {
        found.push(Violation::new(Cause::NotSupported, "dryRun", Some(given), "supported values: \"All\""));
    }
}

fn propagation(policy: Option<&str>, found: &mut Vec<Violation>) {
    if let Some(policy) = policy.filter(|policy| !["", "Foreground", "Background", "Orphan"].contains(policy)) {
        let detail = "supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"";
        found.push(Violation::new(Cause::NotSupported, "propagationPolicy", Some(json!(policy)), detail));
    }
}

fn validation(query: &Query, found: &mut Vec<Violation>) {
    if let Some(given) = query.text("fieldValidation").filter(|given| !["Ignore", "Strict", "Warn"].contains(given)) {
        let detail = "supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"";
        found.push(Violation::new(Cause::NotSupported, "fieldValidation", Some(json!(given)), detail));
    }
}

fn listing(watch: bool, query: &Query, found: &mut Vec<Violation>) {
    let field = "resourceVersionMatch";
    let (given, initial) = (query.text(field), query.text("sendInitialEvents"));
    let not_older = given == Some("NotOlderThan");
    if !watch {
        if initial.is_some() {
            found.push(Violation::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
        }
        if given.is_some() && query.text("resourceVersion").is_none() {
            found.push(Violation::forbidden(field, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        return;
    }
    if initial.is_some() && !not_older {
        found.push(Violation::forbidden(field, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    }
    if given.is_some() && initial.is_none() {
        found.push(Violation::forbidden(field, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
    }
    if let Some(given) = given.filter(|_| !not_older) {
        found.push(Violation::new(Cause::NotSupported, field, Some(json!(given)), "supported values: \"NotOlderThan\""));
    }
}
