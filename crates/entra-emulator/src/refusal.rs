//! What Graph says when it refuses, and the bodies of its errors.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::{Value, json};

use crate::answer::Visit;

/// A refusal of Graph: an HTTP status and an OData error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    pub(crate) details: Value,
    pub(crate) retry_after: Option<String>,
    /// Which limit was hit, where it was one of the service's own.
    pub(crate) throttled: Option<Box<Throttled>>,
}

/// A limit that was hit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Throttled {
    /// `x-ms-throttle-scope`
    pub(crate) scope: String,
    /// `x-ms-throttle-information`
    pub(crate) information: &'static str,
    /// `x-ms-throttle-limit-percentage`: what is used, the refused requests included, by what may be.
    pub(crate) share: f64,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), details: Value::Null, retry_after: None, throttled: None }
    }

    /// 400 `Request_BadRequest`: most validation.
    pub(crate) fn request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    /// 400 `BadRequest`: the body does not fit the schema.
    pub(crate) fn schema(property: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", format!("Property {property} in payload has a value that does not match schema."))
    }

    /// 400 `BadRequest` with another text.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 400 about a certificate entry.
    pub(crate) fn key(code: &'static str, message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 401 about the access token.
    pub(crate) fn token(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    /// 401 about the proof of possession, worded by Graph as if it were about the access token.
    pub(crate) fn proof() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Authentication_MissingOrMalformed", "Access Token missing or malformed.")
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
    }

    pub(crate) fn not_found(id: &str) -> Self {
        let message = format!("Resource '{id}' does not exist or one of its queried reference-property objects are not present.");
        Self::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", message)
    }

    pub(crate) fn method() -> Self {
        let message = "Specified HTTP method is not allowed for the request target.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Request_BadRequest", message)
    }

    pub(crate) fn conflict() -> Self {
        let message = "Error due to concurrent requests being made to the tenant. Please wait briefly and retry.";
        Self::new(StatusCode::CONFLICT, "Directory_ConcurrencyViolation", message)
    }

    pub(crate) fn full() -> Self {
        let message = "The size of the object has exceeded its limit. Please reduce the number of values and retry your request.";
        Self::new(StatusCode::FORBIDDEN, "Directory_ResourceSizeExceeded", message)
    }

    pub(crate) fn throttled(retry_after: Option<String>) -> Self {
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", "Please retry again later.");
        Self { retry_after, ..refusal }
    }

    /// A failure on the service's side.
    pub(crate) fn server(status: StatusCode) -> Self {
        let (code, message) = match status {
            StatusCode::SERVICE_UNAVAILABLE => ("ServiceUnavailable", "The service is unavailable."),
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => ("UnknownError", ""),
            _ => ("Service_InternalServerError", "Encountered an internal server error."),
        };
        Self::new(status, code, message)
    }

    /// The refusal that usually comes with a status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::request("The request is invalid."),
            401 => Self::token("Access token validation failure."),
            403 => Self::forbidden(),
            404 => Self::not_found("unknown"),
            405 => Self::method(),
            409 => Self::conflict(),
            429 => Self::throttled(None),
            _ => Self::server(status),
        }
    }

    /// The error as Graph words it. `date` has no zone.
    pub(crate) fn body(&self, visit: &Visit) -> Value {
        let mut inner = json!({
            "date": visit.now.format("%Y-%m-%dT%H:%M:%S").to_string(),
            "request-id": visit.request_id.to_string(),
            "client-request-id": visit.client_request_id,
        });
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            inner["code"] = "429".into();
            inner["message"] = "Please retry after".into();
            inner["status"] = "429".into();
        }
        let mut error = json!({"code": self.code, "message": self.message, "innerError": inner});
        if !self.details.is_null() {
            error["details"] = self.details.clone();
        }
        json!({"error": error})
    }
}
