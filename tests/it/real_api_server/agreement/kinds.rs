//! The kinds that the generated requests are about, and what their objects may hold: good values, and bad ones.

use std::sync::LazyLock;

use serde_json::Value;

use self::{
    built_in::{config_map, event, lease, namespace, new_event, secret},
    custom::{credential, tenant, widget},
};

mod built_in;
mod custom;

/// A kind, and what is worth trying with it.
#[derive(Debug, Default)]
pub(super) struct Kind {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    plural: &'static str,
    pub(super) namespaced: bool,
    pub(super) has_status: bool,
    pub(super) content: Vec<Field>,
    /// Top-level fields that a merge patch may take away.
    pub(super) fields: &'static [&'static str],
    /// Where a JSON patch may act.
    pub(super) pointers: &'static [&'static str],
    /// What a JSON patch may put there.
    pub(super) values: Vec<Value>,
    /// A field of the status that only this kind has.
    pub(super) status_field: &'static str,
    pub(super) status_values: Vec<Value>,
    /// Field selectors, besides those by name and namespace.
    pub(super) selectors: &'static [&'static str],
}

/// A top-level field and how often it is there.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) share: f64,
    pub(super) good: Vec<Value>,
    pub(super) bad: Vec<Value>,
}

/// All of them.
pub(super) static KINDS: LazyLock<Vec<Kind>> =
    LazyLock::new(|| vec![secret(), config_map(), lease(), event(), new_event(), namespace(), widget(), credential(), tenant()]);

impl Kind {
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The path of all objects within reach of a sequence.
    pub(super) fn path(&self) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let home = if self.namespaced { "/namespaces/${ns}" } else { "" };
        format!("{root}/{}{home}/{}", self.api_version(), self.plural)
    }

    /// Cluster-scoped objects are told from those of other sequences by their names.
    pub(super) fn named(&self, name: &str) -> String {
        if self.namespaced { name.to_owned() } else { format!("${{ns}}-{name}") }
    }
}

fn field(name: &'static str, share: f64, good: &[Value], bad: &[Value]) -> Field {
    Field { name, share, good: good.to_vec(), bad: bad.to_vec() }
}
