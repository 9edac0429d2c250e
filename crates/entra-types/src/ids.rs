//! Identifiers that Graph prints as GUIDs, each a type of its own, and the SHA-1 thumbprint of a certificate.

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER_PERMISSIVE, HEXUPPER};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! guid {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a GUID.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The bare GUID.
            pub const fn as_uuid(&self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_guid(text).map(Self)
            }
        }
    };
}

guid! {
    /// The id of an Entra tenant.
    TenantId
}
guid! {
    /// `appId`: the application's id at sign-in, the same on the application object and its service principal.
    ClientId
}
guid! {
    /// `id`: names one directory object, an application or a service principal.
    ObjectId
}
guid! {
    /// `keyId`: names one entry of a credential list.
    KeyId
}

/// A text that should be a GUID or a thumbprint is none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct InvalidId {
    text: String,
    expected: &'static str,
}

/// Only the hyphenated form that Graph prints: braces or a URN in a request path would be another object's name.
fn parse_guid(text: &str) -> Result<Uuid, InvalidId> {
    (text.len() == 36)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
        .ok_or_else(|| InvalidId::of(text, "a GUID such as 8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10"))
}

impl InvalidId {
    fn of(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(64).collect(), expected }
    }
}

/// Which of the two objects of one `appId` carries a credential. Their lists are not copied from one to the other.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum ObjectKind {
    /// The application object: `/applications`.
    Application,
    /// The service principal object: `/servicePrincipals`.
    ServicePrincipal,
}

impl ObjectKind {
    /// The path segment of the collection in Graph.
    pub const fn collection(self) -> &'static str {
        match self {
            Self::Application => "applications",
            Self::ServicePrincipal => "servicePrincipals",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Application => "Application",
            Self::ServicePrincipal => "ServicePrincipal",
        })
    }
}

impl FromStr for ObjectKind {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text {
            "Application" => Ok(Self::Application),
            "ServicePrincipal" => Ok(Self::ServicePrincipal),
            _ => Err(InvalidId::of(text, "Application or ServicePrincipal")),
        }
    }
}

/// SHA-1 over the DER of a certificate: what Entra calls its thumbprint. Printed as 40 upper-case hex digits.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Thumbprint([u8; 20]);

impl Thumbprint {
    /// Wraps a SHA-1 digest.
    pub const fn new(digest: [u8; 20]) -> Self {
        Self(digest)
    }

    /// The digest.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Reads a `customKeyIdentifier` that holds a thumbprint: 40 hex digits as text (uploaded certificates), or base64 of
    /// the 20 bytes (addTokenSigningCertificate). Callers may put anything else there, which gives `None`.
    pub fn from_custom_key_identifier(text: &str) -> Option<Self> {
        let raw = || BASE64.decode(text.as_bytes()).ok()?.try_into().ok().map(Self);
        text.parse().ok().or_else(raw)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXUPPER.encode(&self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Thumbprint {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        HEXLOWER_PERMISSIVE
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| InvalidId::of(text, "a SHA-1 thumbprint of 40 hex digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_read_in_any_case_and_printed_in_lower_case() {
        let id: ClientId = "8C9F3D52-0B1E-4C55-9D0E-6A2F6C1E7B10".parse().unwrap();
        assert_eq!(id.to_string(), "8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10");
    }

    #[test]
    fn a_guid_in_braces_or_without_hyphens_is_refused() {
        for text in ["{8c9f3d52-0b1e-4c55-9d0e-6a2f6c1e7b10}", "8c9f3d520b1e4c559d0e6a2f6c1e7b10", "", "../users"] {
            assert!(text.parse::<ObjectId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_thumbprint_is_found_in_both_documented_forms_of_the_custom_key_identifier() {
        let expected: Thumbprint = "DA20FCA696C4F83E8A9AED59BE33368ED421F3C1".parse().unwrap();
        assert_eq!(Thumbprint::from_custom_key_identifier("2iD8ppbE+D6Kmu1ZvjM2jtQh88E="), Some(expected));
        assert_eq!(Thumbprint::from_custom_key_identifier("da20fca696c4f83e8a9aed59be33368ed421f3c1"), Some(expected));
        assert_eq!(Thumbprint::from_custom_key_identifier("ND35AAdHR6SwZl73ExNO7aGzDbb2NBchauiGFOF4dto="), None);
        assert_eq!(expected.to_string(), "DA20FCA696C4F83E8A9AED59BE33368ED421F3C1");
    }
}
