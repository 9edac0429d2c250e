//! What people, clusters and Entra do to a site.

use crate::Dice;

/// Something that happens to a site from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Disturbance {
    /// The operator is killed and started again.
    Restart,
    /// The operator does not run for a while.
    Down,
    /// Graph denies every write for a while.
    Denied,
    /// Graph answers 429 for a while.
    Throttled,
    /// Graph and the token endpoint do not answer for a while.
    Unreachable,
    /// Graph's clock is minutes away from ours for a while.
    ClockSkew,
    /// The resource is suspended for a while.
    Suspended,
    /// Replicas are up to fourteen minutes behind for a while.
    ReplicaLag,
    /// New credentials are accepted only after up to half an hour, for a while.
    SignInLag,
    /// Graph's answers cannot be read for a while.
    UnreadableAnswers,
    /// Graph refuses proofs of possession for a while.
    ProofsRefused,
    /// The federation metadata list nothing for a while.
    MetadataEmpty,
    /// Somebody deletes the output.
    OutputDeleted,
    /// Somebody edits the output.
    OutputEdited,
    /// Somebody deletes a staging Secret.
    SlotDeleted,
    /// Somebody adds a credential of their own.
    ForeignAdded,
    /// They take it away again.
    ForeignRemoved,
    /// Somebody asks for a new credential.
    AskedAnew,
    /// Somebody revokes what there is.
    Revoked,
    /// Somebody removes the credential in use from Entra.
    CredentialRemoved,
    /// The operator does not run until everything has expired.
    DownPastExpiry,
    /// Somebody deletes the object, and makes it anew under the same client id.
    ObjectRemade,
}

use Disturbance::{
    AskedAnew, ClockSkew, CredentialRemoved, Denied, Down, DownPastExpiry, ForeignAdded, ForeignRemoved, MetadataEmpty, ObjectRemade,
    OutputDeleted, OutputEdited, ProofsRefused, ReplicaLag, Restart, Revoked, SignInLag, SlotDeleted, Suspended, Throttled, Unreachable,
    UnreadableAnswers,
};

/// How often each happens, against the others.
const WEIGHTS: [(Disturbance, u64); 22] = [
    (Restart, 60),
    (Down, 20),
    (Denied, 20),
    (Throttled, 30),
    (Unreachable, 30),
    (ClockSkew, 20),
    (Suspended, 10),
    (ReplicaLag, 60),
    (SignInLag, 40),
    (UnreadableAnswers, 20),
    (ProofsRefused, 20),
    (MetadataEmpty, 20),
    (OutputDeleted, 40),
    (OutputEdited, 40),
    (SlotDeleted, 40),
    (ForeignAdded, 60),
    (ForeignRemoved, 60),
    (AskedAnew, 10),
    (Revoked, 10),
    (CredentialRemoved, 4),
    (DownPastExpiry, 1),
    (ObjectRemade, 1),
];

impl Disturbance {
    pub(super) fn pick(dice: &mut Dice) -> Self {
        let mut at = dice.below(WEIGHTS.iter().map(|(_, weight)| weight).sum());
        for (disturbance, weight) in WEIGHTS {
            match at.checked_sub(weight) {
                None => return disturbance,
                Some(left) => at = left,
            }
        }
        Restart
    }

    /// Whether nothing can be written to Entra while it lasts: such times are kept apart, since nobody can renew without Entra.
    pub(super) const fn blocks(self) -> bool {
        matches!(self, Down | Denied | Throttled | Unreachable | ClockSkew | Suspended)
    }

    /// Whether it explains a gap.
    pub const fn excuses(self) -> bool {
        matches!(self, OutputDeleted | OutputEdited | CredentialRemoved | DownPastExpiry | ObjectRemade)
    }

    /// Its name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Restart => "restart",
            Down => "operator down",
            Denied => "writes denied",
            Throttled => "throttled",
            Unreachable => "unreachable",
            ClockSkew => "clock skew",
            Suspended => "suspended",
            ReplicaLag => "replica lag",
            SignInLag => "sign-in lag",
            UnreadableAnswers => "answers unreadable",
            ProofsRefused => "proofs refused",
            MetadataEmpty => "metadata empty",
            OutputDeleted => "output deleted",
            OutputEdited => "output edited",
            SlotDeleted => "slot deleted",
            ForeignAdded => "foreign entry added",
            ForeignRemoved => "foreign entry removed",
            AskedAnew => "new one asked for",
            Revoked => "revoked",
            CredentialRemoved => "credential removed by hand",
            DownPastExpiry => "operator down past expiry",
            ObjectRemade => "object made anew",
        }
    }
}
