//! The operator's real reconcilers over a simulated API server and the in-process emulator, under paused time.

mod clouds;
mod effects;
mod grants;
mod oracle;
mod own_sign_in;
mod refusals;
mod scenario;
mod secrets;
mod time;
mod world;
mod years;
