//! What `spec.template` adds to an output: labels, annotations, further keys.

use kube::api::ObjectMeta;
use sha2::{Digest as _, Sha256};

use super::{Data, Names, client_certificate, client_secret, token_signing};
use crate::api::v1alpha1::{Template, TemplateKey, TemplateSource};

/// Tells an output of another template, whose labels may have to go.
pub(super) const TEMPLATE: &str = "entra-rotator.io/template";

/// Adds the further keys. A name that is standard keeps its standard value, and a value that this kind does not have is left out.
pub(super) fn extend(data: &mut Data, template: &Template, names: &Names) {
    for TemplateKey { name, from } in &template.keys {
        if let Some(value) = value(data, *from, names).filter(|_| !data.contains_key(name)) {
            data.insert(name.clone(), value);
        }
    }
}

fn value(data: &Data, from: TemplateSource, names: &Names) -> Option<Vec<u8>> {
    let held = |key: &str| data.get(key).cloned();
    match from {
        TemplateSource::ClientId => Some(names.client_id.to_string().into_bytes()),
        TemplateSource::TenantId => Some(names.tenant_id.to_string().into_bytes()),
        TemplateSource::AuthorityHost => Some(names.authority_host().into_bytes()),
        TemplateSource::ClientSecret => held(client_secret::SECRET),
        TemplateSource::Certificate => held(client_certificate::CERTIFICATE).or_else(|| held(token_signing::CURRENT)),
        TemplateSource::PrivateKey => held(client_certificate::KEY),
        TemplateSource::CombinedPem => held(client_certificate::COMBINED),
        TemplateSource::SigningBundle => held(token_signing::BUNDLE),
        TemplateSource::SigningBundleBase64 => held(token_signing::BUNDLE_BASE64),
    }
}

/// Puts labels and annotations on.
pub(super) fn dress(metadata: &mut ObjectMeta, template: &Template) {
    metadata.labels.get_or_insert_default().extend(template.labels.clone());
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.extend(template.annotations.clone());
    annotations.extend(mark(template).map(|mark| (TEMPLATE.to_owned(), mark)));
}

/// Whether an object wears what the template asks for, and nothing of another one.
pub(super) fn is_dressed(metadata: &ObjectMeta, template: &Template) -> bool {
    let wears = |worn: &Option<std::collections::BTreeMap<String, String>>, name: &String, value: &String| {
        worn.as_ref().and_then(|worn| worn.get(name)) == Some(value)
    };
    template.labels.iter().all(|(name, value)| wears(&metadata.labels, name, value))
        && template.annotations.iter().all(|(name, value)| wears(&metadata.annotations, name, value))
        && metadata.annotations.as_ref().and_then(|annotations| annotations.get(TEMPLATE)) == mark(template).as_ref()
}

/// A short digest of labels and annotations; none where there are none.
fn mark(template: &Template) -> Option<String> {
    if template.labels.is_empty() && template.annotations.is_empty() {
        return None;
    }
    let text = format!("{:?}{:?}", template.labels, template.annotations);
    Some(data_encoding::HEXLOWER.encode(&Sha256::digest(text)[..8]))
}
