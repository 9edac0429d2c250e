//! A token signing certificate: public material only, in the shapes that relying parties read.

use std::collections::BTreeMap;

use data_encoding::{BASE64, HEXUPPER};
use entra_types::Thumbprint;
use keys::Certificate;
use rotation::{EntryId, Projection};

use super::{Data, Inspected, Layout, Names, facts, text};

pub(super) const CURRENT: &str = "signing.crt";
const NEXT: &str = "signing-next.crt";
const PREVIOUS: &str = "signing-previous.crt";
pub(super) const BUNDLE: &str = "signing-bundle.crt";
pub(super) const BUNDLE_BASE64: &str = "signing-bundle.b64";
pub(super) const KEYS: [&str; 10] =
    [CURRENT, NEXT, PREVIOUS, BUNDLE, BUNDLE_BASE64, "thumbprint", "thumbprint-sha256", "metadata-url", "entity-id", "sso-url"];
/// More certificates than an object in Entra has room for; a longer bundle is no bundle of ours.
const MAX_BUNDLE: usize = 256;

/// Certificates by thumbprint.
pub(crate) type Certificates = BTreeMap<Thumbprint, Certificate>;

/// Builds the output; `None` if a certificate that it needs is not known.
pub(crate) fn build(names: &Names, shows: &Projection, known: &Certificates) -> Option<Data> {
    let thumbprint = shows.current.thumbprint()?;
    let current = known.get(&thumbprint)?;
    let or_current = |thumbprint: Option<Thumbprint>| thumbprint.and_then(|thumbprint| known.get(&thumbprint)).unwrap_or(current).pem();
    let first = [Some(thumbprint), shows.next].into_iter().flatten();
    let rest = shows.bundle.iter().copied().filter(|other| *other != thumbprint && Some(*other) != shows.next);
    let bundle: Vec<&Certificate> = first.chain(rest).map(|thumbprint| known.get(&thumbprint)).collect::<Option<_>>()?;
    let base64: Vec<_> = bundle.iter().map(|certificate| BASE64.encode(certificate.der())).collect();
    let texts = [
        (CURRENT, current.pem()),
        (NEXT, or_current(shows.next)),
        (PREVIOUS, or_current(shows.previous)),
        (BUNDLE, bundle.iter().map(|certificate| certificate.pem()).collect()),
        (BUNDLE_BASE64, base64.join(",")),
        ("thumbprint", current.thumbprint().to_string()),
        ("thumbprint-sha256", HEXUPPER.encode(&current.thumbprint_sha256())),
        ("metadata-url", names.endpoints.metadata_url(&names.tenant_id, &names.client_id)),
        ("entity-id", names.endpoints.entity_id(&names.tenant_id)),
        ("sso-url", names.endpoints.saml_url(&names.tenant_id)),
    ];
    Some(texts.map(|(key, value)| (key.to_owned(), value.into_bytes())).into())
}

pub(super) fn inspect(layout: &Layout, data: &Data, entry: Option<EntryId>) -> Inspected {
    let known = certificates(data);
    let shows = projection(data, entry, &known).filter(|shows| layout.is_whole(data, |names| build(names, shows, &known)));
    Inspected::ours(shows, None, known.values().map(facts).collect())
}

fn certificates(data: &Data) -> Certificates {
    let blocks = [CURRENT, NEXT, PREVIOUS, BUNDLE].into_iter().filter_map(|key| text(data, key)).flat_map(pem_blocks);
    blocks
        .take(MAX_BUNDLE)
        .filter_map(|pem| Certificate::from_pem(pem).ok())
        .map(|certificate| (certificate.thumbprint(), certificate))
        .collect()
}

fn projection(data: &Data, entry: Option<EntryId>, known: &Certificates) -> Option<Projection> {
    let of = |key: &str| Certificate::from_pem(text(data, key)?).ok().map(|certificate| certificate.thumbprint());
    let current = of(CURRENT)?;
    let bundle =
        pem_blocks(text(data, BUNDLE)?).filter_map(|pem| Certificate::from_pem(pem).ok()).map(|certificate| certificate.thumbprint());
    Some(Projection {
        entry: entry?,
        current: rotation::Material::Certificate(current),
        next: of(NEXT).filter(|next| *next != current),
        previous: of(PREVIOUS).filter(|previous| *previous != current && known.contains_key(previous)),
        bundle: bundle.collect(),
    })
}

fn pem_blocks(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive("-----END CERTIFICATE-----").filter(|block| block.contains("-----BEGIN CERTIFICATE-----")).map(str::trim_start)
}
