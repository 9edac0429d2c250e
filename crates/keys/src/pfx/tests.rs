#![allow(clippy::unwrap_used)]

use chrono::{TimeDelta, TimeZone as _, Utc};

use super::*;
use crate::certificate::Certificate;
use crate::fixtures;
use crate::issue::CertificateRequest;

const PASSWORD: &str = "c4n4ry~changeit-1";

fn secret(text: &str) -> Sensitive<String> {
    Sensitive::new(text.to_owned())
}

fn certificate(number: usize) -> Certificate {
    let not_before = Utc.with_ymd_and_hms(2026, 8, 20, 10, 0, 0).unwrap();
    let request = CertificateRequest {
        common_name: "payroll".to_owned(),
        san_uris: vec![],
        not_before,
        not_after: not_before + TimeDelta::days(180),
        serial: [3; 16],
    };
    Certificate::self_signed(&fixtures::key(number), &request).unwrap()
}

fn encoded() -> Sensitive<Vec<u8>> {
    encode(&fixtures::key(0), &certificate(0), &secret(PASSWORD), "payroll-api").unwrap()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn a_key_and_its_certificate_come_back_with_the_password_alone() {
    let pfx = encoded();
    let (key, own) = decode(pfx.expose(), &secret(PASSWORD)).unwrap();
    assert_eq!((key.to_pkcs8_der().expose(), own), (fixtures::key(0).to_pkcs8_der().expose(), certificate(0)));
    for wrong in ["", "c4n4ry~changeit-2"] {
        assert_eq!(decode(pfx.expose(), &secret(wrong)).unwrap_err(), PfxError::Open);
    }
}

#[test]
fn key_certificate_and_the_whole_are_protected_by_the_algorithms_that_are_named() {
    let pfx = encoded();
    // AES-256-CBC, HMAC-SHA-256 in PBKDF2, SHA-256 of the whole, 2,048 rounds.
    let (aes, prf) = (b"\x60\x86\x48\x01\x65\x03\x04\x01\x2a", b"\x2a\x86\x48\x86\xf7\x0d\x02\x09");
    let count = |needle: &[u8]| pfx.expose().windows(needle.len()).filter(|window| *window == needle).count();
    assert_eq!([count(aes), count(prf), count(b"\x60\x86\x48\x01\x65\x03\x04\x02\x01"), count(b"\x02\x02\x08\x00")], [2, 2, 1, 3]);
    assert!(!contains(pfx.expose(), certificate(0).der()));
    assert!(pfx.expose().len() < 4096, "{}", pfx.expose().len());
}

#[test]
fn the_name_is_made_fit_for_key_stores() {
    let named = |name: &str| {
        let pfx = encode(&fixtures::key(0), &certificate(0), &secret(PASSWORD), name).unwrap();
        let archive = Pkcs12Archive::from_pkcs12(pfx.expose(), PASSWORD).unwrap();
        archive.keys[0].friendly_name.clone().unwrap()
    };
    assert_eq!(named("payroll-api"), "payroll-api");
    assert_eq!(named("a\u{1f600}b\n"), "ab");
    assert_eq!(named(&"ü".repeat(100)), "ü".repeat(64));
    assert_eq!(named(""), certificate(0).thumbprint().to_string());
}

#[test]
fn files_of_other_programs_are_read() {
    let files: [(&str, &[u8]); 3] = [
        ("OpenSSL 3", include_bytes!("../../fixtures/openssl.p12")),
        ("triple DES", include_bytes!("../../fixtures/triple-des.p12")),
        ("Java 17", include_bytes!("../../fixtures/java.p12")),
    ];
    for (program, pfx) in files {
        let (key, own) = decode(pfx, &secret("changeit~1")).unwrap();
        assert!(key.matches(&own) && own.subject() == "CN=made by openssl", "{program}");
        assert_eq!(key.to_pkcs8_der().expose(), fixtures::key(0).to_pkcs8_der().expose(), "{program}");
    }
}

#[test]
fn passwords_that_programs_read_differently_and_foreign_certificates_are_refused() {
    for bad in ["", "pässword", "tab\t", &"x".repeat(257)] {
        let error = encode(&fixtures::key(0), &certificate(0), &secret(bad), "x").unwrap_err();
        assert_eq!(error, PfxError::UsePassword, "{bad:?}");
    }
    assert_eq!(encode(&fixtures::key(0), &certificate(1), &secret(PASSWORD), "x").unwrap_err(), PfxError::Pair);
}

#[test]
fn a_file_without_a_pair_is_refused() {
    let stranger = StoredCertificate::from_der(certificate(1).der()).unwrap();
    let key = StoredKey::from_der(fixtures::key(0).to_pkcs8_der().expose()).unwrap();
    let mut store = KeyStore::new();
    store.add_entry("x", KeyStoreEntry::PrivateKeyChain(PrivateKeyChain::new("x", key, [stranger])));
    let pfx = store.writer(PASSWORD).encryption_iterations(1).mac_iterations(1).write().unwrap();
    assert_eq!(decode(&pfx, &secret(PASSWORD)).unwrap_err(), PfxError::FindPair);
}

#[test]
fn work_without_measure_is_refused_before_it_is_begun() {
    const MILLION: [u8; 5] = [0x02, 0x03, 0x0f, 0x42, 0x40];
    let sequence = |content: &[u8]| [&[0x30, u8::try_from(content.len()).unwrap()], content].concat();
    let octets = |content: &[u8]| [&[0x04, u8::try_from(content.len()).unwrap()], content].concat();
    let tagged = |content: &[u8]| [&[0xa0, u8::try_from(content.len()).unwrap()], content].concat();
    let data = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01".as_slice();
    let hidden = sequence(&[data, &tagged(&octets(&sequence(&MILLION)))].concat());
    let scrypt = b"\x06\x09\x2b\x06\x01\x04\x01\xda\x47\x04\x0b".as_slice();
    for costly in
        [sequence(&MILLION), hidden, sequence(scrypt), sequence(&[0x02, 0x01, 0xff]), sequence(&b"\x02\x03\x04\x00\x00".repeat(2))]
    {
        assert_eq!(decode(&costly, &secret(PASSWORD)).unwrap_err(), PfxError::TooCostly, "{costly:02x?}");
    }
    // A salt may look like a number.
    assert_eq!(cost::check(&sequence(&octets(&MILLION))), Ok(()));
    assert_eq!(decode(&vec![0x30; 20_000], &secret(PASSWORD)).unwrap_err(), PfxError::TooLong(20_000));
    let deep = (0..40).fold(vec![0x05, 0x00], |inner, _| sequence(&inner));
    assert!(matches!(decode(&deep, &secret(PASSWORD)), Err(PfxError::Read(_))));
}

#[test]
fn broken_files_are_refused_without_a_panic_and_without_quoting_them() {
    let whole = encoded();
    let whole = whole.expose();
    for position in (0..whole.len()).step_by(13) {
        let mut flipped = whole.clone();
        flipped[position] ^= 0xff;
        for broken in [&flipped[..], &whole[..position]] {
            let shown = decode(broken, &secret(PASSWORD)).map_or_else(|error| format!("{error} {error:?}"), |pair| format!("{pair:?}"));
            assert!(!shown.contains(PASSWORD), "{shown}");
        }
    }
    assert!(matches!(decode(b"", &secret(PASSWORD)), Err(PfxError::Read(_))));
    assert!(matches!(decode(b"-----BEGIN", &secret(PASSWORD)), Err(PfxError::Read(_))));
}

#[test]
fn debug_output_shows_nothing_of_a_file_or_its_password() {
    let (pfx, password) = (encoded(), password(&[7; 24]));
    assert_eq!(format!("{pfx:?} {password:?}"), "[redacted] [redacted]");
}

#[test]
fn a_generated_password_is_32_url_safe_characters_of_its_randomness() {
    let made = password(&[0xfb; 24]);
    assert_eq!(made.expose(), &"-_v7".repeat(8));
    assert_ne!(password(&[1; 24]).expose(), password(&[2; 24]).expose());
    assert!(encode(&fixtures::key(0), &certificate(0), &made, "x").is_ok());
}
