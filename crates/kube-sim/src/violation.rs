//! One violated constraint of one field, in the words of kube-apiserver (`field.Error` of apimachinery).

use std::fmt;

use serde_json::{Value, json};

/// What is wrong with a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    Duplicate,
    Forbidden,
    Invalid,
    NotSupported,
    Required,
    TooLong,
    TooMany,
    TypeInvalid,
}

/// A violated constraint. Displays as `field: what: detail`.
pub(crate) struct Violation {
    pub(crate) cause: Cause,
    field: String,
    value: Option<Value>,
    detail: String,
}

impl Violation {
    /// `value` is shown unless `None`.
    pub(crate) fn new(cause: Cause, field: impl Into<String>, value: Option<Value>, detail: impl Into<String>) -> Self {
        Self { cause, field: field.into(), value, detail: detail.into() }
    }

    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        Self::new(Cause::Required, field, None, detail)
    }

    pub(crate) fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Cause::Forbidden, field, None, detail)
    }

    pub(crate) fn invalid(field: impl Into<String>, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(Cause::Invalid, field, Some(value.into()), detail)
    }

    pub(crate) fn immutable(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::invalid(field, value, "field is immutable")
    }

    pub(crate) fn too_long(field: impl Into<String>, bytes: u64) -> Self {
        let unit = if bytes == 1 { "byte" } else { "bytes" };
        Self::new(Cause::TooLong, field, None, format!("may not be more than {bytes} {unit}"))
    }

    pub(crate) fn too_many(field: impl Into<String>, actual: usize, max: u64) -> Self {
        let unit = if max == 1 { "item" } else { "items" };
        let detail = format!("must have at most {max} {unit}");
        Self::new(Cause::TooMany, field, Some(json!(actual)), detail)
    }

    /// What the CEL rules answer when they were not even tried.
    pub(crate) fn rules_not_checked() -> Self {
        let detail =
            "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
        Self::invalid("<nil>", Value::Null, detail)
    }

    /// Whether CEL rules are left out because of it.
    pub(crate) fn blocks_rules(&self) -> bool {
        use Cause::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
        matches!(self.cause, NotSupported | Required | TooLong | TooMany | TypeInvalid)
    }

    /// An element of `details.causes` of a Status.
    pub(crate) fn cause(&self) -> Value {
        json!({"reason": self.cause.reason(), "message": self.body(), "field": self.field})
    }

    fn body(&self) -> String {
        let mut body = self.cause.text().to_owned();
        if let Some(value) = &self.value {
            body.push_str(&format!(": {value}"));
        }
        if !self.detail.is_empty() {
            body.push_str(&format!(": {}", self.detail));
        }
        body
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

impl Cause {
    fn reason(self) -> &'static str {
        match self {
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Required => "FieldValueRequired",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Duplicate => "Duplicate value",
            Self::Forbidden => "Forbidden",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Required => "Required value",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
        }
    }
}
