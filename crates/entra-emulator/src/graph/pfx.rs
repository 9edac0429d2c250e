//! Opening the PFX of a caller without letting it decide how much work that is.

use keys::{Certificate, PrivateKey};
use p12_keystore::{KeyStore, Pkcs12ImportPolicy};

/// A PFX with an RSA-4096 key and a chain of four fits.
const MAX_LENGTH: usize = 16 * 1024;
/// Encrypted parts hide further counts of rounds, so there is little room for them: certificates, but not a hundred keys.
const MAX_ENCRYPTED: usize = 8 * 1024;
/// Rounds of key derivation in all that can be seen. Windows uses 2,000, OpenSSL 2,048, careful tools up to 600,000.
const MAX_ROUNDS: u64 = 2_000_000;
const MAX_DEPTH: usize = 24;

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const CONSTRUCTED: u8 = 0x20;
/// `encryptedContent [0] IMPLICIT OCTET STRING`
const ENCRYPTED_CONTENT: u8 = 0x80;

/// The certificate of a PFX that the password opens and that holds the certificate's RSA key.
pub(super) fn certificate(bytes: &[u8], password: &str) -> Option<Certificate> {
    if bytes.len() > MAX_LENGTH || !effort(bytes, 0)?.is_bearable() {
        return None;
    }
    let store = KeyStore::from_pkcs12(bytes, password, Pkcs12ImportPolicy::Strict).ok()?;
    let (_, chain) = store.private_key_chain()?;
    let certificate = Certificate::from_der(chain.certs().first()?.as_der()).ok()?;
    let key = PrivateKey::from_pkcs8_der(chain.key().as_der()).ok()?;
    key.matches(&certificate).then_some(certificate)
}

/// What opening would cost, as far as that can be seen without the password.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Effort {
    rounds: u64,
    encrypted: usize,
}

impl Effort {
    fn is_bearable(self) -> bool {
        self.rounds <= MAX_ROUNDS && self.encrypted <= MAX_ENCRYPTED
    }

    fn and(self, other: Self) -> Self {
        Self { rounds: self.rounds.saturating_add(other.rounds), encrypted: self.encrypted.saturating_add(other.encrypted) }
    }
}

/// Sums up a run of DER elements. Wherever PKCS#12 and PKCS#5 count rounds, the number follows a salt: an INTEGER after an OCTET STRING.
fn effort(mut der: &[u8], depth: usize) -> Option<Effort> {
    let (mut total, mut after_salt) = (Effort::default(), false);
    while !der.is_empty() {
        let (tag, content, rest) = element(der)?;
        let nested = if tag & CONSTRUCTED != 0 {
            if depth == MAX_DEPTH { None } else { effort(content, depth + 1) }?
        } else if tag == INTEGER && after_salt {
            Effort { rounds: unsigned(content), encrypted: 0 }
        } else if tag == ENCRYPTED_CONTENT {
            Effort { rounds: 0, encrypted: content.len() }
        } else if tag == OCTET_STRING && depth < MAX_DEPTH {
            effort(content, depth + 1).unwrap_or_default()
        } else {
            Effort::default()
        };
        total = total.and(nested);
        after_salt = tag == OCTET_STRING;
        der = rest;
    }
    Some(total)
}

fn unsigned(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0_u64, |number, byte| number.saturating_mul(256).saturating_add(u64::from(*byte)))
}

/// Tag and content of the first element, and what follows it. Lengths are definite, as DER asks.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let digits = usize::from(first & 0x7f);
    let (length, rest) = match first {
        0..0x80 => (usize::from(first), rest),
        0x80 => return None,
        _ => {
            let (bytes, rest) = rest.split_at_checked(digits).filter(|_| digits <= 4)?;
            (usize::try_from(unsigned(bytes)).ok()?, rest)
        }
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::{Duration, Instant};

    use chrono::{TimeDelta, Utc};
    use keys::{CertificateRequest, fixtures};
    use p12_keystore::{EncryptionAlgorithm, KeyStoreEntry, PrivateKeyChain};

    use super::*;

    fn pfx(encryption: u32, mac: u32, algorithm: EncryptionAlgorithm) -> Vec<u8> {
        let (key, start) = (fixtures::key(1), Utc::now());
        let request = CertificateRequest {
            common_name: "x".to_owned(),
            san_uris: Vec::new(),
            not_before: start,
            not_after: start + TimeDelta::days(1),
            serial: [7; 16],
        };
        let certificate = Certificate::self_signed(&key, &request).unwrap();
        let chain = [p12_keystore::Certificate::from_der(certificate.der()).unwrap()];
        let private = p12_keystore::PrivateKey::from_der(key.to_pkcs8_der().expose()).unwrap();
        let mut store = KeyStore::new();
        store.add_entry("a", KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new(vec![1_u8], private, chain)));
        let writer = store.writer("p").encryption_algorithm(algorithm);
        writer.encryption_iterations(encryption).mac_iterations(mac).write().unwrap()
    }

    #[test]
    fn the_rounds_of_encryption_and_mac_are_seen_before_any_is_made() {
        for algorithm in [EncryptionAlgorithm::PbeWithHmacSha256AndAes256, EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc] {
            let file = pfx(30, 7, algorithm);
            let found = effort(&file, 0).unwrap();
            assert!(found.rounds >= 37 && found.rounds % 30 == 7, "{found:?}");
            assert!(certificate(&file, "p").is_some());
            assert!(certificate(&file, "q").is_none());
        }
    }

    #[test]
    fn a_pfx_that_would_cost_minutes_is_refused_at_once() {
        let (written, claimed) = ([2, 3, 0x01, 0x11, 0x70], [2, 3, 0x7f, 0xff, 0xff]);
        let mut file = pfx(0x01_1170, 3, EncryptionAlgorithm::PbeWithHmacSha256AndAes256);
        let place = file.windows(5).position(|bytes| bytes == written).unwrap();
        file[place..place + 5].copy_from_slice(&claimed);
        let begun = Instant::now();
        assert!(certificate(&file, "p").is_none());
        assert!(begun.elapsed() < Duration::from_secs(1));
        file.resize(MAX_LENGTH + 1, 0);
        assert!(certificate(&file, "p").is_none());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn any_bytes_and_any_damage_to_a_pfx_are_survived(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), place in 0..2_000_usize, byte: u8) {
            assert!(certificate(&bytes, "p").is_none());
            let mut file = PFX.get_or_init(|| pfx(3, 3, EncryptionAlgorithm::PbeWithHmacSha256AndAes256)).clone();
            if let Some(damaged) = file.get_mut(place) {
                *damaged = byte;
            }
            let _ = certificate(&file, "p");
        }
    }

    static PFX: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();

    #[test]
    fn what_is_no_der_or_nests_without_end_is_refused() {
        let mut deep = Vec::new();
        for _ in 0..100 {
            let mut outer = vec![0x30, u8::try_from(deep.len()).unwrap()];
            outer.append(&mut deep);
            deep = outer;
            if deep.len() > 120 {
                break;
            }
        }
        assert_eq!(effort(&deep, 0), None);
        for bytes in [&[0x30][..], &[0x30, 0x80, 0, 0], &[0x30, 0x85, 1, 1, 1, 1, 1], &[0x30, 5, 0]] {
            assert_eq!(effort(bytes, 0), None);
            assert!(certificate(bytes, "").is_none());
        }
    }
}
