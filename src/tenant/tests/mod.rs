#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod changes;
mod cluster;
mod failures;
mod net;
mod registry;
mod secrets;
mod sign_in;
mod world;
