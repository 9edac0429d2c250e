//! Drives the server with a real client.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod client;
mod direct;
mod faults;
mod hostile;
mod runtime;
mod scenarios;
mod sockets;
mod world;
