//! The operator's real reconcilers over a simulated API server and the in-process emulator, under paused time.

mod effects;
mod grants;
mod oracle;
mod refusals;
mod world;
mod years;
