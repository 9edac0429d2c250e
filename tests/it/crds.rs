//! The rules of the custom resources: the table in `cases` is run here against kube-cel, and in `real_api_server::crds`
//! against kube-apiserver.

use std::collections::BTreeSet;

use entra_rotator::api::{
    self,
    v1alpha1::{EntraTenant, EntraTenantStatus, ServicePrincipalCredential, ServicePrincipalCredentialStatus},
};
use kube::core::cel::{Validator, apply_defaults};
use serde_json::{Value, json};

pub(crate) mod bounds;
pub(crate) mod cases;

use cases::{Case, Verdict};

#[test]
fn every_case_gets_its_verdict_from_the_rules() {
    let wrong: Vec<_> = cases::cases().iter().filter_map(wrongly_judged).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What was said instead of the verdict. What the schema refuses without a rule is for the API server alone.
fn wrongly_judged(case: &Case) -> Option<String> {
    let expected = match case.verdict {
        Verdict::Accepted => vec![],
        Verdict::RefusedByRule { path, message } => vec![(path.to_owned(), message.to_owned())],
        Verdict::RefusedBySchema { .. } => return None,
    };
    let judged = Validator::new().validate(&schema(case.kind), &case.object, case.before.as_ref());
    let said = judged.err().into_iter().flatten().map(|error| (error.field_path, error.message)).collect::<Vec<_>>();
    (said != expected).then(|| format!("{}: {said:?} instead of {expected:?}", case.name))
}

#[test]
fn every_rule_is_refused_once_and_kept_once_at_every_field_that_has_it() {
    for kind in ["EntraTenant", "ServicePrincipalCredential"] {
        let schema = schema(kind);
        let mut rules = Vec::new();
        collect_rules("", &schema, &mut rules);
        assert!(rules.len() > 5);
        let cases: Vec<_> = cases::cases().into_iter().filter(|case| case.kind == kind).map(|case| case.defaulted(&schema)).collect();
        let refused: BTreeSet<_> = cases.iter().filter_map(|case| case.verdict.rule()).collect();
        for rule in rules {
            assert!(refused.contains(&(rule.path.as_str(), rule.message.as_str())), "{kind}: no case breaks {rule:?}");
            assert!(cases.iter().any(|case| rule.is_kept_by(case)), "{kind}: no case keeps {rule:?}");
        }
    }
}

impl Case {
    /// As the rules see it.
    fn defaulted(self, schema: &Value) -> Self {
        let before = self.before.as_ref().map(|before| apply_defaults(schema, before));
        Self { before, object: apply_defaults(schema, &self.object), ..self }
    }
}

/// A rule where it stands.
#[derive(Debug)]
struct Rule {
    /// The field, with `[0]` for an item, that an error names.
    path: String,
    /// The field, as a JSON pointer, at which the rule stands.
    pointer: String,
    message: String,
    looks_back: bool,
}

impl Rule {
    /// An accepted case in which the rule was run.
    fn is_kept_by(&self, case: &Case) -> bool {
        let stands_in = |object: &Value| object.pointer(&self.pointer).is_some();
        let before = case.before.as_ref().is_some_and(stands_in);
        case.verdict == Verdict::Accepted && stands_in(&case.object) && (before || !self.looks_back)
    }
}

fn collect_rules(path: &str, schema: &Value, rules: &mut Vec<Rule>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        rules.push(Rule {
            path: format!("{path}{}", rule["fieldPath"].as_str().unwrap_or_default()).trim_start_matches('.').to_owned(),
            pointer: path.replace("[0]", ".0").replace('.', "/"),
            message: rule["message"].as_str().unwrap().to_owned(),
            looks_back: rule["rule"].as_str().unwrap().contains("oldSelf"),
        });
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        collect_rules(&format!("{path}.{name}"), property, rules);
    }
    if schema["items"].is_object() {
        collect_rules(&format!("{path}[0]"), &schema["items"], rules);
    }
}

#[test]
fn an_object_that_the_rules_accept_is_one_that_the_types_can_read() {
    for case in cases::cases().into_iter().filter(|case| case.verdict == Verdict::Accepted) {
        let read = read(case.kind, case.object);
        assert!(read.is_ok(), "{}: {read:?}", case.name);
    }
}

/// Reads an object by its type.
pub(crate) fn read(kind: &str, object: Value) -> serde_json::Result<()> {
    match kind {
        "EntraTenant" => serde_json::from_value::<EntraTenant>(object).map(drop),
        _ => serde_json::from_value::<ServicePrincipalCredential>(object).map(drop),
    }
}

#[test]
fn the_full_statuses_hold_every_field_of_their_schema_and_the_types_know_them_all() {
    for (kind, status) in full_statuses() {
        let missing = missing("status", &schema(kind)["properties"]["status"], &status);
        assert!(missing.is_empty(), "{kind}: {missing:?}");
    }
    let [credential, tenant] = full_statuses().map(|(_, status)| status);
    let typed: ServicePrincipalCredentialStatus = serde_json::from_value(credential.clone()).unwrap();
    assert_eq!(json!(typed), credential);
    let typed: EntraTenantStatus = serde_json::from_value(tenant.clone()).unwrap();
    assert_eq!(json!(typed), tenant);
}

/// The fields that the schema has and the value has not.
fn missing(path: &str, schema: &Value, value: &Value) -> Vec<String> {
    if value.is_null() {
        return vec![path.to_owned()];
    }
    let fields = schema["properties"].as_object().into_iter().flatten();
    let fields = fields.flat_map(|(name, schema)| missing(&format!("{path}.{name}"), schema, &value[name]));
    let items = schema.get("items").map(|items| missing(&format!("{path}[0]"), items, &value[0]));
    fields.chain(items.into_iter().flatten()).collect()
}

/// For each kind a status with every field there is.
pub(crate) fn full_statuses() -> [(&'static str, Value); 2] {
    let read = |text| serde_saphyr::from_str(text).unwrap();
    [
        ("ServicePrincipalCredential", read(include_str!("crds/credential-status.yaml"))),
        ("EntraTenant", read(include_str!("crds/tenant-status.yaml"))),
    ]
}

/// The fields that `spec` of a kind may have, with `[0]` for an item; what a map holds has no fields.
pub(crate) fn fields(kind: &str) -> Vec<String> {
    fields_of("spec", &schema(kind)["properties"]["spec"])
}

fn fields_of(path: &str, schema: &Value) -> Vec<String> {
    let fields = schema["properties"].as_object().into_iter().flatten();
    let fields = fields.flat_map(|(name, schema)| fields_of(&format!("{path}.{name}"), schema));
    let items = schema.get("items").into_iter().flat_map(|items| fields_of(&format!("{path}[0]"), items));
    std::iter::once(path.to_owned()).chain(fields).chain(items).collect()
}

/// The fields that a value has, written like [`fields`].
pub(crate) fn fields_in(path: &str, value: &Value) -> Vec<String> {
    let fields = value.as_object().into_iter().flatten().flat_map(|(name, value)| fields_in(&format!("{path}.{name}"), value));
    let items = value.as_array().into_iter().flatten().flat_map(|item| fields_in(&format!("{path}[0]"), item));
    std::iter::once(path.to_owned()).chain(fields).chain(items).collect()
}

/// The object under another name.
pub(crate) fn renamed(mut object: Value, name: &str) -> Value {
    object["metadata"]["name"] = json!(name);
    object
}

/// The schema of a kind, as it is published.
fn schema(kind: &str) -> Value {
    let crd = api::crds().into_iter().find(|crd| crd.spec.names.kind == kind).unwrap();
    json!(crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema)
}
