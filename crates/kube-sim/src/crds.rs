//! CustomResourceDefinitions as objects: what they define is served as long as they are there.

use serde_json::Value;

use crate::{
    kind::{CrdError, Kind},
    store::State,
};

/// Where they are kept.
pub(crate) const TABLE: &str = "customresourcedefinitions.apiextensions.k8s.io";

impl State {
    /// Serves what a definition defines. One that cannot be served has been refused before.
    pub(crate) fn define(&mut self, definition: &Value) {
        for kind in Kind::from_crd(definition).unwrap_or_default() {
            self.catalogue.add(kind);
        }
    }

    /// Stops serving what a definition defined, and removes all objects of it.
    pub(crate) fn undefine(&mut self, definition: &Value) {
        for kind in Kind::from_crd(definition).unwrap_or_default() {
            for object in self.list(&kind.table, None) {
                let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
                self.expunge(&kind.table, &(text("namespace"), text("name")));
            }
            self.catalogue.remove(&kind);
        }
    }
}

/// All definitions in a YAML text of several documents; other objects in it are passed over.
pub(crate) fn parse(yaml: &str) -> Result<Vec<Value>, CrdError> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).map_err(|error| CrdError::Parse(error.to_string()))?;
    Ok(documents.into_iter().filter(|document| document["kind"] == "CustomResourceDefinition").collect())
}
