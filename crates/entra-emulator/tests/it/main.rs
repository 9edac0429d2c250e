//! The emulator as a client sees it.

#![allow(clippy::unwrap_used)]

mod clouds;
mod discovery;
mod documented;
mod faults;
mod https;
mod identities;
mod passwords;
mod patching;
mod policies;
mod reading;
mod recreating;
mod replication;
mod robustness;
mod rolling;
mod seeding;
mod signing;
mod stage;
mod sweeping;
mod switches;
mod throttling;
mod tokens;
