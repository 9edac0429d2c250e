//! entra-rotator rotates the credentials of Microsoft Entra service principals.

pub mod api;
