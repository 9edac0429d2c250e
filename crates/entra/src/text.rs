//! Others' text, made fit for logs, conditions and terminals.

/// The longest message that is kept, in characters.
pub(crate) const MAX_MESSAGE: usize = 512;

/// Without control and direction characters, runs of white space as one space, without anything that looks like a JWT, cut to `limit` characters.
pub(crate) fn clean(text: &str, limit: usize) -> String {
    let visible = |c: char| if c.is_control() || is_formatting(c) { ' ' } else { c };
    // What comes after a few times the limit cannot be seen any more.
    let shown: String = text.chars().take(limit.saturating_mul(8)).map(visible).collect();
    let words: Vec<_> = shown.split_whitespace().map(|word| if looks_like_jwt(word) { REDACTED } else { word }).collect();
    let whole: String = words.join(" ").chars().take(limit).collect();
    whole.trim_end().to_owned()
}

/// The text with `[redacted]` in place of the words that show a part of the secret, or of all of it if that is not enough.
pub(crate) fn conceal(text: String, secret: &[u8]) -> String {
    if !keys::quotes(&text, secret) {
        return text;
    }
    let words = text.split(' ').map(|word| if keys::quotes(word, secret) { REDACTED } else { word });
    let concealed = words.collect::<Vec<_>>().join(" ");
    if keys::quotes(&concealed, secret) { REDACTED.to_owned() } else { concealed }
}

const REDACTED: &str = "[redacted]";

/// Marks that reorder or hide text: zero-width ones, embeddings, overrides, isolates, the byte order mark.
fn is_formatting(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Base64url of `{"`, then dots: tokens, assertions and proofs.
fn looks_like_jwt(word: &str) -> bool {
    word.find("eyJ").is_some_and(|at| word[at..].contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_gone_and_white_space_is_folded() {
        assert_eq!(clean("a\r\nb\u{1b}[31m\u{202e}c\u{0}  d ", 100), "a b [31m c d");
    }

    #[test]
    fn text_is_cut_by_characters_not_bytes() {
        assert_eq!(clean(&"ü".repeat(600), MAX_MESSAGE).chars().count(), 512);
        assert_eq!(clean("", 5), "");
    }

    #[test]
    fn words_that_show_a_secret_are_gone_and_the_others_stay() {
        let secret = b"correct horse battery";
        let concealed = |text: &str| conceal(text.to_owned(), secret);
        assert_eq!(concealed("no"), "no");
        assert_eq!(conceal("bad: a~b~c~d~e~f~g, sorry".to_owned(), b"a~b~c~d~e~f~g"), "bad: [redacted] sorry");
        assert_eq!(concealed("it is correct horse, no"), "[redacted]", "the words alone are not telling");
    }

    #[test]
    fn an_echoed_token_is_not_kept() {
        assert_eq!(clean("bad proof \"eyJhbGciOiJSUzI1NiJ9.eyJhdWQi.c2ln\" here", 100), "bad proof [redacted] here");
    }
}
