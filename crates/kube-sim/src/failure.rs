//! The errors of the API, as the `Status` objects that clients see.

use serde_json::{Map, Value, json};

use crate::{
    kind::{Kind, dotted},
    violation::Violation,
};

/// A refusal, as kube-apiserver words it: becomes the body of an error answer (a `Status`).
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code} {reason}: {message}")]
pub struct Failure {
    /// The HTTP status code.
    pub code: u16,
    /// The machine-readable reason, such as `NotFound`; may be empty.
    pub reason: String,
    /// What a person reads.
    pub message: String,
    /// The `details` of the Status: name, group, kind, causes, retryAfterSeconds. `Null` leaves it out.
    pub details: Value,
}

impl Failure {
    /// A refusal without details, such as an [`Interceptor`](crate::Interceptor) may answer.
    pub fn new(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), message: message.into(), details: Value::Null }
    }

    /// 429: come again after so many seconds.
    pub fn too_many_requests(seconds: u32) -> Self {
        Self::new(429, "TooManyRequests", "too many requests, please try again later").with_details(json!({"retryAfterSeconds": seconds}))
    }

    /// 503: the server cannot serve now.
    pub fn service_unavailable() -> Self {
        Self::new(503, "ServiceUnavailable", "the server is currently unable to handle the request")
    }

    /// 500: the server broke.
    pub fn internal(message: &str) -> Self {
        Self::new(500, "InternalError", format!("Internal error occurred: {message}"))
            .with_details(json!({"causes": [{"message": message}]}))
    }

    /// 403: access control said no.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", message)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(404, "", NO_SUCH_PATH)
    }

    /// The group is served, but nothing of that name in it.
    pub(crate) fn no_such_resource() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").with_details(json!({}))
    }

    /// Answered as plain text, as kube-apiserver does where no resource is served.
    pub(crate) fn is_about_path(&self) -> bool {
        self.message == NO_SUCH_PATH
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message).with_details(json!({}))
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {name:?} not found", kind.qualified())).with_details(kind.details(name))
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {name:?} already exists", kind.qualified())).with_details(kind.details(name))
    }

    pub(crate) fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        Self::conflict_as(&kind.group, &kind.plural, name, why)
    }

    pub(crate) fn conflict_as(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", dotted(resource, group));
        let mut details = json!({"name": name, "kind": resource});
        if !group.is_empty() {
            details["group"] = json!(group);
        }
        Self::new(409, "Conflict", message).with_details(details)
    }

    pub(crate) fn modified(kind: &Kind, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(kind, name, why)
    }

    pub(crate) fn terminating(kind: &Kind, name: &str, namespace: &str) -> Self {
        let message = format!(
            "{} {name:?} is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
            kind.qualified()
        );
        let mut details = kind.details(name);
        details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
        Self::forbidden(message).with_details(details)
    }

    pub(crate) fn invalid_as(group: &str, kind: &str, name: &str, violations: &[Violation]) -> Self {
        let mut details = json!({"kind": kind});
        for (field, text) in [("name", name), ("group", group)] {
            if !text.is_empty() {
                details[field] = json!(text);
            }
        }
        details["causes"] = violations.iter().map(Violation::cause).collect();
        let message = format!("{} {name:?} is invalid: {}", dotted(kind, group), aggregate(violations));
        Self::new(422, "Invalid", message).with_details(details)
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn with_details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// The `Status` object.
    pub fn status(&self) -> Value {
        let mut status = Map::from_iter([
            ("kind".into(), json!("Status")),
            ("apiVersion".into(), json!("v1")),
            ("metadata".into(), json!({})),
            ("status".into(), json!("Failure")),
            ("message".into(), json!(self.message)),
            ("code".into(), json!(self.code)),
        ]);
        if !self.reason.is_empty() {
            status.insert("reason".into(), json!(self.reason));
        }
        if !self.details.is_null() {
            status.insert("details".into(), self.details.clone());
        }
        Value::Object(status)
    }
}

const NO_SUCH_PATH: &str = "404 page not found";

/// Several violations are listed in brackets, each once.
fn aggregate(violations: &[Violation]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for text in violations.iter().map(ToString::to_string) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}
