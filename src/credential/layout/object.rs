//! A published object, whichever kind it is: read and written alike.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::ObjectMeta;
use serde_json::Value;

use super::Data;

/// What does not belong to an output. Server-side apply leaves alone what another manager owns, and what a create of our own put there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Superfluous {
    pub(super) data: Vec<String>,
    pub(super) binary_data: Vec<String>,
    pub(super) labels: Vec<String>,
    pub(super) annotations: Vec<String>,
}

impl Superfluous {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Names it in a merge patch of the whole output, which takes it out. What the patch sets stays.
    pub(crate) fn take_out(&self, patch: &mut Value) {
        let Self { data, binary_data, labels, annotations } = self;
        take_out(data, &mut patch["data"]);
        if !binary_data.is_empty() {
            take_out(binary_data, &mut patch["binaryData"]);
        }
        take_out(labels, &mut patch["metadata"]["labels"]);
        take_out(annotations, &mut patch["metadata"]["annotations"]);
    }
}

fn take_out(names: &[String], map: &mut Value) {
    for name in names {
        if map.get(name).is_none() {
            map[name] = Value::Null;
        }
    }
}

/// What an output is read and written as.
#[derive(Clone, Debug)]
pub(crate) enum Object {
    /// For everything that is secret, and for signing certificates unless asked otherwise.
    Secret(Secret),
    /// For signing certificates, which are public.
    ConfigMap(ConfigMap),
}

impl Object {
    pub(crate) fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Secret(secret) => &secret.metadata,
            Self::ConfigMap(map) => &map.metadata,
        }
    }

    #[cfg(test)]
    pub(super) fn metadata_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Secret(secret) => &mut secret.metadata,
            Self::ConfigMap(map) => &mut map.metadata,
        }
    }

    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata().annotations.as_ref()?.get(name).map(String::as_str)
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.metadata().labels.as_ref()?.get(name).map(String::as_str)
    }

    /// Such as `Secret payroll-api`.
    pub(crate) fn title(&self) -> String {
        let kind = match self {
            Self::Secret(_) => "Secret",
            Self::ConfigMap(_) => "ConfigMap",
        };
        format!("{kind} {}", self.metadata().name.as_deref().unwrap_or_default())
    }

    /// Why it cannot be written, if its kind or a field that nobody can change forbids that.
    pub(super) fn is_unfit(&self, secret_type: &str) -> Option<String> {
        match self {
            Self::Secret(secret) if secret.type_.as_deref() != Some(secret_type) => {
                Some(format!("{} has another type than {secret_type}.", self.title()))
            }
            Self::Secret(Secret { immutable: Some(true), .. }) | Self::ConfigMap(ConfigMap { immutable: Some(true), .. }) => {
                Some(format!("{} is immutable.", self.title()))
            }
            _ => None,
        }
    }

    /// Everything that it holds.
    pub(crate) fn data(&self) -> Data {
        match self {
            Self::Secret(secret) => secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())).collect(),
            Self::ConfigMap(map) => {
                let texts = map.data.iter().flatten().map(|(key, value)| (key.clone(), value.clone().into_bytes()));
                let bytes = map.binary_data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()));
                texts.chain(bytes).collect()
            }
        }
    }

    /// The keys of a ConfigMap that hold bytes. None of ours does, and none may have the name of one of ours.
    pub(super) fn binary_keys(&self) -> Vec<String> {
        match self {
            Self::Secret(_) => vec![],
            Self::ConfigMap(map) => map.binary_data.iter().flatten().map(|(key, _)| key.clone()).collect(),
        }
    }

    /// A Secret of this type.
    pub(super) fn secret(metadata: ObjectMeta, secret_type: &str, data: Data) -> Self {
        Self::Secret(Secret {
            metadata,
            data: Some(data.into_iter().map(|(key, value)| (key, ByteString(value))).collect()),
            type_: Some(secret_type.to_owned()),
            ..Secret::default()
        })
    }

    /// A ConfigMap. What it holds is text: certificates, addresses and thumbprints.
    pub(super) fn config_map(metadata: ObjectMeta, data: Data) -> Self {
        let texts: BTreeMap<_, _> = data.into_iter().filter_map(|(key, value)| Some((key, String::from_utf8(value).ok()?))).collect();
        Self::ConfigMap(ConfigMap { metadata, data: Some(texts), ..ConfigMap::default() })
    }
}
