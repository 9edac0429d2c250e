#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use chrono::{DateTime, Utc};
use futures::future::join_all;
use kube_sim::{KubeSim, RequestInfo, Verb, Verdict as Fate};
use rotation::Lateness;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::*;

mod confirm;
mod fence;
mod suspended;

const DURATION: Duration = Duration::from_secs(15);
/// A holder relies on a renewal for so long.
const TRUST: Duration = Duration::from_secs(10);
const RENEWAL: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(1500);

struct Ticking {
    start: DateTime<Utc>,
    begun: Instant,
}

impl Clock for Ticking {
    fn now(&self) -> DateTime<Utc> {
        self.start + self.begun.elapsed()
    }
}

fn ticking_from(start: &str) -> Arc<Ticking> {
    Arc::new(Ticking { start: start.parse().unwrap(), begun: Instant::now() })
}

struct Standing;

impl Clock for Standing {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }
}

fn cluster() -> KubeSim {
    let sim = KubeSim::builder().seed(1).build().unwrap();
    sim.create_namespace("ours");
    sim
}

fn settings(identity: &str) -> Settings {
    Settings {
        namespace: "ours".to_owned(),
        identity: identity.to_owned(),
        lease_name: "turns".to_owned(),
        lease_duration: DURATION,
        reach: crate::settings::Reach::Cluster,
        late: Lateness::default(),
        watch_timeout: crate::settings::WATCH_TIMEOUT,
        allow_custom_endpoints: false,
        ambient: crate::settings::Ambient::default(),
    }
}

fn replica(sim: &KubeSim, identity: &str) -> Election {
    Election::new(sim.client(), &settings(identity), ticking_from("2026-01-01T00:00:00Z"))
}

fn lease(sim: &KubeSim) -> Value {
    sim.get("leases.coordination.k8s.io", "ours", "turns").unwrap()
}

fn holder(sim: &KubeSim) -> String {
    lease(sim)["spec"]["holderIdentity"].as_str().unwrap().to_owned()
}

/// A cluster whose first replica leads.
async fn led() -> (KubeSim, Election) {
    let sim = cluster();
    let first = replica(&sim, "first");
    first.acquire().await;
    (sim, first)
}

/// Puts a Lease of somebody else in place of the one that is there.
fn usurp(sim: &KubeSim, by: &str) {
    sim.put(json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "turns", "namespace": "ours"},
        "spec": {"holderIdentity": by, "leaseDurationSeconds": 15, "acquireTime": "2020-01-01T00:00:00.000000Z", "leaseTransitions": 9},
    }));
}

/// Every write of a Lease meets this fate.
fn writes(fate: Fate) -> impl Fn(&RequestInfo) -> Fate + Send + Sync {
    move |request| if request.changes("leases") { fate.clone() } else { Fate::Pass }
}

#[tokio::test(start_paused = true)]
async fn the_first_replica_makes_the_lease_and_leads() {
    let (sim, first) = led().await;
    first.confirm().await.unwrap();
    let spec = &lease(&sim)["spec"];
    assert_eq!(spec["holderIdentity"], "first");
    assert_eq!(spec["leaseDurationSeconds"], 15);
    assert_eq!(spec["leaseTransitions"], 0);
    assert_eq!(spec["acquireTime"], "2026-01-01T00:00:00.000000Z");
}

#[tokio::test(start_paused = true)]
async fn nobody_leads_who_has_not_acquired_the_lease() {
    let sim = cluster();
    let idle = replica(&sim, "idle");
    assert!(matches!(idle.confirm().await, Err(NotLeader::Unheld { .. })));
    assert!(matches!(idle.hold().await, Lost::Released { .. }));
    usurp(&sim, "idle");
    assert!(matches!(idle.confirm().await, Err(NotLeader::Unheld { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_second_replica_waits_while_the_first_renews() {
    let sim = cluster();
    let (first, second) = (replica(&sim, "first"), replica(&sim, "second"));
    first.acquire().await;
    let (renewing, waiting) = (first.clone(), second.clone());
    let renewing = tokio::spawn(async move { renewing.hold().await });
    assert!(timeout(Duration::from_secs(3600), waiting.acquire()).await.is_err());
    assert!(!renewing.is_finished());
    first.confirm().await.unwrap();
    assert_eq!(holder(&sim), "first");
    assert_eq!(lease(&sim)["spec"]["leaseTransitions"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_renewals_are_forgotten_as_the_cluster_was_restored_ends() {
    let (sim, first) = led().await;
    let backup = lease(&sim);
    let renewing = tokio::spawn(async move { first.hold().await });
    sleep(RENEWAL * 2 + LOOK).await;
    assert_ne!(lease(&sim)["spec"]["renewTime"], backup["spec"]["renewTime"]);
    sim.put(backup);
    let lost = timeout(DURATION, renewing).await.unwrap().unwrap();
    assert!(matches!(lost, Lost::Forgotten { .. }), "{lost}");
}

#[tokio::test(start_paused = true)]
async fn a_second_replica_takes_over_after_the_duration_of_silence_and_not_before() {
    let sim = cluster();
    let (first, second) = (replica(&sim, "first"), replica(&sim, "second"));
    first.acquire().await;
    let silent_since = Instant::now();
    second.acquire().await;
    let waited = silent_since.elapsed();
    assert!(waited >= DURATION && waited <= DURATION + LOOK, "{waited:?}");
    second.confirm().await.unwrap();
    assert_eq!(lease(&sim)["spec"]["leaseTransitions"], 1);
    assert!(matches!(first.confirm().await, Err(NotLeader::Taken { holder, .. }) if holder == "second"));
}

#[tokio::test(start_paused = true)]
async fn a_replica_whose_wall_clock_stands_still_is_not_taken_for_silent() {
    let sim = cluster();
    let first = Election::new(sim.client(), &settings("first"), Arc::new(Standing));
    first.acquire().await;
    let renewing = first.clone();
    tokio::spawn(async move { renewing.hold().await });
    assert!(timeout(DURATION * 20, replica(&sim, "second").acquire()).await.is_err());
    first.confirm().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_replica_whose_wall_clock_is_years_ahead_takes_nothing_early() {
    let sim = cluster();
    replica(&sim, "first").acquire().await;
    let second = Election::new(sim.client(), &settings("second"), ticking_from("2036-01-01T00:00:00Z"));
    assert!(timeout(DURATION - Duration::from_millis(1), second.acquire()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_expired_lease_is_won_by_one_of_many() {
    let sim = cluster();
    usurp(&sim, "dead");
    // All read at once, and all answers come late: everybody judges the same Lease.
    sim.intercept(|request: &RequestInfo| match request.verb {
        Verb::Get => Fate::ApplyThenDelay(Duration::from_secs(1)),
        _ => Fate::Pass,
    });
    let replicas: Vec<_> = (0..20).map(|number| replica(&sim, &format!("replica-{number}"))).collect();
    let won = join_all(replicas.iter().map(|replica| timeout(DURATION + LOOK * 3, replica.acquire()))).await;
    assert_eq!(won.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let confirmed = join_all(replicas.iter().map(Election::confirm)).await;
    assert_eq!(confirmed.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(lease(&sim)["spec"]["leaseTransitions"], 10);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_does_not_exist_is_made_by_one_of_many() {
    let sim = cluster();
    sim.intercept(|request: &RequestInfo| match request.verb {
        Verb::Get => Fate::ApplyThenDelay(Duration::from_secs(1)),
        _ => Fate::Pass,
    });
    let replicas: Vec<_> = (0..20).map(|number| replica(&sim, &format!("replica-{number}"))).collect();
    let won = join_all(replicas.iter().map(|replica| timeout(LOOK * 3, replica.acquire()))).await;
    assert_eq!(won.iter().filter(|outcome| outcome.is_ok()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn release_hands_over_at_once() {
    let sim = cluster();
    let (first, second) = (replica(&sim, "first"), replica(&sim, "second"));
    first.acquire().await;
    let waiting = tokio::spawn(async move {
        second.acquire().await;
        second
    });
    sleep(Duration::from_secs(1)).await;
    first.release().await;
    assert_eq!(holder(&sim), "");
    assert!(matches!(first.confirm().await, Err(NotLeader::Unheld { .. })));
    let released = Instant::now();
    let second = waiting.await.unwrap();
    assert!(released.elapsed() <= LOOK, "{:?}", released.elapsed());
    second.confirm().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn release_succeeds_though_the_last_renewal_s_answer_was_lost() {
    let (sim, first) = led().await;
    sim.intercept(|request: &RequestInfo| if request.changes("leases") { Fate::ApplyThenDrop } else { Fate::Drop });
    assert!(timeout(Duration::from_secs(6), first.hold()).await.is_err());
    sim.stop_intercepting();
    first.release().await;
    assert_eq!(holder(&sim), "");
}

#[tokio::test(start_paused = true)]
async fn release_leaves_a_lease_alone_that_another_has_taken() {
    let (sim, first) = led().await;
    usurp(&sim, "second");
    first.release().await;
    assert_eq!(holder(&sim), "second");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_was_lost_loses_nothing() {
    let (sim, first) = led().await;
    let renewing = first.clone();
    let renewing = tokio::spawn(async move { renewing.hold().await });
    sim.intercept(writes(Fate::ApplyThenDrop));
    sleep(DURATION / 3).await;
    sim.stop_intercepting();
    sleep(DURATION * 4).await;
    assert!(!renewing.is_finished());
    first.confirm().await.unwrap();
    assert_eq!(lease(&sim)["spec"]["leaseTransitions"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_label_that_somebody_puts_on_the_lease_loses_nothing() {
    let (sim, first) = led().await;
    let mut labelled = lease(&sim);
    labelled["metadata"]["labels"] = json!({"team": "platform"});
    sim.put(labelled);
    first.confirm().await.unwrap();
    assert!(timeout(DURATION * 4, first.hold()).await.is_err());
    assert_eq!(lease(&sim)["metadata"]["labels"]["team"], "platform");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_renewed_is_given_up_for_lost_before_another_may_take_it() {
    for fate in [Fate::Drop, Fate::Delay(Duration::from_secs(3600))] {
        let sim = cluster();
        let (first, second) = (replica(&sim, "first"), replica(&sim, "second"));
        first.acquire().await;
        let acquired = Instant::now();
        // Only the first is cut off: it alone renews what it has.
        sim.intercept(move |request: &RequestInfo| {
            let in_its_name = request.body().is_some_and(|body| body["spec"]["holderIdentity"] == "first");
            if in_its_name { fate.clone() } else { Fate::Pass }
        });
        let (lost_after, taken_after) = tokio::join!(
            async {
                assert!(matches!(first.hold().await, Lost::Unrenewed { .. }));
                acquired.elapsed()
            },
            async {
                second.acquire().await;
                acquired.elapsed()
            }
        );
        assert_eq!(lost_after, TRUST);
        assert!(taken_after >= lost_after * 3 / 2, "a clock that loses a third: {taken_after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_started_again_goes_on_at_once_and_its_former_self_is_shut_out() {
    let sim = cluster();
    let (before, after) = (replica(&sim, "pod-0"), replica(&sim, "pod-0"));
    before.acquire().await;
    let started = Instant::now();
    after.acquire().await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    after.confirm().await.unwrap();
    assert!(matches!(before.confirm().await, Err(NotLeader::Taken { .. })));
    assert!(matches!(timeout(DURATION, before.hold()).await.unwrap(), Lost::Taken { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_replica_goes_on_competing_whatever_the_cluster_answers() {
    let sim = cluster();
    let fates = [Fate::Drop, Fate::Delay(Duration::from_secs(3600)), Fate::ApplyThenDrop];
    for fate in fates {
        let waiting = replica(&sim, "waiting");
        sim.intercept(move |_: &RequestInfo| fate.clone());
        assert!(timeout(Duration::from_secs(60), waiting.acquire()).await.is_err());
        sim.stop_intercepting();
        timeout(DURATION, waiting.acquire()).await.unwrap();
        waiting.release().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_does_not_exist_is_no_lost_race() {
    let sim = KubeSim::builder().build().unwrap();
    let replica = replica(&sim, "first");
    let mut silence = Silence::default();
    assert!(matches!(replica.attempt(&mut silence).await, Err(CallError::Send(_))));
}

#[tokio::test(start_paused = true)]
async fn the_probes_hear_of_each_turn() {
    let sim = cluster();
    let clock = ticking_from("2026-01-01T00:00:00Z");
    let health = Health::new(clock.clone(), DURATION);
    let first = Election::new(sim.client(), &settings("first"), clock).watched_by(health.clone());
    usurp(&sim, "other");
    assert!(timeout(DURATION - LOOK, first.acquire()).await.is_err());
    assert!(
        timeout(DURATION * 20, async {
            first.acquire().await;
            first.hold().await
        })
        .await
        .is_err()
    );
    health.live().unwrap();
    sleep(DURATION * 5).await;
    assert!(health.live().is_err());
}
