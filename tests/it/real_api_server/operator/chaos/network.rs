//! Connections that break, and ways on which nothing moves.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    random::Random,
    relay::{Mode, Relay, Side},
    scenario::{Stage, at_message},
};

const SPREAD: u64 = 40;

/// Cuts all connections on one of the ways, at any message.
pub(super) async fn cut(stage: &Stage<'_>, random: &mut Random) {
    let relay = random.one_of(&[&stage.world.api, &stage.world.graph]);
    let side = random.one_of(&[Side::Before, Side::After]);
    while !at_message(relay, random.up_to(SPREAD), side, relay.scissors()).await {}
    stage.supervisor.autopsy().await;
}

/// Lets nothing through on one of the ways, from any message on: for a moment, after which everything arrives late, or for so long that
/// nothing of it may arrive any more, and the Lease cannot be renewed.
pub(super) async fn hole(stage: &Stage<'_>, random: &mut Random) {
    let (relay, time, arrives): (&Relay, _, _) = random.one_of(&[
        (&stage.world.graph, Duration::from_millis(1500), true),
        (&stage.world.graph, Duration::from_secs(8), false),
        (&stage.world.api, Duration::from_millis(1500), true),
        (&stage.world.api, Duration::from_secs(12), false),
    ]);
    let side = random.one_of(&[Side::Before, Side::After]);
    while !at_message(relay, random.up_to(SPREAD), side, relay.switch(Mode::Hold)).await {}
    sleep(time).await;
    stage.supervisor.autopsy().await;
    if !arrives {
        relay.cut();
    }
    relay.set(Mode::Pass);
}
