//! The operator's real reconcilers over a simulated API server and the in-process emulator, under paused time.

mod adoption;
mod clouds;
mod conditions;
mod ends;
mod grants;
mod guards;
mod outputs;
mod own_sign_in;
mod policies;
mod refusals;
mod secrets;
mod self_rolling;
mod signers;
mod stopping;
mod strangers;
mod tenancy;
mod time;
mod years;
