#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod world;

mod changes;
mod cluster;
mod failures;
mod registry;
mod secrets;
mod sign_in;
