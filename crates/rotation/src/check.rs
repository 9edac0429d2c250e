//! How a rule answers: it lets the next one speak, waits, stops, or says the one thing to do. And the questions that many rules ask.

use chrono::TimeDelta;
use entra_types::Credential;

use crate::case::{Act, Case, Fact, Licence, Look, Mutation, Rest, Step, Wait};
use crate::history::{Conclusion, Detail, Directory};
use crate::id::EntryId;
use crate::ledger::{Entry, Op};
use crate::op::OpState;
use crate::policy::Kind;
use crate::reason::{Reason, Refusal};
use crate::time::{TOLERATED_SKEW, Time};

/// Why a rule does not let the next rule speak.
#[derive(Clone, Debug)]
pub(crate) enum Halt {
    /// Do this.
    Step(Box<Step>),
    /// Nothing else may be done.
    Stop(Rest),
    /// This one waits; others may go on.
    Wait(Rest),
}

pub(crate) type Check<T = ()> = Result<T, Halt>;

impl Halt {
    /// Where this rule waits, no other one speaks.
    pub(crate) fn alone(self) -> Self {
        match self {
            Self::Wait(rest) => Self::Stop(rest),
            other => other,
        }
    }
}

pub(crate) fn look<T>(look: Look) -> Check<T> {
    Err(Halt::Step(Box::new(Step::Look(look))))
}

pub(crate) fn act<T>(act: Act) -> Check<T> {
    Err(Halt::Step(Box::new(Step::Act(act))))
}

pub(crate) fn note<T>(fact: Fact) -> Check<T> {
    Err(Halt::Step(Box::new(Step::Note(fact))))
}

pub(crate) fn wait<T>(until: Time, why: Wait) -> Check<T> {
    Err(Halt::Wait(Rest { until, why }))
}

pub(crate) fn stop<T>(until: Time, why: Wait) -> Check<T> {
    Err(Halt::Stop(Rest { until, why }))
}

/// Lets every check speak; the first step wins, else the soonest wait.
pub(crate) fn all(checks: impl IntoIterator<Item = Check>) -> Check {
    let mut soonest: Option<Rest> = None;
    for check in checks {
        match check {
            Ok(()) => {}
            Err(Halt::Wait(rest)) => soonest = Some(merge(soonest, rest)),
            Err(halt) => return Err(halt),
        }
    }
    soonest.map_or(Ok(()), |rest| Err(Halt::Wait(rest)))
}

/// The reason of the first, the time of the sooner.
pub(crate) fn merge(first: Option<Rest>, other: Rest) -> Rest {
    match first {
        None => other,
        Some(first) => Rest { until: first.until.min(other.until), why: first.why },
    }
}

impl<'a> Case<'a> {
    /// The state of an entry's last licensed write.
    pub(crate) fn op(&self, entry: &Entry) -> Option<OpState> {
        OpState::of(entry, self.memory, self.now, self.policy.late)
    }

    /// The object as read in this pass.
    pub(crate) fn live_directory(&self, detail: Detail) -> Check<&'a Directory> {
        if let Some(refusal) = &self.policy.refusal {
            return stop(self.now + self.policy.late.late(), Wait::Refused(refusal.clone()));
        }
        let tick = self.memory.history().tick(detail);
        self.memory.history().latest().filter(|_| self.memory.is_live(tick)).map_or_else(|| look(Look::Directory(detail)), Ok)
    }

    /// The object as read after this tick.
    pub(crate) fn directory_after(&self, tick: u64, detail: Detail) -> Check<&'a Directory> {
        let history = self.memory.history();
        history.latest().filter(|_| history.tick(detail) > tick).map_or_else(|| look(Look::Directory(detail)), Ok)
    }

    /// How much a look at the object must show: certificates are told apart by their bytes, secrets by their names.
    pub(crate) fn detail(&self) -> Detail {
        if self.policy.kind == Kind::ClientSecret { Detail::Plain } else { Detail::WithKeys }
    }

    /// When the object was last looked at in this detail.
    pub(crate) fn looked_at(&self) -> Option<Time> {
        match self.detail() {
            Detail::Plain => self.memory.history().read_at(),
            Detail::WithKeys => self.memory.history().audited_at(),
        }
    }

    /// Reads at intervals of LATE/15 until it shows.
    pub(crate) fn look_again(&self, why: Wait) -> Check {
        let next = self.looked_at().map_or(self.now, |read| read + self.policy.late.proof_spread());
        if next <= self.now { look(Look::Directory(self.detail())) } else { wait(next, why) }
    }

    /// How long a new credential lives: as asked, or as long as an app management policy allows.
    pub fn validity(&self) -> TimeDelta {
        let asked = self.policy.durations.validity;
        self.longest_life().map_or(asked, |longest| asked.min(longest))
    }

    /// The longest life that an app management policy allows, as far as read. A certificate begins a little before it is made.
    pub(crate) fn longest_life(&self) -> Option<TimeDelta> {
        let limits = self.memory.limits()?.value.as_ref()?;
        let life = if self.policy.kind == Kind::ClientSecret { limits.secret_life } else { limits.certificate_life };
        life.map(|life| (life - TimeDelta::minutes(10)).max(life / 2))
    }

    /// Rule 5: whether every read since this entry was made is without it. What was read before says nothing about it.
    pub(crate) fn missing(&self, entry: &Entry, without: impl Fn(&[Credential]) -> bool) -> Conclusion {
        let late = self.policy.late;
        self.memory.history().conclude_since(entry.made_by(late), late.late(), |_, views| without(views))
    }

    /// Asks for the read that a conclusion needs, or waits for its time.
    pub(crate) fn pursue(&self, conclusion: Conclusion, why: Wait) -> Check<bool> {
        match conclusion {
            Conclusion::Confirmed => Ok(true),
            Conclusion::Denied => Ok(false),
            Conclusion::LookAgain(at) if at <= self.now => look(Look::Directory(Detail::Plain)),
            Conclusion::LookAgain(at) => wait(at, why),
        }
    }

    /// Rule 9: no write, promotion or retirement while our clock and Graph's differ. Needs an answer of Graph in this pass.
    pub(crate) fn clock_agrees(&self) -> Check {
        self.live_directory(Detail::Plain)?;
        match self.memory.skew() {
            Some(skew) if skew.abs() > TOLERATED_SKEW => {
                let ahead = if skew < TimeDelta::zero() { "ahead of" } else { "behind" };
                let message = format!("The operator's clock is {} s {ahead} Entra's.", skew.abs().num_seconds());
                stop(self.now + self.policy.late.late() / 3, Wait::Refused(Refusal::new(Reason::ClockSkew, message)))
            }
            _ => Ok(()),
        }
    }

    /// Rule 6: an open whole-list update, of another resource or of another entry of this one, freezes the application.
    pub(crate) fn is_not_frozen(&self, entry: Option<&EntryId>) -> Check {
        let own = self
            .others(entry)
            .filter(|other| other.op.as_ref().is_some_and(|op| op.kind.is_whole_list()))
            .filter_map(|other| self.open(other));
        match own.chain(self.application.frozen(self.now)).max() {
            Some(until) => wait(until, Wait::Busy),
            None => Ok(()),
        }
    }

    /// Entries of this resource but one.
    pub(crate) fn others<'b>(&'b self, but: Option<&'b EntryId>) -> impl Iterator<Item = &'a Entry> + 'b {
        self.ledger.entries.iter().filter(move |entry| Some(&entry.id) != but)
    }

    /// Until when a write of this entry is open.
    pub(crate) fn open(&self, entry: &Entry) -> Option<Time> {
        match self.op(entry)? {
            OpState::Open { until } => Some(until),
            _ => None,
        }
    }

    /// Sends the write if its licence is good, else asks for the licence. Nothing is sent to another object than the ledger's: the rule that watches finds out
    /// whether it is another one.
    pub(crate) fn send(&self, entry: &Entry, licence: Licence, mutation: Mutation) -> Check {
        let read = self.memory.history().latest().map(|directory| directory.object_id);
        if self.ledger.target.as_ref().zip(read).is_some_and(|(target, read)| target.object_id != read) {
            return wait(self.now + self.policy.late.late() / 3, Wait::Settling);
        }
        let good = |op: &Op| op.outcome.is_none() && op.kind == licence.kind && op.kept == licence.kept && op.from == licence.from;
        let licensed = entry.op.as_ref().is_some_and(good);
        match self.op(entry) {
            Some(OpState::Unsent { fresh: true }) if licensed => act(Act::Send(entry.id.clone(), mutation)),
            _ => note(Fact::Licensed(entry.id.clone(), licence)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests;
