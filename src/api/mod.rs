//! The custom resources that people write and the operator reports on. Types, their schemas and rules: nothing else.

#[cfg(test)]
mod crd_files;
pub mod v1alpha1;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSONSchemaProps};
use kube::{CustomResourceExt as _, ResourceExt as _};

/// The custom resource definitions as they are to be installed, `EntraTenant` first.
///
/// They differ from what the derive gives. No field is nullable, so that the API server drops a `null` before defaults
/// and rules see it: `clientCertificate: null` chooses nothing. `helm.sh/resource-policy: keep` stands on the definitions
/// (the derive would put it on every object as well): uninstalling a chart must not delete every credential's record. And
/// what the API server would add is written out, for those who compare or read the files without one.
#[must_use]
pub fn crds() -> [CustomResourceDefinition; 2] {
    [published(v1alpha1::EntraTenant::crd()), published(v1alpha1::ServicePrincipalCredential::crd())]
}

fn published(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    crd.annotations_mut().insert("helm.sh/resource-policy".to_owned(), "keep".to_owned());
    crd.spec.names.list_kind = Some(format!("{}List", crd.spec.names.kind));
    let schemas = crd.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut()?.open_api_v3_schema.as_mut());
    for schema in schemas {
        v1alpha1::tidy(schema);
        describe_object(schema);
    }
    crd
}

/// Adds to a schema what every object has.
fn describe_object(schema: &mut JSONSchemaProps) {
    schema.title = None;
    let properties = schema.properties.get_or_insert_default();
    for (name, type_) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
        let property = JSONSchemaProps { type_: Some(type_.to_owned()), ..JSONSchemaProps::default() };
        properties.insert(name.to_owned(), property);
    }
}
