//! Leave to send one request, which is accounted for whatever becomes of it.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Lane, Pacing, Share};
use crate::environment::Clock;

/// One request that was let go. Dropped, also with a call that is given up, it counts as answered then; or as never sent, if nobody said that it was.
pub(crate) struct Permit {
    pub(super) pacing: Arc<Mutex<Pacing>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lane: Lane,
    pub(super) share: Share,
    pub(super) is_sent: bool,
}

impl Permit {
    /// A permit for a request that the pacing has let go.
    pub(crate) fn new(pacing: &Arc<Mutex<Pacing>>, clock: &Arc<dyn Clock>, lane: Lane, share: &Share) -> Self {
        Self { pacing: Arc::clone(pacing), clock: Arc::clone(clock), lane, share: Share::clone(share), is_sent: false }
    }

    /// The request goes out now.
    pub(crate) const fn sent(&mut self) {
        self.is_sent = true;
    }

    /// It turned out that it did not.
    pub(crate) const fn not_sent(&mut self) {
        self.is_sent = false;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let now = self.clock.now();
        let mut pacing = self.pacing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_sent {
            pacing.done(self.lane, &self.share, now);
        } else {
            pacing.give_back(self.lane, &self.share);
        }
    }
}
