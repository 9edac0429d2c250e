//! Which outputs the operator has rights to, as whoever installed it said.

use std::str::FromStr;

use rotation::{Reason, Refusal};

use crate::api::v1alpha1::{OutputRef, ServicePrincipalCredential};
use crate::names::{is_namespace, is_object_name};

/// Which outputs may be read and written, together with the two staging Secrets that each may have.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Reach {
    /// Those in every namespace.
    #[default]
    Cluster,
    /// All in these namespaces.
    Namespaces(Vec<String>),
    /// These and no others.
    Outputs(Vec<OutputName>),
}

/// One output by its name: a Secret, a ConfigMap, or either.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct OutputName {
    /// Where it is.
    pub namespace: String,
    /// What it is called there.
    pub name: String,
}

/// A text that names no output.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an output is named by its namespace, a slash and its own name, such as payroll/payroll-api")]
pub struct InvalidOutputName;

impl FromStr for OutputName {
    type Err = InvalidOutputName;

    fn from_str(text: &str) -> Result<Self, InvalidOutputName> {
        let (namespace, name) = text.split_once('/').ok_or(InvalidOutputName)?;
        let is_fit = is_namespace(namespace) && is_object_name(name) && name.len() <= LONGEST;
        is_fit.then(|| Self { namespace: namespace.to_owned(), name: name.to_owned() }).ok_or(InvalidOutputName)
    }
}

/// What the definition of the resource allows, so that the names of the staging Secrets fit too.
const LONGEST: usize = 245;

impl Reach {
    fn covers(&self, namespace: &str, name: &str) -> bool {
        match self {
            Self::Cluster => true,
            Self::Namespaces(namespaces) => namespaces.iter().any(|known| known == namespace),
            Self::Outputs(outputs) => outputs.iter().any(|known| known.namespace == namespace && known.name == name),
        }
    }

    /// Why nothing may be published where the resource wants it: asking the API server would be of no use.
    pub(crate) fn refusal(&self, resource: &ServicePrincipalCredential) -> Option<Refusal> {
        let namespace = resource.metadata.namespace.as_deref().unwrap_or_default();
        let (kind, name) = match resource.spec.output() {
            OutputRef::Secret(name) => ("Secret", name),
            OutputRef::ConfigMap(name) => ("ConfigMap", name),
        };
        let message = match self {
            Self::Outputs(_) => {
                format!("The operator has no rights to {kind} {name} in namespace {namespace}: it serves listed outputs only.")
            }
            Self::Cluster | Self::Namespaces(_) => {
                format!("The operator has no rights to {kind} {name}: it does not serve namespace {namespace}.")
            }
        };
        (!self.covers(namespace, name)).then(|| Refusal::new(Reason::ClusterDenied, message))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn output(text: &str) -> OutputName {
        text.parse().unwrap()
    }

    fn resource(output: &serde_json::Value) -> ServicePrincipalCredential {
        let mut spec = json!({"target": {"clientID": "11111111-2222-4333-8444-555555555555"}, "tokenSigningCertificate": {}});
        spec.as_object_mut().unwrap().extend(output.as_object().unwrap().clone());
        let object = json!({"apiVersion": "entra-rotator.io/v1alpha1", "kind": "ServicePrincipalCredential",
            "metadata": {"name": "payroll", "namespace": "payroll"}, "spec": spec});
        serde_json::from_value(object).unwrap()
    }

    #[rstest]
    #[case::everywhere(Reach::Cluster)]
    #[case::its_namespace(Reach::Namespaces(vec!["crm".to_owned(), "payroll".to_owned()]))]
    #[case::itself(Reach::Outputs(vec![output("payroll/other"), output("payroll/api")]))]
    fn an_output_within_reach_is_not_refused(#[case] reach: Reach) {
        assert_eq!(reach.refusal(&resource(&json!({"secretName": "api"}))), None);
        assert_eq!(reach.refusal(&resource(&json!({"configMapName": "api"}))), None);
    }

    #[rstest]
    #[case::another_namespace(Reach::Namespaces(vec!["crm".to_owned()]), "it does not serve namespace payroll")]
    #[case::no_namespace(Reach::Namespaces(vec![]), "it does not serve namespace payroll")]
    #[case::another_output(Reach::Outputs(vec![output("payroll/ap")]), "it serves listed outputs only")]
    #[case::the_same_name_elsewhere(Reach::Outputs(vec![output("crm/api")]), "it serves listed outputs only")]
    fn an_output_beyond_reach_is_refused_by_its_name(#[case] reach: Reach, #[case] why: &str) {
        let refusal = reach.refusal(&resource(&json!({"secretName": "api"}))).unwrap();
        assert_eq!(refusal.reason, Reason::ClusterDenied);
        assert!(refusal.message.starts_with("The operator has no rights to Secret api") && refusal.message.contains(why), "{refusal:?}");
        let refusal = reach.refusal(&resource(&json!({"configMapName": "api"}))).unwrap();
        assert!(refusal.message.starts_with("The operator has no rights to ConfigMap api"), "{refusal:?}");
    }

    #[rstest]
    #[case("payroll")]
    #[case("/api")]
    #[case("payroll/")]
    #[case("Payroll/api")]
    #[case("pay.roll/api")]
    #[case("payroll/a/b")]
    #[case("payroll/..")]
    #[case("payroll/a b")]
    fn what_is_no_output_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<OutputName>(), Err(InvalidOutputName));
    }

    #[test]
    fn a_name_may_be_as_long_as_its_staging_secrets_fit() {
        let of_length = |length: usize| format!("payroll/{}", "a".repeat(length)).parse::<OutputName>();
        assert!(of_length(245).is_ok());
        assert!(of_length(246).is_err());
    }
}
