//! Tests that need more than one part of the operator, or a real Kubernetes API server.
#![allow(clippy::unwrap_used, clippy::expect_used)]

/// Secrets of the tests, and the search for them where none may be.
mod canary;
mod control_plane;
mod crds;
mod docs;
mod packaging;
mod process;
/// Everything that needs a real API server. `cargo xtask test --fast` leaves out the tests whose path starts so.
mod real_api_server;
/// Everything that needs client libraries of others; left out likewise.
mod real_clients;
mod simulation;
