//! What people do in Entra, and to the resource of a signing certificate.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use entra_types::{KeyId, Thumbprint};
use rotation::{Kind, Use};

use crate::entra::{Entra, Listed, Maker, Part};
use crate::event::Event;
use crate::names;
use crate::world::{Record, World, made_by};

impl World {
    pub(crate) fn pins(&self, resource: usize) -> Vec<Event> {
        let record = &self.resources[resource].record;
        let pinned = record.policy.signing().and_then(|signing| signing.pinned);
        let kept = record.ledger.entries.iter().filter(|entry| entry.r#use != Use::Retiring).filter_map(rotation::Entry::thumbprint);
        let others = kept.map(Some).chain([None]).filter(|pin| *pin != pinned);
        others.map(|pin| Event::Pin(resource, pin)).collect()
    }

    /// One name of each credential that a person may take away without a gap of their own making.
    pub(crate) fn removable_by_a_person(&self) -> BTreeSet<KeyId> {
        let of = |listed: &&Listed| match made_by(&listed.maker) {
            None => true,
            Some((resource, id)) => {
                let record = &self.resources[resource].record;
                record.ledger.entry(id).is_some_and(|entry| matches!(entry.r#use, Use::Next | Use::Retiring | Use::Abandoned))
            }
        };
        let wanted = self.entra.listed.iter().filter(of);
        // A signing certificate is named by its public half.
        let signers = self.entra.signers(self.now);
        let named = wanted.filter(|listed| listed.thumbprint.is_none() || listed.part == Part::Verify);
        named.filter(|listed| listed.thumbprint.is_none_or(|t| !signers.contains(&t))).map(|listed| listed.key_id).collect()
    }

    pub(crate) fn activatable_by_a_person(&self) -> BTreeSet<Thumbprint> {
        let able = self.entra.listed.iter().filter(|listed| listed.part == Part::Sign && self.now < listed.end);
        able.filter_map(|listed| listed.thumbprint).filter(|t| self.entra.preferred != Some(*t)).collect()
    }

    pub(crate) fn add(&mut self) {
        let signing = self.setup.policies.iter().any(rotation::Policy::is_signing);
        let count = self.chronicle.added + 1;
        self.chronicle.added = count;
        let (thumbprint, end) = (names::foreign_thumbprint(count), self.now + TimeDelta::days(400));
        let part = |part, name| Listed {
            part,
            key_id: names::foreign_key_id(name),
            thumbprint: Some(thumbprint),
            name: Some("CN=by hand".to_owned()),
            start: self.now,
            end,
            maker: Maker::Person,
        };
        let mut parts = vec![part(Part::Verify, count)];
        if signing {
            parts.extend([part(Part::Sign, count + 100), part(Part::Password, count + 100)]);
        }
        let mut entra = Entra::clone(&self.entra);
        for listed in parts {
            self.chronicle.touched.insert(listed.key_id, self.now);
            entra.listed.insert(listed);
        }
        if entra.signers(self.now).contains(&thumbprint) {
            // Where nothing is preferred, whoever adds a certificate has it sign.
            self.chronicle.chosen = Some(self.now);
        }
        self.become_(entra);
    }

    pub(crate) fn remove(&mut self, key_id: KeyId) {
        let mut entra = Entra::clone(&self.entra);
        let thumbprint = entra.named(&key_id).find_map(|listed| listed.thumbprint);
        let signing = self.setup.policies.iter().any(rotation::Policy::is_signing);
        let gone = |listed: &Listed| listed.key_id == key_id || (signing && thumbprint.is_some() && listed.thumbprint == thumbprint);
        for listed in entra.listed.iter().filter(|listed| gone(listed)) {
            self.chronicle.touched.insert(listed.key_id, self.now);
            self.chronicle.robbed.extend(made_by(&listed.maker).map(|(_, entry)| entry.clone()));
        }
        entra.listed.retain(|listed| !gone(listed));
        self.become_(entra);
    }

    pub(crate) fn pin(&mut self, resource: usize, pin: Option<Thumbprint>) {
        let version = self.name();
        let found = self.resource_mut(resource);
        let mut record = Record::clone(&found.record);
        record.version = version;
        record.policy.generation += 1;
        if let Kind::TokenSigning(signing) = &mut record.policy.kind {
            signing.pinned = pin;
        }
        found.record = Arc::new(record);
        self.chronicle.chosen = Some(self.now);
        self.wake_others(usize::MAX, resource, self.now);
    }
}
