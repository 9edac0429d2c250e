//! Refusals of the token endpoint, with their AADSTS numbers and texts.

use std::borrow::Cow;

use entra_types::ids::{ClientId, TenantId};
use http::StatusCode;
use serde_json::json;

use crate::answer::{Answer, Visit};

/// A refusal of the token endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TokenError {
    status: StatusCode,
    error: Cow<'static, str>,
    number: u32,
    text: String,
}

impl TokenError {
    fn new(status: StatusCode, error: impl Into<Cow<'static, str>>, number: u32, text: impl Into<String>) -> Self {
        Self { status, error: error.into(), number, text: text.into() }
    }

    fn client(number: u32, text: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", number, text)
    }

    fn unauthorized(number: u32, text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unauthorized_client", number, text)
    }

    fn request(number: u32, text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", number, text)
    }

    pub(super) fn secret(client: ClientId) -> Self {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{client}'."
        );
        Self::client(7_000_215, text)
    }

    pub(super) fn expired_secret(client: ClientId) -> Self {
        let text = format!(
            "The provided client secret keys for app '{client}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds."
        );
        Self::client(7_000_222, text)
    }

    /// 700027 with a text of its own.
    pub(super) fn key(text: &str) -> Self {
        Self::client(700_027, text)
    }

    pub(super) fn unregistered(thumbprint: &str, reason: &str, client: ClientId) -> Self {
        let text = format!(
            "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - {reason}, Thumbprint of key used by client: '{thumbprint}', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '{client}'.]"
        );
        Self::client(700_027, text)
    }

    pub(super) fn assertion_time(now: &str, start: &str, end: &str) -> Self {
        let text = format!(
            "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {start}, expiry time of assertion {end}. Review the documentation at https://docs.microsoft.com/azure/active-directory/develop/active-directory-certificate-credentials ."
        );
        Self::client(700_024, text)
    }

    pub(super) fn assertion_audience(audience: &str) -> Self {
        let text = format!("Client assertion audience claim does not match Realm issuer. Audience: '{audience}'.");
        Self::client(700_023, text)
    }

    pub(super) fn assertion_client(client: &str) -> Self {
        let text = format!("Client assertion contains issuer or subject claims that do not match the client identifier '{client}'.");
        Self::client(700_021, text)
    }

    /// 70021x: no federated credential fits the token.
    pub(super) fn federated(number: u32, what: &str, value: &str) -> Self {
        let text = format!(
            "No matching federated identity record found for presented assertion {what} '{value}'. Check your federated identity credential Subject, Audience and Issuer against the presented assertion."
        );
        Self::client(number, text)
    }

    /// The subject would fit but for upper and lower case.
    pub(super) fn federated_case(subject: &str) -> Self {
        let text = format!(
            "No matching federated identity record found for presented assertion subject '{subject}'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. See documentation at: https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
        );
        Self::client(7_002_138, text)
    }

    pub(super) fn algorithm(name: &str) -> Self {
        Self::client(5_002_738, format!("Invalid JWT token. '{name}' is not a supported signature algorithm."))
    }

    pub(super) fn signature() -> Self {
        Self::client(50_013, "Assertion failed signature validation. [Reason - The key was not found.]")
    }

    pub(super) fn unproven() -> Self {
        Self::client(7_000_218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
    }

    pub(crate) fn application(client: &str, tenant: &str) -> Self {
        let text = format!(
            "Application with identifier '{client}' was not found in the directory '{tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."
        );
        Self::unauthorized(700_016, text)
    }

    pub(super) fn identifier(client: &str) -> Self {
        Self::unauthorized(700_038, format!("{client} is not a valid application identifier."))
    }

    pub(super) fn service_principal(client: ClientId, tenant: TenantId) -> Self {
        let text = format!(
            "The client application {client} is missing service principal in the tenant {tenant}. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119"
        );
        Self::unauthorized(7_000_229, text)
    }

    pub(crate) fn tenant(tenant: &str) -> Self {
        let text = format!(
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."
        );
        Self::request(90_002, text)
    }

    pub(super) fn jwt() -> Self {
        Self::request(50_027, "JWT token is invalid or malformed.")
    }

    pub(super) fn missing(parameter: &str) -> Self {
        Self::request(900_144, format!("The request body must contain the following parameter: '{parameter}'."))
    }

    pub(super) fn malformed_request(assertion_type: &str) -> Self {
        Self::request(70_002, format!("The client assertion type '{assertion_type}' is not supported."))
    }

    pub(super) fn grant(grant: &str) -> Self {
        let text = format!("The app requested an unsupported grant type '{grant}'.");
        Self::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", 70_003, text)
    }

    pub(super) fn scope(scope: &str) -> Self {
        let text = format!(
            "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
        );
        Self::new(StatusCode::BAD_REQUEST, "invalid_scope", 1_002_012, text)
    }

    pub(super) fn resource(resource: &str) -> Self {
        let text = format!(
            "The resource principal named {resource} was not found in the tenant. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant."
        );
        Self::new(StatusCode::BAD_REQUEST, "invalid_resource", 500_011, text)
    }

    /// 50049: instance discovery was asked about a host of nobody's.
    pub(crate) fn instance() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_instance", 50_049, "Unknown or invalid instance.")
    }

    /// A request for instance discovery that says too little or too much.
    pub(crate) fn discovery(number: u32, text: &str) -> Self {
        Self::request(number, text)
    }

    /// A failure on the service's side.
    pub(crate) fn server() -> Self {
        let text = "A transient error has occurred. Please try again.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", 90_033, text)
    }

    /// The same refusal with another status.
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// A refusal that a fault asks for.
    pub(crate) fn injected(status: StatusCode, error: &str, number: u32) -> Self {
        Self::new(status, error.to_owned(), number, "The sign-in was refused.")
    }

    /// The body as the service words it: one line, with ids and the time at its end.
    pub(crate) fn answer(&self, visit: &Visit) -> Answer {
        let timestamp = visit.now.format("%Y-%m-%d %H:%M:%SZ").to_string();
        let (trace, correlation) = (visit.request_id, &visit.client_request_id);
        let mut body = json!({
            "error": self.error,
            "error_description": format!(
                "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}", self.number, self.text
            ),
            "error_codes": [self.number],
            "timestamp": timestamp,
            "trace_id": trace.to_string(),
            "correlation_id": correlation,
        });
        if self.number != 700_038 {
            body["error_uri"] = format!("https://{}/error?code={}", visit.login, self.number).into();
        }
        Answer::json(self.status, &body)
    }
}
