//! In what two memories differ, as far as a decision can.

use std::hash::{Hash, Hasher};

use chrono::TimeDelta;
use entra_types::KeyId;

use super::{Attempt, Memory, PROOFS, Seen, SignIns};
use crate::history::Detail;
use crate::policy::{Kind, Policy};
use crate::time::{Lateness, Time};

impl Memory {
    /// Whatever a decision can depend on, for searches that must know a state when they meet it again. Names that only tell things apart are left out: of ticks
    /// only counts what is live in a pass under way and what was read after an answer, of a slot's uid only what the caller compares it with, of nonces only those of `nonces`, which stand in a ledger, and of keyIds
    /// only those of which `lives` says that they can still be met. Of times only those are told apart on which a rule may still wait; when the next audit
    /// comes, which is hours away then, is not.
    pub fn digest<'a, H: Hasher>(
        &self,
        policy: &Policy,
        now: Time,
        is_in_pass: bool,
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
        // Between passes nothing is live: the next one begins by that.
        let live = |tick: u64| is_in_pass && tick >= *pass;
        let (plain, with_keys) = (history.tick(Detail::Plain), history.tick(Detail::WithKeys));
        // Before the first audit the time of birth says when that is due.
        let audited = if policy.kind == Kind::ClientSecret { history.read_at() } else { history.audited_at() };
        audited.is_none().then_some(born).hash(state);
        let late = policy.late.late();
        (live(plain), live(with_keys)).hash(state);
        history.digest(late, now - policy.late.settled() * 2, &lives, state);
        (skew, fresh, proof_refusals, unhealable).hash(state);
        others.iter().chain(once_others.iter().flatten()).filter(|id| lives(id)).for_each(|id| id.hash(state));
        publications.iter().filter(|at| now - **at < late * 4).for_each(|at| at.hash(state));
        output.as_ref().map(|Seen { tick, at: _, value }| (live(*tick), value)).hash(state);
        for (name, Seen { tick, at: _, value }) in slots {
            (name, live(*tick), value.as_ref().map(|slot| (&slot.entry, &slot.owner, &slot.secret))).hash(state);
        }
        for (id, ins) in sign_ins {
            (id, ins.last.is_some_and(|(tick, _)| live(tick))).hash(state);
            ins.digest(policy.late, now, state);
        }
        metadata.as_ref().map(|Seen { tick, at, value }| (live(*tick), at, value)).hash(state);
        limits.as_ref().map(|Seen { tick: _, at, value }| (now - *at < TimeDelta::hours(24), value)).hash(state);
        for nonce in nonces {
            let Some(attempt) = attempts.get(nonce) else {
                false.hash(state);
                continue;
            };
            std::mem::discriminant(attempt).hash(state);
            if let Attempt::Applied { tick, made } = attempt {
                (plain > *tick, with_keys > *tick, made).hash(state);
            }
        }
    }
}

impl SignIns {
    /// How many there were in a row, over how long, and when the last was, as far as a pause may still depend on it.
    fn digest<H: Hasher>(&self, late: Lateness, now: Time, state: &mut H) {
        let spread = |times: &[Time]| times.last().zip(times.first()).map(|(last, first)| (*last - *first).min(late.late()));
        let is_proven = self.accepted.len() >= PROOFS && spread(&self.accepted) >= Some(late.proof_spread());
        (is_proven, self.refused.len(), spread(&self.refused), self.unprovable).hash(state);
        let bound = now - late.late();
        self.accepted.iter().filter(|_| !is_proven).for_each(|at| (*at).max(bound).hash(state));
        (self.refused.first().map(|at| (*at).max(bound)), self.last.map(|(_, at)| at.max(bound))).hash(state);
    }
}

#[cfg(test)]
mod tests;
