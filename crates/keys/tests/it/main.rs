//! Keys, certificates and PFX files as others may hand them in.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod spoilt;
