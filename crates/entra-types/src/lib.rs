//! Identifiers, clouds and raw credential lists of Microsoft Entra. Pure: no I/O, no clock.
//!
//! [`ids`] holds the four kinds of GUID that are easily mixed up and the certificate thumbprint; [`cloud`] says where each
//! national cloud lives; [`raw`] keeps credential entries exactly as Graph wrote them, so that an echo changes nothing.

pub mod cloud;
pub mod ids;
pub mod raw;

pub use cloud::{Cloud, Endpoints, InvalidUrl};
pub use ids::{ClientId, InvalidId, KeyId, ObjectId, ObjectKind, TenantId, Thumbprint};
pub use raw::{Credential, CredentialList, RawCredential};
