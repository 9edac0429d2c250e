//! Reading the Secret that a tenant is signed in to with.

use std::collections::BTreeMap;

use entra::SignIn;
use entra_types::ClientId;
use http::StatusCode;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use keys::{Certificate, PrivateKey, Sensitive};
use kube::api::GetParams;
use kube::core::Request;
use kube::{Client, Resource as _};
use zeroize::Zeroize as _;

use super::call::{CallError, within_deadline};
use super::declared::{Stored, StoredKind};
use super::reason::{Reason, Trouble};

/// More than any client secret of Entra's has.
const MAX_CLIENT_SECRET: usize = 4096;

/// A credential, and the version of the Secret that held it.
pub(super) struct Found {
    pub(super) sign_in: SignIn,
    pub(super) version: Option<String>,
}

/// Reads the declared Secret live, in the operator's own namespace.
pub(super) async fn read(client: &Client, namespace: &str, stored: &Stored) -> Result<Found, Trouble> {
    let name = stored.secret_name();
    let object = format!("Secret {namespace}/{name}");
    let text = fetch(client, namespace, name).await.map_err(|error| unread(&object, &error))?;
    // Neither this error nor the next may show what was read.
    let secret: Secret = serde_json::from_str(text.expose())
        .map_err(|_| Trouble::new(Reason::ClusterUnavailable, format!("Cannot read {object}: the answer is no Secret")))?;
    let version = secret.metadata.resource_version.clone();
    let sign_in = Contents(secret.data.unwrap_or_default()).sign_in(stored);
    let sign_in = sign_in.map_err(|why| Trouble::new(Reason::SecretInvalid, format!("Cannot sign in with {object}: {why}")))?;
    Ok(Found { sign_in, version })
}

/// As text: `Api::get` would log a Secret that it cannot parse.
async fn fetch(client: &Client, namespace: &str, name: &str) -> Result<Sensitive<String>, CallError> {
    let request = Request::new(Secret::url_path(&(), Some(namespace)));
    let request = request.get(name, &GetParams::default()).map_err(kube::Error::BuildRequest)?;
    within_deadline(client.request_text(request)).await.map(Sensitive::new)
}

fn unread(object: &str, error: &CallError) -> Trouble {
    let status = error.status().and_then(|code| StatusCode::from_u16(code).ok());
    match status {
        Some(StatusCode::NOT_FOUND) => Trouble::new(Reason::SecretNotFound, format!("Cannot sign in with {object}: it does not exist")),
        Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            Trouble::new(Reason::ClusterDenied, format!("Cannot read {object}: {}", said(error)))
        }
        _ => Trouble::new(Reason::ClusterUnavailable, format!("Cannot read {object}: {}", said(error))),
    }
}

/// The API server's words, without kube's rendering of the whole answer.
fn said(error: &CallError) -> String {
    match error {
        CallError::Call(kube::Error::Api(status)) => status.message.trim_end_matches('.').to_owned(),
        error => error.to_string(),
    }
}

/// The data of a Secret, overwritten when it is done with.
pub(super) struct Contents(pub(super) BTreeMap<String, ByteString>);

impl Contents {
    pub(super) fn sign_in(mut self, stored: &Stored) -> Result<SignIn, String> {
        match &stored.kind {
            StoredKind::ClientSecret(reference) => self.client_secret(stored.client_id, &reference.key),
            StoredKind::ClientCertificate(_) => self.client_certificate(stored.client_id),
        }
    }

    fn client_secret(&mut self, client_id: ClientId, key: &str) -> Result<SignIn, String> {
        let mut secret = self.text(key)?;
        let end = secret.trim_end_matches(['\r', '\n']).len();
        secret.truncate(end);
        let secret = Sensitive::new(secret);
        match secret.expose().len() {
            0 => Err(format!("its key {key} is empty")),
            1..=MAX_CLIENT_SECRET => Ok(SignIn::ClientSecret { client_id, secret }),
            _ => Err(format!("its key {key} is longer than any client secret ({MAX_CLIENT_SECRET} bytes)")),
        }
    }

    fn client_certificate(&mut self, client_id: ClientId) -> Result<SignIn, String> {
        let (certificate, key) = (self.text("tls.crt")?, Sensitive::new(self.text("tls.key")?));
        // The error of a certificate quotes lines, and somebody may have put the key there.
        let certificate =
            Certificate::from_pem(&certificate).map_err(|_| "its key tls.crt is no certificate in PEM, the own one first".to_owned())?;
        let key = PrivateKey::from_pkcs8_pem(key.expose()).map_err(|error| format!("its key tls.key is of no use: {error}"))?;
        if !key.matches(&certificate) {
            return Err("the certificate in tls.crt does not belong to the private key in tls.key".to_owned());
        }
        Ok(SignIn::ClientCertificate { client_id, key, certificate })
    }

    /// Takes a text out.
    fn text(&mut self, key: &str) -> Result<String, String> {
        let ByteString(bytes) = self.0.remove(key).ok_or_else(|| format!("it has no key {key}"))?;
        String::from_utf8(bytes).map_err(|error| {
            error.into_bytes().zeroize();
            format!("its key {key} is no text")
        })
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        self.0.values_mut().for_each(|value| value.0.zeroize());
    }
}
