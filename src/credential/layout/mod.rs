//! What the published Secret or ConfigMap holds: a constant set of keys per kind, rebuilt from its own contents to see whether it is whole.

pub(crate) mod client_certificate;
pub(crate) mod client_secret;
mod keystore;
mod object;
mod template;
pub(crate) mod token_signing;

use std::collections::BTreeMap;

use entra_types::{ClientId, Endpoints, TenantId};
use keys::Sensitive;
use kube::ResourceExt as _;
use kube::api::ObjectMeta;
use rotation::history::CertificateFacts;
use rotation::{Entry, EntryId, Output, Projection};

pub(crate) use self::object::Object;
use crate::api::v1alpha1::{AdditionalFormat, CredentialKind, OutputRef, ServicePrincipalCredential, Template};

/// The label by which outputs are watched; its value is the uid of the resource.
pub(crate) const OUTPUT_LABEL: &str = "entra-rotator.io/output";
/// The name of the resource, in the output's own namespace, whose output it is.
pub(crate) const OWNER: &str = "entra-rotator.io/owner";
/// The name of the resource that may take over an existing object.
pub(crate) const ADOPT_BY: &str = "entra-rotator.io/adopt-by";
/// The ledger entry whose credential the output holds.
pub(crate) const ENTRY: &str = "entra-rotator.io/entry";
const KEY_ID: &str = "entra-rotator.io/key-id";
const THUMBPRINT: &str = "entra-rotator.io/thumbprint";
const NOT_AFTER: &str = "entra-rotator.io/not-after";

/// The contents of an output or a slot.
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

/// How the output of one resource looks.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    kind: CredentialKind,
    namespace: String,
    owner: String,
    uid: String,
    name: String,
    is_config_map: bool,
    template: Template,
    names: Option<Names>,
}

/// An output as the protocol sees it.
pub(crate) struct Inspected {
    /// Whose it is and what it shows.
    pub(crate) output: Output,
    /// The public certificates that it holds.
    pub(crate) certificates: Vec<CertificateFacts>,
    /// Keys that do not belong there: only naming them takes them out.
    pub(crate) superfluous: Vec<String>,
    /// The password of its keystore, which stays the same for whoever has read it.
    pub(crate) password: Option<Sensitive<String>>,
}

impl Names {
    /// The host to sign in at, with a slash, as azure-identity takes it.
    pub(crate) fn authority_host(&self) -> String {
        format!("{}/", self.endpoints.login())
    }
}

impl Layout {
    /// Of a resource. Without names, which need the clientID, an output can be recognised but not built.
    pub(crate) fn of(resource: &ServicePrincipalCredential, names: Option<Names>) -> Self {
        Self {
            kind: resource.spec.kind(),
            namespace: resource.namespace().unwrap_or_default(),
            owner: resource.name_any(),
            uid: resource.uid().unwrap_or_default(),
            name: resource.spec.output().name().to_owned(),
            is_config_map: matches!(resource.spec.output(), OutputRef::ConfigMap(_)),
            template: resource.spec.template.clone().unwrap_or_default(),
            names,
        }
    }

    /// Reads an existing object.
    pub(crate) fn inspect(&self, object: &Object) -> Inspected {
        let foreign = |why: String| Inspected { output: Output::Foreign(why), certificates: vec![], superfluous: vec![], password: None };
        if let Some(why) = self.is_foreign(object).or_else(|| object.is_unfit(self.secret_type())) {
            return foreign(why);
        }
        let data = object.data();
        let entry = object.annotation(ENTRY).and_then(|id| id.parse().ok()).filter(|_| self.is_dressed(object));
        let mut inspected = match self.kind {
            CredentialKind::ClientSecret => client_secret::inspect(self, &data, entry),
            CredentialKind::ClientCertificate => client_certificate::inspect(self, &data, entry),
            CredentialKind::TokenSigningCertificate => token_signing::inspect(self, &data, entry),
        };
        inspected.password = keystore::password(&data).filter(|_| self.has_keystore());
        inspected.superfluous = data.into_keys().filter(|key| !self.has_key(key)).collect();
        inspected
    }

    /// Why the object is somebody else's. Annotations get lost when somebody applies a clean copy; the label with the resource's uid is ours all the same.
    fn is_foreign(&self, object: &Object) -> Option<String> {
        match object.annotation(OWNER) {
            Some(owner) if owner == self.owner => None,
            Some(other) => Some(format!("{} is the output of ServicePrincipalCredential {other}.", object.title())),
            None if object.label(OUTPUT_LABEL) == Some(&self.uid) => None,
            None if object.annotation(ADOPT_BY) == Some(&self.owner) => None,
            None => Some(format!("{} exists and was not made by this operator.", object.title())),
        }
    }

    fn is_dressed(&self, object: &Object) -> bool {
        object.label(OUTPUT_LABEL) == Some(&self.uid) && template::is_dressed(object.metadata(), &self.template)
    }

    /// The type of Secret that a kind is published as. It cannot be changed.
    fn secret_type(&self) -> &'static str {
        if self.kind == CredentialKind::ClientCertificate { "kubernetes.io/tls" } else { "Opaque" }
    }

    fn has_key(&self, key: &str) -> bool {
        let standard = match self.kind {
            CredentialKind::ClientSecret => client_secret::KEYS.as_slice(),
            CredentialKind::ClientCertificate => client_certificate::KEYS.as_slice(),
            CredentialKind::TokenSigningCertificate => token_signing::KEYS.as_slice(),
        };
        let of_keystore = || self.has_keystore() && [keystore::KEYSTORE, keystore::PASSWORD].contains(&key);
        standard.contains(&key) || self.template.keys.iter().any(|further| further.name == key) || of_keystore()
    }

    fn has_keystore(&self) -> bool {
        self.kind == CredentialKind::ClientCertificate && self.template.additional_formats.contains(&AdditionalFormat::Pkcs12)
    }

    /// Whether an output holds exactly what was built from its own contents; unknown without names, which is taken for yes.
    fn is_whole(&self, data: &Data, standard: impl FnOnce(&Names) -> Option<Data>) -> bool {
        let Some(names) = &self.names else { return true };
        standard(names).is_some_and(|mut standard| {
            template::extend(&mut standard, &self.template, names);
            let belongs = |key: &&String| !self.has_keystore() || ![keystore::KEYSTORE, keystore::PASSWORD].contains(&key.as_str());
            standard.iter().eq(data.iter().filter(|(key, _)| belongs(key)))
        })
    }

    /// The object to write. `data` is the standard contents; the template's are added.
    pub(crate) fn object(&self, entry: &Entry, mut data: Data) -> Object {
        if let Some(names) = &self.names {
            template::extend(&mut data, &self.template, names);
        }
        let mut metadata = ObjectMeta {
            name: Some(self.name.clone()),
            namespace: Some(self.namespace.clone()),
            annotations: Some(self.annotations(entry)),
            labels: Some(BTreeMap::from([(OUTPUT_LABEL.to_owned(), self.uid.clone())])),
            ..ObjectMeta::default()
        };
        template::dress(&mut metadata, &self.template);
        if self.is_config_map { Object::config_map(metadata, data) } else { Object::secret(metadata, self.secret_type(), data) }
    }

    fn annotations(&self, entry: &Entry) -> BTreeMap<String, String> {
        let text = |value: Option<String>| value.unwrap_or_default();
        [
            (OWNER, self.owner.clone()),
            (ENTRY, entry.id.to_string()),
            (KEY_ID, text(entry.key_ids.first().map(ToString::to_string))),
            (THUMBPRINT, text(entry.thumbprint().map(|thumbprint| thumbprint.to_string()))),
            (NOT_AFTER, text(entry.not_after.map(|end| end.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)))),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }
}

impl Inspected {
    fn ours(shows: Option<Projection>, holds: Option<rotation::Held>, certificates: Vec<CertificateFacts>) -> Self {
        Self { output: Output::Ours { shows, holds }, certificates, superfluous: vec![], password: None }
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
fn bare(entry: EntryId, current: entra_types::Thumbprint) -> Projection {
    let bundle = std::iter::once(current).collect();
    Projection { entry, current: rotation::Material::Certificate(current), next: None, previous: None, bundle }
}

#[cfg(test)]
mod tests;
