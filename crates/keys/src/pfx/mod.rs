//! PFX files (PKCS#12): a private key and its certificate under one password.
//!
//! What is written: PBES2 with AES-256-CBC and PBKDF2 over HMAC-SHA-256 for key and certificate, HMAC-SHA-256 for the whole, 2,048 rounds each,
//! which is what OpenSSL 3 writes. Read by OpenSSL from 1.1, Node, Go, Python's cryptography, .NET Core from 3.0 everywhere and Windows itself from
//! Server 2019, and Java from 8u301 and 11.0.12. More rounds would buy nothing: the password is not one that people choose. Two files of the same key
//! differ, for their salts are random: write one anew only when its content changes.

mod cost;

use data_encoding::BASE64URL_NOPAD;
use p12_keystore::{
    Certificate as StoredCertificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, Pkcs12Archive, PrivateKey as StoredKey,
    PrivateKeyChain, error::Error,
};

use crate::certificate::Certificate;
use crate::private_key::PrivateKey;
use crate::sensitive::Sensitive;

/// The longest file that is read, in bytes: a key of 4,096 bits and a chain of certificates take half of it.
pub const MAX_LENGTH: usize = 16 * 1024;

/// As OpenSSL writes.
const ROUNDS: u32 = 2048;

/// The longest name that is written, in characters.
const MAX_NAME: usize = 64;

/// Why a PFX file could not be written or read. No variant holds key material or a password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PfxError {
    /// The password cannot be used for a new file.
    #[error(
        "cannot write the PFX file: its password must be 1 to 256 printable ASCII characters, for programs disagree on how to read others"
    )]
    UsePassword,
    /// The certificate is about another key.
    #[error("cannot write the PFX file: the certificate does not belong to the private key")]
    Pair,
    /// Writing failed.
    #[error("cannot write the PFX file: {0}")]
    Write(String),
    /// The file is longer than [`MAX_LENGTH`].
    #[error("cannot read the PFX file: {0} bytes are more than one key and its certificates need ({MAX_LENGTH})")]
    TooLong(usize),
    /// The file asks for more work than a sound one.
    #[error("cannot read the PFX file: opening it would take more than {} rounds of key derivation, or scrypt", cost::MAX_ROUNDS)]
    TooCostly,
    /// The password does not open the file.
    #[error("cannot read the PFX file: the password does not open it")]
    Open,
    /// The file is no PFX file, or one of a form that is not known.
    #[error("cannot read the PFX file: {0}; expected PKCS#12 in DER, encrypted with AES or triple DES under one password")]
    Read(String),
    /// There is no RSA key with a certificate of its own in it.
    #[error("cannot read the PFX file: it holds no RSA private key together with its certificate")]
    FindPair,
}

/// Writes key and certificate. The name is shown to people by key stores (Java's alias): at most 64 characters are kept, those outside the Basic
/// Multilingual Plane are left out, and the thumbprint takes the place of an empty one.
///
/// # Errors
/// [`PfxError::UsePassword`], [`PfxError::Pair`] and [`PfxError::Write`].
pub fn encode(
    key: &PrivateKey,
    certificate: &Certificate,
    password: &Sensitive<String>,
    friendly_name: &str,
) -> Result<Sensitive<Vec<u8>>, PfxError> {
    if !(1..=256).contains(&password.expose().len()) || !password.expose().bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(PfxError::UsePassword);
    }
    if !key.matches(certificate) {
        return Err(PfxError::Pair);
    }
    write(key, certificate, password, friendly_name).map(Sensitive::new).map_err(|error| PfxError::Write(error.to_string()))
}

fn write(key: &PrivateKey, certificate: &Certificate, password: &Sensitive<String>, friendly_name: &str) -> Result<Vec<u8>, Error> {
    let stored = StoredCertificate::from_der(certificate.der())?;
    let key = StoredKey::from_der(key.to_pkcs8_der().expose())?;
    // What ties the two together, by OpenSSL's convention.
    let chain = PrivateKeyChain::new(certificate.thumbprint().as_bytes().as_slice(), key, [stored]);
    let mut store = KeyStore::new();
    store.add_entry(&name(friendly_name, certificate), KeyStoreEntry::PrivateKeyChain(chain));
    store
        .writer(password.expose())
        .encryption_algorithm(EncryptionAlgorithm::PbeWithHmacSha256AndAes256)
        .encryption_iterations(ROUNDS)
        .mac_algorithm(MacAlgorithm::HmacSha256)
        .mac_iterations(ROUNDS)
        .write()
}

fn name(wanted: &str, certificate: &Certificate) -> String {
    let shown: String = wanted.chars().filter(|c| u32::from(*c) <= 0xffff && !c.is_control()).take(MAX_NAME).collect();
    if shown.is_empty() { certificate.thumbprint().to_string() } else { shown }
}

/// Reads the first RSA key that has a certificate of its own in the file. The file is at most 16 KiB and asks for at most 500,000 rounds of key
/// derivation outside its encrypted parts; still, keep the reading of others' files off an async executor's threads.
///
/// # Errors
/// All of [`PfxError`] about reading.
pub fn decode(pfx: &[u8], password: &Sensitive<String>) -> Result<(PrivateKey, Certificate), PfxError> {
    if pfx.len() > MAX_LENGTH {
        return Err(PfxError::TooLong(pfx.len()));
    }
    cost::check(pfx)?;
    let archive = Pkcs12Archive::from_pkcs12(pfx, password.expose()).map_err(|error| unread(&error))?;
    pair(&archive).ok_or(PfxError::FindPair)
}

fn unread(error: &Error) -> PfxError {
    match error {
        // A wrong password shows in the check of the whole; where there is none, in the padding or in what comes out.
        Error::MacError(_) | Error::UnpadError | Error::Pkcs5Error(_) => PfxError::Open,
        error => PfxError::Read(error.to_string()),
    }
}

fn pair(archive: &Pkcs12Archive) -> Option<(PrivateKey, Certificate)> {
    let certificates: Vec<_> = archive.certs.iter().filter_map(|bag| Certificate::from_der(bag.cert.as_der()).ok()).collect();
    let keys = archive.keys.iter().filter_map(|bag| PrivateKey::from_pkcs8_der(bag.key.as_der()).ok());
    keys.into_iter().find_map(|key| {
        let own = certificates.iter().find(|certificate| key.matches(certificate))?.clone();
        Some((key, own))
    })
}

/// A password for a PFX file: 32 URL-safe characters, from 192 random bits.
pub fn password(random: &[u8; 24]) -> Sensitive<String> {
    Sensitive::new(BASE64URL_NOPAD.encode(random))
}

#[cfg(test)]
mod tests;
