//! Making self-signed certificates.

use chrono::{DateTime, Utc};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm, SigningKey,
};
use time::OffsetDateTime;

use crate::certificate::{Certificate, CertificateError};
use crate::private_key::PrivateKey;

/// The longest common name that X.509 allows (RFC 5280, ub-common-name), in characters.
const MAX_COMMON_NAME: usize = 64;

/// What a self-signed certificate shall say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateRequest {
    /// The common name of subject and issuer, without `CN=`. For people only; the 65th character and all after it are left out.
    pub common_name: String,
    /// Subject alternative names of the kind URI, ASCII.
    pub san_uris: Vec<String>,
    /// First instant of validity; fractions of a second are cut off.
    pub not_before: DateTime<Utc>,
    /// Last instant of validity; fractions of a second are cut off.
    pub not_after: DateTime<Utc>,
    /// Serial number, big-endian, unsigned.
    pub serial: [u8; 16],
}

/// Signs the request with its own key: RSA with SHA-256, key usage digitalSignature, no authority.
pub(crate) fn self_signed(key: &PrivateKey, request: &CertificateRequest) -> Result<Certificate, CertificateError> {
    let issued = params(request)?.self_signed(&Signer(key)).map_err(|error| CertificateError::Issue(error.to_string()))?;
    Certificate::from_der(issued.der())
}

fn params(request: &CertificateRequest) -> Result<CertificateParams, CertificateError> {
    let (not_before, not_after) = (instant(request.not_before)?, instant(request.not_after)?);
    if not_after <= not_before {
        return Err(CertificateError::Issue(format!("its end {not_after} is not after its start {not_before}")));
    }
    let mut params = CertificateParams::default();
    params.not_before = not_before;
    params.not_after = not_after;
    params.serial_number = Some(SerialNumber::from_slice(&request.serial));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, request.common_name.chars().take(MAX_COMMON_NAME).collect::<String>());
    params.subject_alt_names = request.san_uris.iter().map(|uri| san(uri)).collect::<Result<_, _>>()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    Ok(params)
}

fn instant(at: DateTime<Utc>) -> Result<OffsetDateTime, CertificateError> {
    OffsetDateTime::from_unix_timestamp(at.timestamp())
        .map_err(|error| CertificateError::Issue(format!("{at} is no date of a certificate: {error}")))
}

fn san(uri: &str) -> Result<SanType, CertificateError> {
    let text = uri.try_into().map_err(|_| CertificateError::Issue(format!("{uri:?} is no ASCII URI")))?;
    Ok(SanType::URI(text))
}

/// Lets rcgen sign without a copy of the key of its own.
struct Signer<'a>(&'a PrivateKey);

impl PublicKeyData for Signer<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl SigningKey for Signer<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign_rs256(message).map_err(|_| rcgen::Error::RingUnspecified)
    }
}
