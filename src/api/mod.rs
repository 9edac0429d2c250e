//! The custom resources that people write and the operator reports on. Types, their schemas and rules: nothing else.

pub mod v1alpha1;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use kube::ResourceExt as _;

/// The custom resource definitions as they are to be installed, in the order of their file names.
///
/// They differ from what the derive gives in two ways. No field is nullable, so that the API server drops a `null`
/// before rules and defaults see it: `clientCertificate: null` chooses nothing. And `helm.sh/resource-policy: keep`
/// stands on the definitions (the derive would put it on every object too): uninstalling a chart must not delete
/// every credential's record.
#[must_use]
pub fn crds() -> [CustomResourceDefinition; 2] {
    [published(v1alpha1::EntraTenant::crd()), published(v1alpha1::ServicePrincipalCredential::crd())]
}

fn published(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    crd.annotations_mut().insert("helm.sh/resource-policy".to_owned(), "keep".to_owned());
    for version in &mut crd.spec.versions {
        let schema = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
        if let Some(schema) = schema {
            v1alpha1::refuse_nulls(schema);
        }
    }
    crd
}
