//! SAML token signing certificates, made by Entra or by us: created inactive, published as next, soaked, activated, published as current.

mod activate;
mod begin;
mod create;
mod gates;
mod notify;
mod own_key;
mod pin;
mod projection;
mod watch;

pub(crate) use activate::{is_chosen, pass_gates};
pub(crate) use begin::begin;
pub(crate) use create::{carries_mark, identified, unidentified};
pub(crate) use gates::{Overdue, hold_back, is_withdrawn, latch_approval, overdue};
pub(crate) use notify::notify;
pub(crate) use own_key::is_own_link;
pub(crate) use pin::{obey_pin, pinned};
pub(crate) use projection::projection;
pub(crate) use watch::{is_confirmed_signer, watch_signer};

use crate::case::Case;
use crate::check::Check;
use crate::ledger::Entry;

/// Nothing goes on under a pin: the rule that obeys it decides what becomes of a successor.
pub(crate) fn carry_on(case: &Case<'_>, upcoming: &Entry) -> Check {
    let Some(signing) = upcoming.signing() else { return Ok(()) };
    if pinned(case).is_some() {
        return Ok(());
    }
    match signing.thumbprint {
        None => create::create(case, upcoming),
        Some(thumbprint) => {
            own_key::bring(case, upcoming, thumbprint)?;
            activate::activate(case, upcoming, signing, thumbprint)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
