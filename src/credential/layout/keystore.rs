//! `keystore.p12`: the key pair of a client certificate as PKCS#12, with its password beside it.

use data_encoding::BASE64URL_NOPAD;
use keys::{Certificate, PrivateKey, Sensitive, pfx};
use sha2::{Digest as _, Sha256};

use super::{Data, text};

pub(super) const KEYSTORE: &str = "keystore.p12";
pub(super) const PASSWORD: &str = "keystore.password";

/// Adds both keys. A PFX never comes out twice the same, so it is built only where one is written.
pub(super) fn add(data: &mut Data, key: &PrivateKey, certificate: &Certificate, name: &str) {
    let password = password(key);
    // A key that signs its own certificate fits into a PFX; without one the output is found incomplete and says so by its missing keys.
    if let Ok(keystore) = pfx::encode(key, certificate, &password, name) {
        data.insert(KEYSTORE.to_owned(), keystore.expose().clone());
        data.insert(PASSWORD.to_owned(), password.expose().clone().into_bytes());
    }
}

/// Whether the PFX opens with its password and holds this key pair.
pub(super) fn is_sound(data: &Data, key: &PrivateKey, certificate: &Certificate) -> bool {
    let expected = password(key);
    let Some(keystore) = data.get(KEYSTORE).filter(|_| text(data, PASSWORD) == Some(expected.expose())) else { return false };
    let opened = pfx::decode(keystore, &expected).ok();
    opened.is_some_and(|(held, certified)| certified == *certificate && held.matches(certificate))
}

/// The same for the same key, so that healing the output changes nothing for whoever read it before. As secret as the key beside it.
fn password(key: &PrivateKey) -> Sensitive<String> {
    let digest = Sha256::new().chain_update("entra-rotator keystore").chain_update(key.to_pkcs8_pem().expose()).finalize();
    Sensitive::new(BASE64URL_NOPAD.encode(&digest[..24]))
}
