use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use super::Error;

/// What the control plane's programs and clients prove themselves with, all in PEM.
pub(super) struct Pki {
    pub(super) authority: String,
    /// Another one, which the administrator trusts as well, and nobody else.
    pub(super) next_authority: String,
    issuers: [Authority; 2],
    pub(super) admin_certificate: String,
    pub(super) admin_key: String,
}

impl Pki {
    /// Makes everything anew and writes what kube-apiserver reads: `ca.crt`, `server.crt`, `server.key`,
    /// `service-account.key`, `service-account.pub`.
    pub(super) fn generate(folder: &Path) -> Result<Self, Error> {
        let (authority, next) = (authority()?, authority()?);
        let (server_certificate, server_key) = server(&authority)?;
        let (admin_certificate, admin_key) = admin(&authority)?;
        fs::write(folder.join("ca.crt"), authority.pem())?;
        fs::write(folder.join("server.crt"), server_certificate)?;
        fs::write(folder.join("server.key"), server_key)?;
        let accounts = KeyPair::from_pem(service_account_key().to_pkcs8_pem().expose())?;
        fs::write(folder.join("service-account.key"), accounts.serialize_pem())?;
        fs::write(folder.join("service-account.pub"), accounts.public_key_pem())?;
        let (own, coming) = (authority.pem(), next.pem());
        Ok(Self { authority: own, next_authority: coming, issuers: [authority, next], admin_certificate, admin_key })
    }

    /// What the administrator trusts.
    pub(super) fn both_authorities(&self) -> String {
        format!("{}{}", self.authority, self.next_authority)
    }

    /// Puts another serving certificate in place, by the same authority or by the next one. kube-apiserver reads it by itself.
    pub(super) fn renew_server(&self, folder: &Path, issuer: Issuer) -> Result<String, Error> {
        let (certificate, key) = server(&self.issuers[issuer as usize])?;
        fs::write(folder.join("server.crt"), &certificate)?;
        fs::write(folder.join("server.key"), key)?;
        Ok(certificate)
    }
}

/// Which of the two authorities.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Issuer {
    /// The one that everybody trusts from the beginning.
    First,
    /// The one that only the administrator trusts.
    Next,
}

/// What tokens of service accounts are signed with: Entra takes them by RSA only.
pub(crate) fn service_account_key() -> keys::PrivateKey {
    keys::fixtures::key(9)
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Result<Authority, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("control plane for tests", None);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn server(authority: &Authority) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()])?;
    params.distinguished_name = name("kube-apiserver", None);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    signed(&params, authority)
}

fn admin(authority: &Authority) -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name("admin", Some("system:masters"));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    signed(&params, authority)
}

fn signed(params: &CertificateParams, authority: &Authority) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, authority)?.pem(), key.serialize_pem()))
}

fn name(common: &str, organisation: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    organisation.into_iter().for_each(|organisation| name.push(DnType::OrganizationName, organisation));
    name
}
