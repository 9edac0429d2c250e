//! Licence expressions, as SPDX writes them.

/// Tells whether whoever takes a package under this expression can do so under allowed licences alone.
///
/// `MIT/Apache-2.0`, as old manifests write it, means `OR`. An expression that cannot be read is not allowed.
pub(super) fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words, allowed };
    reader.any_of().is_some_and(|answer| answer && reader.words.is_empty())
}

struct Reader<'a> {
    words: &'a [&'a str],
    allowed: &'a [&'a str],
}

impl Reader<'_> {
    fn any_of(&mut self) -> Option<bool> {
        let mut answer = self.all_of()?;
        while self.take("OR") {
            answer |= self.all_of()?;
        }
        Some(answer)
    }

    fn all_of(&mut self) -> Option<bool> {
        let mut answer = self.one()?;
        while self.take("AND") {
            answer &= self.one()?;
        }
        Some(answer)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let answer = self.any_of()?;
            return self.take(")").then_some(answer);
        }
        let (licence, rest) = self.words.split_first()?;
        self.words = rest;
        if !self.take("WITH") {
            return Some(self.allowed.contains(licence));
        }
        let (exception, rest) = self.words.split_first()?;
        self.words = rest;
        Some(self.allowed.contains(&format!("{licence} WITH {exception}").as_str()))
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.first() == Some(&word);
        if found {
            self.words = &self.words[1..];
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    const ALLOWED: &[&str] = &["Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC", "MIT"];

    #[test]
    fn one_allowed_choice_suffices() {
        for expression in ["MIT", "GPL-3.0 OR MIT", "MIT/GPL-3.0", "MIT / GPL-3.0", "Apache-2.0 WITH LLVM-exception OR GPL-3.0"] {
            assert!(is_allowed(expression, ALLOWED), "{expression}");
        }
    }

    #[test]
    fn all_that_apply_together_must_be_allowed() {
        assert!(is_allowed("ISC AND (GPL-3.0 OR MIT)", ALLOWED));
        assert!(is_allowed("GPL-3.0 OR ISC AND MIT", ALLOWED));
        assert!(!is_allowed("ISC AND GPL-3.0", ALLOWED));
        assert!(!is_allowed("ISC AND (GPL-3.0 OR MPL-2.0)", ALLOWED));
        assert!(!is_allowed("MIT WITH LLVM-exception", ALLOWED));
    }

    #[test]
    fn what_cannot_be_read_is_not_allowed() {
        for expression in ["", "MIT OR", "(MIT", "MIT)", "MIT ISC", "AND MIT"] {
            assert!(!is_allowed(expression, ALLOWED), "{expression}");
        }
    }
}
