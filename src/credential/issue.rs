//! Making the key and the certificate of a coming entry.

use chrono::TimeDelta;
use keys::{Certificate, CertificateRequest, KeySize};
use kube::ResourceExt as _;
use rotation::{EntryId, Kind};

use super::keyring::KeyPair;
use super::pass::Pass;

/// Makes a key pair whose certificate carries the entry's mark. Nothing outside hears of it yet.
pub(super) async fn client_certificate(pass: &Pass<'_>, id: &EntryId) -> Result<KeyPair, String> {
    let bits = match pass.policy.kind {
        Kind::ClientCertificate { key_bits, .. } => key_bits,
        Kind::ClientSecret | Kind::TokenSigning(_) => return Err("Entra makes this kind of credential.".to_owned()),
    };
    let size = i32::try_from(bits)
        .ok()
        .and_then(|bits| KeySize::try_from(bits).ok())
        .ok_or_else(|| format!("RSA keys of {bits} bits are not made."))?;
    let key = pass.context.seams.keys.generate(size).await.map_err(|error| error.to_string())?;
    let now = pass.context.now();
    let validity = pass.policy.durations.validity;
    let request = CertificateRequest {
        common_name: pass.resource.name_any(),
        san_uris: vec![id.san_uri(&pass.policy.uid)],
        // Entra's clock may be behind ours by what rule 9 tolerates.
        not_before: now - (validity / 10).min(TimeDelta::minutes(5)),
        not_after: now + validity,
        serial: serial(pass),
    };
    let certificate = Certificate::self_signed(&key, &request).map_err(|error| error.to_string())?;
    Ok(KeyPair { key, certificate })
}

/// 127 random bits: a serial number is positive.
fn serial(pass: &Pass<'_>) -> [u8; 16] {
    let mut serial = *pass.context.seams.ids.uuid().as_bytes();
    serial[0] &= 0x7f;
    serial
}
