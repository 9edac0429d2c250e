//! What a request carried and no message may repeat.

use http::header::HeaderValue;
use keys::Sensitive;

use crate::failure::Failure;

/// The failure without what the request carried, should the answer have repeated it: the token, and what goes into or comes out of a credential.
pub(crate) fn discreet(failure: Failure, body: &[u8], authorization: Option<&HeaderValue>) -> Failure {
    let token = authorization.and_then(|value| value.as_bytes().strip_prefix(b"Bearer ")).map(|token| Sensitive::new(token.to_vec()));
    failure.without(token.into_iter().chain(secrets(body)))
}

/// The values in a JSON text or a form that are secrets, or prove that one has them. Nothing of another text.
pub(crate) fn secrets(body: &[u8]) -> Vec<Sensitive<Vec<u8>>> {
    const FIELDS: [&str; 4] = ["access_token", "key", "proof", "secretText"];
    fn collect(value: &serde_json::Value, found: &mut Vec<Sensitive<Vec<u8>>>) {
        match value {
            serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            serde_json::Value::Object(fields) => fields.iter().for_each(|(name, value)| match value.as_str() {
                // What is shorter stands in many a text by chance.
                Some(text) if FIELDS.contains(&name.as_str()) && text.len() >= 8 => found.push(Sensitive::new(text.as_bytes().to_vec())),
                Some(_) => {}
                None => collect(value, found),
            }),
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_slice(body) {
        collect(&value, &mut found);
    }
    let fields = body.split(|byte| *byte == b'&').map(|field| (field, field.iter().position(|byte| *byte == b'=').map_or(0, |at| at + 1)));
    let sent = fields.filter(|(field, _)| FORM_FIELDS.iter().any(|name| field.starts_with(name)));
    found.extend(sent.map(|(field, value)| Sensitive::new(field.get(value..).unwrap_or_default().to_vec())));
    found
}

/// As they stand in a form, up to their values. Encoded ones are sought as they were sent.
const FORM_FIELDS: [&[u8]; 2] = [b"client_secret=", b"client_assertion="];
