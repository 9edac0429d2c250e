use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};

/// Looks for secrets in what is not secret, in every form in which a careless line could show them.
#[derive(Default)]
pub(super) struct Leaks {
    needles: Vec<(&'static str, String)>,
}

/// Enough of a secret to know it by.
const LENGTH: usize = 18;

impl Leaks {
    /// Looks for a secret text.
    pub(super) fn text(mut self, what: &'static str, secret: &str) -> Self {
        assert!(secret.len() >= LENGTH, "{what} is too short to be found");
        self.needles.push((what, secret.to_owned()));
        self.bytes(what, secret.as_bytes())
    }

    /// Looks for a private key in PEM: its text, its base64 as in a Secret, and its bytes.
    pub(super) fn private_key(mut self, what: &'static str, pem: &str) -> Self {
        let lines: Vec<_> = pem.lines().filter(|line| !line.starts_with('-')).collect();
        self.needles.extend(lines.iter().map(|line| (what, (*line).to_owned())).filter(|(_, line)| line.len() >= LENGTH));
        let encoded = BASE64.encode(pem.as_bytes());
        self.needles.extend(encoded.as_bytes()[100..].chunks(64).map(|part| (what, String::from_utf8(part.to_vec()).unwrap())));
        // The first bytes are the same in all keys.
        self.bytes(what, &BASE64.decode(lines.concat().as_bytes()).unwrap()[64..])
    }

    fn bytes(mut self, what: &'static str, secret: &[u8]) -> Self {
        let part = &secret[..LENGTH];
        let decimals = part.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        let forms = [decimals, BASE64.encode(part), BASE64URL_NOPAD.encode(part), HEXLOWER.encode(part), HEXUPPER.encode(part)];
        self.needles.extend(forms.map(|form| (what, form)));
        self
    }

    /// Nothing of it stands in this text, nor anything that looks like a JSON web token.
    pub(super) fn assert_none_in(&self, place: &str, text: &str) {
        assert!(!text.is_empty(), "{place} is empty");
        let found: Vec<_> = self.needles.iter().filter(|(_, form)| text.contains(form)).map(|(what, _)| what).collect();
        assert!(found.is_empty(), "{place} shows {found:?}");
        for token in ["eyJ0eXAi", "eyJhbGci", "eyJraWQi", "eyJ4NXQi"] {
            assert!(!text.contains(token), "{place} shows a token");
        }
    }
}

#[test]
fn a_secret_is_found_in_every_form() {
    let secret = "correct horse battery staple";
    let leaks = Leaks::default().text("the secret", secret);
    leaks.assert_none_in("a line", "harmless");
    for line in
        [secret.to_owned(), BASE64.encode(secret.as_bytes()), format!("{:?}", secret.as_bytes()), HEXLOWER.encode(secret.as_bytes())]
    {
        let caught = std::panic::catch_unwind(|| leaks.assert_none_in("a line", &format!("a line with {line} in it")));
        assert!(caught.is_err(), "{line}");
    }
    let pem = keys::fixtures::key(0).to_pkcs8_pem().expose().clone();
    let leaks = Leaks::default().private_key("the key", &pem);
    for line in [pem.replace('\n', "\\n"), BASE64.encode(pem.as_bytes())] {
        assert!(std::panic::catch_unwind(|| leaks.assert_none_in("a line", &line)).is_err(), "{line}");
    }
}
