//! By what a state is known again: whatever makes no difference to what can follow is left out.

use std::collections::BTreeSet;
use std::hash::{Hash as _, Hasher as _};

use entra_types::KeyId;
use rotation::{Ledger, SlotName};

use super::{ChangeKind, Desk, Operator, Record, Resource, World};
use crate::digest::Digest;
use crate::entra::Entra;

impl World {
    /// By what this state is known again.
    pub fn digest(&self) -> u128 {
        let mut state = Digest::default();
        let lives = self.living();
        (self.now, &self.entra, &self.past, &self.floating, self.bounds, &self.chronicle).hash(&mut state);
        for resource in &self.resources {
            resource.digest(&mut state);
        }
        let operators = self.operators.iter().enumerate().map(|(index, operator)| {
            let mut own = Digest::default();
            (self.active == Some(index), self.setup.all_lead || self.leader == index).hash(&mut own);
            self.digest_of(operator, &lives, &mut own);
            own.value()
        });
        // Who is called the first of them makes no difference.
        let mut operators: Vec<u128> = operators.collect();
        operators.sort_unstable();
        operators.hash(&mut state);
        state.value()
    }

    fn digest_of(&self, operator: &Operator, lives: &BTreeSet<KeyId>, state: &mut Digest) {
        operator.paused.hash(state);
        self.setup.counted.then_some(operator.passes).hash(state);
        // What a pass is about to do follows from what its process knew when it decided.
        operator
            .pass
            .as_ref()
            .map(|pass| (pass.resource, pass.decided, self.setup.counted.then_some(pass.steps), pass.trouble.is_some()))
            .hash(state);
        for (index, (desk, resource)) in operator.desks.iter().zip(&self.resources).enumerate() {
            let is_in_pass = operator.pass.as_ref().is_some_and(|pass| pass.resource == index);
            desk.digest(resource, self, is_in_pass, lives, state);
        }
    }

    /// Every name that anybody can still meet.
    fn living(&self) -> BTreeSet<KeyId> {
        let listed = |entra: &Entra| entra.listed.iter().map(|listed| listed.key_id).collect::<Vec<_>>();
        let floating = self.floating.iter().filter_map(|floating| match &floating.change.kind {
            ChangeKind::Replace(_, new) => Some(listed(new)),
            _ => None,
        });
        let versions = [listed(&self.entra)].into_iter().chain(self.past.iter().map(|(_, entra)| listed(entra))).chain(floating);
        let known = self.operators.iter().flat_map(|operator| operator.desks.iter().map(|desk| &desk.known));
        let ledgers = self.resources.iter().map(|resource| &resource.record).chain(known);
        let recorded = ledgers.flat_map(|record| record.ledger.entries.iter().flat_map(|entry| entry.key_ids.iter().copied()));
        versions.flatten().chain(recorded).collect()
    }
}

impl Resource {
    fn digest(&self, state: &mut Digest) {
        self.record.digest(state);
        self.output.as_ref().map(|output| (&output.shows, &output.holds)).hash(state);
        for (name, staged) in &self.slots {
            (name, &staged.entry, &staged.key).hash(state);
        }
        self.made.hash(state);
    }
}

impl Record {
    fn digest(&self, state: &mut Digest) {
        let Ledger { target, next_seq, entries, rotation, foreign: _ } = &self.ledger;
        (target.is_some(), next_seq, rotation, self.policy.generation, self.policy.observed_generation).hash(state);
        self.policy.signing().map(|signing| signing.pinned).hash(state);
        for entry in entries {
            (entry.seq, entry.origin, entry.r#use, entry.issued_at, entry.not_after, entry.published_at, entry.adopted_at).hash(state);
            (&entry.key_ids, &entry.detail).hash(state);
            entry.op.as_ref().map(|op| (op.kind, op.at, op.outcome, &op.kept, &op.from)).hash(state);
        }
    }

    fn nonces(&self) -> impl Iterator<Item = &str> {
        self.ledger.entries.iter().filter_map(|entry| Some(entry.op.as_ref()?.nonce.as_str()))
    }
}

impl Desk {
    fn digest(&self, resource: &Resource, world: &World, is_in_pass: bool, lives: &BTreeSet<KeyId>, state: &mut Digest) {
        let actual = &resource.record;
        let is_fresh = self.known.version == actual.version;
        (is_fresh, self.is_confirmed, world.on_grid(self.wake).max(world.now), &self.keyring).hash(state);
        if !is_fresh {
            self.known.digest(state);
            let same = |nonce: &str| actual.nonces().any(|other| other == nonce);
            self.known.nonces().for_each(|nonce| same(nonce).hash(state));
        }
        (self.output.is_some(), self.output == resource.output.as_ref().map(|output| output.version)).hash(state);
        for name in SlotName::ALL {
            let seen = self.memory.slot(name).flatten().map(|slot| slot.uid.clone());
            (seen == resource.slots.get(&name).map(|staged| staged.uid.to_string())).hash(state);
        }
        let nonces = self.known.nonces().chain(actual.nonces().filter(|_| !is_fresh));
        self.memory.digest(&self.known.policy, world.now, is_in_pass, nonces, |id| lives.contains(id), state);
        state.write_u8(0);
    }
}
