//! Token signing certificates in full: approval, withdrawal, windows, pins, outside changes, addresses, keys of one's own.

mod approval;
mod facts;
mod notify;
mod own_key;
mod pairs;
mod pin;
mod revocation;
mod signers;
mod stages;
mod vanished;
mod whims;
mod withdrawal;

use chrono::TimeDelta;
use entra_types::Thumbprint;
use rotation::*;

use crate::world::{Fault, World, signing_with, time};

pub const FAULTS: [Fault; 4] = [Fault::CrashBefore, Fault::CrashAfter, Fault::AnswerLost, Fault::AppliedLate];

pub fn hours(h: i64) -> TimeDelta {
    TimeDelta::hours(h)
}

pub fn minutes(m: i64) -> TimeDelta {
    TimeDelta::minutes(m)
}

/// A signing certificate of so many days, of which more is asked.
pub fn asked(days: i64, ask: impl FnOnce(&mut SigningPolicy)) -> Policy {
    let mut policy = signing_with(days, Metadata::Ignore);
    let Kind::TokenSigning(signing) = &mut policy.kind else { unreachable!() };
    ask(signing);
    policy
}

pub fn change(world: &mut World, ask: impl FnOnce(&mut SigningPolicy)) {
    let Kind::TokenSigning(signing) = &mut world.policy.kind else { unreachable!() };
    ask(signing);
    world.policy.generation += 1;
}

pub fn pin(world: &mut World, thumbprint: Option<Thumbprint>) {
    change(world, |signing| signing.pinned = thumbprint);
}

/// The thumbprint of the first entry of this use.
pub fn of(world: &World, r#use: Use) -> Option<Thumbprint> {
    world.ledger.first(r#use).and_then(Entry::thumbprint)
}

pub fn names(world: &World) -> Vec<&str> {
    world.effects.iter().map(|effect| effect.split_once(' ').unwrap().1).collect()
}

pub fn count(world: &World, effect: &str) -> usize {
    names(world).iter().filter(|name| **name == effect).count()
}

/// D of the present certificate.
pub fn deadline(world: &World) -> Time {
    let current = world.ledger.current().unwrap();
    let end = current.not_after.unwrap();
    end - ((end - current.issued_at) / 10).min(hours(24))
}

/// Who alone can sign, and is what the output shows.
pub fn assert_signs(world: &World, thumbprint: Thumbprint) {
    assert_eq!(world.signers(), [thumbprint], "{:#?}", world.effects);
    assert_eq!(world.output.as_ref().and_then(|shown| shown.current.thumbprint()), Some(thumbprint), "{:#?}", world.effects);
}

/// The refusal of the rest that a pass from now ends in.
pub fn refusal(world: &mut World) -> Option<Reason> {
    let rest = std::cell::RefCell::new(None);
    let _ = world.pass(&|_, step| {
        if let Step::Rest(Rest { why, .. }) = step {
            *rest.borrow_mut() = Some(why.clone());
        }
        false
    });
    match rest.into_inner() {
        Some(Wait::Refused(refusal)) => Some(refusal.reason),
        _ => None,
    }
}

/// The moments at which an undisturbed world does something.
pub fn moments(policy: &Policy, prepare: impl Fn(&mut World), span: TimeDelta) -> Vec<Time> {
    let mut world = World::new(policy.clone());
    prepare(&mut world);
    world.run_for(span);
    let mut moments: Vec<_> = world.effects.iter().map(|effect| time(effect.split(' ').next().unwrap())).collect();
    moments.dedup();
    moments
}

/// Runs a prepared world once for every fault at every effect of the undisturbed run from `from` on.
pub fn with_every_fault(policy: &Policy, prepare: impl Fn(&mut World), span: TimeDelta, check: impl Fn(&mut World)) {
    let mut undisturbed = World::new(policy.clone());
    prepare(&mut undisturbed);
    undisturbed.run_for(span);
    check(&mut undisturbed);
    for effect in 0..undisturbed.effects.len() {
        for fault in FAULTS {
            println!("{fault:?} at {effect}: {}", undisturbed.effects[effect]);
            let mut world = World::new(policy.clone());
            prepare(&mut world);
            world.faults = vec![(effect, fault)];
            world.run_for(span + hours(8));
            check(&mut world);
        }
    }
}
