//! A signing certificate of one's own: its private key goes to Entra, locked by a password, and stays there.

use data_encoding::BASE64;
use entra_types::KeyId;
use http::Method;
use keys::{Certificate, Sensitive};
use serde::Serialize;

use crate::address::Address;
use crate::failure::Failure;
use crate::graph::Graph;
use crate::jwt::Proof;
use crate::operation::Operation;
use crate::send::Call;
use crate::write::added;

/// A private key with its certificate, and what opens it. `Debug` shows neither.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// The PFX file.
    pub pfx: Sensitive<Vec<u8>>,
    /// The password of the file.
    pub password: Sensitive<String>,
    /// What ties the entries of one certificate together: base64 of 1 to 32 bytes. See [`signing_identifier`].
    pub custom_key_identifier: String,
}

/// The `customKeyIdentifier` that addTokenSigningCertificate would give the certificate: base64 of its SHA-1 thumbprint.
pub fn signing_identifier(certificate: &Certificate) -> String {
    BASE64.encode(certificate.thumbprint().as_bytes())
}

/// addKey's body for a PFX file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    key_credential: KeyCredential<'a>,
    password_credential: PasswordCredential<'a>,
    proof: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeyCredential<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    usage: &'static str,
    custom_key_identifier: &'a str,
    key: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PasswordCredential<'a> {
    secret_text: &'a str,
}

impl Graph {
    /// Adds the private half of a signing certificate of one's own: a Sign entry and its password, under one keyId of Entra's choice. `None`: added, but
    /// the answer does not say under which keyId; find it by the identifier. Repeating may add it twice. Whether Entra adds the Verify entry too is not
    /// documented: look, and add [`verify_entry`](crate::verify_entry) where it did not.
    ///
    /// # Errors
    /// [`ProofRefused`](crate::Category::ProofRefused) unless the proof is by a valid certificate of this very object, and those of the other writes.
    pub async fn add_signing_key(&self, address: &Address, key: &SigningKey, proof: &Proof) -> Result<Option<KeyId>, Failure> {
        let call = Call::new(Operation::AddKey, address.describe()).concealing(Some(key.password.clone()));
        let pfx = Sensitive::new(BASE64.encode(key.pfx.expose()));
        let body = Body {
            key_credential: KeyCredential {
                kind: "X509CertAndPassword",
                usage: "Sign",
                custom_key_identifier: &key.custom_key_identifier,
                key: pfx.expose(),
            },
            password_credential: PasswordCredential { secret_text: key.password.expose() },
            proof: self.proof(&call, proof)?,
        };
        self.write(&call, Method::POST, &format!("{}/addKey", self.url(address)), &body, |answer| added(answer.bytes())).await
    }
}
