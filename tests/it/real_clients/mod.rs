//! Client libraries that we did not write sign in with what is published, while it is rotated: msal and azure-identity (Python) and
//! @azure/identity (Node), as pinned in `tests/clients`. The operator's binary runs against a simulated API server and the emulator,
//! both over sockets; the outputs get into folders and environments as kubelet brings them there.
//!
//! All clients run at the same time, through one course of three rotations of everything; each test judges one of them.

/// A client process, and what it tells.
mod client;
/// Three rotations with every client at work.
mod course;
/// Where the libraries are installed.
mod installed;
/// Secrets as folders.
mod mount;
/// What is published, as it gets to pods.
mod output;
/// Kubernetes, Entra and the operator.
mod stage;
/// Who uses what in which way.
mod user;
/// What must be true of each.
mod verdict;

mod node;
mod python;
