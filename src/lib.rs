//! entra-rotator rotates the credentials of Microsoft Entra service principals and publishes them in Kubernetes Secrets.
//!
//! ```text
//!   EntraTenant ──► tenant::reconcile ──► Tenants: a signed-in Graph client each
//!                                            │
//!   ServicePrincipalCredential ──► credential::reconcile: one pass
//!        gather (status → Ledger, spec → Policy, Memory of this process)
//!        loop: rotation::next ─┬─ Look  → read one thing            credential::look
//!                              ├─ Note  → status by compare-and-swap credential::note
//!                              ├─ Act   → one effect                 credential::act
//!                              └─ Rest  → requeue
//!   election: a Lease, read live before each Graph write
//! ```
//!
//! What to do is decided in the crate `rotation`, which knows no cluster, no HTTP and no clock. This crate looks, writes and sends.

pub mod api;
pub mod args;
mod credential;
pub mod election;
mod last_word;
pub mod metrics;
mod names;
pub mod operator;
mod reach;
mod readable;
pub mod seams;
pub mod serve;
pub mod settings;
pub mod telemetry;
pub mod tenant;
