//! Whom Entra warns before a signing certificate expires. No reads for it alone: compared when the object is read anyway.

use super::pinned;
use crate::case::{Case, Licence, Mutation, Wait};
use crate::check::{Check, wait};
use crate::history::{Detail, Directory};
use crate::ledger::{Entry, OpKind};
use crate::op::OpState;
use crate::time::Time;

/// Sets the addresses where a read shows others than asked for; once for each difference.
pub(crate) fn notify(case: &Case<'_>) -> Check {
    let Some(current) = case.ledger.current().filter(|current| current.published_at.is_some()) else { return Ok(()) };
    let Some(wanted) = case.policy.signing().and_then(|signing| signing.notification_addresses.as_ref()) else { return Ok(()) };
    let Some(read) = case.memory.history().latest() else { return Ok(()) };
    if read.notification_addresses == *wanted || !has_settled(case, current) || is_contested(case) {
        return Ok(());
    }
    if let Some(until) = occupied(case, current) {
        return wait(until, Wait::Settling);
    }
    case.is_not_frozen(Some(&current.id))?;
    if case.live_directory(Detail::Plain)?.notification_addresses == *wanted {
        return Ok(());
    }
    case.clock_agrees()?;
    case.send(current, Licence::of(OpKind::SetNotificationAddresses), Mutation::SetNotificationAddresses(wanted.clone()))
}

/// Until when the record of another write of this entry is needed: what it did may not show yet.
fn occupied(case: &Case<'_>, current: &Entry) -> Option<Time> {
    let op = current.op.as_ref().filter(|op| op.kind != OpKind::SetNotificationAddresses && case.op(current) != Some(OpState::Refused));
    let settled = op.map(|op| op.at + case.policy.late.open()).filter(|until| case.now < *until);
    settled.max(case.open(current))
}

/// A read says something about the last update only once that is over: a lagging read is no reason to repeat it.
fn has_settled(case: &Case<'_>, current: &Entry) -> bool {
    let Some(op) = current.op.as_ref().filter(|op| op.kind == OpKind::SetNotificationAddresses) else { return true };
    let over = op.at + case.policy.late.open();
    match case.op(current) {
        Some(OpState::Unsent { .. } | OpState::Refused) | None => true,
        Some(_) => case.memory.history().read_at().is_some_and(|read| read >= over),
    }
}

/// The record that a pin was set again must not be overwritten while somebody contests it.
fn is_contested(case: &Case<'_>) -> bool {
    let preferred = case.memory.history().latest().and_then(Directory::preferred_thumbprint);
    pinned(case).is_some_and(|pinned| preferred != Some(pinned))
}
