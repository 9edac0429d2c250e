//! In what two memories differ, as far as a decision can.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use chrono::TimeDelta;
use entra_types::KeyId;

use super::{Attempt, Memory, PROOFS, Seen, SignIns};
use crate::history::Detail;
use crate::id::EntryId;
use crate::policy::{Kind, Policy};
use crate::time::{Lateness, Time};

impl Memory {
    /// Whatever a decision can depend on, for searches that must know a state when they meet it again. Names that only tell things apart are left out: of ticks
    /// only the order counts, of a slot's uid only what the caller compares it with, of nonces only those of `nonces`, which stand in a ledger, and of keyIds
    /// only those of which `lives` says that they can still be met. Of times only those are told apart on which a rule may still wait; when the next audit
    /// comes, which is hours away then, is not.
    pub fn digest<'a, H: Hasher>(
        &self,
        policy: &Policy,
        now: Time,
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
        let late = policy.late.late();
        history.digest(late, now - policy.late.settled() * 2, &lives, state);
        (skew, fresh, proof_refusals, unhealable).hash(state);
        others.iter().chain(once_others).filter(|id| lives(id)).for_each(|id| id.hash(state));
        publications.iter().filter(|at| now - **at < late * 4).for_each(|at| at.hash(state));
        output.as_ref().map(|Seen { tick, at: _, value }| (rank(*tick), value)).hash(state);
        for (name, Seen { tick: _, at: _, value }) in slots {
            (name, value.as_ref().map(|slot| (&slot.entry, &slot.owner, &slot.secret))).hash(state);
        }
        for (id, ins) in sign_ins {
            ins.digest(id, policy.late, now, ins.last.map(|(tick, _)| rank(tick)), state);
        }
        metadata.as_ref().map(|Seen { tick, at, value }| (rank(*tick), at, value)).hash(state);
        limits.as_ref().map(|Seen { tick: _, at, value }| (now - *at < TimeDelta::hours(24), value)).hash(state);
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

impl SignIns {
    /// How many there were in a row, over how long, and when the last was, as far as a pause may still depend on it.
    fn digest<H: Hasher>(&self, id: &EntryId, late: Lateness, now: Time, tick: Option<Option<usize>>, state: &mut H) {
        let spread = |times: &[Time]| times.last().zip(times.first()).map(|(last, first)| (*last - *first).min(late.late()));
        let is_proven = self.accepted.len() >= PROOFS && spread(&self.accepted) >= Some(late.proof_spread());
        (id, is_proven, self.refused.len(), spread(&self.refused), self.unprovable, tick).hash(state);
        let bound = now - late.late();
        self.accepted.iter().filter(|_| !is_proven).for_each(|at| (*at).max(bound).hash(state));
        (self.refused.first().map(|at| (*at).max(bound)), self.last.map(|(_, at)| at.max(bound))).hash(state);
    }
}

fn applied(attempt: &Attempt) -> Option<(u64, &Option<super::Made>)> {
    match attempt {
        Attempt::Applied { tick, made } => Some((*tick, made)),
        Attempt::Ready | Attempt::Void | Attempt::Refused | Attempt::Unknown => None,
    }
}
