//! Sign-ins with the credential of one entry.

use crate::time::Time;

/// Sign-ins in a row that prove a credential.
pub(crate) const PROOFS: usize = 5;

/// How one sign-in with a credential ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignInResult {
    /// Accepted.
    Accepted,
    /// Refused for a reason about the credential.
    Refused,
    /// Refused for another reason, such as conditional access.
    CannotProve,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct SignIns {
    pub(crate) accepted: Vec<Time>,
    pub(crate) refused: Vec<Time>,
    pub(crate) unprovable: u32,
    pub(crate) last: Option<(u64, Time)>,
}

impl SignIns {
    pub(super) fn record(&mut self, result: SignInResult, tick: u64, now: Time) {
        self.last = Some((tick, now));
        match result {
            SignInResult::Accepted => {
                self.refused.clear();
                self.unprovable = 0;
                self.accepted.push(now);
                let excess = self.accepted.len().saturating_sub(PROOFS);
                self.accepted.drain(..excess);
            }
            SignInResult::Refused => {
                self.accepted.clear();
                self.refused.push(now);
                if self.refused.len() > PROOFS {
                    self.refused.remove(1);
                }
            }
            SignInResult::CannotProve => {
                self.accepted.clear();
                self.unprovable = self.unprovable.saturating_add(1);
            }
        }
    }
}
