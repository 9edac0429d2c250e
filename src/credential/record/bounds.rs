//! What the schema of the status bounds is bounded here as well: a status may come from a cluster whose definitions are older, or from a hand that
//! went around them. What is longer than it may be could never be written back.

use std::fmt::Display;

use super::{Unreadable, unreadable};

/// Numbers are 32 bits wide in the schema; half of that leaves room to count on.
const NUMBER_MAX: u32 = i32::MAX as u32 / 2;
/// How many characters of a wrong value are told.
const QUOTED: usize = 80;

pub(super) fn number(field: impl Display, number: u32) -> Result<u32, Unreadable> {
    if number > NUMBER_MAX { Err(unreadable(field, format!("is {number}, more than {NUMBER_MAX}"))) } else { Ok(number) }
}

/// What is told to people and no more need not stall anything.
pub(super) fn clamped(number: u32) -> u32 {
    number.min(NUMBER_MAX)
}

/// The same of a text.
pub(super) fn cut(text: Option<&str>, most: usize) -> String {
    text.unwrap_or_default().chars().take(most).collect()
}

pub(super) fn items<T>(field: impl Display, items: &[T], most: usize) -> Result<&[T], Unreadable> {
    if items.len() > most { Err(unreadable(field, format!("holds {} items, more than {most}", items.len()))) } else { Ok(items) }
}

pub(super) fn text(field: impl Display, text: &str, most: usize) -> Result<String, Unreadable> {
    let length = text.chars().count();
    if length > most { Err(unreadable(field, format!("has {length} characters, more than {most}"))) } else { Ok(text.to_owned()) }
}

pub(super) fn optional(field: impl Display, given: Option<&String>, most: usize) -> Result<Option<String>, Unreadable> {
    given.map(|given| text(field, given, most)).transpose()
}

/// A wrong value as an error tells it.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(QUOTED).collect::<String>())
}
