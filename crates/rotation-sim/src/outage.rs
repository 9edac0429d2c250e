//! Graph and the token endpoint while they do not answer as they should.

use chrono::TimeDelta;
use rotation::*;

use crate::World;

/// A time without proper answers.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// How requests end.
    pub kind: OutageKind,
    /// The first moment of it.
    pub from: Time,
    /// The first moment after it.
    pub until: Time,
}

/// How requests end in an outage.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OutageKind {
    /// 429, with a Retry-After of at most five minutes.
    Throttled,
    /// No answer at all.
    Unreachable,
}

impl World {
    fn silence(&self) -> Option<Outage> {
        self.outage.filter(|outage| outage.from <= self.now && self.now < outage.until)
    }

    /// Whether a read or sign-in fails now. Then the pass ends as the operator's shell ends it: a throttle is waited out, anything else is noted.
    pub(crate) fn is_cut_off(&mut self) -> bool {
        let Some(outage) = self.silence() else { return false };
        let again = match outage.kind {
            OutageKind::Throttled => self.now + (outage.until - self.now).min(TimeDelta::minutes(5)),
            OutageKind::Unreachable => {
                let message = "Graph does not answer.".to_owned();
                self.note(&Fact::Failed(Trouble { reason: Reason::Unavailable, message, wait: None }));
                self.ledger.rotation.next_attempt.unwrap_or(self.now)
            }
        };
        self.cut = Some(again.max(self.now + TimeDelta::seconds(1)));
        true
    }

    /// The same for a write: nobody knows whether it was applied. It was not.
    pub(crate) fn is_cut_off_from_writing(&mut self, op: &Op) -> bool {
        if self.silence().is_none() {
            return false;
        }
        self.memory.answered(&op.nonce, Answer::Unknown);
        self.is_cut_off()
    }
}
