//! What `spec.template` adds to an output: labels, annotations, further keys.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::ObjectMeta;
use serde::{Deserialize, Serialize};

use super::{Data, client_certificate, client_secret, token_signing};
use crate::api::v1alpha1::{CredentialKind, Template, TemplateKey, TemplateSource};

/// Which labels and annotations the template has put on.
const TEMPLATE: &str = "entra-rotator.io/template";

/// Adds the further keys. A name that is standard keeps its standard value, and a value that this kind does not have is left out.
pub(super) fn extend(data: &mut Data, template: &Template, names: &super::Names) {
    for TemplateKey { name, from } in &template.keys {
        if let Some(value) = value(data, *from, names).filter(|_| !data.contains_key(name)) {
            data.insert(name.clone(), value);
        }
    }
}

fn value(data: &Data, from: TemplateSource, names: &super::Names) -> Option<Vec<u8>> {
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

/// Whether a key is one of the further keys and there is a value for it.
pub(super) fn has_key(template: &Template, kind: CredentialKind, key: &str) -> bool {
    template.keys.iter().any(|further| further.name == key && has_value(kind, further.from))
}

fn has_value(kind: CredentialKind, from: TemplateSource) -> bool {
    match from {
        TemplateSource::ClientId | TemplateSource::TenantId | TemplateSource::AuthorityHost => true,
        TemplateSource::ClientSecret => kind == CredentialKind::ClientSecret,
        TemplateSource::Certificate => kind != CredentialKind::ClientSecret,
        TemplateSource::PrivateKey | TemplateSource::CombinedPem => kind == CredentialKind::ClientCertificate,
        TemplateSource::SigningBundle | TemplateSource::SigningBundleBase64 => kind == CredentialKind::TokenSigningCertificate,
    }
}

/// The names of the labels and annotations that a template puts on.
#[derive(Default, Deserialize, PartialEq, Serialize)]
struct Names {
    #[serde(default)]
    labels: BTreeSet<String>,
    #[serde(default)]
    annotations: BTreeSet<String>,
}

/// Puts labels and annotations on, and says which: an output of another template knows by that what has to come off.
pub(super) fn dress(metadata: &mut ObjectMeta, template: &Template) {
    metadata.labels.get_or_insert_default().extend(template.labels.clone());
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.extend(template.annotations.clone());
    annotations.extend(mark(template).map(|mark| (TEMPLATE.to_owned(), mark)));
}

/// Whether an object wears what the template asks for.
pub(super) fn is_dressed(metadata: &ObjectMeta, template: &Template) -> bool {
    let wears = |worn: &Worn, name: &str, value: &str| worn.as_ref().and_then(|worn| worn.get(name)).is_some_and(|worn| worn == value);
    template.labels.iter().all(|(name, value)| wears(&metadata.labels, name, value))
        && template.annotations.iter().all(|(name, value)| wears(&metadata.annotations, name, value))
        && mark(template).is_none_or(|mark| wears(&metadata.annotations, TEMPLATE, &mark))
}

/// The labels and annotations that another template put on an object.
pub(super) fn left_over(metadata: &ObjectMeta, template: &Template) -> (Vec<String>, Vec<String>) {
    let worn = |worn: &Worn, name: &String| worn.as_ref().is_some_and(|worn| worn.contains_key(name));
    let recorded = metadata.annotations.as_ref().and_then(|annotations| annotations.get(TEMPLATE));
    let recorded: Names = recorded.and_then(|names| serde_json::from_str(names).ok()).unwrap_or_default();
    let labels = recorded.labels.into_iter().filter(|name| worn(&metadata.labels, name) && !template.labels.contains_key(name));
    let own = mark(template).is_none().then(|| TEMPLATE.to_owned());
    let annotations = recorded.annotations.into_iter().filter(|name| !template.annotations.contains_key(name)).chain(own);
    (labels.collect(), annotations.filter(|name| worn(&metadata.annotations, name)).collect())
}

type Worn = Option<BTreeMap<String, String>>;

/// The names as an annotation; none where there are none.
fn mark(template: &Template) -> Option<String> {
    let names = Names { labels: template.labels.keys().cloned().collect(), annotations: template.annotations.keys().cloned().collect() };
    if names == Names::default() { None } else { serde_json::to_string(&names).ok() }
}
