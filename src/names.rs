//! The names that Kubernetes allows. Such names go into paths of requests, where a slash would ask for something else.

/// Whether a namespace can be called so.
pub(crate) fn is_namespace(text: &str) -> bool {
    text.len() <= 63 && is_label(text)
}

/// Whether an object of most kinds can be called so.
pub(crate) fn is_object_name(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// A label as in RFC 1123.
fn is_label(text: &str) -> bool {
    let is_middle = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    !text.is_empty() && text.bytes().all(|byte| is_middle(&byte)) && !text.starts_with('-') && !text.ends_with('-')
}
