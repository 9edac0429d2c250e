//! Making the key and the certificate of a coming entry.

use chrono::TimeDelta;
use entra::SigningKey;
use keys::{Certificate, CertificateRequest, KeySize, Sensitive, pfx};
use kube::ResourceExt as _;
use rotation::{Application, EntryId, Kind};

use super::keyring::KeyPair;
use super::pass::Pass;

/// As Entra makes them.
const SIGNING_BITS: u32 = 2048;

/// Makes a key pair whose certificate carries the entry's mark. Nothing outside hears of it yet.
pub(super) async fn key_pair(pass: &Pass<'_>, id: &EntryId) -> Result<KeyPair, String> {
    let (bits, common_name) = match &pass.policy.kind {
        Kind::ClientCertificate { key_bits, .. } => (*key_bits, pass.resource.name_any()),
        Kind::TokenSigning(signing) => (SIGNING_BITS, signing.display_name.trim_start_matches("CN=").to_owned()),
        Kind::ClientSecret => return Err("Entra makes this kind of credential.".to_owned()),
    };
    let size = i32::try_from(bits)
        .ok()
        .and_then(|bits| KeySize::try_from(bits).ok())
        .ok_or_else(|| format!("RSA keys of {bits} bits are not made."))?;
    let key = pass.context.seams.keys.generate(size).await.map_err(|error| error.to_string())?;
    let now = pass.context.now();
    let validity = pass.case(&Application::default()).validity();
    let request = CertificateRequest {
        common_name,
        san_uris: vec![id.san_uri(&pass.policy.uid)],
        // Entra's clock may be behind ours by what rule 9 tolerates.
        not_before: now - (validity / 10).min(TimeDelta::minutes(5)),
        not_after: now + validity,
        serial: serial(pass),
    };
    let certificate = Certificate::self_signed(&key, &request).map_err(|error| error.to_string())?;
    Ok(KeyPair { key, certificate })
}

/// A new password for a PFX file.
pub(super) fn password(pass: &Pass<'_>) -> Sensitive<String> {
    let (one, other) = (pass.context.seams.ids.uuid(), pass.context.seams.ids.uuid());
    let mut random = [0; 24];
    random[..16].copy_from_slice(one.as_bytes());
    random[16..].copy_from_slice(&other.as_bytes()[..8]);
    pfx::password(&random)
}

/// A key that signs, as Entra takes it: in a PFX under a password that nobody else ever sees.
pub(super) fn signing_key(pass: &Pass<'_>, pair: &KeyPair) -> Result<SigningKey, String> {
    let password = password(pass);
    let pfx = pfx::encode(&pair.key, &pair.certificate, &password, "").map_err(|error| error.to_string())?;
    Ok(SigningKey { pfx, password, custom_key_identifier: entra::signing_identifier(&pair.certificate) })
}

/// 127 random bits: a serial number is positive.
fn serial(pass: &Pass<'_>) -> [u8; 16] {
    let mut serial = *pass.context.seams.ids.uuid().as_bytes();
    serial[0] &= 0x7f;
    serial
}
