//! A status from a backup: every one that was written until the second credential was published, restored once the third one is.

use chrono::TimeDelta;
use rotation::{EntryId, Fact, Ledger, Policy, Projection, SlotName, Step};
use rstest::rstest;

use crate::world::{UID, World, certificate, secret, signing};

/// Runs until so many credentials were published, and answers every ledger on the way.
fn published(world: &mut World, credentials: usize) -> Vec<Ledger> {
    let ledgers = std::cell::RefCell::new(vec![]);
    for _ in 0..credentials {
        let step = world.run_until(|world, step| {
            ledgers.borrow_mut().push(world.ledger.clone());
            matches!(step, Step::Note(Fact::Published(_)))
        });
        world.take(step);
    }
    let mut ledgers = ledgers.into_inner();
    ledgers.dedup();
    ledgers
}

/// The number of the credential that the output names.
fn number(shown: &Projection) -> u32 {
    (0..64).find(|seq| EntryId::derive(UID, *seq) == shown.entry).unwrap()
}

/// Runs for a day of the three that a credential lives, and asserts that what is published never is an older one.
fn run_on(world: &mut World) {
    let latest = std::cell::Cell::new(number(world.output.as_ref().unwrap()));
    let end = world.now + TimeDelta::hours(24);
    while world.now < end {
        world.run_until(|world, _| {
            let shown = world.output.as_ref().map_or_else(|| latest.get(), number);
            assert!(shown >= latest.replace(shown), "an older credential is published at {}: {:#?}", world.now, world.effects);
            world.now >= end
        });
    }
}

#[rstest]
fn what_is_published_stays_so_over_a_status_from_a_backup(
    #[values(secret(3), certificate(3), signing(3))] policy: Policy,
    #[values(false, true)] is_process_new: bool,
    #[values(false, true)] slots_are_lost: bool,
) {
    let backups = published(&mut World::new(policy.clone()), 2);
    assert!(backups.len() > 5);
    for backup in backups {
        let mut world = World::new(policy.clone());
        published(&mut world, 3);
        world.run_for(TimeDelta::minutes(1));
        let shown = world.output.clone().unwrap();
        println!("{:?}", backup.entries.iter().map(|entry| (entry.seq, entry.r#use)).collect::<Vec<_>>());
        world.ledger = backup;
        if slots_are_lost {
            SlotName::ALL.iter().for_each(|name| drop(world.slots.remove(name)));
        }
        if is_process_new {
            world.restart();
        }
        run_on(&mut world);
        assert!(world.ledger.current().unwrap().id == shown.entry || number(world.output.as_ref().unwrap()) > number(&shown));
    }
}
