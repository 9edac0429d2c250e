//! What a pass looks at, and what its process remembers of it.

use std::sync::Arc;

use rotation::{Detail, EntryId, FreshKey, Look, SignInResult, SlotName};

use crate::check::Broken;
use crate::entra::{Entra, Part};
use crate::pass::Course;
use crate::world::{Key, World};

impl World {
    pub(crate) fn look(&mut self, operator: usize, resource: usize, look: &Look, course: Course) -> Result<(), Broken> {
        match look {
            Look::Directory(detail) => self.read_directory(operator, resource, *detail, course),
            Look::Output => self.read_output(operator, resource),
            Look::Slot(name) => self.read_slot(operator, resource, *name),
            Look::SignIn(id) => self.sign_in(operator, resource, id, course),
            Look::Metadata => {
                let now = self.now;
                let listed = self.entra.listed.iter().filter(|listed| listed.part == Part::Sign && now < listed.end);
                let listed = listed.filter_map(|listed| listed.thumbprint).collect();
                self.desk_mut(operator, resource).memory.saw_metadata(listed, now);
            }
            Look::AppPolicy => {
                let now = self.now;
                self.desk_mut(operator, resource).memory.saw_limits(None, now);
            }
            Look::FreshKey(id) => self.make_key(operator, resource, id),
        }
        Ok(())
    }

    fn version(&self, course: Course) -> Arc<Entra> {
        match course {
            Course::Behind(versions) => {
                self.past.iter().rev().nth(versions - 1).map_or_else(|| Arc::clone(&self.entra), |(_, entra)| Arc::clone(entra))
            }
            _ => Arc::clone(&self.entra),
        }
    }

    fn read_directory(&mut self, operator: usize, resource: usize, detail: Detail, course: Course) {
        let reading = self.version(course).read(&self.setup.uids);
        let certificates = if detail == Detail::WithKeys { reading.certificates } else { Default::default() };
        let now = self.now;
        let named = self.operators[operator].application(resource, now).named();
        let memory = &mut self.desk_mut(operator, resource).memory;
        memory.others_own(named);
        memory.saw_directory(reading.directory, certificates, detail, Some(now), now);
    }

    pub(crate) fn read_output(&mut self, operator: usize, resource: usize) {
        let (view, now) = (self.resources[resource].view(), self.now);
        let version = self.resources[resource].output.as_ref().map(|output| output.version);
        let desk = self.desk_mut(operator, resource);
        desk.is_confirmed = false;
        desk.output = version;
        desk.memory.saw_output(view, vec![], now);
    }

    /// A slot is seen, and its key taken up if it is the one that the ledger expects.
    pub(crate) fn read_slot(&mut self, operator: usize, resource: usize, name: SlotName) {
        let (slot, now) = (self.resources[resource].slot(name), self.now);
        let staged = self.resources[resource].slots.get(&name).cloned();
        let desk = self.desk_mut(operator, resource);
        desk.is_confirmed = false;
        if let Some(staged) = staged
            && let Some(entry) = desk.known.ledger.entry(&staged.entry)
        {
            let expected = match &staged.key {
                Key::Pair(thumbprint, _) => entry.thumbprint() == Some(*thumbprint),
                Key::Secret(_) => true,
            };
            if expected {
                desk.keyring.insert(staged.entry, staged.key);
            }
        }
        desk.memory.saw_slot(name, slot, now);
    }

    fn make_key(&mut self, operator: usize, resource: usize, id: &EntryId) {
        let thumbprint = self.new_thumbprint(resource, id);
        let now = self.now;
        let desk = self.desk_mut(operator, resource);
        let not_after = now + desk.known.policy.durations.validity;
        desk.keyring.insert(id.clone(), Key::Pair(thumbprint, not_after));
        desk.memory.generated(FreshKey { entry: id.clone(), thumbprint, not_after });
    }

    fn sign_in(&mut self, operator: usize, resource: usize, id: &EntryId, course: Course) {
        let key = self.credential(operator, resource, id);
        let (entra, now) = (self.version(course), self.now);
        let accepted = key.map(|key| match key {
            Key::Pair(thumbprint, not_after) => now < not_after && entra.accepts_certificate(thumbprint, now),
            Key::Secret(key_id) => entra.accepts_secret(key_id, now),
        });
        let result = match accepted {
            None => SignInResult::CannotProve,
            Some(true) => SignInResult::Accepted,
            Some(false) => SignInResult::Refused,
        };
        self.desk_mut(operator, resource).memory.saw_sign_in(id, result, now);
    }

    /// The key or secret of an entry: from memory, from its slot, or from the output if that shows it.
    pub(crate) fn credential(&mut self, operator: usize, resource: usize, id: &EntryId) -> Option<Key> {
        let slot = self.desk(operator, resource).known.ledger.entry(id).and_then(rotation::Entry::slot);
        if let (None, Some(slot)) = (self.desk(operator, resource).keyring.get(id), slot) {
            self.read_slot(operator, resource, slot);
        }
        if let Some(key) = self.desk(operator, resource).keyring.get(id) {
            return Some(key.clone());
        }
        self.read_output(operator, resource);
        let output = self.resources[resource].output.as_ref()?;
        let held = output.holds.clone()?;
        let entry = self.desk(operator, resource).known.ledger.entry(id)?;
        match &held {
            Key::Pair(thumbprint, _) => (entry.thumbprint() == Some(*thumbprint)).then_some(held),
            Key::Secret(_) => (output.shows.entry == *id && !entry.key_ids.is_empty()).then_some(held),
        }
    }
}
