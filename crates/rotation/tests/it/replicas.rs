//! Replicas that are behind cost time, never another credential.

use chrono::TimeDelta;
use rotation::Policy;
use rstest::rstest;

use crate::world::{World, certificate, secret, signing};

fn issued(policy: Policy, lag: i64) -> u32 {
    let mut world = World::new(policy);
    world.lag = TimeDelta::minutes(lag);
    world.run_for(TimeDelta::days(40));
    world.assert_settled();
    world.ledger.next_seq
}

#[rstest]
fn a_credential_that_replicas_do_not_show_yet_is_not_taken_for_gone(
    #[values(secret(6), certificate(6), signing(6))] policy: Policy,
    #[values(1, 3, 7, 11, 14)] lag: i64,
) {
    assert_eq!(issued(policy.clone(), lag), issued(policy, 0));
}
