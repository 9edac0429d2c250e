use std::{fs, io, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// Who the reader of a kubeconfig is.
pub(super) enum Identity<'a> {
    /// A client certificate and its key, in PEM.
    Certificate { certificate: &'a str, key: &'a str },
    /// A bearer token.
    Token(&'a str),
    /// A file that holds one, and in time another.
    TokenFile(&'a Path),
}

/// Writes a kubeconfig for `server`, whose authority is given in PEM. JSON is YAML.
pub(super) fn write(path: &Path, server: &str, authority: &str, identity: &Identity<'_>) -> io::Result<()> {
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority-data": STANDARD.encode(authority)}}],
        "users": [{"name": "test", "user": user(identity)}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    });
    fs::write(path, kubeconfig.to_string())
}

fn user(identity: &Identity<'_>) -> Value {
    match identity {
        Identity::Certificate { certificate, key } => {
            json!({"client-certificate-data": STANDARD.encode(certificate), "client-key-data": STANDARD.encode(key)})
        }
        Identity::Token(token) => json!({"token": token}),
        Identity::TokenFile(path) => json!({"tokenFile": path}),
    }
}
