#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod abandoned;
mod changes;
mod cluster;
mod failures;
mod identities;
mod namespaces;
mod net;
mod registry;
mod secrets;
mod several;
mod sign_in;
mod spoilt;
mod world;
