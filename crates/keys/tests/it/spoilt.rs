//! Whatever bytes come in: a value that is whole, or an error that is short and tells no secret. `PROPTEST_CASES` asks for more of them.

use std::fmt::{Debug, Display};

use keys::{Certificate, CertificateError, KeyError, PrivateKey, Sensitive, pfx};
use proptest::prelude::*;

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/spoil");
/// The longest PEM or DER that is looked at.
const MOST: usize = 64 * 1024;
const MEBIBYTE: usize = 1024 * 1024;

fn corpus(kind: &str) -> Vec<Vec<u8>> {
    spoil::corpus(format!("{CORPUS}/{kind}")).into_iter().map(|sample| sample.content).collect()
}

fn password() -> Sensitive<String> {
    Sensitive::new("changeit~1".to_owned())
}

/// An error must be short, and must not repeat what it is about.
fn check_error(error: &(impl Display + Debug), input: &[u8]) -> Result<(), TestCaseError> {
    let input = String::from_utf8_lossy(input);
    for text in [error.to_string(), format!("{error:?}")] {
        prop_assert!(text.chars().count() <= 400, "an error of {} characters: {text}", text.chars().count());
        let letters: Vec<char> = text.chars().collect();
        let repeated = letters.windows(24).map(|part| part.iter().collect::<String>()).find(|part| input.contains(part));
        prop_assert_eq!(repeated, None, "the error repeats its input: {}", text);
        prop_assert!(!text.contains(password().expose()), "the error tells the password: {}", text);
    }
    Ok(())
}

fn check_certificate(read: Result<Certificate, CertificateError>, input: &[u8]) -> Result<(), TestCaseError> {
    let certificate = match read {
        Ok(certificate) => certificate,
        Err(error) => return check_error(&error, input),
    };
    prop_assert_eq!(Certificate::from_der(certificate.der()), Ok(certificate.clone()));
    prop_assert_eq!(Certificate::from_pem(&certificate.pem()), Ok(certificate.clone()));
    prop_assert!(certificate.not_before() <= chrono::DateTime::<chrono::Utc>::MAX_UTC);
    let shown = [certificate.subject(), format!("{certificate:?}"), certificate.thumbprint().to_string()];
    let length: usize = shown.iter().chain(&certificate.san_uris()).map(String::len).sum();
    // A character that cannot be shown may be written as several.
    prop_assert!(length <= 10 * certificate.der().len() + 200, "{length} characters of {} bytes", certificate.der().len());
    prop_assert!(!certificate.verify_rs256(b"message", b"no signature"));
    Ok(())
}

proptest! {
    #![proptest_config(spoil::config(1024))]

    #[test]
    fn a_certificate_is_read_whole_or_refused(input in spoil::bytes(corpus("certificates"))) {
        check_certificate(Certificate::from_der(&input), &input)?;
        check_certificate(Certificate::from_pem(&String::from_utf8_lossy(&input)), &input)?;
    }

    #[test]
    fn a_private_key_is_read_whole_or_refused_without_a_word_of_it(input in spoil::bytes(corpus("keys"))) {
        for read in [PrivateKey::from_pkcs8_pem(&String::from_utf8_lossy(&input)), PrivateKey::from_pkcs8_der(&input)] {
            match read {
                Ok(key) => {
                    let again = PrivateKey::from_pkcs8_pem(key.to_pkcs8_pem().expose()).unwrap();
                    let (before, after) = (key.to_pkcs8_der(), again.to_pkcs8_der());
                    prop_assert_eq!(after.expose(), before.expose());
                    prop_assert!(key.sign_rs256(b"message").is_ok());
                }
                Err(error) => check_error(&error, &input)?,
            }
        }
    }
}

proptest! {
    // Half of these derive keys from the password.
    #![proptest_config(spoil::config(128))]

    #[test]
    fn a_pfx_file_is_read_whole_or_refused_without_a_word_of_it(input in spoil::bytes(corpus("pfx"))) {
        match pfx::decode(&input, &password()) {
            Ok((key, certificate)) => prop_assert!(key.matches(&certificate)),
            Err(error) => check_error(&error, &input)?,
        }
    }
}

/// Inputs that want more of a reader than their length.
fn adversarial(length: usize) -> Vec<Vec<u8>> {
    let filled = |piece: &[u8]| piece.iter().copied().cycle().take(length).collect::<Vec<u8>>();
    vec![
        filled(b"\x30\x80"),
        filled(b"\xa0\x80\x30\x80"),
        filled(b"\x30\x84\xff\xff\xff\xff"),
        filled(b"-----BEGIN CERTIFICATE-----\n"),
        filled(b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"),
        filled(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
        filled(b"-"),
        filled(b" "),
        filled(b"A"),
        filled(b"\n"),
        sequences(length),
    ]
}

/// Sequences in sequences, of right lengths, as deep as so many bytes allow.
fn sequences(length: usize) -> Vec<u8> {
    let mut der = Vec::new();
    while der.len() + 4 <= length {
        let inner = der.len();
        let header = if inner < 0x80 {
            vec![0x30, u8::try_from(inner).unwrap()]
        } else {
            vec![0x30, 0x83, (inner >> 16) as u8, (inner >> 8) as u8, inner as u8]
        };
        der.extend(header.into_iter().rev());
    }
    der.reverse();
    der
}

#[test]
fn every_sample_says_what_its_name_promises() {
    for sample in spoil::corpus(format!("{CORPUS}/certificates")) {
        let read =
            Certificate::from_der(&sample.content).is_ok() || Certificate::from_pem(&String::from_utf8_lossy(&sample.content)).is_ok();
        assert!(read, "{}", sample.name);
    }
    let unfit = ["ed25519.pem", "elliptic.pem", "encrypted.pem", "short.pem"];
    for sample in spoil::corpus(format!("{CORPUS}/keys")) {
        let text = String::from_utf8_lossy(&sample.content);
        let read = PrivateKey::from_pkcs8_der(&sample.content).is_ok() || PrivateKey::from_pkcs8_pem(&text).is_ok();
        assert_eq!(read, !unfit.contains(&sample.name.as_str()), "{}", sample.name);
    }
    for sample in spoil::corpus(format!("{CORPUS}/pfx")) {
        assert!(pfx::decode(&sample.content, &password()).is_ok(), "{}", sample.name);
    }
}

#[test]
fn a_private_key_in_place_of_a_certificate_is_not_told() {
    let key = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ";
    for text in [format!("-----BEGIN {key}\n"), format!("-----BEGIN CERTIFICATE-----{key}\n"), key.to_owned()] {
        let told = Certificate::from_pem(&text).unwrap_err().to_string();
        let numbers = format!("{:?}", &key.as_bytes()[..8]);
        assert!(!told.contains(&key[..8]) && !told.contains(numbers.trim_matches(['[', ']'])), "{told}");
    }
}

#[test]
fn what_is_too_long_is_refused_before_it_is_read() {
    for input in adversarial(MEBIBYTE) {
        let (text, length) = (String::from_utf8_lossy(&input), input.len());
        assert_eq!(Certificate::from_der(&input), Err(CertificateError::TooLong(length)));
        assert_eq!(Certificate::from_pem(&text), Err(CertificateError::TooLong(text.len())));
        assert_eq!(PrivateKey::from_pkcs8_pem(&text).err(), Some(KeyError::ReadPem("it is too long".to_owned())));
        assert_eq!(PrivateKey::from_pkcs8_der(&input).err(), Some(KeyError::ReadDer("it is too long".to_owned())));
        assert_eq!(pfx::decode(&input, &password()).err(), Some(pfx::PfxError::TooLong(length)));
    }
}

#[test]
fn the_worst_of_what_is_read_at_all_is_refused() {
    for input in adversarial(MOST) {
        let text = String::from_utf8_lossy(&input[..input.len() / 3]).into_owned();
        assert!(Certificate::from_der(&input).is_err());
        assert!(Certificate::from_pem(&text).is_err());
        assert!(PrivateKey::from_pkcs8_pem(&text).is_err());
        assert!(PrivateKey::from_pkcs8_der(&input).is_err());
        assert!(pfx::decode(&input[..pfx::MAX_LENGTH], &password()).is_err());
    }
}
