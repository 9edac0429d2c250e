//! The header Retry-After.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// The shortest wait.
pub(crate) const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(3600);

/// How long to wait: seconds (also with decimals, which some services send) or an HTTP date seen from `now`. Between a second and an hour; `None` for garbage.
pub(crate) fn parse(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    seconds(value).or_else(|| until(value, now)).map(|wait| wait.clamp(LEAST, MOST))
}

fn seconds(value: &str) -> Option<Duration> {
    // f64 would also read "inf", "nan" and "-1".
    let plain = value.starts_with(|c: char| c.is_ascii_digit()) && value.chars().all(|c| c.is_ascii_digit() || c == '.');
    let seconds: f64 = plain.then(|| value.parse().ok())??;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(MOST))
}

fn until(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let at = http_date(value)?;
    Some((at - now).to_std().unwrap_or(Duration::ZERO))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, IMF-fixdate).
pub(crate) fn http_date(value: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(value.trim()).ok().map(|at| at.to_utc())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::seconds("10", Some(10_000))]
    #[case::decimals("2.128", Some(2_128))]
    #[case::white_space(" 7 ", Some(7_000))]
    #[case::zero("0", Some(1_000))]
    #[case::huge("99999999999", Some(3_600_000))]
    #[case::beyond_every_number("9999999999999999999999999999999999999999999999999", Some(3_600_000))]
    #[case::date("Sun, 06 Nov 1994 08:49:37 GMT", Some(37_000))]
    #[case::past_date("Sun, 06 Nov 1994 08:00:00 GMT", Some(1_000))]
    #[case::far_date("Fri, 31 Dec 9999 23:59:59 GMT", Some(3_600_000))]
    #[case::negative("-5", None)]
    #[case::infinite("inf", None)]
    #[case::not_a_number("NaN", None)]
    #[case::exponent("1e9", None)]
    #[case::two_dots("1.2.3", None)]
    #[case::word("soon", None)]
    #[case::empty("", None)]
    fn retry_after_is_read(#[case] value: &str, #[case] milliseconds: Option<u64>) {
        let now = http_date("Sun, 06 Nov 1994 08:49:00 GMT").unwrap();
        assert_eq!(parse(value, now), milliseconds.map(Duration::from_millis));
    }
}
