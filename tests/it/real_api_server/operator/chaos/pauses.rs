//! A replica that is stopped in the middle of its work, and goes on when another has taken over.

use std::time::Duration;

use chrono::Utc;
use rustix::process::Signal;
use tokio::time::sleep;

use super::{
    random::Random,
    relay::Side,
    scenario::{Stage, at_message},
    supervisor::signal,
};
use crate::real_api_server::operator::audit::writes_by_token;

const POLL: Duration = Duration::from_millis(50);
const SPREAD: u64 = 30;

/// Stops the leader at any message to Entra, lets it go on once the other replica works, and sees that it does nothing more.
pub(super) async fn pause(stage: &Stage<'_>, random: &mut Random) {
    let (messages, side) = (random.up_to(SPREAD), random.one_of(&[Side::Before, Side::After]));
    let (pod, leader) = loop {
        let (pod, leader) = stage.leader().await;
        let was_sent = at_message(&stage.world.graph, messages, side, signal(leader.id(), Signal::STOP)).await;
        if was_sent && leader.stopped().await {
            break (pod, leader);
        }
    };
    let said = leader.log().len();
    stage.supervisor.autopsy().await;
    while [String::new(), pod.clone()].contains(&stage.holder().await) {
        sleep(POLL).await;
    }
    let begun = stage.world.graph.messages();
    // The other one is at work, unless there is none left.
    for _ in 0..40 {
        if stage.world.graph.messages() >= begun + messages {
            break;
        }
        sleep(POLL).await;
    }
    stage.supervisor.autopsy().await;
    let resumed = Utc::now();
    leader.send(Signal::CONT);
    assert_eq!(leader.exit_code().await, Some(1), "{}", leader.last_lines(""));
    assert_silent(&leader.log()[said..]);
    let written = writes_by_token(&stage.world.cluster, &stage.world.token_id(&pod), resumed);
    assert!(written.is_empty(), "the replica that had been stopped still wrote: {written:#?}");
}

/// Nothing was sent to Entra. What was noted before may be logged only now.
fn assert_silent(log: &str) {
    let lines = |says: &str| log.lines().filter(|line| line.contains(says)).collect::<Vec<_>>();
    let (begun, withheld) = (lines(r#""message":"sending""#), lines(r#""message":"not sent: it took too long"#));
    assert!(begun.len() <= withheld.len(), "the replica that had been stopped still acted: {begun:#?}");
}
