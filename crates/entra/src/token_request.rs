//! Getting access tokens, from the token endpoint or from the instance metadata service.

use std::sync::Arc;

use entra_types::ClientId;

use crate::category::Category;
use crate::failure::{Failure, Retry};
use crate::graph::Graph;
use crate::instance_metadata::InstanceMetadata;
use crate::operation::Operation;
use crate::send::{Call, Content};
use crate::sign_in::{Evidence, SignIn};
use crate::table::Asked;
use crate::text;
use crate::token::Token;

impl Graph {
    /// Our token, held or fetched.
    pub(crate) async fn token(&self) -> Result<Arc<Token>, Failure> {
        self.tokens.get(|| self.environment.clock.now(), self.ask_for_token(Operation::GetToken, &self.sign_in)).await
    }

    /// One request for a token.
    pub(crate) async fn ask_for_token(&self, operation: Operation, sign_in: &SignIn) -> Result<Token, Failure> {
        let call = Call::new(operation, self.describe(sign_in.client_id()));
        let (client_id, evidence) = match sign_in {
            SignIn::ClientSecret { client_id, secret } => (*client_id, Evidence::Secret(secret.clone())),
            SignIn::ClientCertificate { client_id, key, certificate } => (*client_id, Evidence::Certificate(key, certificate)),
            SignIn::WorkloadIdentity { client_id, assertions } => {
                let assertion = assertions.assertion().await;
                // A file that is missing now may be mounted, or renewed, in a moment.
                let assertion = assertion.map_err(|error| {
                    call.unsent(Category::FederationRefused, Retry::Backoff, text::clean(&error.to_string(), text::MAX_MESSAGE))
                })?;
                (*client_id, Evidence::Assertion(assertion))
            }
            SignIn::ManagedIdentity { client_id, service } => return self.ask_instance_metadata(call, service, *client_id).await,
        };
        self.ask_token_endpoint(call, client_id, &evidence).await
    }

    fn describe(&self, client_id: Option<ClientId>) -> String {
        let client = client_id.map_or_else(|| "this machine's managed identity".to_owned(), |id| format!("client {id}"));
        format!("{client} of tenant {}", self.tenant_id)
    }

    async fn ask_token_endpoint(&self, call: Call, client_id: ClientId, evidence: &Evidence<'_>) -> Result<Token, Failure> {
        let call = call.concealing(evidence.secret());
        let url = self.endpoints.token_url(&self.tenant_id);
        let (now, jti) = (self.environment.clock.now(), self.environment.ids.uuid());
        let form = evidence.form(client_id, &url, &self.endpoints.graph_scope(), now, jti);
        let form = form.map_err(|error| call.unsent(Category::InvalidRequest, Retry::OnChange, error.to_string()))?;
        self.ask_unsigned(&call, &Content::form(url, form), |answer| {
            Ok(Token::read(answer.bytes(), Some(client_id), now)?.dated(answer.date()))
        })
        .await
    }

    async fn ask_instance_metadata(&self, call: Call, service: &InstanceMetadata, client_id: Option<ClientId>) -> Result<Token, Failure> {
        let call = call.asking(Asked::InstanceMetadata);
        let request = service.request(self.endpoints.graph(), client_id);
        let now = self.environment.clock.now();
        let near = Self { wire: service.wire(), ..self.clone() };
        near.ask_unsigned(&call, &request, |answer| Token::read(answer.bytes(), client_id, now)).await
    }
}
