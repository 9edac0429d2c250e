//! Client certificates.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A certificate with which the application signs in.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificate {
    /// The private key of the certificate. Entra takes RSA keys only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<PrivateKey>,

    /// As whom Entra is asked to replace the certificate: Operator signs in as the operator's own application, Self as the application itself with its
    /// present certificate. Self needs no Graph permission at all, but a working certificate to begin with, in the Secret that secretName names.
    #[serde(default)]
    pub sign_in_as: SignInAs,
}

/// As whom Entra is asked to replace a client certificate.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum SignInAs {
    /// The operator's own application.
    #[default]
    Operator,
    /// The application itself.
    #[serde(rename = "Self")]
    Itself,
}

impl ClientCertificate {
    /// The size of the private key, said or not.
    #[must_use]
    pub fn key_size(&self) -> KeySize {
        self.private_key.as_ref().map_or_else(KeySize::default, |key| key.size)
    }
}

/// The private key of a certificate.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct PrivateKey {
    /// The size of the RSA key in bits: 2048, 3072 or 4096.
    #[serde(default)]
    pub size: KeySize,
}

/// The size of an RSA key, in bits.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "i32", into = "i32")]
pub enum KeySize {
    /// 2048 bits.
    #[default]
    Rsa2048,
    /// 3072 bits.
    Rsa3072,
    /// 4096 bits.
    Rsa4096,
}

/// A size of RSA keys that is not offered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("RSA keys of {0} bits are not offered: use 2048, 3072 or 4096")]
pub struct UnsupportedKeySize(pub i32);

impl TryFrom<i32> for KeySize {
    type Error = UnsupportedKeySize;

    fn try_from(bits: i32) -> Result<Self, Self::Error> {
        match bits {
            2048 => Ok(Self::Rsa2048),
            3072 => Ok(Self::Rsa3072),
            4096 => Ok(Self::Rsa4096),
            _ => Err(UnsupportedKeySize(bits)),
        }
    }
}

impl From<KeySize> for i32 {
    fn from(size: KeySize) -> Self {
        match size {
            KeySize::Rsa2048 => 2048,
            KeySize::Rsa3072 => 3072,
            KeySize::Rsa4096 => 4096,
        }
    }
}

impl JsonSchema for KeySize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "KeySize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "integer", "format": "int32", "enum": [2048, 3072, 4096]})
    }
}
