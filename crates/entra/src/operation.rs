//! What the client can attempt.

use std::fmt;

/// Every call of the client. `Display` is the attempted act, to be followed by the object: `add a key to`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Operation {
    /// Getting an access token for our own calls.
    GetToken,
    /// Reading an object without key material.
    Read,
    /// Reading an object with `key`, which has a throttle of its own.
    ReadWithKeys,
    /// Reading app management policies.
    ReadPolicies,
    /// addTokenSigningCertificate.
    AddTokenSigningCertificate,
    /// addKey.
    AddKey,
    /// removeKey.
    RemoveKey,
    /// Replacing whole credential lists.
    ReplaceCredentials,
    /// addPassword.
    AddPassword,
    /// removePassword.
    RemovePassword,
    /// Choosing the certificate that signs.
    SetPreferredThumbprint,
    /// Choosing who is mailed before a signing certificate expires.
    SetNotificationAddresses,
    /// Trying another application's credential.
    SignIn,
    /// Reading federation metadata.
    ReadMetadata,
}

impl Operation {
    /// Every operation, so that metrics can exist at zero.
    pub const ALL: [Self; 14] = [
        Self::GetToken,
        Self::Read,
        Self::ReadWithKeys,
        Self::ReadPolicies,
        Self::AddTokenSigningCertificate,
        Self::AddKey,
        Self::RemoveKey,
        Self::ReplaceCredentials,
        Self::AddPassword,
        Self::RemovePassword,
        Self::SetPreferredThumbprint,
        Self::SetNotificationAddresses,
        Self::SignIn,
        Self::ReadMetadata,
    ];

    /// The operation as a metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::GetToken => "get_token",
            Self::Read => "read",
            Self::ReadWithKeys => "read_with_keys",
            Self::ReadPolicies => "read_policies",
            Self::AddTokenSigningCertificate => "add_token_signing_certificate",
            Self::AddKey => "add_key",
            Self::RemoveKey => "remove_key",
            Self::ReplaceCredentials => "replace_credentials",
            Self::AddPassword => "add_password",
            Self::RemovePassword => "remove_password",
            Self::SetPreferredThumbprint => "set_preferred_thumbprint",
            Self::SetNotificationAddresses => "set_notification_addresses",
            Self::SignIn => "sign_in",
            Self::ReadMetadata => "read_metadata",
        }
    }

    /// Whether it changes something in Entra.
    pub const fn mutates(self) -> bool {
        matches!(
            self,
            Self::AddTokenSigningCertificate
                | Self::AddKey
                | Self::RemoveKey
                | Self::ReplaceCredentials
                | Self::AddPassword
                | Self::RemovePassword
                | Self::SetPreferredThumbprint
                | Self::SetNotificationAddresses
        )
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GetToken => "get an access token as",
            Self::Read => "read",
            Self::ReadWithKeys => "read the certificates of",
            Self::ReadPolicies => "read the app management policies of",
            Self::AddTokenSigningCertificate => "add a token signing certificate to",
            Self::AddKey => "add a key to",
            Self::RemoveKey => "remove a key from",
            Self::ReplaceCredentials => "update the credential lists of",
            Self::AddPassword => "add a client secret to",
            Self::RemovePassword => "remove a client secret from",
            Self::SetPreferredThumbprint => "choose the signing certificate of",
            Self::SetNotificationAddresses => "choose the notification addresses of",
            Self::SignIn => "sign in as",
            Self::ReadMetadata => "read the federation metadata of",
        })
    }
}
