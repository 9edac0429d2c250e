//! RSA keys, self-signed certificates, PFX files and the redacting secret type.
//!
//! Everything here is synchronous and pure but for key generation, which takes the operating system's randomness. RSA only: Entra accepts no
//! elliptic-curve client certificates ("Unsupported asymmetric signing algorithm", AADSTS700027).

mod certificate;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
mod issue;
mod pem;
pub mod pfx;
mod private_key;
mod quote;
mod sensitive;

pub use certificate::{Certificate, CertificateError};
pub use issue::CertificateRequest;
pub use private_key::{InvalidKeySize, KeyError, KeySize, PrivateKey};
pub use quote::quotes;
pub use sensitive::Sensitive;
