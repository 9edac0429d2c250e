//! Why something is refused or failed: one closed set for conditions, events and metrics, each with its remedy.

use std::fmt;
use std::str::FromStr;

crate::reasons! {
    /// A refusal or a failure by its standard name.
    pub enum Reason {
        /// No grant covers the resource.
        NotGranted Refusal "Ask the platform team for a grant in the EntraTenant that names this namespace, this target and this kind of credential.",
        /// The EntraTenant does not exist.
        TenantNotFound Refusal "Create the EntraTenant, or name an existing one in spec.tenantRef.",
        /// The EntraTenant cannot sign in.
        TenantNotReady Refusal "See the Ready condition of the EntraTenant.",
        /// The target does not exist.
        TargetNotFound Refusal "Check the id in spec.target, and that the application is registered (and has a service principal) in this tenant.",
        /// Another resource takes care of the target.
        TargetClaimed Refusal "Delete one of the two ServicePrincipalCredentials: one service principal has one signing certificate in use.",
        /// The target is the operator's own application.
        OwnIdentity Refusal "Name another target: the operator does not rotate the application that it signs in as.",
        /// Graph denies the operator.
        PermissionDenied Refusal "Make the operator's service principal an owner of the target and grant it Application.ReadWrite.OwnedBy with admin consent.",
        /// The application's instance property lock forbids the change.
        PropertyLocked Refusal "Exempt credentials from the application's instance property lock, or target the application object.",
        /// A policy forbids this type of credential.
        PolicyForbidsType Refusal "Exempt the application from the tenant's app management policy, or declare another kind of credential.",
        /// A policy forbids this lifetime.
        PolicyForbidsLifetime Refusal "Shorten spec.rotation.validity to what the tenant's app management policy allows.",
        /// The validity is below what the tenant's owner allows.
        ValidityTooShort Refusal "Lengthen spec.rotation.validity, or lower spec.minimumValidity of the EntraTenant.",
        /// The object holds as many values as Entra permits.
        ObjectFull Refusal "Remove credentials that nobody needs from the object.",
        /// Somebody else goes on writing the output.
        OutputContested Refusal "Find out in metadata.managedFields of the output who writes it, and stop that.",
        /// A credential is to be adopted, and no grant allows it.
        AdoptionNotGranted Refusal "Ask the platform team for allowAdoption: Always in the grant, or leave spec.adoptKeyIDs out.",
        /// A window cannot be understood.
        InvalidSchedule Refusal "Write spec.rotation.windows with five cron fields and a time zone such as Europe/Berlin.",
        /// The certificate with which the application rolls itself does not work any more.
        SelfCredentialExpired Refusal "Add a certificate to the application by hand and put it into the output with the annotation entra-rotator.io/adopt-by, or use signInAs: Operator.",
        /// The pinned certificate cannot sign.
        PinNotUsable Refusal "Set spec.tokenSigningCertificate.pinnedThumbprint to a valid signing certificate of the service principal, or take it away.",
        /// A kind of credential, or a variant of it, that this version does not know.
        UnknownVariant Refusal "Run a version of the operator that knows it.",
        /// The resource that proves possession cannot do so.
        ProofNotUsable Refusal "Let spec.tokenSigningCertificate.proofFrom name a Ready clientCertificate resource of the same service principal in this namespace, or leave it out.",
        /// The output exists and is somebody else's.
        OutputNotOurs Refusal "Choose another spec.secretName, or delete that Secret if nobody needs it.",
        /// The durations contradict each other.
        InvalidPolicy Refusal "Change spec.rotation or spec.tokenSigningCertificate.activation.",
        /// The status cannot be understood, so nothing is done on its strength.
        UnreadableStatus Refusal "Restore the status subresource, or delete the resource and create it again: its output stays.",
        /// A newer operator has worked on the resource.
        NewerProtocol Refusal "Run the newer version of the operator again.",
        /// Nobody can tell which certificate signs.
        SeveralPossibleSigners Refusal "Set preferredTokenSigningKeyThumbprint of the service principal, or spec.tokenSigningCertificate.pinnedThumbprint, to the certificate that should sign.",
        /// Somebody changes the signing certificate against us.
        SignerContested Refusal "Settle in Entra which certificate signs: set preferredTokenSigningKeyThumbprint to the one that status.credentials calls Current, or remove the others.",
        /// Our clock and Entra's differ.
        ClockSkew Refusal "Set the clock of the node that runs the operator.",
        /// Entra refuses the request as it stands.
        InvalidRequest Refusal "Check spec against the message of Entra; if it is in order, report a defect of the operator.",
        /// Graph refuses the operator's token.
        Unauthorized Refusal "Check that the tenant, the cloud and the permissions of the operator's application belong together.",
        /// The Kubernetes API server denies the operator, or would, by what its settings say of its rights.
        ClusterDenied Refusal "Give the operator its rights there: list the namespace under rbac.namespaces of the chart, or with rbac.mode: Named the output under rbac.outputs.",
        /// Graph slows us down.
        Throttled Passing "The operator waits as long as Entra asks.",
        /// Somebody wrote to the same object at the same moment.
        Conflict Passing "The operator tries again.",
        /// Entra cannot be reached or fails.
        Unavailable Passing "The operator tries again; if it lasts, check the network path from the operator to Entra.",
        /// Entra's answer cannot be understood.
        InvalidAnswer Passing "The operator tries again; if it lasts, look for a proxy that answers in place of Entra.",
        /// Graph refuses the proof of possession.
        ProofRefused Passing "The operator tries again, and falls back to a list update if that lasts.",
        /// The new credential is not accepted yet.
        CredentialRefused Passing "The operator tries again: new credentials take seconds to minutes to be known everywhere.",
        /// Whether the new credential works cannot be shown.
        CannotProve Passing "Allow the application to sign in with client credentials, for example by an exclusion from conditional access.",
        /// The Kubernetes API server fails.
        ClusterUnavailable Passing "The operator tries again.",
    }
}

impl FromStr for Reason {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == text).ok_or(UnknownWord)
    }
}

/// A word of the status is none of the closed set.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("is none of the words that this version knows")]
pub struct UnknownWord;

/// Why a rotation began.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Cause {
    /// There was no credential yet.
    FirstIssue,
    /// Its time had come.
    Schedule,
    /// `spec.rotation.notIssuedBefore` asks for a newer one.
    NotIssuedBefore,
    /// `spec.rotation.revokeIssuedBefore` forbids the present one.
    RevokeIssuedBefore,
    /// `spec` asks for another one.
    SpecChanged,
    /// It was removed in Entra.
    CredentialGone,
    /// Its key was lost with output and slot.
    OutputLost,
}

impl Cause {
    /// Every cause, for metrics that start at zero.
    pub const ALL: &[Self] = &[
        Self::FirstIssue,
        Self::Schedule,
        Self::NotIssuedBefore,
        Self::RevokeIssuedBefore,
        Self::SpecChanged,
        Self::CredentialGone,
        Self::OutputLost,
    ];

    /// The word in status and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstIssue => "FirstIssue",
            Self::Schedule => "Schedule",
            Self::NotIssuedBefore => "NotIssuedBefore",
            Self::RevokeIssuedBefore => "RevokeIssuedBefore",
            Self::SpecChanged => "SpecChanged",
            Self::CredentialGone => "CredentialGone",
            Self::OutputLost => "OutputLost",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Cause {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.iter().copied().find(|cause| cause.as_str() == text).ok_or(UnknownWord)
    }
}

/// A refusal, with the object and the circumstances in its message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Its name.
    pub reason: Reason,
    /// What was met, as a sentence that names the object.
    pub message: String,
}

impl Refusal {
    /// A refusal for this reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back_as_what_it_stands_for() {
        for reason in Reason::ALL {
            assert_eq!(reason.to_string().parse(), Ok(*reason));
        }
        for cause in Cause::ALL {
            assert_eq!(cause.to_string().parse(), Ok(*cause));
        }
        assert_eq!("Whatever".parse::<Reason>(), Err(UnknownWord));
        assert_eq!("Whatever".parse::<Cause>(), Err(UnknownWord));
    }
}
