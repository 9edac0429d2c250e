//! The rotation protocol against a world small enough to enumerate.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::needless_pass_by_value)]

use rotation_sim as world;

mod adoption;
mod conditions;
mod door;
mod ends;
mod gates;
mod properties;
mod races;
mod reads;
mod recovery;
mod replicas;
mod reported;
mod restored;
mod review;
mod secrets;
mod self_rolling;
mod signing;
mod worlds;
mod years;
