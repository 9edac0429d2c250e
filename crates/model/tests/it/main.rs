//! Every scenario within small bounds, and defects of the world that the checks must see.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod defects;
mod scenarios;
