//! `keystore.p12`: the key pair of a client certificate as PKCS#12, with its password beside it.

use keys::{Certificate, PrivateKey, Sensitive, pfx};

use super::{Data, text};

pub(super) const KEYSTORE: &str = "keystore.p12";
pub(super) const PASSWORD: &str = "keystore.password";

/// Adds both keys. A PFX never comes out twice the same, so it is built only where one is written.
pub(super) fn add(data: &mut Data, key: &PrivateKey, certificate: &Certificate, password: &Sensitive<String>, name: &str) {
    // A key that signs its own certificate fits into a PFX; without one the output is found incomplete and says so by its missing keys.
    if let Ok(keystore) = pfx::encode(key, certificate, password, name) {
        data.insert(KEYSTORE.to_owned(), keystore.expose().clone());
        data.insert(PASSWORD.to_owned(), password.expose().clone().into_bytes());
    }
}

/// Whether the PFX opens with its password and holds this certificate with its key.
pub(super) fn is_sound(data: &Data, certificate: &Certificate) -> bool {
    let Some((keystore, password)) = data.get(KEYSTORE).zip(password(data)) else { return false };
    let opened = pfx::decode(keystore, &password).ok();
    opened.is_some_and(|(held, certified)| certified == *certificate && held.matches(certificate))
}

/// The password in an output, if it is one that a new file may have.
pub(super) fn password(data: &Data) -> Option<Sensitive<String>> {
    let sound = |password: &&str| (1..=256).contains(&password.len()) && password.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    text(data, PASSWORD).filter(sound).map(|password| Sensitive::new(password.to_owned()))
}
