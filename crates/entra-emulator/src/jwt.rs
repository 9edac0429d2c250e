//! Compact JSON Web Signatures, read without a library so that the clients under test share no code with their judge.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
};
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXUPPER};
use keys::Certificate;
use serde_json::{Map, Value};

/// Tokens longer than this are none.
const MAX_LENGTH: usize = 64 * 1024;

/// A token, taken apart but not believed.
pub(crate) struct Jwt {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    signed: String,
    signature: Vec<u8>,
}

impl Jwt {
    /// Reads a token. Base64 is URL-safe and without padding, as the standard asks.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let part = |text: &str| serde_json::from_slice(&BASE64URL_NOPAD.decode(text.as_bytes()).ok()?).ok();
        Some(Self {
            header: part(header)?,
            claims: part(claims)?,
            signature: BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?,
            signed: signed.to_owned(),
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    pub(crate) fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// A NumericDate in seconds; some libraries send fractions.
    pub(crate) fn date(&self, name: &str) -> Option<f64> {
        self.claims.get(name)?.as_f64()
    }

    /// Whether a certificate's key signed it, by the algorithm that the header names.
    pub(crate) fn is_signed_by(&self, certificate: &Certificate) -> bool {
        match self.header("alg") {
            Some("RS256") => certificate.verify_rs256(self.signed.as_bytes(), &self.signature),
            Some("PS256") => certificate.verify_ps256(self.signed.as_bytes(), &self.signature),
            _ => false,
        }
    }

    /// Whether the RSA key of a JSON Web Key signed it, by the algorithm that the header names.
    pub(crate) fn is_signed_by_jwk(&self, key: &Value) -> bool {
        let number = |name: &str| key.get(name).and_then(Value::as_str).and_then(decode);
        let parameters: &RsaParameters = match self.header("alg") {
            Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
            Some("RS384") => &RSA_PKCS1_2048_8192_SHA384,
            Some("RS512") => &RSA_PKCS1_2048_8192_SHA512,
            Some("PS256") => &RSA_PSS_2048_8192_SHA256,
            Some("PS384") => &RSA_PSS_2048_8192_SHA384,
            Some("PS512") => &RSA_PSS_2048_8192_SHA512,
            _ => return false,
        };
        let (Some(n), Some(e)) = (number("n"), number("e")) else { return false };
        RsaPublicKeyComponents { n, e }.verify(parameters, self.signed.as_bytes(), &self.signature).is_ok()
    }

    /// Whether the header names this certificate by `x5t#S256`, `x5t` or `kid`; `None` if it names none at all.
    pub(crate) fn names(&self, certificate: &Certificate) -> Option<bool> {
        let (sha1, sha256) = (certificate.thumbprint(), certificate.thumbprint_sha256());
        let digest = |name: &str, bytes: &[u8]| self.header(name).map(|text| decode(text).as_deref() == Some(bytes));
        let kid = || {
            let hex = HEXUPPER.encode(sha1.as_bytes());
            self.header("kid").map(|kid| kid.eq_ignore_ascii_case(&hex) || decode(kid).as_deref() == Some(sha1.as_bytes()))
        };
        digest("x5t#S256", &sha256).or_else(|| digest("x5t", sha1.as_bytes())).or_else(kid)
    }
}

/// Base64 in either alphabet, padded or not: libraries differ in how they write thumbprints.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let plain = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    BASE64_NOPAD.decode(plain.as_bytes()).ok()
}

/// Base64 of header and claims, ready to be signed.
pub(crate) fn signing_input(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    format!("{}.{}", part(header), part(claims))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn padding_or_a_missing_part_makes_it_no_token() {
        for text in ["", "a.b", "e30.e30.YQ==", "e30=.e30.YQ", "e30.e30", "e30.W10.YQ", "e30.e30.YQ.YQ"] {
            assert!(Jwt::parse(text).is_none(), "{text}");
        }
        assert!(Jwt::parse("e30.e30.YQ").is_some());
    }

    #[test]
    fn thumbprints_are_read_in_every_alphabet() {
        for text in ["+/+/+w==", "-_-_-w", "-_-_-w==", "+/+/+w"] {
            assert_eq!(decode(text).as_deref(), Some(&[0xfb, 0xff, 0xbf, 0xfb][..]), "{text}");
        }
    }
}
