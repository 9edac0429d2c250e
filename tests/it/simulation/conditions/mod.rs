//! What `status` says in each situation, brought about for real, and what kstatus makes of it.

mod course;
mod documented;

mod kstatus;
mod refused;
mod table;
