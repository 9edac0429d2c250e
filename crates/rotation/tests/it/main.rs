//! The rotation protocol against a world small enough to enumerate.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

mod world;
mod worlds;
mod years;
