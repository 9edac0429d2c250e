//! In what two memories differ, as far as a decision can.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use entra_types::KeyId;

use super::{Attempt, Memory, Seen};
use crate::history::Detail;
use crate::policy::{Kind, Policy};
use crate::time::Time;

impl Memory {
    /// Whatever a decision can depend on, for searches that must know a state when they meet it again. Names that only tell things apart are left out: of ticks
    /// only the order counts, of a slot's uid only what the caller compares it with, of nonces only those of `nonces`, which stand in a ledger, and of keyIds
    /// only those of which `lives` says that they can still be met.
    pub fn digest<'a, H: Hasher>(
        &self,
        policy: &Policy,
        nonces: impl IntoIterator<Item = &'a str>,
        lives: impl Fn(&KeyId) -> bool,
        state: &mut H,
    ) {
        // A field that is added must be thought of here.
        let Self {
            born,
            tick: _,
            pass,
            history,
            skew,
            output,
            slots,
            sign_ins,
            metadata,
            limits,
            fresh,
            attempts,
            proof_refusals,
            unhealable,
            others,
            once_others,
            publications,
        } = self;
        let ticks = self.ticks();
        let rank = |tick: u64| ticks.iter().position(|known| *known == tick);
        // Before the first audit the time of birth says when that is due.
        let audited = if policy.kind == Kind::ClientSecret { history.read_at() } else { history.audited_at() };
        audited.is_none().then_some(born).hash(state);
        (rank(*pass), rank(history.tick(Detail::Plain)), rank(history.tick(Detail::WithKeys))).hash(state);
        history.digest(policy.late.late(), &lives, state);
        (skew, fresh, proof_refusals, unhealable).hash(state);
        others.iter().chain(once_others).filter(|id| lives(id)).for_each(|id| id.hash(state));
        let known = publications.last().copied().max(history.read_at());
        let counts = |at: &&Time| known.is_none_or(|known| known - **at < policy.late.late() * 4);
        publications.iter().filter(counts).for_each(|at| at.hash(state));
        output.as_ref().map(|Seen { tick, at: _, value }| (rank(*tick), value)).hash(state);
        for (name, Seen { tick: _, at: _, value }) in slots {
            (name, value.as_ref().map(|slot| (&slot.entry, &slot.owner, &slot.secret))).hash(state);
        }
        for (id, ins) in sign_ins {
            (id, &ins.accepted, &ins.refused, ins.unprovable, ins.last.map(|(tick, at)| (rank(tick), at))).hash(state);
        }
        metadata.as_ref().map(|Seen { tick, at, value }| (rank(*tick), at, value)).hash(state);
        limits.as_ref().map(|Seen { tick: _, at, value }| (at, value)).hash(state);
        for nonce in nonces {
            attempts.get(nonce).map(|attempt| (std::mem::discriminant(attempt), applied(attempt).map(|(tick, made)| (rank(tick), made)))).hash(state);
        }
    }

    /// Every tick that is compared with another.
    fn ticks(&self) -> Vec<u64> {
        let reads = [self.pass, self.history.tick(Detail::Plain), self.history.tick(Detail::WithKeys)];
        let seen = self.output.iter().map(|seen| seen.tick).chain(self.metadata.iter().map(|seen| seen.tick));
        let signed_in = self.sign_ins.values().filter_map(|ins| ins.last).map(|(tick, _)| tick);
        let answered = self.attempts.values().filter_map(|attempt| applied(attempt)).map(|(tick, _)| tick);
        let all: BTreeSet<u64> = reads.into_iter().chain(seen).chain(signed_in).chain(answered).collect();
        all.into_iter().collect()
    }
}

fn applied(attempt: &Attempt) -> Option<(u64, &Option<super::Made>)> {
    match attempt {
        Attempt::Applied { tick, made } => Some((*tick, made)),
        Attempt::Ready | Attempt::Void | Attempt::Refused | Attempt::Unknown => None,
    }
}
