//! Writing PEM (RFC 7468). Reading it is `rustls-pki-types`' part.

use data_encoding::BASE64;

/// The longest input that is looked at, PEM or DER. Keys and certificates are a few kilobytes.
pub(crate) const MAX_INPUT: usize = 64 * 1024;

const LINE: usize = 64;
const BYTES_PER_LINE: usize = LINE / 4 * 3;

/// One section with its label. Allocated once: a reallocation would leave a copy of a private key behind.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let body = BASE64.encode_len(der.len());
    let mut text = String::with_capacity(body + body / LINE + 2 * label.len() + 40);
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    for line in der.chunks(BYTES_PER_LINE) {
        BASE64.encode_append(line, &mut text);
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// The decoder's errors may quote a line of its input, which could be a private key, wherever it was put.
pub(crate) fn reason(error: &rustls_pki_types::pem::Error, wanted: &str) -> String {
    use rustls_pki_types::pem::Error;
    match error {
        Error::NoItemsFound => format!("it holds no {wanted}"),
        Error::MissingSectionEnd { .. } => "a section has no end".to_owned(),
        Error::Base64Decode(_) => "a section is no base64".to_owned(),
        _ => "it is no PEM".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_64_characters_and_nothing_is_reallocated() {
        for length in [0, 1, 47, 48, 49, 1217] {
            let text = encode("X", &vec![7; length]);
            let lines: Vec<_> = text.lines().collect();
            assert!(lines[1..lines.len() - 1].iter().rev().skip(1).all(|line| line.len() == LINE), "{text}");
            let body: String = lines[1..lines.len() - 1].concat();
            assert_eq!(BASE64.decode(body.as_bytes()), Ok(vec![7; length]));
            assert!(text.len() <= BASE64.encode_len(length) + BASE64.encode_len(length) / LINE + 42, "{length}");
        }
    }
}
