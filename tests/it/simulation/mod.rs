//! The operator's real reconcilers over a simulated API server and the in-process emulator, under paused time.

mod effects;
mod grants;
mod oracle;
mod own_sign_in;
mod refusals;
mod world;
mod years;
