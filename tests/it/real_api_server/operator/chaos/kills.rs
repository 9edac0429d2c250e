//! `kill -9`, as the kernel does where memory is short, and the end that kubelet asks for.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::sleep;

use super::{random::Random, relay::Side, scenario::Stage, supervisor::signal};

/// A roll-out takes some eighty messages for each resource: kills are spread over all of it.
const MESSAGES: u64 = 80;

pub(super) async fn kill(stage: &Stage<'_>, random: &mut Random) {
    end(stage, random, Signal::KILL).await;
}

/// Ends the operator so that the next one is of the other version: asked to, as in a roll-out of it, or killed.
pub(super) async fn take_turns(stage: &Stage<'_>, random: &mut Random) {
    let how = random.one_of(&[Signal::KILL, Signal::TERM]);
    end(stage, random, how).await;
}

/// At a message from now that nobody can foresee, between its requests or between a request and its answer.
async fn end(stage: &Stage<'_>, random: &mut Random, how: Signal) {
    let spread = MESSAGES * stage.extent.resources as u64 / stage.extent.disturbances.max(1) as u64;
    let relay = random.one_of(&[&stage.world.api, &stage.world.graph]);
    let (messages, side) = (random.up_to(spread.max(8)), random.one_of(&[Side::Before, Side::After]));
    let exits = stage.supervisor.exits();
    let victim = stage.leader().await.1.id();
    relay.trap(messages, side, signal(victim, how));
    while stage.supervisor.exits() == exits {
        sleep(Duration::from_millis(5)).await;
    }
}
