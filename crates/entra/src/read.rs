//! Calls that change nothing.

use chrono::{DateTime, Utc};
use entra_types::ClientId;
use keys::Certificate;

use crate::address::Address;
use crate::failure::Failure;
use crate::federation;
use crate::graph::Graph;
use crate::object::{Detail, DirectoryObject, Reading};
use crate::operation::Operation;
use crate::send::{Call, Content};
use crate::sign_in::SignIn;

impl Graph {
    /// Reads an object. If Graph refuses our token, once more with a fresh one.
    ///
    /// # Errors
    /// [`TargetNotFound`](crate::Category::TargetNotFound), [`PermissionDenied`](crate::Category::PermissionDenied),
    /// [`InvalidAnswer`](crate::Category::InvalidAnswer), those of [`Graph::identity`] and those of any call: `Throttled`, `Unavailable`.
    pub async fn read(&self, address: &Address, detail: Detail) -> Result<Reading, Failure> {
        let operation = match detail {
            Detail::Plain => Operation::Read,
            Detail::WithKeys => Operation::ReadWithKeys,
        };
        let call = Call::new(operation, address.describe());
        let content = Content::get(format!("{}{}", self.url(address), detail.query(address.kind)));
        self.ask_twice(&call, &content, |answer| {
            let object = DirectoryObject::read(answer.bytes(), address)?;
            Ok(Reading { object, date: answer.date() })
        })
        .await
    }

    /// Tries a credential: signs in with it, uncached. Success proves it at one instance of the token endpoint, not at all of them, and tells the time there.
    ///
    /// # Errors
    /// [`CredentialRefused`](crate::Category::CredentialRefused) when it is the credential's fault,
    /// [`CannotProve`](crate::Category::CannotProve) when it is not, [`ClockSkew`](crate::Category::ClockSkew),
    /// [`TenantNotFound`](crate::Category::TenantNotFound) and those of any call.
    pub async fn sign_in(&self, sign_in: &SignIn) -> Result<Option<DateTime<Utc>>, Failure> {
        self.ask_for_token(Operation::SignIn, sign_in).await.map(|token| token.date)
    }

    /// The certificates that the federation metadata of an application lists for signing, each once. The document may list inactive ones, or may not.
    ///
    /// # Errors
    /// [`TargetNotFound`](crate::Category::TargetNotFound), [`InvalidAnswer`](crate::Category::InvalidAnswer) and those of any call.
    pub async fn metadata(&self, client_id: ClientId) -> Result<Vec<Certificate>, Failure> {
        let call = Call::new(Operation::ReadMetadata, format!("client {client_id} of tenant {}", self.tenant_id));
        let content = Content::get(self.endpoints.metadata_url(&self.tenant_id, &client_id));
        self.ask_unsigned(&call, &content, |answer| federation::signing_certificates(answer.bytes())).await
    }

    /// Where an object is in Graph.
    pub(crate) fn url(&self, address: &Address) -> String {
        format!("{}/v1.0{address}", self.endpoints.graph())
    }
}
