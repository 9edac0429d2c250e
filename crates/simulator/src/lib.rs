//! The operator's real reconcilers against a simulated cluster and a simulated Entra, in one thread, with time that jumps from event to event.
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod by_hand;
pub mod campaign;
pub mod edit;
pub mod effects;
pub mod fault;
pub mod generate;
pub mod hands;
pub mod happening;
pub mod oracle;
pub mod plan;
pub mod process;
mod run;
pub mod scenario;
pub mod setup;
pub mod shrink;
pub mod strangers;
pub mod trial;
pub mod verdict;
pub mod workflow;
pub mod world;
