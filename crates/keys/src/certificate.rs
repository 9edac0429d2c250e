//! X.509 certificates: what we read of them.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, UnparsedPublicKey};
use chrono::{DateTime, Utc};
use entra_types::Thumbprint;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::oid_registry::OID_PKCS1_RSAENCRYPTION;
use x509_parser::prelude::{ASN1Time, FromDer as _, GeneralName, X509Certificate};

use crate::issue::{self, CertificateRequest};
use crate::pem;
use crate::private_key::PrivateKey;

/// Why a certificate could not be read or made.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The input is longer than 64 KiB.
    #[error("cannot read the certificate: {0} bytes are more than a certificate can need (64 KiB)")]
    TooLong(usize),
    /// The text is no PEM of a certificate.
    #[error("cannot read the certificate: {0}; expected PEM with a section CERTIFICATE")]
    ReadPem(String),
    /// The bytes are no DER of one certificate.
    #[error("cannot read the certificate: {0}; expected the DER of one X.509 certificate")]
    ReadDer(String),
    /// A certificate could not be made as asked.
    #[error("cannot issue the certificate: {0}")]
    Issue(String),
}

/// An X.509 certificate, read once. Clones share it; equal when the DER is equal.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    thumbprint: Thumbprint,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
    subject: String,
    san_uris: Vec<String>,
    rsa_public_key: Option<Vec<u8>>,
}

impl Certificate {
    /// Reads DER of exactly one certificate. At most 64 KiB. Its signature is not checked: a self-signed one proves nothing.
    ///
    /// # Errors
    /// [`CertificateError::TooLong`] and [`CertificateError::ReadDer`].
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > pem::MAX_INPUT {
            return Err(CertificateError::TooLong(der.len()));
        }
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| CertificateError::ReadDer(error.to_string()))?;
        if !rest.is_empty() {
            return Err(CertificateError::ReadDer(format!("{} bytes follow it", rest.len())));
        }
        Ok(Self(Arc::new(Inner {
            der: der.to_vec(),
            thumbprint: thumbprint(der),
            not_before: instant(parsed.validity().not_before)?,
            not_after: instant(parsed.validity().not_after)?,
            subject: parsed.subject().to_string(),
            san_uris: san_uris(&parsed),
            rsa_public_key: rsa_public_key(&parsed),
        })))
    }

    /// Reads the first certificate of a PEM text. At most 64 KiB.
    ///
    /// # Errors
    /// [`CertificateError::TooLong`], [`CertificateError::ReadPem`] and [`CertificateError::ReadDer`].
    pub fn from_pem(text: &str) -> Result<Self, CertificateError> {
        if text.len() > pem::MAX_INPUT {
            return Err(CertificateError::TooLong(text.len()));
        }
        let der = CertificateDer::from_pem_slice(text.as_bytes())
            .map_err(|error| CertificateError::ReadPem(pem::reason(&error, "certificate")))?;
        Self::from_der(&der)
    }

    /// Makes a certificate for a key, signed by that key (RSA with SHA-256).
    ///
    /// # Errors
    /// [`CertificateError::Issue`] when the validity is empty or out of range, or a URI is not ASCII.
    pub fn self_signed(key: &PrivateKey, request: &CertificateRequest) -> Result<Self, CertificateError> {
        issue::self_signed(key, request)
    }

    /// The certificate, byte for byte.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The certificate as one PEM section.
    pub fn pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.0.der)
    }

    /// SHA-1 over the DER: what Entra shows as thumbprint.
    pub fn thumbprint(&self) -> Thumbprint {
        self.0.thumbprint
    }

    /// SHA-256 over the DER.
    pub fn thumbprint_sha256(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, &self.0.der).as_ref());
        bytes
    }

    /// First second of validity.
    pub fn not_before(&self) -> DateTime<Utc> {
        self.0.not_before
    }

    /// Last second of validity.
    pub fn not_after(&self) -> DateTime<Utc> {
        self.0.not_after
    }

    /// Subject alternative names of the kind URI.
    pub fn san_uris(&self) -> Vec<String> {
        self.0.san_uris.clone()
    }

    /// The subject, for people: `CN=payroll`.
    pub fn subject(&self) -> String {
        self.0.subject.clone()
    }

    /// Whether the signature (RSASSA-PKCS1-v1_5, SHA-256) over the message was made by this certificate's key. No for keys other than RSA of 2048 to 8192 bits.
    pub fn verify_rs256(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
    }

    /// Whether the signature (RSASSA-PSS, SHA-256) over the message was made by this certificate's key. No for keys other than RSA of 2048 to 8192 bits.
    pub fn verify_ps256(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verify(&RSA_PSS_2048_8192_SHA256, message, signature)
    }

    fn verify(&self, parameters: &'static RsaParameters, message: &[u8], signature: &[u8]) -> bool {
        self.rsa_public_key().is_some_and(|key| UnparsedPublicKey::new(parameters, key).verify(message, signature).is_ok())
    }

    /// The key as the `RSAPublicKey` of PKCS#1, if it is an RSA key.
    pub(crate) fn rsa_public_key(&self) -> Option<&[u8]> {
        self.0.rsa_public_key.as_deref()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} {})", self.0.thumbprint, self.0.subject)
    }
}

fn thumbprint(der: &[u8]) -> Thumbprint {
    let mut bytes = [0; 20];
    bytes.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref());
    Thumbprint::new(bytes)
}

fn instant(at: ASN1Time) -> Result<DateTime<Utc>, CertificateError> {
    DateTime::from_timestamp(at.timestamp(), 0).ok_or_else(|| CertificateError::ReadDer("its validity is out of range".to_owned()))
}

fn san_uris(parsed: &X509Certificate<'_>) -> Vec<String> {
    let names = parsed.subject_alternative_name().ok().flatten().map(|extension| &extension.value.general_names);
    let uri = |name: &GeneralName<'_>| match name {
        GeneralName::URI(text) => Some((*text).to_owned()),
        _ => None,
    };
    names.into_iter().flatten().filter_map(uri).collect()
}

fn rsa_public_key(parsed: &X509Certificate<'_>) -> Option<Vec<u8>> {
    let key = parsed.public_key();
    (key.algorithm.algorithm == OID_PKCS1_RSAENCRYPTION).then(|| key.subject_public_key.data.to_vec())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use chrono::{TimeDelta, TimeZone as _};

    use super::*;
    use crate::fixtures;

    fn request() -> CertificateRequest {
        let not_before = Utc.with_ymd_and_hms(2026, 8, 20, 10, 0, 0).unwrap();
        CertificateRequest {
            common_name: "payroll".to_owned(),
            san_uris: vec!["urn:entra-rotator:7f0c:abcdefghij".to_owned()],
            not_before: not_before + TimeDelta::milliseconds(900),
            not_after: not_before + TimeDelta::days(180),
            serial: [0xff; 16],
        }
    }

    fn issued(request: &CertificateRequest) -> Certificate {
        Certificate::self_signed(&fixtures::key(0), request).unwrap()
    }

    #[test]
    fn a_certificate_says_what_was_asked_for() {
        let certificate = issued(&request());
        assert_eq!(certificate.subject(), "CN=payroll");
        assert_eq!(certificate.san_uris(), request().san_uris);
        assert_eq!(certificate.not_before().to_rfc3339(), "2026-08-20T10:00:00+00:00");
        assert_eq!(certificate.not_after(), request().not_after);
    }

    #[test]
    fn it_is_a_version_3_certificate_with_the_serial_and_a_valid_signature_of_its_own_key() {
        for (serial, shown) in [([0xff; 16], "00:".to_owned() + &["ff"; 16].join(":")), ([1; 16], ["01"; 16].join(":"))] {
            let certificate = issued(&CertificateRequest { serial, ..request() });
            let (_, parsed) = X509Certificate::from_der(certificate.der()).unwrap();
            assert_eq!((parsed.version().0, parsed.raw_serial_as_string()), (2, shown));
            assert!(parsed.key_usage().unwrap().unwrap().value.digital_signature());
            assert_eq!(parsed.issuer(), parsed.subject());
            assert!(certificate.verify_rs256(parsed.tbs_certificate.as_ref(), &parsed.signature_value.data));
        }
    }

    #[test]
    fn the_same_request_gives_the_same_certificate() {
        assert_eq!(issued(&request()), issued(&request()));
        assert_ne!(issued(&request()), issued(&CertificateRequest { serial: [1; 16], ..request() }));
    }

    #[test]
    fn pem_and_der_are_the_same_certificate() {
        let certificate = issued(&request());
        assert_eq!(Certificate::from_pem(&certificate.pem()), Ok(certificate.clone()));
        assert_eq!(Certificate::from_der(certificate.der()), Ok(certificate));
    }

    #[test]
    fn a_key_matches_its_own_certificate_only_and_signatures_are_told_apart() {
        let (key, other) = (fixtures::key(0), fixtures::key(1));
        let certificate = issued(&request());
        assert!(key.matches(&certificate) && !other.matches(&certificate));
        let (rs, ps) = (key.sign_rs256(b"m").unwrap(), key.sign_ps256(b"m").unwrap());
        assert!(certificate.verify_rs256(b"m", &rs) && certificate.verify_ps256(b"m", &ps));
        assert!(!certificate.verify_rs256(b"m", &ps) && !certificate.verify_ps256(b"m", &rs) && !certificate.verify_rs256(b"n", &rs));
        assert!(!certificate.verify_rs256(b"m", &other.sign_rs256(b"m").unwrap()));
    }

    #[test]
    fn impossible_requests_are_refused_and_long_names_cut() {
        let backwards = CertificateRequest { not_after: request().not_before, ..request() };
        let foreign = CertificateRequest { san_uris: vec!["urn:ü".to_owned()], ..request() };
        let never = CertificateRequest { not_after: DateTime::<Utc>::MAX_UTC, ..request() };
        for bad in [backwards, foreign, never] {
            assert!(matches!(Certificate::self_signed(&fixtures::key(0), &bad), Err(CertificateError::Issue(_))), "{bad:?}");
        }
        let long = issued(&CertificateRequest { common_name: "ü".repeat(100), ..request() });
        assert_eq!(long.subject(), format!("CN={}", "ü".repeat(64)));
    }

    #[test]
    fn broken_certificates_are_refused_without_a_panic() {
        let good = issued(&request());
        for position in 0..good.der().len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut der = good.der().to_vec();
                der[position] ^= flip;
                let _ = Certificate::from_der(&der).map(|read| (read.subject(), read.verify_rs256(b"m", b"s")));
            }
            assert!(Certificate::from_der(&good.der()[..position]).is_err(), "cut at {position}");
        }
        assert!(Certificate::from_der(&[good.der(), b"x"].concat()).is_err());
        assert_eq!(Certificate::from_der(&vec![0x30; 70_000]), Err(CertificateError::TooLong(70_000)));
        assert_eq!(Certificate::from_pem(&" ".repeat(70_000)), Err(CertificateError::TooLong(70_000)));
        assert!(matches!(Certificate::from_pem("hello"), Err(CertificateError::ReadPem(_))));
    }

    #[test]
    fn a_certificate_made_by_openssl_has_the_thumbprints_that_openssl_shows() {
        let certificate = Certificate::from_pem(include_str!("../fixtures/openssl.crt")).unwrap();
        assert_eq!(certificate.thumbprint().to_string(), "5284489629E72F00167F23279F6F3ED4580F5431");
        assert_eq!(
            data_encoding::HEXUPPER.encode(&certificate.thumbprint_sha256()),
            "012F051BDBD2F33C9731018DF3E55BD0B4624A30E9D7949E734E7747FB481D9B"
        );
        assert_eq!((certificate.subject(), certificate.san_uris()), ("CN=made by openssl".to_owned(), vec!["urn:example:x".to_owned()]));
        assert!(fixtures::key(0).matches(&certificate));
    }
}
