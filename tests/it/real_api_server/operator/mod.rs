//! The operator as it is installed: the definitions and the chart are in a real cluster, and its binary runs with the
//! arguments, the environment and the service account of the Deployment that the chart made. Entra is the emulator, over HTTPS.
//!
//! LATE is three seconds here, so that what takes hours or days elsewhere takes seconds.

/// What an API server records of the operator's requests.
mod audit;
/// Kills, cuts, outages.
mod chaos;
/// The Deployment as a command line.
mod deployed;
/// The emulator, and who is registered in it.
mod entra;
/// The operator as a process.
mod process;
/// What the output holds, seen as a workload sees it.
mod published;
/// A tenant with its applications and resources, for one test.
mod scene;
/// A cluster with the operator installed.
mod stage;
/// Every state of an object that a watch shows, and what must be true of each.
mod witness;

mod answers;
mod client_certificate;
mod client_credential;
mod client_secret;
mod counts;
mod ends;
mod identities;
mod leaks;
mod named;
mod outputs;
mod refusals;
mod replicas;
mod tenants;
mod token_signing;
mod uninstall;
