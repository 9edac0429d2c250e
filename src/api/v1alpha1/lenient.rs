//! Reading a field without losing the object that holds it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A field as it was read, or what stands there instead.
///
/// A status that a later version or another hand wrote may not be what this version understands. One that failed to
/// deserialise would take the whole object with it, and with the object the list and the watch that carry it; so the
/// failure is kept as a value, for a condition to report. It is written back exactly as it was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Lenient<T> {
    /// The field, understood.
    Read(T),
    /// The field, not understood.
    Unreadable(Unreadable),
}

/// A field that could not be understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreadable {
    /// Where in it something is wrong, and what: `credentials[0].use: unknown variant …`. At most 500 characters.
    pub error: String,
    /// The JSON that stands there.
    pub raw: Value,
}

impl<T> Lenient<T> {
    /// The field, if it was understood.
    ///
    /// # Errors
    /// What stands there instead.
    pub const fn read(&self) -> Result<&T, &Unreadable> {
        match self {
            Self::Read(value) => Ok(value),
            Self::Unreadable(unreadable) => Err(unreadable),
        }
    }

    /// The field by value, if it was understood.
    ///
    /// # Errors
    /// What stands there instead.
    pub fn into_read(self) -> Result<T, Unreadable> {
        match self {
            Self::Read(value) => Ok(value),
            Self::Unreadable(unreadable) => Err(unreadable),
        }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for Unreadable {}

impl<T> From<T> for Lenient<T> {
    fn from(value: T) -> Self {
        Self::Read(value)
    }
}

impl<T: Serialize> Serialize for Lenient<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Read(value) => value.serialize(serializer),
            Self::Unreadable(unreadable) => unreadable.raw.serialize(serializer),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Value::deserialize(deserializer)?;
        Ok(match serde_path_to_error::deserialize::<_, T>(&raw) {
            Ok(value) => Self::Read(value),
            Err(error) => Self::Unreadable(Unreadable { error: error.to_string().chars().take(ERROR_MAX).collect(), raw }),
        })
    }
}

/// An error may repeat what it found, however long that is.
const ERROR_MAX: usize = 500;

impl<T: JsonSchema> JsonSchema for Lenient<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::api::v1alpha1::{EntraTenantStatus, ServicePrincipalCredential, ServicePrincipalCredentialStatus};

    fn with_status(status: &Value) -> ServicePrincipalCredential {
        let object = json!({
            "apiVersion": "entra-rotator.io/v1alpha1",
            "kind": "ServicePrincipalCredential",
            "metadata": {"name": "payroll"},
            "spec": {"target": {"clientID": "c"}, "clientCertificate": {}, "secretName": "payroll"},
            "status": status,
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn an_object_with_a_status_from_another_version_can_be_read_and_is_written_back_as_it_was() {
        let entry = json!({"id": "a1", "seq": 1, "origin": "Made", "use": "Waning", "issuedAt": "2026-11-20T08:30:00Z"});
        let status = json!({"observedGeneration": 3, "credentials": [entry], "unheardOf": {"n": 1.50}});
        let object = with_status(&status);
        let unreadable = object.status.as_ref().unwrap().read().unwrap_err();
        assert!(unreadable.error.starts_with("credentials[0].use: unknown variant `Waning`"), "{unreadable}");
        assert_eq!(unreadable.raw, status);
        assert_eq!(serde_json::to_value(&object).unwrap()["status"], status);
    }

    #[test]
    fn a_status_of_another_shape_altogether_is_unreadable_too() {
        for status in [json!("fine"), json!(7), json!({"conditions": "none"}), json!({"notAfter": "soon"})] {
            assert!(with_status(&status).status.unwrap().into_read().is_err(), "{status}");
        }
    }

    #[test]
    fn a_status_that_is_understood_is_read_and_an_absent_one_stays_absent() {
        let object = with_status(&json!({"observedGeneration": -1}));
        let expected = ServicePrincipalCredentialStatus { observed_generation: Some(-1), ..Default::default() };
        assert_eq!(object.status.unwrap().read(), Ok(&expected));
        assert_eq!(with_status(&Value::Null).status, None);
    }

    #[test]
    fn an_error_about_a_long_text_is_short() {
        let status = json!({"identity": "x".repeat(100_000)});
        let read: Lenient<EntraTenantStatus> = serde_json::from_value(status).unwrap();
        let unreadable = read.into_read().unwrap_err();
        assert!(unreadable.error.starts_with("identity: ") && unreadable.error.chars().count() <= 500, "{unreadable}");
    }
}
