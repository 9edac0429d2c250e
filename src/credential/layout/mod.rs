//! What the published Secret holds: a constant set of keys per kind, rebuilt from its own contents to see whether it is whole.

pub(crate) mod client_certificate;
pub(crate) mod client_secret;
pub(crate) mod token_signing;

use std::collections::BTreeMap;

use entra_types::{ClientId, Endpoints, TenantId};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use kube::api::ObjectMeta;
use rotation::history::CertificateFacts;
use rotation::{Entry, Output, Projection};

/// The label by which outputs are watched; its value is the uid of the resource.
pub(crate) const OUTPUT_LABEL: &str = "entra-rotator.io/output";
/// The name of the resource, in the Secret's own namespace, whose output it is.
pub(crate) const OWNER: &str = "entra-rotator.io/owner";
/// The ledger entry whose credential the Secret holds.
pub(crate) const ENTRY: &str = "entra-rotator.io/entry";
const KEY_ID: &str = "entra-rotator.io/key-id";
const THUMBPRINT: &str = "entra-rotator.io/thumbprint";
const NOT_AFTER: &str = "entra-rotator.io/not-after";

/// The contents of a Secret.
pub(crate) type Data = BTreeMap<String, Vec<u8>>;

/// Names that stand in every output.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// The tenant.
    pub(crate) tenant_id: TenantId,
    /// The application.
    pub(crate) client_id: ClientId,
    /// Where the tenant signs in.
    pub(crate) endpoints: Endpoints,
}

/// A Secret as the protocol sees it.
pub(crate) struct Inspected {
    /// Whose it is and what it shows.
    pub(crate) output: Output,
    /// The public certificates that it holds.
    pub(crate) certificates: Vec<CertificateFacts>,
}

/// Reads an existing Secret. `owner` is the resource's name and uid, `signing` says which layout it should have.
pub(crate) fn inspect(secret: &Secret, owner: (&str, &str), signing: bool, names: Option<&Names>) -> Inspected {
    let (owner, uid) = owner;
    let foreign = |why: String| Inspected { output: Output::Foreign(why), certificates: vec![] };
    // Annotations get lost when somebody applies a clean copy; the label with the resource's uid is ours all the same.
    let labelled = secret.labels().get(OUTPUT_LABEL).is_some_and(|label| label == uid);
    match secret.annotations().get(OWNER) {
        None if labelled => {}
        None => return foreign(format!("Secret {} exists and was not made by this operator.", secret.name_any())),
        Some(other) if other != owner => {
            return foreign(format!("Secret {} is the output of ServicePrincipalCredential {other}.", secret.name_any()));
        }
        Some(_) => {}
    }
    if secret.type_.as_deref() != Some(secret_type(signing)) {
        // The type of a Secret cannot be changed.
        return foreign(format!("Secret {} has another type than {}.", secret.name_any(), secret_type(signing)));
    }
    let data: Data = secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone())).collect();
    let entry = secret.annotations().get(ENTRY).and_then(|id| id.parse().ok());
    let mut inspected =
        if signing { token_signing::inspect(&data, entry, names) } else { client_certificate::inspect(&data, entry, names) };
    if let Output::Ours { shows, .. } = &mut inspected.output
        && !labelled
    {
        *shows = None;
    }
    inspected
}

/// The type of Secret that a kind is published as.
pub(crate) fn secret_type(signing: bool) -> &'static str {
    if signing { "Opaque" } else { "kubernetes.io/tls" }
}

/// The Secret to write.
pub(crate) fn secret(namespace: &str, name: &str, owner: (&str, &str), entry: &Entry, data: Data) -> Secret {
    let (owner_name, owner_uid) = owner;
    let text = |value: Option<String>| value.unwrap_or_default();
    let annotations = [
        (OWNER, owner_name.to_owned()),
        (ENTRY, entry.id.to_string()),
        (KEY_ID, text(entry.key_ids.first().map(ToString::to_string))),
        (THUMBPRINT, text(entry.thumbprint().map(|thumbprint| thumbprint.to_string()))),
        (NOT_AFTER, text(entry.not_after.map(|end| end.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)))),
    ];
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            annotations: Some(annotations.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
            labels: Some(BTreeMap::from([(OUTPUT_LABEL.to_owned(), owner_uid.to_owned())])),
            ..ObjectMeta::default()
        },
        data: Some(data.into_iter().map(|(key, value)| (key, ByteString(value))).collect()),
        type_: Some(secret_type(entry.signing().is_some()).to_owned()),
        ..Secret::default()
    }
}

/// The part of a certificate that the protocol knows.
pub(crate) fn facts(certificate: &keys::Certificate) -> CertificateFacts {
    CertificateFacts { thumbprint: certificate.thumbprint(), not_after: certificate.not_after(), der: certificate.der().to_vec() }
}

fn text<'a>(data: &'a Data, key: &str) -> Option<&'a str> {
    std::str::from_utf8(data.get(key)?).ok()
}

/// A projection of which nothing but the current certificate is known.
fn bare(entry: rotation::EntryId, current: entra_types::Thumbprint) -> Projection {
    let bundle = std::iter::once(current).collect();
    Projection { entry, current: rotation::Material::Certificate(current), next: None, previous: None, bundle }
}
