//! The reconciler of EntraTenant: signs in to each tenant, says in its status how that went, and keeps the result for the
//! reconciler of credentials.
//!
//! ```text
//!   EntraTenant ─┐                 ┌─ no ──► status, if the count of credentials changed
//!   its Secret  ─┼─► reconcile ─ due?
//!   suspicion   ─┘                 └─ yes ─► Declared → Secret → Graph → identity ─► Tenants, status, event
//! ```
//!
//! Due is a tenant whose generation or Secret changed, whose sign-in was refused elsewhere, whose last sign-in is six hours
//! old, or whose wait after a failure is over. In between a pass sends nothing.

mod abandon;
mod attempt;
mod call;
mod condition;
mod controller;
mod declared;
mod namespaces;
mod publish;
mod reason;
mod reconcile;
mod registry;
mod report;
mod secret;
mod standing;
mod strangers;

#[cfg(test)]
mod tests;

pub use abandon::{AbandonError, Abandoned};
pub use call::CallError;
pub use controller::controller;
pub use declared::{EndpointsError, endpoints};
pub use namespaces::{Namespaces, Selection};
pub use reason::Reason;
pub use reconcile::{Context, CountCredentials, Error, reconcile};
pub use registry::{Access, SignedIn, Tenant, Tenants};
