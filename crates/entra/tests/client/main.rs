//! The client against stand-ins: a scripted one, the emulator, and a TLS server on this machine.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clouds;
mod emulator;
mod failures;
mod faults;
mod hostile;
mod identities;
mod jwts;
mod metadata;
mod pacing;
mod passwords;
mod permissions;
mod policies;
mod reads;
mod secrets;
mod signing_keys;
mod spoilt;
mod stand_in;
mod tls;
mod tokens;
mod writes;
