use chrono::TimeDelta;
use rstest::rstest;

use super::*;
use crate::sample::at;

const LATE: TimeDelta = TimeDelta::minutes(15);

fn refused(minutes: impl IntoIterator<Item = i64>) -> Memory {
    let mut memory = Memory::new(at(0));
    minutes.into_iter().for_each(|minute| memory.proof_was_refused(at(minute)));
    memory
}

#[rstest]
#[case(vec![], false)]
#[case(vec![0, 15], false)]
#[case(vec![0, 7, 14], false)]
#[case(vec![0, 7, 15], true)]
fn proofs_are_hopeless_after_three_refusals_that_span_late(#[case] minutes: Vec<i64>, #[case] hopeless: bool) {
    assert_eq!(refused(minutes).proof_is_hopeless(LATE), hopeless);
}

#[test]
fn a_write_that_was_applied_clears_the_refusals_before() {
    let mut memory = refused([0, 7]);
    memory.answered("nonce", Answer::Applied(None));
    memory.proof_was_refused(at(100_000));
    assert!(!memory.proof_is_hopeless(LATE));
}

#[test]
fn refusals_are_remembered_within_bounds() {
    let memory = refused(0..10_000);
    assert!(memory.proof_is_hopeless(LATE) && memory.proof_refusals.len() <= 8);
}

#[test]
fn what_was_others_stays_known_within_bounds() {
    let mut memory = Memory::new(at(0));
    for n in 0..10_000 {
        memory.others_own(BTreeSet::from([KeyId::new(uuid::Uuid::from_u128(n))]));
    }
    let known = (0..10_000).filter(|n| memory.was_others(&KeyId::new(uuid::Uuid::from_u128(*n))));
    assert!(memory.was_others(&KeyId::new(uuid::Uuid::from_u128(10_000 - REMEMBERED as u128))));
    assert!((REMEMBERED..=2 * REMEMBERED).contains(&known.count()));
}
