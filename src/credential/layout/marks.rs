//! How an output is labelled and annotated: whose it is, and which credential it holds.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use kube::api::ObjectMeta;
use rotation::Entry;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Layout, Object, template};

/// The label by which outputs are watched; its value is the uid of the resource.
pub(crate) const OUTPUT_LABEL: &str = "entra-rotator.io/output";
/// The name of the resource, in the output's own namespace, whose output it is.
pub(crate) const OWNER: &str = "entra-rotator.io/owner";
/// The name of the resource that may take over an existing object.
pub(super) const ADOPT_BY: &str = "entra-rotator.io/adopt-by";
/// The ledger entry whose credential the output holds.
pub(crate) const ENTRY: &str = "entra-rotator.io/entry";
const KEY_ID: &str = "entra-rotator.io/key-id";
const THUMBPRINT: &str = "entra-rotator.io/thumbprint";
const NOT_AFTER: &str = "entra-rotator.io/not-after";
/// A digest of the annotations above it, by which an edit of one shows.
const SEAL: &str = "entra-rotator.io/seal";

/// The longest name of a Kubernetes object.
const NAME_MAX: usize = 253;

const SEALED: [&str; 5] = [OWNER, ENTRY, KEY_ID, THUMBPRINT, NOT_AFTER];

impl Layout {
    /// The metadata of an output that holds the credential of this entry.
    pub(super) fn metadata(&self, entry: &Entry) -> ObjectMeta {
        let mut metadata = ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            annotations: Some(self.annotations(entry)),
            labels: Some(BTreeMap::from([(OUTPUT_LABEL.to_owned(), self.uid.clone())])),
            ..ObjectMeta::default()
        };
        template::dress(&mut metadata, &self.template);
        metadata
    }

    fn annotations(&self, entry: &Entry) -> BTreeMap<String, String> {
        let values = [
            self.owner.clone(),
            entry.id.to_string(),
            entry.key_ids.first().map(ToString::to_string).unwrap_or_default(),
            entry.thumbprint().map(|thumbprint| thumbprint.to_string()).unwrap_or_default(),
            entry.not_after.map(|end| end.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)).unwrap_or_default(),
        ];
        let mut annotations: BTreeMap<_, _> = SEALED.into_iter().map(str::to_owned).zip(values).collect();
        annotations.insert(SEAL.to_owned(), seal(|name| annotations.get(name).map(String::as_str)));
        annotations
    }

    /// Why the object is somebody else's. Annotations get lost when somebody applies a clean copy; the label with the resource's uid is ours all the same.
    pub(super) fn is_foreign(&self, object: &Object) -> Option<String> {
        match object.annotation(OWNER) {
            Some(owner) if owner == self.owner => None,
            Some(other) => Some(format!("{} is the output of ServicePrincipalCredential {}.", object.title(), quoted(other))),
            None if object.label(OUTPUT_LABEL) == Some(&self.uid) => None,
            None if object.annotation(ADOPT_BY) == Some(&self.owner) => None,
            None => Some(format!("{} exists and was not made by this operator.", object.title())),
        }
    }

    /// Whether labels and annotations are as they were written.
    pub(super) fn is_dressed(&self, object: &Object) -> bool {
        object.label(OUTPUT_LABEL) == Some(&self.uid)
            && object.annotation(OWNER) == Some(&self.owner)
            && object.annotation(SEAL) == Some(&seal(|name| object.annotation(name)))
            && template::is_dressed(object.metadata(), &self.template)
    }
}

/// An annotation holds whatever somebody wrote there, in any length.
fn quoted(name: &str) -> String {
    name.chars().take(NAME_MAX).flat_map(char::escape_debug).collect()
}

fn seal<'a>(value: impl Fn(&str) -> Option<&'a str>) -> String {
    HEXLOWER.encode(&Sha256::digest(json!(SEALED.map(value)).to_string())[..8])
}
