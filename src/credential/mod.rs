//! The reconciler of ServicePrincipalCredential.
//!
//! A pass gathers what is asked for (`policy`, `grants`), what is recorded (`record`) and what this process has seen (`desk`), and then does what
//! `rotation::next` says, one thing at a time: `look`, `note`, `act`, `send`. The other resources of the same application are known through `registry`.

mod act;
mod cluster;
mod context;
mod controller;
mod departure;
mod desk;
mod events;
mod grants;
mod issue;
mod keyring;
mod layout;
mod look;
mod note;
mod outputs;
mod pass;
mod policy;
mod reconcile;
mod record;
mod refuse;
mod registry;
mod sample;
mod self_rolled;
mod send;
mod sibling;
mod slots;
mod status;
mod strangers;
mod trouble;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod spoilt;

pub(crate) use controller::{Parts, controller, learn};
pub(crate) use registry::Registry;
