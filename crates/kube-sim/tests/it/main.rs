//! Drives the server with a real client.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod client;
mod direct;
mod faults;
mod runtime;
mod scenarios;
mod world;
