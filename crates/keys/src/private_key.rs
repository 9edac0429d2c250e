//! RSA private keys.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::asn1_rs::{self, FromDer as _};
use zeroize::Zeroize as _;

use crate::certificate::Certificate;
use crate::pem;
use crate::sensitive::Sensitive;

/// Why a private key could not be made, read or used. No variant holds key material.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Generating a key pair failed.
    #[error("cannot generate an RSA key of {} bits: the cryptography library refused", .0.bits())]
    Generate(KeySize),
    /// The text is no PEM of one private key.
    #[error(
        "cannot read the private key: {0}; expected PEM with a section PRIVATE KEY or RSA PRIVATE KEY, not encrypted, of at most 64 KiB"
    )]
    ReadPem(String),
    /// The bytes are no RSA private key that can be used.
    #[error("cannot read the private key: {0}; expected an RSA key of 2048 to 8192 bits")]
    ReadDer(String),
    /// Signing failed.
    #[error("cannot sign with the RSA key: the cryptography library refused")]
    Sign,
}

/// How long a generated key is, in bits of its modulus.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum KeySize {
    /// 2048 bits: about 0.1 s of one core.
    #[default]
    Rsa2048,
    /// 3072 bits.
    Rsa3072,
    /// 4096 bits: seconds of one core.
    Rsa4096,
}

impl KeySize {
    /// The length in bits.
    pub const fn bits(self) -> i32 {
        match self {
            Self::Rsa2048 => 2048,
            Self::Rsa3072 => 3072,
            Self::Rsa4096 => 4096,
        }
    }
}

/// A number is none of the key sizes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0} is no RSA key size: write 2048, 3072 or 4096")]
pub struct InvalidKeySize(i32);

impl TryFrom<i32> for KeySize {
    type Error = InvalidKeySize;

    fn try_from(bits: i32) -> Result<Self, InvalidKeySize> {
        [Self::Rsa2048, Self::Rsa3072, Self::Rsa4096].into_iter().find(|size| size.bits() == bits).ok_or(InvalidKeySize(bits))
    }
}

/// An RSA private key. Clones share one key; `Debug` shows nothing of it.
#[derive(Clone)]
pub struct PrivateKey(Arc<Inner>);

struct Inner {
    pair: KeyPair,
    pkcs8: Sensitive<Vec<u8>>,
}

impl PrivateKey {
    /// A new key. Takes 50 ms to seconds of one core: keep it off an async executor's threads.
    ///
    /// # Errors
    /// [`KeyError::Generate`] when the library fails.
    pub fn generate(size: KeySize) -> Result<Self, KeyError> {
        let refused = || KeyError::Generate(size);
        let length = match size {
            KeySize::Rsa2048 => aws_lc_rs::rsa::KeySize::Rsa2048,
            KeySize::Rsa3072 => aws_lc_rs::rsa::KeySize::Rsa3072,
            KeySize::Rsa4096 => aws_lc_rs::rsa::KeySize::Rsa4096,
        };
        let pair = KeyPair::generate(length).map_err(|_| refused())?;
        Self::of(pair).ok_or_else(refused)
    }

    /// Reads the first private key of a PEM text: PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`). At most 64 KiB.
    ///
    /// # Errors
    /// [`KeyError::ReadPem`] when there is no such section, [`KeyError::ReadDer`] when it holds no usable RSA key.
    pub fn from_pkcs8_pem(text: &str) -> Result<Self, KeyError> {
        if text.len() > pem::MAX_INPUT {
            return Err(KeyError::ReadPem("it is too long".to_owned()));
        }
        let mut section =
            PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| KeyError::ReadPem(pem::reason(&error, "private key")))?;
        let key = match &section {
            PrivateKeyDer::Pkcs8(der) => Self::from_pkcs8_der(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => Self::read(KeyPair::from_der(der.secret_pkcs1_der())),
            _ => Err(KeyError::ReadDer("it is no RSA key".to_owned())),
        };
        section.zeroize();
        key
    }

    /// Reads PKCS#8 DER. At most 64 KiB.
    ///
    /// # Errors
    /// [`KeyError::ReadDer`] when it is no usable RSA key.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        if der.len() > pem::MAX_INPUT {
            return Err(KeyError::ReadDer("it is too long".to_owned()));
        }
        Self::read(KeyPair::from_pkcs8(der))
    }

    fn read(parsed: Result<KeyPair, aws_lc_rs::error::KeyRejected>) -> Result<Self, KeyError> {
        let pair = parsed.map_err(|error| KeyError::ReadDer(error.to_string()))?;
        Self::of(pair).ok_or_else(|| KeyError::ReadDer("it cannot be written as PKCS#8".to_owned()))
    }

    fn of(pair: KeyPair) -> Option<Self> {
        let der: Pkcs8V1Der<'static> = pair.as_der().ok()?;
        let pkcs8 = Sensitive::new(der.as_ref().to_vec());
        Some(Self(Arc::new(Inner { pair, pkcs8 })))
    }

    /// The key as PEM, PKCS#8.
    pub fn to_pkcs8_pem(&self) -> Sensitive<String> {
        Sensitive::new(pem::encode("PRIVATE KEY", self.0.pkcs8.expose()))
    }

    /// The key as DER, PKCS#8 version 1.
    pub fn to_pkcs8_der(&self) -> Sensitive<Vec<u8>> {
        self.0.pkcs8.clone()
    }

    /// The key as DER of PKCS#1 `RSAPrivateKey`, which JWT libraries want.
    ///
    /// # Errors
    /// [`KeyError::ReadDer`] when the library wrote no PKCS#8.
    pub fn to_pkcs1_der(&self) -> Result<Sensitive<Vec<u8>>, KeyError> {
        pkcs1(self.0.pkcs8.expose()).map_err(|error| KeyError::ReadDer(error.to_string()))
    }

    /// Signs with RSASSA-PKCS1-v1_5 and SHA-256, as the proof of addKey and removeKey wants it.
    ///
    /// # Errors
    /// [`KeyError::Sign`] when the library fails.
    pub fn sign_rs256(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign(&RSA_PKCS1_SHA256, message)
    }

    /// Signs with RSASSA-PSS and SHA-256, as client assertions want it (Microsoft identity platform, "Certificate credentials").
    ///
    /// # Errors
    /// [`KeyError::Sign`] when the library fails.
    pub fn sign_ps256(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign(&RSA_PSS_SHA256, message)
    }

    fn sign(&self, encoding: &'static dyn RsaEncoding, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut signature = vec![0; self.0.pair.public_modulus_len()];
        self.0.pair.sign(encoding, &SystemRandom::new(), message, &mut signature).map_err(|_| KeyError::Sign)?;
        Ok(signature)
    }

    /// The length of the modulus in bits.
    pub fn bits(&self) -> u32 {
        u32::try_from(self.0.pair.public_modulus_len() * 8).unwrap_or(u32::MAX)
    }

    /// Whether the certificate is about this key.
    pub fn matches(&self, certificate: &Certificate) -> bool {
        certificate.rsa_public_key() == Some(self.public_key())
    }

    /// The public half, as the `RSAPublicKey` of PKCS#1.
    pub(crate) fn public_key(&self) -> &[u8] {
        self.0.pair.public_key().as_ref()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey([redacted])")
    }
}

/// PrivateKeyInfo is a sequence of version, algorithm and an octet string, which holds the key itself (RFC 5208).
fn pkcs1(pkcs8: &[u8]) -> Result<Sensitive<Vec<u8>>, asn1_rs::Err<asn1_rs::Error>> {
    let (_, info) = asn1_rs::Sequence::from_der(pkcs8)?;
    let (rest, _version) = asn1_rs::Any::from_der(&info.content)?;
    let (rest, _algorithm) = asn1_rs::Any::from_der(rest)?;
    let (_, key) = <&[u8]>::from_der(rest)?;
    Ok(Sensitive::new(key.to_vec()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixtures;

    #[test]
    fn a_key_survives_pem_and_der() {
        let key = fixtures::key(0);
        let again = PrivateKey::from_pkcs8_pem(key.to_pkcs8_pem().expose()).unwrap();
        assert_eq!(again.to_pkcs8_der().expose(), key.to_pkcs8_der().expose());
        assert_eq!(PrivateKey::from_pkcs8_der(key.to_pkcs8_der().expose()).unwrap().public_key(), key.public_key());
    }

    #[test]
    fn a_generated_key_has_the_size_that_was_asked_for() {
        let key = PrivateKey::generate(KeySize::Rsa2048).unwrap();
        assert_eq!(key.0.pair.public_modulus_len() * 8, 2048);
        assert!(PrivateKey::from_pkcs8_pem(key.to_pkcs8_pem().expose()).is_ok());
    }

    #[test]
    fn only_the_three_sizes_are_sizes() {
        assert_eq!([2048, 3072, 4096].map(KeySize::try_from), [Ok(KeySize::Rsa2048), Ok(KeySize::Rsa3072), Ok(KeySize::Rsa4096)]);
        assert!([-1, 0, 1024, 2047, 8192].iter().all(|bits| KeySize::try_from(*bits).is_err()));
    }

    #[test]
    fn a_pkcs1_key_is_read_too() {
        let key = fixtures::key(1);
        let pkcs1 = pem::encode("RSA PRIVATE KEY", key.to_pkcs1_der().unwrap().expose());
        assert_eq!(PrivateKey::from_pkcs8_pem(&pkcs1).unwrap().public_key(), key.public_key());
    }

    #[test]
    fn what_is_no_key_is_refused_and_never_quoted() {
        let whole = fixtures::key(0).to_pkcs8_pem().expose().clone();
        let canary: String = whole.lines().nth(5).unwrap().to_owned();
        let cut = whole.replace("-----END PRIVATE KEY-----", "");
        let broken = whole.replace('\n', "\n%");
        for text in [
            "",
            "hello",
            &cut,
            &broken,
            &whole[..whole.len() / 2],
            &"-".repeat(70_000),
            "-----BEGIN EC PRIVATE KEY-----\nQUJD\n-----END EC PRIVATE KEY-----\n",
        ] {
            let error = PrivateKey::from_pkcs8_pem(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains(&canary), "{error:?}");
        }
        assert!(PrivateKey::from_pkcs8_der(&vec![0x30; 70_000]).is_err());
    }

    #[test]
    fn debug_output_shows_nothing_of_a_key() {
        assert_eq!(format!("{:?}", fixtures::key(0)), "PrivateKey([redacted])");
    }

    #[test]
    fn the_fixtures_are_eight_different_keys() {
        let keys: std::collections::BTreeSet<_> = (0..8).map(|number| fixtures::key(number).public_key().to_vec()).collect();
        assert_eq!(keys.len(), 8);
        assert_eq!(fixtures::key(8).public_key(), fixtures::key(0).public_key());
    }
}
