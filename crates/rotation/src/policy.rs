//! What a resource asks for, with every default filled in.

use chrono::TimeDelta;
use entra_types::{ClientId, ObjectKind, TenantId};

use crate::ledger::Entry;
use crate::reason::{Reason, Refusal};
use crate::time::{Lateness, Time};

/// The kind of credential, and what only that kind is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A client certificate whose key is made here.
    ClientCertificate {
        /// Bits of the RSA key.
        key_bits: u32,
    },
    /// A SAML token signing certificate that Entra makes.
    TokenSigning {
        /// The name given in Entra before the entry id: `CN=` and more.
        display_name: String,
        /// What the federation metadata must show before it signs.
        metadata: Metadata,
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
    /// Nothing new is begun.
    pub suspend: bool,
    /// The resource is being deleted.
    pub deleting: bool,
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
    pub fn resolve(signing: bool, wish: &Wish, minimum: TimeDelta) -> Result<Self, Refusal> {
        let hours = TimeDelta::hours;
        let validity = wish.validity.unwrap_or_else(|| hours(if signing { 26_280 } else { 4_320 }));
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
    /// Whether this is a signing certificate.
    pub fn is_signing(&self) -> bool {
        matches!(self.kind, Kind::TokenSigning { .. })
    }

    /// Whether the spec was edited since the status was written.
    pub fn is_edited(&self) -> bool {
        self.observed_generation != Some(self.generation)
    }

    /// Whether `notIssuedBefore` has come and asks for something newer than this entry.
    pub fn outdates(&self, entry: &Entry, now: Time) -> bool {
        self.not_issued_before.is_some_and(|bound| bound <= now && entry.issued_at < bound)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn hours(h: i64) -> TimeDelta {
        TimeDelta::hours(h)
    }

    #[test]
    fn defaults_depend_on_the_kind() {
        let signing = Durations::resolve(true, &Wish::default(), hours(24)).unwrap();
        assert_eq!(signing, Durations { validity: hours(26_280), renew_before: hours(1_440), overlap: hours(168), soak: hours(72) });
        let certificate = Durations::resolve(false, &Wish::default(), hours(24)).unwrap();
        assert_eq!(certificate, Durations { validity: hours(4_320), renew_before: hours(720), overlap: hours(168), soak: hours(0) });
    }

    #[test]
    fn short_lives_shorten_everything_else() {
        let wish = Wish { validity: Some(hours(48)), ..Wish::default() };
        let short = Durations::resolve(true, &wish, hours(24)).unwrap();
        assert_eq!(short, Durations { validity: hours(48), renew_before: hours(16), overlap: hours(8), soak: hours(4) });
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
            let signing = wish.soak.is_some();
            assert_eq!(Durations::resolve(signing, &wish, hours(24)).unwrap_err().reason, reason, "{wish:?}");
        }
    }
}
