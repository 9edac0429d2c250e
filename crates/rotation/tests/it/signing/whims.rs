//! People who change their mind at any moment, about everything, while things fail.

use rotation::*;
use rstest::rstest;

use super::*;

/// A small generator: the same whims for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn chance(&mut self, in_100: u64) -> bool {
        self.roll(100) < in_100
    }
}

/// What somebody asks for next, or does in Entra.
fn whim(world: &mut World, dice: &mut Dice) {
    match dice.roll(16) {
        0 => change(world, |signing| signing.needs_approval = !signing.needs_approval),
        1 => change(world, |signing| {
            signing.on_deadline = if signing.on_deadline == OnDeadline::Activate { OnDeadline::Withdraw } else { OnDeadline::Activate };
        }),
        2 => world.policy.approved = world.ledger.upcoming().map(|next| next.id.clone()),
        3 => {
            let among: Vec<_> = world.ledger.entries.iter().filter_map(Entry::thumbprint).collect();
            let chosen = usize::try_from(dice.roll(5)).unwrap();
            pin(world, among.get(chosen).copied());
        }
        4 => pin(world, None),
        5 => {
            let sources = [KeySource::Entra, KeySource::Operator { has_proof: true }, KeySource::Operator { has_proof: false }];
            let source = sources[usize::try_from(dice.roll(3)).unwrap()];
            change(world, |signing| signing.key_source = source);
        }
        6 => world.policy.suspend = !world.policy.suspend,
        7 => world.policy.not_issued_before = Some(world.now),
        8 => world.policy.revoke_issued_before = dice.chance(30).then_some(world.now - hours(24)),
        9 => {
            let mailed = std::collections::BTreeSet::from([format!("{}@example.org", dice.roll(3))]);
            change(world, |signing| signing.notification_addresses = Some(mailed));
        }
        10 => {
            let nightly = Window::parse("0 3 * * *", "Europe/Berlin", hours(1), world.now).unwrap();
            world.policy.windows = Windows::new(if dice.chance(50) { vec![nightly] } else { vec![] });
        }
        11..=14 => trouble(world, dice),
        _ => prefer_something_known(world, dice),
    }
}

/// What goes wrong for a while.
fn trouble(world: &mut World, dice: &mut Dice) {
    let until = world.now + minutes(i64::try_from(10 + dice.roll(600)).unwrap());
    match dice.roll(5) {
        0 => world.denied = Some((world.now, until)),
        1 => world.proofs_refused = Some((world.now, until)),
        2 => world.down = Some((world.now, until)),
        3 => world.answers_are_unreadable = !world.answers_are_unreadable,
        // Where nothing valid is preferred, Entra may sign with a new one before anybody has read it.
        _ if world.signers().iter().any(|signer| world.entra.preferred == Some(signer.to_string())) => {
            world.somebody_adds_a_signing_certificate(until + hours(24 * 20));
        }
        _ => {}
    }
}

/// An admin chooses among what the output shows.
fn prefer_something_known(world: &mut World, dice: &mut Dice) {
    let Some(shown) = &world.output else { return };
    let able: Vec<_> = shown.bundle.iter().filter(|thumbprint| world.signers().contains(thumbprint) || world.lists(**thumbprint)).collect();
    let index = usize::try_from(dice.roll(4)).unwrap();
    if let Some(thumbprint) = able.get(index) {
        world.entra.preferred = Some(thumbprint.to_string());
    }
}

/// Nobody can help it where nothing signs, or where a person lets it come to that.
fn excuse(world: &mut World) {
    let signer = world.signers();
    let lasts = world.ledger.current().is_some_and(|current| {
        current.is_valid_at(world.now + hours(4)) && signer.iter().all(|thumbprint| current.thumbprint() == Some(*thumbprint))
    });
    world.gap_excused = !lasts;
}

fn calm(world: &mut World) {
    change(world, |signing| {
        (signing.needs_approval, signing.pinned, signing.on_deadline) = (false, None, OnDeadline::Activate);
    });
    (world.policy.suspend, world.policy.revoke_issued_before, world.policy.not_issued_before) = (false, None, None);
}

fn live_through(seed: u64, lag: i64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut world = World::new(asked(10, |_| {}));
    world.lag = minutes(lag);
    world.run_for(hours(1));
    for _ in 0..160 {
        excuse(&mut world);
        if dice.chance(35) {
            whim(&mut world, &mut dice);
        }
        if dice.chance(20) {
            let fault = FAULTS[usize::try_from(dice.roll(4)).unwrap()];
            let effect = world.effects.len() + usize::try_from(dice.roll(5)).unwrap();
            world.faults.push((effect, fault));
        }
        world.run_for(minutes(i64::try_from(1 + dice.roll(240)).unwrap()));
    }
    calm(&mut world);
    world.run_for(hours(24 * 12));
    world.gap_excused = false;
    world.run_for(hours(24 * 8));
    world.assert_settled();
    assert_eq!(world.ledger.current().map(|current| current.origin), Some(Origin::Made));
}

#[rstest]
fn whoever_changes_their_mind_leaves_neither_gap_nor_litter(#[values(0, 5)] lag: i64) {
    for seed in 0..60 {
        println!("seed {seed}");
        live_through(seed, lag);
    }
}
