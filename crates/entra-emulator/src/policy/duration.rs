//! Durations as policies write them: ISO 8601 with days and smaller units, such as `P90D` or `P4DT12H30M5S`.

use chrono::TimeDelta;

/// Reads a duration. Years and months are none: Edm.Duration does not have them.
pub(crate) fn parse(text: &str) -> Option<TimeDelta> {
    let (date, time) = text.strip_prefix('P')?.split_once('T').map_or((text.strip_prefix('P')?, None), |(date, time)| (date, Some(time)));
    if date.is_empty() && time.is_none() || time == Some("") {
        return None;
    }
    let days = units(date, &[('D', 86_400)])?;
    days.checked_add(&units(time.unwrap_or_default(), &[('H', 3_600), ('M', 60), ('S', 1)])?)
}

/// Numbers with their units, in this order, each at most once.
fn units(mut text: &str, known: &[(char, i64)]) -> Option<TimeDelta> {
    let mut total = TimeDelta::zero();
    for (unit, seconds) in known {
        let Some((number, rest)) = text.split_once(*unit) else { continue };
        let number: i64 = number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok()).flatten()?;
        total = total.checked_add(&TimeDelta::try_seconds(number.checked_mul(*seconds)?)?)?;
        text = rest;
    }
    text.is_empty().then_some(total)
}

/// Writes a duration in whole seconds.
pub(crate) fn print(duration: TimeDelta) -> String {
    let (days, rest) = (duration.num_days(), duration.num_seconds() % 86_400);
    match (days, rest) {
        (days, 0) => format!("P{days}D"),
        (0, rest) => format!("PT{rest}S"),
        (days, rest) => format!("P{days}DT{rest}S"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn days_hours_minutes_and_seconds_are_read() {
        let cases = [("P30D", 30 * 86_400), ("PT5M", 300), ("P4DT12H30M5S", 4 * 86_400 + 12 * 3_600 + 1_805), ("P0D", 0), ("PT90S", 90)];
        for (text, seconds) in cases {
            assert_eq!(parse(text), Some(TimeDelta::seconds(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "P", "PT", "30D", "P1Y", "P1M", "P-1D", "P1DT", "PT5S3M", "P1.5D", "P99999999999999999999D", "P9223372036854775807D"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for seconds in [0, 1, 3_600, 86_400, 90_061] {
            let duration = TimeDelta::seconds(seconds);
            assert_eq!(parse(&print(duration)), Some(duration));
        }
    }
}
