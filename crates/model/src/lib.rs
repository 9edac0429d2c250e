//! An exhaustive search over the rotation protocol itself.

pub mod bounds;
pub mod check;
pub mod defect;
pub mod digest;
pub mod entra;
pub mod event;
pub mod names;
pub mod pass;
pub mod scenario;
pub mod search;
pub mod send;
pub mod tell;
pub mod world;
