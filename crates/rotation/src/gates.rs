//! What holds a proven successor up: windows.

use crate::case::{Case, Wait};
use crate::check::{Check, wait};
use crate::ledger::Entry;
use crate::{proving, schedule};

/// Promotion and activation wait for a window, if one opens before the deadline. Nothing waits while the present credential is of no use or is revoked.
pub(crate) fn await_window(case: &Case<'_>, upcoming: &Entry) -> Check {
    if is_urgent(case) || case.policy.windows.are_open(case.now) {
        return Ok(());
    }
    let deadline = schedule::deadline(case.ledger, upcoming, case.policy.late);
    match case.policy.windows.next_opening(case.now) {
        Some(opens) if opens < deadline => wait(opens, Wait::AwaitingWindow),
        _ => Ok(()),
    }
}

/// Whether the successor must take over as soon as it works.
pub(crate) fn is_urgent(case: &Case<'_>) -> bool {
    let Some(current) = case.ledger.current() else { return true };
    case.policy.revokes(current, case.now) || case.memory.is_unhealable(&current.id) || proving::is_useless(case, current)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
