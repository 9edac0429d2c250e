//! The rotation protocol against a world small enough to enumerate.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value)]

mod conditions;
mod door;
mod ends;
mod gates;
mod properties;
mod races;
mod review;
mod secrets;
mod self_rolling;
mod signing;
mod world;
mod worlds;
mod years;
