//! The operator's real reconcilers over a simulated API server and the in-process emulator, under paused time.

mod adoption;
mod clouds;
mod conditions;
mod effects;
mod ends;
mod grants;
mod oracle;
mod outputs;
mod own_sign_in;
mod policies;
mod refusals;
mod scenario;
mod secrets;
mod self_rolling;
mod setup;
mod signers;
mod strangers;
mod tenancy;
mod time;
mod world;
mod years;
