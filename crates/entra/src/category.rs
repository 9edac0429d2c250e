//! What kinds of failure there are.

use std::fmt;

macro_rules! categories {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Why a call failed: a closed set, fit for metric labels and condition reasons.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Category {
            $($(#[$doc])* $name,)*
        }

        impl Category {
            /// Every category, so that metrics can exist at zero.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The category as a label: `PermissionDenied`.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

categories! {
    /// Graph knows us but does not let us: a role or an ownership is missing.
    PermissionDenied,
    /// The object does not exist, or not yet in the replica that answered.
    TargetNotFound,
    /// The proof of possession was refused: no valid certificate of that object signed it, or it is malformed. Not the access token.
    ProofRefused,
    /// The application instance lock of the service principal forbids it.
    PropertyLocked,
    /// An app management policy forbids this type of credential.
    PolicyForbidsType,
    /// An app management policy forbids this length of life.
    PolicyForbidsLifetime,
    /// The object holds as many credentials as it can.
    ObjectFull,
    /// Graph takes the request for wrong.
    InvalidRequest,
    /// Two writes overlapped.
    Conflict,
    /// Too many requests: said by Entra, or by our own budget before anything was sent.
    Throttled,
    /// Entra did not do it now: 5xx, no connection, no answer in time, connection cut.
    Unavailable,
    /// What came back is no answer of Graph: garbage, a proxy's page, an empty or oversized body.
    InvalidAnswer,
    /// Our own sign-in was refused: wrong or expired secret, unknown certificate.
    TokenRefused,
    /// Our sign-in with another issuer's token was refused, or there is no such token: no federated credential of our application fits its issuer,
    /// subject and audience, or none that has reached all of Entra.
    FederationRefused,
    /// Entra has no such tenant, or our own application is not in it.
    TenantNotFound,
    /// Our clock and Entra's disagree.
    ClockSkew,
    /// The credential that was tried is refused for a reason about the credential: unknown, not yet replicated, expired, removed.
    CredentialRefused,
    /// The credential could not be tried: the sign-in failed for a reason that is not about it, such as conditional access.
    CannotProve,
    /// Graph refuses our access token.
    Unauthorized,
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
