//! What the published Secret or ConfigMap holds: a constant set of keys per kind, rebuilt from its own contents to see whether it is whole.

pub(crate) mod client_certificate;
pub(crate) mod client_secret;
mod keystore;
mod marks;
mod object;
mod template;
pub(crate) mod token_signing;

use std::collections::BTreeMap;

use entra_types::{ClientId, Endpoints, TenantId};
use keys::Sensitive;
use kube::ResourceExt as _;
use rotation::history::CertificateFacts;
use rotation::{Entry, EntryId, Output, Projection};

pub(crate) use self::marks::{ENTRY, OUTPUT_LABEL, OWNER};
pub(crate) use self::object::{Object, Superfluous};
use crate::api::v1alpha1::{AdditionalFormat, CredentialKind, OutputRef, ServicePrincipalCredential, Template};

/// The contents of an output or a slot.
pub(crate) type Data = BTreeMap<String, Vec<u8>>;

/// Names that stand in every output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Names {
    /// The tenant.
    pub(crate) tenant_id: TenantId,
    /// The application.
    pub(crate) client_id: ClientId,
    /// Where the tenant signs in.
    pub(crate) endpoints: Endpoints,
}

/// How the output of one resource looks.
#[derive(Clone, Debug, Eq, PartialEq)]
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
    /// What does not belong there: only naming it takes it out.
    pub(crate) superfluous: Superfluous,
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

    /// Reads an existing object. It shows an entry only if it is, in every key, label and annotation of ours, what would be written for it.
    pub(crate) fn inspect(&self, object: &Object) -> Inspected {
        if let Some(why) = self.is_foreign(object).or_else(|| object.is_unfit(self.secret_type())) {
            return Inspected::foreign(why);
        }
        let (data, superfluous) = (object.data(), self.superfluous(object));
        let entry = object.annotation(ENTRY).and_then(|id| id.parse().ok());
        let entry = entry.filter(|_| superfluous.is_empty() && self.is_dressed(object));
        let mut inspected = match self.kind {
            CredentialKind::ClientSecret => client_secret::inspect(self, &data, entry),
            CredentialKind::ClientCertificate => client_certificate::inspect(self, &data, entry),
            CredentialKind::TokenSigningCertificate => token_signing::inspect(self, &data, entry),
        };
        inspected.password = keystore::password(&data).filter(|_| self.has_keystore());
        inspected.superfluous = superfluous;
        inspected
    }

    fn superfluous(&self, object: &Object) -> Superfluous {
        let (labels, annotations) = template::left_over(object.metadata(), &self.template);
        let data = object.data().into_keys().filter(|key| !self.has_key(key)).collect();
        Superfluous { data, binary_data: object.binary_keys(), labels, annotations }
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
        standard.contains(&key) || self.is_of_keystore(key) || template::has_key(&self.template, self.kind, key)
    }

    fn is_of_keystore(&self, key: &str) -> bool {
        self.has_keystore() && [keystore::KEYSTORE, keystore::PASSWORD].contains(&key)
    }

    fn has_keystore(&self) -> bool {
        self.kind == CredentialKind::ClientCertificate && self.template.additional_formats.contains(&AdditionalFormat::Pkcs12)
    }

    /// Whether an output holds exactly what was built from its own contents; unknown without names, which is taken for yes.
    fn is_whole(&self, data: &Data, standard: impl FnOnce(&Names) -> Option<Data>) -> bool {
        let Some(names) = &self.names else { return true };
        standard(names).is_some_and(|mut standard| {
            template::extend(&mut standard, &self.template, names);
            self.without_keystore(&standard).eq(self.without_keystore(data))
        })
    }

    /// A PFX never comes out twice the same, so it is opened instead.
    fn without_keystore<'a>(&self, data: &'a Data) -> impl Iterator<Item = (&'a String, &'a Vec<u8>)> {
        data.iter().filter(|(key, _)| !self.is_of_keystore(key))
    }

    /// The object to write. `data` is the standard contents; the template's are added.
    pub(crate) fn object(&self, entry: &Entry, mut data: Data) -> Object {
        if let Some(names) = &self.names {
            template::extend(&mut data, &self.template, names);
        }
        let metadata = self.metadata(entry);
        if self.is_config_map { Object::config_map(metadata, data) } else { Object::secret(metadata, self.secret_type(), data) }
    }
}

impl Inspected {
    fn foreign(why: String) -> Self {
        Self { output: Output::Foreign(why), certificates: vec![], superfluous: Superfluous::default(), password: None }
    }

    fn ours(shows: Option<Projection>, holds: Option<rotation::Held>, certificates: Vec<CertificateFacts>) -> Self {
        Self { output: Output::Ours { shows, holds }, certificates, superfluous: Superfluous::default(), password: None }
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
