//! The rotation protocol: what to do next, and what to report, as pure functions.
