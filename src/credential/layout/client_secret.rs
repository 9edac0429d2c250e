//! A client secret under the names that azure-identity reads from the environment, so that `envFrom` just works.

use keys::Sensitive;
use rotation::{EntryId, Fingerprint, Held, Material, Output, Projection};

use super::{Data, Inspected, Names, text};

const SECRET: &str = "AZURE_CLIENT_SECRET";

/// Builds the output.
pub(crate) fn build(names: &Names, secret: &Sensitive<String>) -> Data {
    [
        (SECRET, secret.expose().clone()),
        ("AZURE_CLIENT_ID", names.client_id.to_string()),
        ("AZURE_TENANT_ID", names.tenant_id.to_string()),
        ("AZURE_AUTHORITY_HOST", format!("{}/", names.endpoints.login())),
    ]
    .map(|(key, value)| (key.to_owned(), value.into_bytes()))
    .into()
}

/// The client secret that an output holds.
pub(crate) fn value(data: &Data) -> Option<Sensitive<String>> {
    text(data, SECRET).filter(|value| !value.is_empty()).map(|value| Sensitive::new(value.to_owned()))
}

pub(super) fn inspect(data: &Data, entry: Option<EntryId>, names: Option<&Names>) -> Inspected {
    let Some(secret) = value(data) else {
        return Inspected { output: Output::Ours { shows: None, holds: None }, certificates: vec![] };
    };
    let whole = names.is_none_or(|names| build(names, &secret) == *data);
    let fingerprint = Fingerprint::of(secret.expose().as_bytes());
    let shown = |entry| Projection {
        entry,
        current: Material::Secret(fingerprint),
        next: None,
        previous: None,
        bundle: std::collections::BTreeSet::new(),
    };
    let shows = entry.filter(|_| whole).map(shown);
    Inspected { output: Output::Ours { shows, holds: Some(Held::Secret(fingerprint)) }, certificates: vec![] }
}
