//! Secrets of the tests, each a canary: registered as it is made or seen, and searched for in every place where no secret may be, in every form in which a careless
//! line could show it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

use aho_corasick::AhoCorasick;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use serde_json::Value;

/// This much of a secret in a row is enough to know it by, in bytes. What is cut to less than twice of it may be missed.
const CHUNK: usize = 12;

/// How tokens begin that nobody registered.
const TOKENS: [&str; 4] = ["eyJ0eXAi", "eyJhbGci", "eyJraWQi", "eyJ4NXQi"];

/// The secrets of one test or stage. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Canaries(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    /// What each secret is, by its bytes.
    secrets: BTreeMap<Vec<u8>, String>,
    search: Option<Arc<Search>>,
}

/// All forms of all secrets, ready to be looked for at once.
struct Search {
    forms: AhoCorasick,
    /// What each form is of: the secret and the encoding.
    meanings: Vec<(String, &'static str)>,
}

/// A secret that was found.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Leak {
    /// What it is: never the secret itself.
    what: String,
    form: &'static str,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.what, self.form)
    }
}

impl Canaries {
    /// Registers a secret text: a password, a client secret, an opaque token.
    ///
    /// # Panics
    /// If it is too short to be told from chance.
    pub(crate) fn text(&self, what: &str, secret: &str) {
        self.bytes(what, secret.as_bytes());
    }

    /// Registers secret bytes.
    pub(crate) fn bytes(&self, what: &str, secret: &[u8]) {
        assert!(secret.len() >= CHUNK, "{what} is too short to be found");
        let mut known = self.0.lock().unwrap();
        if !known.secrets.contains_key(secret) {
            known.secrets.insert(secret.to_vec(), what.to_owned());
            known.search = None;
        }
    }

    /// Registers a private key: its secret numbers as bytes, and its PEM as text. The modulus is public; certificates show it.
    pub(crate) fn private_key(&self, what: &str, pem: &str) {
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = BASE64.decode(body.as_bytes()).expect("PEM holds base64");
        let secret = secret_numbers(&der);
        self.bytes(what, &der[secret..]);
        // In a Secret it is base64 of this text. Its first lines hold the public part.
        let text = pem.trim_end();
        let public_lines = secret.div_ceil(48) + 1;
        let start = text.match_indices('\n').nth(public_lines).expect("the secret numbers are the longer part").0;
        let end = text.rfind("\n-----END").expect("PEM has an end");
        self.bytes(what, &text.as_bytes()[start + 1..end]);
    }

    /// Registers a signed token: what makes it more than claims that anybody may read is its signature.
    pub(crate) fn token(&self, what: &str, token: &str) {
        let signature = token.rsplit('.').next().unwrap_or_default();
        match BASE64URL_NOPAD.decode(signature.as_bytes()) {
            Ok(bytes) if token.matches('.').count() == 2 && bytes.len() >= CHUNK => self.bytes(what, &bytes),
            _ => self.text(what, token),
        }
    }

    /// Registers every value of a Secret, whatever it holds.
    pub(crate) fn secret_object(&self, secret: &Value) {
        let name = format!("Secret {}/{}", secret["metadata"]["namespace"], secret["metadata"]["name"]).replace('"', "");
        for (key, value) in secret["data"].as_object().into_iter().flatten() {
            let value = BASE64.decode(value.as_str().unwrap_or_default().as_bytes()).unwrap_or_default();
            self.value(&format!("{key} of {name}"), key, &value);
        }
    }

    /// Registers one value under a key that says what it is; what is public by its nature is left out.
    fn value(&self, what: &str, key: &str, value: &[u8]) {
        let text = std::str::from_utf8(value).unwrap_or_default();
        if let Some(key) =
            text.find("-----BEGIN PRIVATE KEY-----").and_then(|at| text[at..].split_inclusive("-----END PRIVATE KEY-----").next())
        {
            self.private_key(what, key);
        } else if ["AZURE_CLIENT_SECRET", "value", "keystore.password"].contains(&key) && value.len() >= CHUNK {
            self.bytes(what, value);
        } else if key == "keystore.p12" {
            // Its head and foot are the same in all of them.
            self.bytes(what, &value[value.len() / 4..value.len() / 4 * 3]);
        }
    }

    /// How many secrets there are.
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap().secrets.len()
    }

    /// The secrets that show in a text.
    pub(crate) fn find(&self, text: impl AsRef<[u8]>) -> BTreeSet<Leak> {
        let search = self.search();
        let found = search.forms.find_overlapping_iter(text.as_ref()).map(|found| &search.meanings[found.pattern().as_usize()]);
        found.map(|(what, form)| Leak { what: what.clone(), form }).collect()
    }

    /// No secret shows in this place.
    pub(crate) fn assert_none_in(&self, place: &str, text: impl AsRef<[u8]>) {
        assert!(!text.as_ref().is_empty(), "{place} is empty");
        let leaks: Vec<_> = self.find(text).iter().map(ToString::to_string).collect();
        assert!(leaks.is_empty(), "{place} shows {leaks:#?}");
    }

    fn search(&self) -> Arc<Search> {
        let mut known = self.0.lock().unwrap();
        let Known { secrets, search } = &mut *known;
        Arc::clone(search.get_or_insert_with(|| Arc::new(Search::of(secrets))))
    }
}

impl Search {
    fn of(secrets: &BTreeMap<Vec<u8>, String>) -> Self {
        let tokens = TOKENS.map(|start| (start.as_bytes().to_vec(), ("some JSON web token".to_owned(), "raw bytes")));
        let mut forms: BTreeMap<Vec<u8>, (String, &'static str)> = tokens.into();
        for (secret, what) in secrets {
            for chunk in chunks(secret) {
                for (form, text) in encodings(chunk) {
                    forms.entry(text).or_insert_with(|| (what.clone(), form));
                }
            }
        }
        let (forms, meanings): (Vec<_>, Vec<_>) = forms.into_iter().unzip();
        Self { forms: AhoCorasick::new(forms).expect("the forms fit into memory"), meanings }
    }
}

/// Pieces side by side, and the last one: whatever twice their length is shown holds one of them whole.
fn chunks(secret: &[u8]) -> impl Iterator<Item = &[u8]> {
    // A run of equal bytes is no sign of anything.
    let is_telling = |chunk: &&[u8]| chunk.iter().collect::<BTreeSet<_>>().len() > CHUNK / 3;
    secret.chunks_exact(CHUNK).chain(std::iter::once(&secret[secret.len() - CHUNK..])).filter(is_telling)
}

/// How a line could show these bytes, wherever they stand in what was encoded.
fn encodings(chunk: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let decimals: Vec<_> = chunk.iter().map(u8::to_string).collect();
    let hex = HEXLOWER.encode(chunk);
    let spaced =
        |separator: &str| hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect::<Vec<_>>().join(separator);
    let percent: String = chunk
        .iter()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let mut forms = vec![
        ("raw bytes", chunk.to_vec()),
        ("numbers", decimals.join(", ").into_bytes()),
        ("numbers", decimals.join(",").into_bytes()),
        ("hex", HEXUPPER.encode(chunk).into_bytes()),
        ("hex with colons", spaced(":").into_bytes()),
        ("hex with colons", spaced(":").to_uppercase().into_bytes()),
        ("escaped bytes", chunk.escape_ascii().to_string().into_bytes()),
        ("percent-encoded", percent.into_bytes()),
        ("hex", hex.into_bytes()),
    ];
    for offset in 0..3 {
        forms.push(("base64", within_base64(&BASE64_NOPAD, chunk, offset)));
        forms.push(("base64url", within_base64(&BASE64URL_NOPAD, chunk, offset)));
    }
    forms
}

/// The characters that are the same whatever stands before and after these bytes, if this many bytes of their group come first.
fn within_base64(encoding: &data_encoding::Encoding, chunk: &[u8], offset: usize) -> Vec<u8> {
    let padded = [&[0; 2][..offset], chunk].concat();
    let whole = padded.len() * 8 / 6;
    encoding.encode(&padded).into_bytes()[(offset * 8).div_ceil(6)..whole].to_vec()
}

/// Where the numbers that are secret begin in a PKCS #8 RSA key: behind modulus and public exponent.
fn secret_numbers(der: &[u8]) -> usize {
    let enter = |at: usize| contents(der, at).0;
    let skip = |at: usize| contents(der, at).1;
    // PrivateKeyInfo { version, algorithm, OCTET STRING { RSAPrivateKey { version, modulus, exponent, … } } }
    let key = enter(enter(skip(skip(enter(0)))));
    skip(skip(skip(key)))
}

/// Where the contents of the DER value that begins here begin and end.
fn contents(der: &[u8], at: usize) -> (usize, usize) {
    let first = usize::from(der[at + 1]);
    let long = if first < 0x80 { 0 } else { first & 0x7f };
    let length = if long == 0 { first } else { der[at + 2..at + 2 + long].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)) };
    (at + 2 + long, at + 2 + long + length)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const SECRET: &str = "c0rrect~horse.Battery-staple_and+a/lot\"more";

    fn key() -> String {
        keys::fixtures::key(0).to_pkcs8_pem().expose().clone()
    }

    #[rstest]
    #[case::raw(&|secret: &[u8]| secret.to_vec())]
    #[case::base64(&|secret: &[u8]| BASE64.encode(secret).into_bytes())]
    #[case::base64_behind_one_byte(&|secret: &[u8]| BASE64.encode(&[b"x", secret].concat()).into_bytes())]
    #[case::base64_behind_two_bytes(&|secret: &[u8]| BASE64.encode(&[b"xy", secret].concat()).into_bytes())]
    #[case::base64url(&|secret: &[u8]| BASE64URL_NOPAD.encode(secret).into_bytes())]
    #[case::base64url_behind_one_byte(&|secret: &[u8]| BASE64URL_NOPAD.encode(&[b"x", secret].concat()).into_bytes())]
    #[case::base64url_behind_two_bytes(&|secret: &[u8]| BASE64URL_NOPAD.encode(&[b"xy", secret].concat()).into_bytes())]
    #[case::hex(&|secret: &[u8]| HEXLOWER.encode(secret).into_bytes())]
    #[case::upper_case_hex(&|secret: &[u8]| HEXUPPER.encode(secret).into_bytes())]
    #[case::debug_of_bytes(&|secret: &[u8]| format!("{secret:?}").into_bytes())]
    #[case::json_of_bytes(&|secret: &[u8]| serde_json::to_vec(secret).unwrap())]
    #[case::escaped(&|secret: &[u8]| secret.escape_ascii().to_string().into_bytes())]
    #[case::percent_encoded(&|secret: &[u8]| secret.iter().map(|byte| format!("%{byte:02X}")).collect::<String>().into_bytes())]
    fn a_planted_secret_is_found_in_this_encoding(#[case] encode: &dyn Fn(&[u8]) -> Vec<u8>) {
        let percent = |bytes: &[u8]| bytes.starts_with(b"%");
        for (what, secret) in [("a text", SECRET.as_bytes().to_vec()), ("bytes", (0..=255).rev().collect())] {
            let canaries = Canaries::default();
            canaries.bytes(what, &secret);
            let encoded = encode(&secret);
            if percent(&encoded) && what == "a text" {
                // Letters and digits stay what they are.
                continue;
            }
            let line = [b"a line with ", encoded.as_slice(), b" in it"].concat();
            assert!(canaries.find(&line).iter().all(|leak| leak.what == what) && !canaries.find(&line).is_empty(), "{what}");
            assert_eq!(canaries.find(encode(b"something else that is as harmless as it is long, whatever it is")), BTreeSet::new());
        }
    }

    #[test]
    fn a_secret_in_a_form_is_found() {
        let canaries = Canaries::default();
        canaries.text("the secret", SECRET);
        let form = "client_secret=c0rrect%7Ehorse%2EBattery%2Dstaple%5Fand%2Ba%2Flot%22more";
        assert_eq!(canaries.find(form).iter().map(ToString::to_string).collect::<Vec<_>>(), ["the secret as percent-encoded"]);
        let json = serde_json::json!({"secretText": SECRET}).to_string();
        assert!(canaries.find(&json).iter().any(|leak| leak.form == "raw bytes"));
    }

    #[test]
    fn twice_a_chunk_of_a_secret_is_enough_wherever_it_is_cut() {
        let canaries = Canaries::default();
        canaries.text("the secret", SECRET);
        for start in 0..=SECRET.len() - 2 * CHUNK {
            assert!(!canaries.find(&SECRET[start..start + 2 * CHUNK - 1]).is_empty(), "from {start}");
        }
    }

    #[rstest]
    #[case::as_it_is(&|pem: &str| pem.to_owned())]
    #[case::in_json(&|pem: &str| serde_json::to_string(pem).unwrap())]
    #[case::without_line_breaks(&|pem: &str| pem.replace('\n', ""))]
    #[case::in_a_secret(&|pem: &str| BASE64.encode(pem.as_bytes()))]
    #[case::in_a_secret_behind_a_certificate(&|pem: &str| BASE64.encode(["x", pem].concat().as_bytes()))]
    #[case::as_hex_of_der(&|pem: &str| HEXUPPER.encode(&der(pem)))]
    #[case::as_bytes_of_der(&|pem: &str| format!("{:?}", der(pem)))]
    #[case::only_its_last_line(&|pem: &str| pem.lines().rev().nth(2).unwrap().to_owned())]
    fn a_private_key_is_found(#[case] show: &dyn Fn(&str) -> String) {
        let canaries = Canaries::default();
        canaries.private_key("the key", &key());
        assert!(!canaries.find(show(&key())).is_empty());
    }

    fn der(pem: &str) -> Vec<u8> {
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        BASE64.decode(body.as_bytes()).unwrap()
    }

    #[test]
    fn the_public_half_of_a_key_is_no_secret() {
        let canaries = Canaries::default();
        canaries.private_key("the key", &key());
        let (not_before, not_after) = ("2026-01-01T00:00:00Z".parse().unwrap(), "2027-01-01T00:00:00Z".parse().unwrap());
        let request = keys::CertificateRequest { common_name: "x".to_owned(), san_uris: vec![], not_before, not_after, serial: [7; 16] };
        let certificate = keys::Certificate::self_signed(&keys::fixtures::key(0), &request).unwrap();
        canaries.assert_none_in("a certificate", certificate.pem());
        canaries.assert_none_in("a certificate", certificate.der());
        canaries.assert_none_in("a certificate", HEXLOWER.encode(certificate.der()));
    }

    #[test]
    fn a_token_is_known_by_its_signature_and_its_claims_are_no_secret() {
        let canaries = Canaries::default();
        let token = format!("eyJhbGciOiJub25lIn0.eyJhdWQiOiJ4In0.{}", BASE64URL_NOPAD.encode(SECRET.as_bytes()));
        canaries.token("the token", &token);
        assert_eq!(canaries.find("eyJhdWQiOiJ4In0"), BTreeSet::new());
        assert!(!canaries.find("eyJhbGciOiJub25lIn0").is_empty(), "the head of any token");
        assert!(!canaries.find(format!("Bearer {token}")).is_empty());
    }

    #[test]
    fn the_values_of_a_secret_are_registered_by_what_they_are() {
        let canaries = Canaries::default();
        let encoded = |text: &str| BASE64.encode(text.as_bytes());
        let combined = format!("{}-----BEGIN CERTIFICATE-----\n", key());
        canaries.secret_object(&serde_json::json!({"metadata": {"namespace": "a", "name": "b"}, "data": {
            "AZURE_CLIENT_ID": encoded("11111111-2222-4333-8444-555555555555"), "AZURE_CLIENT_SECRET": encoded(SECRET), "tls-combined.pem": encoded(&combined)}}));
        assert_eq!(canaries.count(), 3, "a secret, and a key in two forms");
        canaries.assert_none_in("an id", "11111111-2222-4333-8444-555555555555");
        let leaks = canaries.find([SECRET, &key()].concat());
        assert_eq!(leaks.iter().map(|leak| leak.what.as_str()).collect::<BTreeSet<_>>().len(), 2);
    }

    #[test]
    #[should_panic(expected = "the log shows")]
    fn a_leak_ends_the_test() {
        let canaries = Canaries::default();
        canaries.text("the secret", SECRET);
        canaries.assert_none_in("the log", SECRET);
    }
}
