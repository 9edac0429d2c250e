//! Whether others' words repeat a secret that was sent to them.

use std::collections::HashSet;

/// As much of a secret in a row, in bytes or characters, as no text holds by chance.
const TELLING: usize = 8;

/// Whether a text shows a part of a secret: eight bytes of it in a row, as they are, percent-encoded, or in base64 of either alphabet. For judging what a server says
/// of a request that carried the secret; a secret of less than eight bytes is looked for as a whole.
pub fn quotes(text: &str, secret: &[u8]) -> bool {
    if secret.is_empty() {
        return false;
    }
    let plain = percent_decoded(text);
    let base64 = text.replace('-', "+").replace('_', "/");
    let is_shown = |form: &[u8]| shares(text.as_bytes(), form) || shares(&plain, form);
    is_shown(secret) || (0..3).any(|offset| shares(base64.as_bytes(), &within_base64(secret, offset)))
}

/// Whether both hold the same bytes in a row.
fn shares(text: &[u8], secret: &[u8]) -> bool {
    let length = TELLING.min(secret.len());
    if length == 0 {
        return false;
    }
    let parts: HashSet<&[u8]> = secret.windows(length).collect();
    text.windows(length).any(|part| parts.contains(part))
}

/// The characters that stand for a secret wherever it is in what was encoded: this many bytes of its first group come before it.
fn within_base64(secret: &[u8], offset: usize) -> Vec<u8> {
    let mut shifted = vec![0; offset];
    shifted.extend_from_slice(secret);
    let whole = shifted.len() * 8 / 6;
    let encoded = data_encoding::BASE64_NOPAD.encode(&shifted).into_bytes();
    encoded.get((offset * 8).div_ceil(6)..whole).map(<[u8]>::to_vec).unwrap_or_default()
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let byte = after.get(..2).filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    decoded
}

#[cfg(test)]
mod tests {
    use data_encoding::{BASE64, BASE64URL_NOPAD};

    use super::*;

    const SECRET: &str = "q~8Q~c0rrect.horse_battery-staple/+é";

    #[test]
    fn a_text_that_repeats_a_secret_is_seen() {
        let base64 = |before: &str| BASE64.encode(format!("{before}{SECRET}").as_bytes());
        let texts = [
            SECRET.to_owned(),
            format!("the secret '{SECRET}' is wrong"),
            format!("the secret {}… is wrong", &SECRET[7..15]),
            "client_secret=q%7E8Q%7Ec0rrect.horse_battery-staple%2F%2B%C3%A9".to_owned(),
            SECRET.bytes().map(|byte| format!("%{byte:02x}")).collect(),
            base64(""),
            base64("x"),
            base64("xy"),
            BASE64URL_NOPAD.encode(format!("?~?{SECRET}").as_bytes()),
        ];
        for text in texts {
            assert!(quotes(&text, SECRET.as_bytes()), "{text}");
        }
    }

    #[test]
    fn another_text_is_not() {
        for text in ["", "the secret is wrong", "q~8Q~c0", "100% of it%", "%zz%C3"] {
            assert!(!quotes(text, SECRET.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_short_secret_is_looked_for_as_a_whole() {
        assert!(quotes("it is abc", b"abc"));
        assert!(!quotes("it is ab", b"abc"));
        assert!(!quotes("anything", b""));
    }
}
