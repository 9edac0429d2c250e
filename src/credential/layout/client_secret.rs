//! A client secret under the names that azure-identity reads from the environment, so that `envFrom` just works.

use std::collections::BTreeSet;

use keys::Sensitive;
use rotation::{EntryId, Fingerprint, Held, Material, Projection};

use super::{Data, Inspected, Layout, Names, text};

pub(super) const SECRET: &str = "AZURE_CLIENT_SECRET";
pub(super) const KEYS: [&str; 4] = [SECRET, "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"];

/// The standard contents.
pub(crate) fn build(names: &Names, secret: &Sensitive<String>) -> Data {
    let values = [secret.expose().clone(), names.client_id.to_string(), names.tenant_id.to_string(), names.authority_host()];
    KEYS.into_iter().zip(values).map(|(key, value)| (key.to_owned(), value.into_bytes())).collect()
}

/// The client secret that an output holds.
pub(crate) fn value(data: &Data) -> Option<Sensitive<String>> {
    text(data, SECRET).filter(|value| !value.is_empty()).map(|value| Sensitive::new(value.to_owned()))
}

pub(super) fn inspect(layout: &Layout, data: &Data, entry: Option<EntryId>) -> Inspected {
    let Some(secret) = value(data) else { return Inspected::ours(None, None, vec![]) };
    let current = Fingerprint::of(secret.expose().as_bytes());
    let whole = layout.is_whole(data, |names| Some(build(names, &secret)));
    let shows = entry.filter(|_| whole).map(|entry| Projection {
        entry,
        current: Material::Secret(current),
        next: None,
        previous: None,
        bundle: BTreeSet::new(),
    });
    Inspected::ours(shows, Some(Held::Secret(current)), vec![])
}
