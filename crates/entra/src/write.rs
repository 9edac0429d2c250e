//! Calls that change something in Entra. Each is sent at most once. `Ok` means applied; after a failure that is not
//! [`settled`](crate::Details::settled) it may still be applied later.

use data_encoding::BASE64;
use entra_types::{CredentialList, KeyId, Thumbprint};
use http::Method;
use keys::Certificate;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::address::Address;
use crate::category::Category;
use crate::failure::{Failure, Retry};
use crate::graph::Graph;
use crate::jwt::Proof;
use crate::operation::Operation;
use crate::password::{NewPassword, PasswordAnswer};
use crate::send::{Answer, Call, Content};
use crate::signing::{NewSigning, SigningAnswer};

impl Graph {
    /// Has Entra make a token signing certificate. Every call makes another one. `None`: it was made, but the answer does not say which; read the object.
    ///
    /// # Errors
    /// [`PropertyLocked`](Category::PropertyLocked), [`PermissionDenied`](Category::PermissionDenied), [`ObjectFull`](Category::ObjectFull),
    /// [`InvalidRequest`](Category::InvalidRequest), the two policies, and those of any call.
    pub async fn add_token_signing_certificate(&self, address: &Address, new: &NewSigning) -> Result<Option<SigningAnswer>, Failure> {
        let call = Call::new(Operation::AddTokenSigningCertificate, address.describe());
        self.write(&call, Method::POST, &format!("{}/addTokenSigningCertificate", self.url(address)), new, |answer| {
            SigningAnswer::read(answer.bytes())
        })
        .await
    }

    /// Adds a certificate under a keyId of Entra's choice. `None`: it was added, but the answer does not say under which keyId (the documented one does
    /// not); find it by thumbprint in a read with keys. Repeating may add it twice.
    ///
    /// # Errors
    /// [`ProofRefused`](Category::ProofRefused) unless the proof is by a valid certificate of this very object, and those of the other writes.
    pub async fn add_key(&self, address: &Address, certificate: &Certificate, proof: &Proof) -> Result<Option<KeyId>, Failure> {
        let call = Call::new(Operation::AddKey, address.describe());
        let key = json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": BASE64.encode(certificate.der())});
        let body = json!({"keyCredential": key, "passwordCredential": null, "proof": self.proof(&call, proof)?});
        self.write(&call, Method::POST, &format!("{}/addKey", self.url(address)), &body, |answer| added(answer.bytes())).await
    }

    /// Removes one entry of `keyCredentials`.
    ///
    /// # Errors
    /// [`ProofRefused`](Category::ProofRefused), [`InvalidRequest`](Category::InvalidRequest) perhaps for an unknown keyId,
    /// [`Unavailable`](Category::Unavailable) for entries of token signing certificates (Graph answers 500), and those of the other writes.
    pub async fn remove_key(&self, address: &Address, key_id: KeyId, proof: &Proof) -> Result<(), Failure> {
        let call = Call::new(Operation::RemoveKey, address.describe());
        let body = json!({"keyId": key_id, "proof": self.proof(&call, proof)?});
        self.write(&call, Method::POST, &format!("{}/removeKey", self.url(address)), &body, |_| ()).await
    }

    pub(crate) fn proof(&self, call: &Call, proof: &Proof) -> Result<String, Failure> {
        proof.sign(self.environment.clock.now()).map_err(|error| call.unsent(Category::InvalidRequest, Retry::OnChange, error.to_string()))
    }

    /// Replaces one or both whole lists, in one request. Entries left out are gone; kept ones must be [echoes](entra_types::RawCredential::echo) of what was read.
    ///
    /// # Errors
    /// [`InvalidRequest`](Category::InvalidRequest) also when there is no list to replace, or when a kept entry differs from what Entra holds; and
    /// those of the other writes.
    pub async fn replace_credentials(
        &self,
        address: &Address,
        keys: Option<&CredentialList>,
        passwords: Option<&CredentialList>,
    ) -> Result<(), Failure> {
        let call = Call::new(Operation::ReplaceCredentials, address.describe());
        if keys.is_none() && passwords.is_none() {
            return Err(call.unsent(Category::InvalidRequest, Retry::OnChange, "not sent: no list was given"));
        }
        let lists = Lists { key_credentials: keys, password_credentials: passwords };
        self.write(&call, Method::PATCH, &self.url(address), &lists, |_| ()).await
    }

    /// Has Entra make a client secret. Every call makes another one. `None`: it was made, but the answer with its value was lost, for good.
    ///
    /// # Errors
    /// [`ObjectFull`](Category::ObjectFull) also for the third secret of an application that admits personal accounts,
    /// [`PolicyForbidsType`](Category::PolicyForbidsType), [`PolicyForbidsLifetime`](Category::PolicyForbidsLifetime), and those of the other writes.
    pub async fn add_password(&self, address: &Address, new: &NewPassword) -> Result<Option<PasswordAnswer>, Failure> {
        let call = Call::new(Operation::AddPassword, address.describe());
        let body = json!({"passwordCredential": new});
        let url = format!("{}/addPassword", self.url(address));
        self.write(&call, Method::POST, &url, &body, |answer| PasswordAnswer::read(answer.bytes())).await
    }

    /// Removes one entry of `passwordCredentials`.
    ///
    /// # Errors
    /// [`InvalidRequest`](Category::InvalidRequest), to be tried again, when there is no such entry or none yet in the replica that answered;
    /// [`Unavailable`](Category::Unavailable) for passwords of token signing certificates (Graph answers 500), and those of the other writes.
    pub async fn remove_password(&self, address: &Address, key_id: KeyId) -> Result<(), Failure> {
        let call = Call::new(Operation::RemovePassword, address.describe());
        let url = format!("{}/removePassword", self.url(address));
        self.write(&call, Method::POST, &url, &json!({"keyId": key_id}), |_| ()).await
    }

    /// Replaces the list of those who are mailed before a signing certificate expires: at most five (Microsoft Entra, "Manage certificates for
    /// federated single sign-on").
    ///
    /// # Errors
    /// Those of the other writes.
    pub async fn set_notification_addresses(&self, address: &Address, addresses: &[String]) -> Result<(), Failure> {
        let call = Call::new(Operation::SetNotificationAddresses, address.describe());
        let body = json!({"notificationEmailAddresses": addresses});
        self.write(&call, Method::PATCH, &self.url(address), &body, |_| ()).await
    }

    /// Chooses the certificate that signs SAML responses. Entra does not check that the object holds it: check before.
    ///
    /// # Errors
    /// Those of the other writes.
    pub async fn set_preferred_thumbprint(&self, address: &Address, thumbprint: Thumbprint) -> Result<(), Failure> {
        let call = Call::new(Operation::SetPreferredThumbprint, address.describe());
        let body = json!({"preferredTokenSigningKeyThumbprint": thumbprint.to_string()});
        self.write(&call, Method::PATCH, &self.url(address), &body, |_| ()).await
    }

    /// Sends a write once. A token that Graph refuses is forgotten, but the write is not repeated: only our caller may license that.
    pub(crate) async fn write<T>(
        &self,
        call: &Call,
        method: Method,
        url: &str,
        body: &impl Serialize,
        read: impl Fn(&Answer) -> T,
    ) -> Result<T, Failure> {
        let content = Content::json(method, url.to_owned(), body);
        let content = content.map_err(|error| call.unsent(Category::InvalidRequest, Retry::OnChange, error.to_string()))?;
        self.ask(call, &content, |answer| Ok(read(answer))).await
    }
}

/// The keyId in an answer of addKey, if there is one.
pub(crate) fn added(body: &[u8]) -> Option<KeyId> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        key_id: KeyId,
    }
    serde_json::from_slice::<Body>(body).ok().map(|body| body.key_id)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Lists<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key_credentials: Option<&'a CredentialList>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_credentials: Option<&'a CredentialList>,
}
