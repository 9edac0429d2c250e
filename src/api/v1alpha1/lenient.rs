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
    /// What is wrong with it.
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
        Ok(match T::deserialize(&raw) {
            Ok(value) => Self::Read(value),
            Err(error) => Self::Unreadable(Unreadable { error: error.to_string(), raw }),
        })
    }
}

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
