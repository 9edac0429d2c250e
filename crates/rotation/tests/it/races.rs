//! Two processes that both believe they lead.

use chrono::TimeDelta;
use rotation::*;
use rstest::rstest;

use crate::world::{World, certificate, secret, signing};

/// Signing certificates whose keys are made by the operator.
fn own_key(days: i64) -> Policy {
    let mut policy = signing(days);
    if let Kind::TokenSigning(signing) = &mut policy.kind {
        signing.key_source = KeySource::Operator { has_proof: false };
    }
    policy
}

#[rstest]
fn who_lost_the_race_for_an_entry_does_not_take_its_own_key_for_the_one_of_the_entry(#[values(certificate(6), own_key(6))] policy: Policy) {
    let mut world = World::new(policy);
    let Step::Note(Fact::Claimed(ours)) = world.run_until(|_, step| matches!(step, Step::Note(Fact::Claimed(_)))) else { unreachable!() };
    let fresh = world.memory.fresh_key().unwrap().clone();
    assert_eq!(fresh.entry, ours.id);
    // The other process claims the same entry, with a key that it made itself.
    let theirs = world.make_certificate(fresh.not_after, vec![]).thumbprint;
    let mut claim = ours;
    match &mut claim.detail {
        EntryDetail::ClientCertificate { thumbprint, .. } => *thumbprint = theirs,
        EntryDetail::TokenSigning(signing) => signing.thumbprint = Some(theirs),
        EntryDetail::ClientSecret { .. } => unreachable!(),
    }
    let stamp = Stamp { now: world.now, nonce: "theirs".to_owned() };
    world.ledger = world.ledger.apply(&Fact::Claimed(claim), &stamp, &world.policy, &Memory::new(world.now));
    let step = world.run_until(|world, step| {
        let uses_a_key = matches!(step, Step::Act(Act::PostSlot(..) | Act::Send(..)));
        uses_a_key || matches!(step, Step::Note(_)) || world.now > fresh.not_after
    });
    assert!(matches!(step, Step::Note(Fact::Abandoned(_))), "{step:?}");
}

#[rstest]
fn a_credential_on_trial_that_somebody_removes_is_replaced(#[values(certificate(6), secret(6), own_key(6), signing(6))] policy: Policy) {
    let mut world = World::new(policy);
    world.run_for(TimeDelta::hours(4));
    let current = world.ledger.current().unwrap().id.clone();
    let is_made = |world: &World| world.ledger.upcoming().is_some() && world.live() > 1;
    world.run_until(|world, _| is_made(world));
    world.somebody_removes_all_but(std::slice::from_ref(&current));
    // What signs is looked for once its soak is over.
    world.run_for(TimeDelta::hours(36));
    assert_ne!(world.ledger.current().unwrap().id, current, "{:#?}", world.effects);
    assert!(world.live() >= 1 && world.ledger.current().is_some_and(|current| current.published_at.is_some()));
}
