//! Instants in whole seconds.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, RangeInclusive};

use chrono::{DateTime, Datelike as _, SecondsFormat, SubsecRound as _, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant in UTC as a status holds it: whole seconds, written like `2026-11-20T08:30:00Z`.
///
/// A fraction is dropped when one is made, so that a status compares equal to what comes back from the API server.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(DateTime<Utc>);

impl From<DateTime<Utc>> for Timestamp {
    fn from(instant: DateTime<Utc>) -> Self {
        Self(instant.trunc_subsecs(0))
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.0
    }
}

impl Deref for Timestamp {
    type Target = DateTime<Utc>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Those of RFC 3339. Beyond them durations could not be added any more.
const YEARS: RangeInclusive<i32> = 0..=9999;

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let instant = DateTime::<Utc>::deserialize(deserializer)?;
        if !YEARS.contains(&instant.year()) {
            return Err(D::Error::custom("the year must be one of 0000 to 9999"));
        }
        Ok(Self::from(instant))
    }
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        DateTime::<Utc>::json_schema(generator)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_in_utc_without_a_fraction_and_reads_back_equal() {
        let written: Timestamp = serde_json::from_str("\"2026-11-20T09:30:00.987+01:00\"").unwrap();
        let text = serde_json::to_string(&written).unwrap();
        assert_eq!(text, "\"2026-11-20T08:30:00Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), written);
    }

    #[test]
    fn an_instant_before_1970_loses_its_fraction_downwards_too() {
        let instant = "1969-12-31T23:59:58.5Z".parse::<DateTime<Utc>>().unwrap();
        assert_eq!(Timestamp::from(instant).to_string(), "1969-12-31T23:59:58Z");
    }
}
