//! The rotation protocol: what to do next, and what to report, as pure functions.
//!
//! ```text
//!            Policy (spec) ─┐
//!   Ledger (status) ────────┤                 ┌─ Look: read one thing, record it in Memory
//!   Memory (this process) ──┼─ Case ─ next() ─┼─ Note: one compare-and-swap of the ledger
//!   Application (siblings) ─┤                 ├─ Act:  one effect
//!   now ────────────────────┘                 └─ Rest: until then, for this reason
//! ```
//!
//! The ledger is the truth that survives: every Graph write is licensed by a compare-and-swap of it, and whatever a crash cuts off is found again from it
//! and from what can be observed. [`Memory`] only makes the undisturbed course short: losing it costs time, never a promise.
//!
//! No clock, no randomness, no I/O: the walls are checked by building this crate alone.

pub mod application;
pub mod case;
pub mod history;
pub mod id;
pub mod ledger;
pub mod memory;
pub mod policy;
pub mod reason;
pub mod report;
pub mod schedule;
pub mod signer;
pub mod time;
pub mod window;

mod adoption;
mod apply;
mod check;
mod client_certificate;
mod client_secret;
mod foreign;
mod forgotten;
mod gates;
mod op;
mod proving;
mod remedy;
mod removal;
mod revocation;
mod rules;
mod self_rolling;
mod staging;
mod token_signing;

#[cfg(test)]
mod sample;

pub use application::Application;
pub use apply::Stamp;
pub use case::{Act, Case, Claim, Fact, Identity, Left, Licence, Look, Mutation, Proof, Rest, Step, Trouble, Wait};
pub use history::{CertificateFacts, Detail, Directory, History};
pub use id::EntryId;
pub use ledger::{
    Detail as EntryDetail, Entry, Failure, Foreign, Ledger, Op, OpKind, Origin, Outcome, Rotation, Signing, SlotName, Target, Use,
};
pub use memory::{
    Answer, Fingerprint, FreshKey, Held, HeldKey, Made, Material, Memory, Output, Projection, SignInResult, SigningAnswer, Slot,
    StagedSecret,
};
pub use op::Removal;
pub use policy::{Durations, KeySource, Kind, Limits, Metadata, OnDeadline, Policy, SignInAs, SigningPolicy, Wish};
pub use reason::{Cause, Reason, Refusal};
pub use report::{Clamp, Condition, Report, report};
pub use rules::next;
pub use time::{Lateness, Time};
pub use window::{Window, WindowError, Windows};
