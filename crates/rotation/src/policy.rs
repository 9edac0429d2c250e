//! What a resource asks for, with every default filled in.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use entra_types::{ClientId, KeyId, ObjectKind, TenantId, Thumbprint};

use crate::id::EntryId;
use crate::ledger::Entry;
use crate::reason::{Reason, Refusal};
use crate::time::{Lateness, Time};
use crate::window::Windows;

/// The kind of credential, and what only that kind is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A client secret, made by Entra.
    ClientSecret,
    /// A client certificate whose key is made here.
    ClientCertificate {
        /// Bits of the RSA key.
        key_bits: u32,
        /// Who rolls it.
        sign_in_as: SignInAs,
    },
    /// A SAML token signing certificate.
    TokenSigning(SigningPolicy),
}

/// As whom Entra is asked to roll a client certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignInAs {
    /// The operator's own application.
    Operator,
    /// The target itself, by its present certificate: it needs no Graph permission, and shows nothing but whether a certificate is accepted.
    Itself,
}

/// What is asked of a signing certificate beyond its times.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SigningPolicy {
    /// The name given in Entra before the entry id: `CN=` and more.
    pub display_name: String,
    /// What the federation metadata must show before it signs.
    pub metadata: Metadata,
    /// Whether a person must approve each successor before it signs.
    pub needs_approval: bool,
    /// What becomes of a successor that nobody approved in time.
    pub on_deadline: OnDeadline,
    /// The certificate that shall sign, whatever else is asked.
    pub pinned: Option<Thumbprint>,
    /// Whom Entra warns of the expiry; `None` leaves that alone.
    pub notification_addresses: Option<BTreeSet<String>>,
    /// Who makes the key.
    pub key_source: KeySource,
}

/// What becomes of a successor that nobody approved before the deadline.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnDeadline {
    /// It signs all the same.
    Activate,
    /// It is removed, and the present certificate expires.
    Withdraw,
}

/// Who makes the key of a signing certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeySource {
    /// Entra.
    Entra,
    /// The operator, which sends it to Entra and keeps no copy.
    Operator {
        /// Whether a client certificate of another resource proves possession (`proofFrom`); otherwise lists are updated.
        has_proof: bool,
    },
}

/// What the federation metadata must show before a signing certificate is activated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Metadata {
    /// Nothing; it is not fetched.
    Ignore,
    /// The successor, or else one more soak.
    Observe,
    /// The successor, until the deadline.
    Require,
}

/// What `spec.rotation` and its neighbours say; absent is default.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wish {
    /// Life of a new credential.
    pub validity: Option<TimeDelta>,
    /// How long before its end the successor is made.
    pub renew_before: Option<TimeDelta>,
    /// How long the previous one stays after the successor is published.
    pub overlap: Option<TimeDelta>,
    /// Token signing only.
    pub soak: Option<TimeDelta>,
}

/// The durations in force: `status.policy`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Durations {
    /// Life of a new credential.
    pub validity: TimeDelta,
    /// How long before its end the successor is made.
    pub renew_before: TimeDelta,
    /// How long the previous one stays after the successor is published.
    pub overlap: TimeDelta,
    /// How long a signing certificate is in the output before it signs; zero for other kinds.
    pub soak: TimeDelta,
}

/// What app management policies allow on the object.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Limits {
    /// No client secret may be added.
    pub forbids_secrets: bool,
    /// The longest life of a client secret.
    pub secret_life: Option<TimeDelta>,
    /// The longest life of a certificate.
    pub certificate_life: Option<TimeDelta>,
    /// The policy that says so.
    pub policy: Option<String>,
}

/// Everything that the resource and its surroundings ask of the protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Policy {
    /// `metadata.uid`: part of every mark, and the seed of all jitter.
    pub uid: String,
    /// The tenant of the target.
    pub tenant_id: TenantId,
    /// Which of the two objects of the application carries the credential.
    pub object: ObjectKind,
    /// The kind of credential.
    pub kind: Kind,
    /// The durations in force.
    pub durations: Durations,
    /// Credentials issued before are replaced, once this has come.
    pub not_issued_before: Option<Time>,
    /// Credentials issued before are replaced at once and removed without overlap, once this has come.
    pub revoke_issued_before: Option<Time>,
    /// When successors may be promoted or activated; empty is always.
    pub windows: Windows,
    /// Nothing new is begun.
    pub suspend: bool,
    /// When the resource was deleted, if it was.
    pub deleted_at: Option<Time>,
    /// `deletionPolicy: Revoke`: what this resource made is removed with it.
    pub revoke_on_delete: bool,
    /// Whether our finalizer stands on the resource.
    pub has_finalizer: bool,
    /// The entry that a person approved.
    pub approved: Option<EntryId>,
    /// Credentials that somebody else made and that are handed over.
    pub adopt: BTreeSet<KeyId>,
    /// Whether a grant allows that.
    pub may_adopt: bool,
    /// `metadata.generation`.
    pub generation: i64,
    /// `status.observedGeneration`: an edit since then waives the backoff.
    pub observed_generation: Option<i64>,
    /// The application that the operator itself signs in as: never a target.
    pub own_client: Option<ClientId>,
    /// LATE.
    pub late: Lateness,
    /// Why nothing may be done for now: no grant, no tenant, a contradiction in the policy.
    pub refusal: Option<Refusal>,
}

impl Durations {
    /// Fills in the defaults of the kind.
    ///
    /// # Errors
    /// `InvalidPolicy` when the durations contradict each other, `ValidityTooShort` below `minimum`.
    pub fn resolve(kind: &Kind, wish: &Wish, minimum: TimeDelta) -> Result<Self, Refusal> {
        let signing = matches!(kind, Kind::TokenSigning(_));
        let hours = TimeDelta::hours;
        let usual = match kind {
            Kind::ClientSecret => 2_160,
            Kind::ClientCertificate { .. } => 4_320,
            Kind::TokenSigning(_) => 26_280,
        };
        let validity = wish.validity.unwrap_or_else(|| hours(usual));
        let renew_before = wish.renew_before.unwrap_or_else(|| (validity / 3).min(hours(if signing { 1_440 } else { 720 })));
        let overlap = wish.overlap.unwrap_or_else(|| (renew_before / 2).min(hours(168)));
        let soak = if signing { wish.soak.unwrap_or_else(|| (renew_before / 4).min(hours(72))) } else { TimeDelta::zero() };
        Self { validity, renew_before, overlap, soak }.checked(minimum)
    }

    fn checked(self, minimum: TimeDelta) -> Result<Self, Refusal> {
        let Self { validity, renew_before, overlap, soak } = self;
        let invalid = |message: String| Err(Refusal::new(Reason::InvalidPolicy, message));
        let text = crate::schedule::duration;
        if validity < minimum {
            let message = format!("A validity of {} is shorter than the tenant's minimum of {}.", text(validity), text(minimum));
            return Err(Refusal::new(Reason::ValidityTooShort, message));
        }
        if renew_before <= TimeDelta::zero() {
            return invalid(format!("renewBefore ({}) must be longer than zero, or there is no time for a successor.", text(renew_before)));
        }
        if renew_before >= validity {
            return invalid(format!("renewBefore ({}) must be shorter than validity ({}).", text(renew_before), text(validity)));
        }
        if overlap > renew_before {
            return invalid(format!("overlap ({}) must fit in renewBefore ({}).", text(overlap), text(renew_before)));
        }
        if soak > TimeDelta::zero() && soak + overlap >= renew_before {
            let (soak, overlap, renew_before) = (text(soak), text(overlap), text(renew_before));
            return invalid(format!("soak ({soak}) and overlap ({overlap}) together must be shorter than renewBefore ({renew_before})."));
        }
        Ok(self)
    }
}

impl Policy {
    /// One that asks for nothing but a credential: by a resource as it was first declared, which nobody edited, deleted or refused.
    pub fn plain(uid: &str, tenant_id: TenantId, object: ObjectKind, kind: Kind, durations: Durations) -> Self {
        Self {
            uid: uid.to_owned(),
            tenant_id,
            object,
            kind,
            durations,
            not_issued_before: None,
            suspend: false,
            revoke_issued_before: None,
            windows: Windows::default(),
            deleted_at: None,
            revoke_on_delete: false,
            has_finalizer: false,
            approved: None,
            adopt: BTreeSet::new(),
            may_adopt: false,
            generation: 1,
            observed_generation: Some(1),
            own_client: None,
            late: Lateness::default(),
            refusal: None,
        }
    }

    /// Whether this is a signing certificate.
    pub fn is_signing(&self) -> bool {
        matches!(self.kind, Kind::TokenSigning(_))
    }

    /// What is asked of a signing certificate.
    pub fn signing(&self) -> Option<&SigningPolicy> {
        match &self.kind {
            Kind::TokenSigning(signing) => Some(signing),
            Kind::ClientSecret | Kind::ClientCertificate { .. } => None,
        }
    }

    /// Whether the target rolls its own certificate.
    pub fn is_self_rolled(&self) -> bool {
        matches!(self.kind, Kind::ClientCertificate { sign_in_as: SignInAs::Itself, .. })
    }

    /// Whether the spec was edited since the status was written.
    pub fn is_edited(&self) -> bool {
        self.observed_generation != Some(self.generation)
    }

    /// Whether `notIssuedBefore` has come and asks for something newer than this entry.
    pub fn outdates(&self, entry: &Entry, now: Time) -> bool {
        self.not_issued_before.is_some_and(|bound| bound <= now && entry.issued_at < bound)
    }

    /// Whether `revokeIssuedBefore` has come and forbids this entry.
    pub fn revokes(&self, entry: &Entry, now: Time) -> bool {
        self.revoke_issued_before.is_some_and(|bound| bound <= now && entry.issued_at < bound)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::sample::{certificate, signing};

    fn hours(h: i64) -> TimeDelta {
        TimeDelta::hours(h)
    }

    #[test]
    fn defaults_depend_on_the_kind() {
        let of_signing = Durations::resolve(&signing().kind, &Wish::default(), hours(24)).unwrap();
        assert_eq!(of_signing, Durations { validity: hours(26_280), renew_before: hours(1_440), overlap: hours(168), soak: hours(72) });
        let of_certificate = Durations::resolve(&certificate().kind, &Wish::default(), hours(24)).unwrap();
        assert_eq!(of_certificate, Durations { validity: hours(4_320), renew_before: hours(720), overlap: hours(168), soak: hours(0) });
    }

    #[test]
    fn short_lives_shorten_everything_else() {
        let wish = Wish { validity: Some(hours(48)), ..Wish::default() };
        let short = Durations::resolve(&signing().kind, &wish, hours(24)).unwrap();
        assert_eq!(short, Durations { validity: hours(48), renew_before: hours(16), overlap: hours(8), soak: hours(4) });
    }

    #[test]
    fn what_just_fits_is_no_contradiction() {
        let cases = [
            (Wish { validity: Some(hours(24)), ..Wish::default() }, certificate()),
            (Wish { renew_before: Some(hours(10)), overlap: Some(hours(10)), ..Wish::default() }, certificate()),
            (Wish { renew_before: Some(hours(10)), overlap: Some(hours(10)), soak: Some(hours(0)), ..Wish::default() }, signing()),
            (Wish { renew_before: Some(hours(10)), overlap: Some(hours(5)), soak: Some(hours(4)), ..Wish::default() }, signing()),
        ];
        for (wish, policy) in cases {
            assert!(Durations::resolve(&policy.kind, &wish, hours(24)).is_ok(), "{wish:?}");
        }
    }

    #[test]
    fn contradictions_are_named() {
        let cases = [
            (Wish { validity: Some(hours(1)), ..Wish::default() }, Reason::ValidityTooShort),
            (Wish { renew_before: Some(hours(5_000)), ..Wish::default() }, Reason::InvalidPolicy),
            (Wish { renew_before: Some(hours(0)), ..Wish::default() }, Reason::InvalidPolicy),
            (Wish { renew_before: Some(hours(10)), overlap: Some(hours(11)), ..Wish::default() }, Reason::InvalidPolicy),
            (
                Wish { renew_before: Some(hours(10)), overlap: Some(hours(5)), soak: Some(hours(5)), ..Wish::default() },
                Reason::InvalidPolicy,
            ),
        ];
        for (wish, reason) in cases {
            let kind = if wish.soak.is_some() { signing() } else { certificate() }.kind;
            assert_eq!(Durations::resolve(&kind, &wish, hours(24)).unwrap_err().reason, reason, "{wish:?}");
        }
    }
}
