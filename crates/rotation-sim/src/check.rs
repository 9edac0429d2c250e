//! The promises.

use entra_types::Thumbprint;
use rotation::*;
use serde_json::{Value, json};

use super::World;
use super::signing::certificate_of;

impl World {
    /// The promises, after every step.
    pub(super) fn check(&self) {
        for entry in &self.foreign {
            assert!(self.entra.keys.contains(entry), "a foreign entry changed at {} after {:?}", self.now, self.last_effects());
        }
        assert!(self.ledger.all(Use::Current).count() <= 1 && self.ledger.all(Use::Next).count() <= 1, "{:?}", self.ledger);
        let Some(shown) = self.output.as_ref().filter(|_| !self.edited && !self.gap_excused) else { return };
        let context = || format!("at {} after {:#?}", self.now, self.last_effects());
        if self.policy.is_signing() {
            let trusted = self.signers().iter().all(|signer| shown.bundle.contains(signer));
            assert!(trusted, "Entra signs with what the output does not show, {}", context());
        } else {
            assert!(self.accepts(&self.name_of_shown(shown)), "a gap {}", context());
        }
    }

    pub(super) fn name_of_shown(&self, shown: &Projection) -> String {
        match shown.current {
            Material::Certificate(thumbprint) => thumbprint.to_string(),
            Material::Secret(fingerprint) => {
                let made = self.listed_at.keys().find(|name| Fingerprint::of(name.as_bytes()) == fingerprint);
                made.cloned().expect("the output holds a secret that was made")
            }
        }
    }

    /// Whether Entra accepts the certificate of this thumbprint, or the secret of this keyId.
    pub(super) fn accepts(&self, name: &str) -> bool {
        let live =
            |entry: &Value| entry["keyId"] == json!(name) && entry["endDateTime"].as_str().is_some_and(|end| self.now < super::time(end));
        self.entra.passwords.iter().any(live) || name.parse().is_ok_and(|thumbprint| self.lists(thumbprint))
    }

    /// A pass that ends has healed the output, whatever else it waits for.
    pub(super) fn check_healed(&self, rest: &Rest) {
        let intact = self.output.is_some() && !self.edited;
        let excused = self.ledger.current().is_none() || matches!(rest.why, Wait::Deleting | Wait::Refused(_)) || self.gap_excused;
        assert!(intact || excused, "the output is not healed at {}: {rest:?}", self.now);
    }

    /// Whether the object lists the certificate, and it is valid.
    pub fn lists(&self, thumbprint: Thumbprint) -> bool {
        let valid = self.certificates.values().any(|facts| facts.thumbprint == thumbprint && self.now < facts.not_after);
        valid && self.entra.keys.iter().any(|key| certificate_of(key) == Some(thumbprint))
    }

    fn signs(&self, thumbprint: Thumbprint) -> bool {
        let sign = |key: &Value| key["usage"] == "Sign" && certificate_of(key) == Some(thumbprint);
        self.lists(thumbprint) && self.entra.keys.iter().any(sign)
    }

    /// Who signs: the preferred certificate if valid, else any valid one.
    pub fn signers(&self) -> Vec<Thumbprint> {
        let able: Vec<_> = self.certificates.values().map(|facts| facts.thumbprint).filter(|t| self.signs(*t)).collect();
        let preferred = able.iter().copied().find(|t| self.entra.preferred == Some(t.to_string()));
        preferred.map_or(able, |preferred| vec![preferred])
    }

    /// How many entries on the object are not foreign.
    pub fn live(&self) -> usize {
        let list = if self.policy.kind == Kind::ClientSecret { &self.entra.passwords } else { &self.entra.keys };
        list.iter().filter(|key| !self.foreign.contains(key)).count()
    }

    /// One published credential, at most one more in its overlap, and no more in Entra than the ledger says.
    pub fn assert_settled(&self) {
        let short = |entry: &Entry| format!("{} {:?} {:?} op {:?}", entry.seq, entry.r#use, entry.origin, entry.op);
        let entries: Vec<_> = self.ledger.entries.iter().map(short).collect();
        let context = || format!("{} {entries:#?}\n{:#?}", self.now, self.effects);
        let current = self.ledger.current().unwrap_or_else(|| panic!("no current credential: {}", context()));
        assert!(current.published_at.is_some(), "not published: {}", context());
        assert!(current.is_valid_at(self.now), "expired: {}", context());
        assert_eq!(self.output.as_ref().map(|shown| &shown.entry), Some(&current.id));
        assert_eq!(self.ledger.all(Use::Abandoned).count(), 0, "{}", context());
        let stuck = |entry: &&Entry| entry.op.as_ref().is_none_or(|op| op.at + chrono::TimeDelta::hours(6) < self.now);
        assert_eq!(self.ledger.all(Use::Retiring).filter(stuck).count(), 0, "removed for ever: {}", context());
        let parts = if self.policy.is_signing() { 2 } else { 1 };
        let recorded = self.ledger.entries.iter().filter(|entry| entry.origin == Origin::Made && !entry.key_ids.is_empty()).count();
        assert!(self.live() <= recorded * parts, "{} entries in Entra, {recorded} in the ledger: {}", self.live(), context());
    }
}
