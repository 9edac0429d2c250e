//! Durations as people write them: hours, minutes and seconds.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::TimeDelta;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::rules;

/// A span of whole seconds from nothing to 26280h (three years), written as in Go and cert-manager: `720h`, `1h30m`.
///
/// It is read from one to three parts of at most five digits and a unit (`h`, `m`, `s`) and printed in the shortest
/// such form.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct GoDuration {
    seconds: u32,
}

impl GoDuration {
    /// Three years, the longest span that can be written.
    pub const MAX: Self = Self::from_hours(26_280);

    /// So many hours, for constants.
    ///
    /// # Panics
    /// Above the hours of [`GoDuration::MAX`]; at compile time, where it makes a constant.
    #[must_use]
    pub const fn from_hours(hours: u16) -> Self {
        assert!(hours <= 26_280, "a duration has at most 26280 hours");
        Self { seconds: hours as u32 * HOUR }
    }

    /// The span in whole seconds.
    #[must_use]
    pub const fn as_secs(self) -> u32 {
        self.seconds
    }
}

/// Why something is no [`GoDuration`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseDurationError {
    /// The text has another form.
    #[error("{0:?} is no duration: write hours, minutes and seconds, such as 720h or 1h30m")]
    Malformed(String),
    /// The span is negative or above [`GoDuration::MAX`].
    #[error("a duration of {0} is out of range: it may be from 0s to 26280h (three years)")]
    OutOfRange(String),
}

impl FromStr for GoDuration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = seconds_in(text).ok_or_else(|| ParseDurationError::Malformed(excerpt(text)))?;
        Self::try_from_secs(seconds).ok_or_else(|| ParseDurationError::OutOfRange(excerpt(text)))
    }
}

impl GoDuration {
    fn try_from_secs(seconds: u64) -> Option<Self> {
        let seconds = u32::try_from(seconds).ok()?;
        (seconds <= Self::MAX.seconds).then_some(Self { seconds })
    }
}

impl TryFrom<Cow<'_, str>> for GoDuration {
    type Error = ParseDurationError;

    fn try_from(text: Cow<'_, str>) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl TryFrom<TimeDelta> for GoDuration {
    type Error = ParseDurationError;

    /// Drops a fraction of a second.
    fn try_from(span: TimeDelta) -> Result<Self, Self::Error> {
        u64::try_from(span.num_seconds()).ok().and_then(Self::try_from_secs).ok_or_else(|| ParseDurationError::OutOfRange(span.to_string()))
    }
}

impl From<GoDuration> for TimeDelta {
    fn from(span: GoDuration) -> Self {
        Self::seconds(i64::from(span.seconds))
    }
}

impl From<GoDuration> for Duration {
    fn from(span: GoDuration) -> Self {
        Self::from_secs(u64::from(span.seconds))
    }
}

impl From<GoDuration> for String {
    fn from(span: GoDuration) -> Self {
        span.to_string()
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(self.seconds / HOUR, 'h'), (self.seconds % HOUR / MINUTE, 'm'), (self.seconds % MINUTE, 's')];
        if self.seconds == 0 {
            return f.write_str("0s");
        }
        parts.iter().filter(|(count, _)| *count > 0).try_for_each(|(count, unit)| write!(f, "{count}{unit}"))
    }
}

impl JsonSchema for GoDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "GoDuration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let (rule, message) = rules::DURATION;
        json_schema!({
            "type": "string",
            "maxLength": PARTS * (DIGITS + 1),
            "x-kubernetes-validations": [{"rule": rule, "message": message}],
        })
    }
}

/// The seconds in a text of the right form; `None` for any other. At most 3 × 99999 h, so nothing overflows.
fn seconds_in(text: &str) -> Option<u64> {
    let mut total = 0;
    let mut parts = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let unit = match tail.as_bytes().first()? {
            b'h' => HOUR,
            b'm' => MINUTE,
            b's' => 1,
            _ => return None,
        };
        parts += 1;
        if parts > PARTS || digits > DIGITS {
            return None;
        }
        total += number.parse::<u64>().ok()? * u64::from(unit);
        rest = &tail[1..];
    }
    (parts > 0).then_some(total)
}

/// The beginning of a refused text, so that an error stays short whatever was written.
fn excerpt(text: &str) -> String {
    text.chars().take(32).collect()
}

const HOUR: u32 = 3600;
const MINUTE: u32 = 60;
const PARTS: usize = 3;
const DIGITS: usize = 5;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<u32, ParseDurationError> {
        text.parse().map(GoDuration::as_secs)
    }

    #[test]
    fn hours_minutes_and_seconds_are_read_in_any_order_and_number_up_to_three() {
        assert_eq!(parse("720h"), Ok(2_592_000));
        assert_eq!(parse("1h30m"), Ok(5_400));
        assert_eq!(parse("5s2m1h"), Ok(3_725));
        assert_eq!(parse("1h1h1h"), Ok(10_800));
        assert_eq!(parse("0s"), Ok(0));
        assert_eq!(parse("99999s"), Ok(99_999));
        assert_eq!(parse("26280h"), Ok(GoDuration::MAX.as_secs()));
    }

    #[test]
    fn other_forms_are_refused_as_malformed() {
        for text in ["", "h", "1", "1d", "-1h", "+1h", "1.5h", "1h 1m", "100000s", "1h1m1s1s", "１h", "1ms", "1H", "h1"] {
            assert_eq!(parse(text), Err(ParseDurationError::Malformed(text.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn spans_beyond_three_years_are_refused_as_out_of_range() {
        for text in ["26281h", "26280h1s", "99999h99999h99999h"] {
            assert_eq!(parse(text), Err(ParseDurationError::OutOfRange(text.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn what_is_printed_is_the_shortest_form_and_reads_back() {
        for (text, printed) in [
            ("720h", "720h"),
            ("90m", "1h30m"),
            ("3600s", "1h"),
            ("3661s", "1h1m1s"),
            ("0h", "0s"),
            ("26280h", "26280h"),
            ("3601s", "1h1s"),
        ] {
            let span: GoDuration = text.parse().unwrap();
            assert_eq!(span.to_string(), printed);
            assert_eq!(printed.parse(), Ok(span));
        }
    }

    #[test]
    fn an_error_repeats_only_the_beginning_of_a_long_text() {
        let error = "x".repeat(100_000).parse::<GoDuration>().unwrap_err();
        assert!(error.to_string().len() < 200);
    }

    #[test]
    fn a_span_converts_to_and_from_other_clocks_types_within_its_bounds() {
        let span: GoDuration = "1h30m".parse().unwrap();
        assert_eq!(TimeDelta::from(span), TimeDelta::minutes(90));
        assert_eq!(Duration::from(span), Duration::from_secs(5_400));
        assert_eq!(GoDuration::try_from(TimeDelta::milliseconds(5_400_900)), Ok(span));
        assert!(GoDuration::try_from(TimeDelta::seconds(-1)).is_err());
        assert!(GoDuration::try_from(TimeDelta::hours(26_281)).is_err());
    }

    #[test]
    fn json_holds_the_text() {
        let span: GoDuration = serde_json::from_str("\"90m\"").unwrap();
        assert_eq!(serde_json::to_string(&span).unwrap(), "\"1h30m\"");
        let error = serde_json::from_str::<GoDuration>("\"soon\"").unwrap_err();
        assert!(error.to_string().contains("such as 720h or 1h30m"), "{error}");
    }
}
