//! The emulator as a client sees it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod reading;
mod rolling;
mod signing;
mod stage;
