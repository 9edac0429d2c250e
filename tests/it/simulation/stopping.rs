//! Told to stop, the operator ends what it has in hand, begins nothing more, and gives up the Lease.

use std::time::Duration;

use chrono::TimeDelta;
use entra_emulator::{Effect, Fault, Match, Operation};
use rstest::rstest;
use serde_json::{Value, json};

use simulator::effects::Effects;
use simulator::world::World;

const PACE: Duration = Duration::from_secs(300);

fn holder(world: &World) -> Value {
    world.cluster.get("leases.coordination.k8s.io", "entra-rotator", "entra-rotator").unwrap()["spec"]["holderIdentity"].clone()
}

/// Runs the operator until it has sent its first write, and tells it to stop then. The answer is how many requests Entra had received by then.
async fn stop_at_the_first_write(world: &World) -> usize {
    let sent = async {
        while world.writes().is_empty() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        world.entra.calls().len()
    };
    world.drive(PACE, sent).await
}

#[rstest]
#[case::secret(json!({"clientSecret": {}}), Operation::AddPassword)]
#[case::certificate(json!({"clientCertificate": {}}), Operation::Patch)]
#[case::signing(json!({"tokenSigningCertificate": {}}), Operation::AddTokenSigningCertificate)]
#[tokio::test(start_paused = true)]
async fn a_write_is_brought_to_its_end_nothing_is_begun_and_the_lease_is_given_up(#[case] spec: Value, #[case] write: Operation) {
    let world = World::new(&spec, Effects::default()).await;
    let slow = world.entra.inject(Fault::always(Match::any(), Effect::slow(Duration::from_secs(20))));
    let received = stop_at_the_first_write(&world).await;
    assert_eq!(
        world.entra.calls().len(),
        received,
        "requests that were begun after being told to stop: {:#?}",
        &world.entra.calls()[received..]
    );
    assert_eq!(holder(&world), "");
    world.entra.withdraw(slow);
    world.run_for(TimeDelta::hours(2)).await;
    assert_eq!(world.condition("Ready"), "True/Published", "{:#}", world.resource()["status"]);
    assert_eq!(world.writes().iter().filter(|made| **made == write).count(), 1, "{:?}", world.writes());
}
