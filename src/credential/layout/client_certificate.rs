//! A client certificate as `kubernetes.io/tls`, with the names that azure-identity and msal read.

use keys::{Certificate, PrivateKey, Sensitive};
use rotation::{EntryId, Held, HeldKey};

use super::{Data, Inspected, Layout, Names, bare, facts, keystore, text};

pub(super) const CERTIFICATE: &str = "tls.crt";
pub(super) const KEY: &str = "tls.key";
pub(super) const COMBINED: &str = "tls-combined.pem";
pub(super) const KEYS: [&str; 6] = [CERTIFICATE, KEY, COMBINED, "AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_AUTHORITY_HOST"];

impl Layout {
    /// The contents for a key pair, with a keystore under this password if one is asked for; `None` before the clientID is known.
    pub(crate) fn of_key_pair(&self, key: &PrivateKey, certificate: &Certificate, password: &Sensitive<String>) -> Option<Data> {
        let mut data = build(self.names.as_ref()?, key, certificate);
        if self.has_keystore() {
            keystore::add(&mut data, key, certificate, password, &self.owner);
        }
        Some(data)
    }
}

fn build(names: &Names, key: &PrivateKey, certificate: &Certificate) -> Data {
    let (key, certificate) = (key.to_pkcs8_pem(), certificate.pem());
    let combined = format!("{}{certificate}", key.expose());
    let values =
        [certificate, key.expose().clone(), combined, names.client_id.to_string(), names.tenant_id.to_string(), names.authority_host()];
    KEYS.into_iter().zip(values).map(|(key, value)| (key.to_owned(), value.into_bytes())).collect()
}

/// The key pair that an output or a slot holds, if its halves belong together.
pub(crate) fn key_pair(data: &Data) -> Option<(PrivateKey, Certificate)> {
    let certificate = Certificate::from_pem(text(data, CERTIFICATE)?).ok()?;
    let key = PrivateKey::from_pkcs8_pem(text(data, KEY)?).ok()?;
    key.matches(&certificate).then_some((key, certificate))
}

/// The two halves as a slot stages them.
pub(crate) fn staged(key: &PrivateKey, certificate: &Certificate) -> Data {
    [(CERTIFICATE, certificate.pem()), (KEY, key.to_pkcs8_pem().expose().clone())]
        .map(|(key, value)| (key.to_owned(), value.into_bytes()))
        .into()
}

pub(super) fn inspect(layout: &Layout, data: &Data, entry: Option<EntryId>) -> Inspected {
    let Some((key, certificate)) = key_pair(data) else { return Inspected::ours(None, None, vec![]) };
    let sound = !layout.has_keystore() || keystore::is_sound(data, &certificate);
    let whole = sound && layout.is_whole(data, |names| Some(build(names, &key, &certificate)));
    let holds = HeldKey { thumbprint: certificate.thumbprint(), not_after: certificate.not_after(), bits: key.bits() };
    let shows = entry.filter(|_| whole).map(|entry| bare(entry, certificate.thumbprint()));
    Inspected::ours(shows, Some(Held::Key(holds)), vec![facts(&certificate)])
}
