//! Holders that time passed by: stopped processes, suspended machines, clocks that run at rates of their own.

use tokio::task::JoinHandle;

use super::*;

/// A wall clock that follows tokio's, and can be set forward: time that the monotonic clock missed.
#[derive(Clone)]
struct Wall {
    start: DateTime<Utc>,
    begun: Instant,
    missed: Arc<Mutex<Duration>>,
}

impl Wall {
    fn new() -> Self {
        Self { start: "2026-01-01T00:00:00Z".parse().unwrap(), begun: Instant::now(), missed: Arc::default() }
    }

    fn sleeps(&self, time: Duration) {
        *self.missed.lock().unwrap() += time;
    }
}

impl Clock for Wall {
    fn now(&self) -> DateTime<Utc> {
        self.start + self.begun.elapsed() + *self.missed.lock().unwrap()
    }
}

fn on(sim: &KubeSim, wall: &Wall) -> Election {
    Election::new(sim.client(), &settings("first"), Arc::new(wall.clone()))
}

#[tokio::test(start_paused = true)]
async fn a_suspended_machine_relies_on_nothing_although_its_monotonic_clock_stood_still() {
    let sim = cluster();
    let wall = Wall::new();
    let first = on(&sim, &wall);
    first.acquire().await;
    wall.sleeps(TRUST - Duration::from_millis(1));
    first.holds().unwrap();
    wall.sleeps(Duration::from_millis(1));
    assert!(matches!(first.holds(), Err(NotLeader::Stale { age, .. }) if age == TRUST));
    assert!(matches!(first.confirm().await, Err(NotLeader::Stale { .. })));
}

/// A replica that has the Lease, and renews it from a moment ago on.
async fn holder(sim: &KubeSim, wall: &Wall) -> (Election, JoinHandle<Lost>) {
    let first = on(sim, wall);
    first.acquire().await;
    let holding = first.clone();
    let holding = tokio::spawn(async move { holding.hold().await });
    sleep(Duration::from_millis(1)).await;
    (first, holding)
}

#[tokio::test(start_paused = true)]
async fn a_suspended_machine_ends_at_once_when_it_finds_that_another_went_on() {
    let sim = cluster();
    let wall = Wall::new();
    let (first, holding) = holder(&sim, &wall).await;
    wall.sleeps(Duration::from_secs(3600));
    usurp(&sim, "second");
    assert!(first.holds().is_err());
    let woken = Instant::now();
    assert!(matches!(holding.await.unwrap(), Lost::Taken { holder, .. } if holder == "second"));
    assert_eq!(woken.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_was_set_costs_one_renewal_and_not_the_lease() {
    let sim = cluster();
    let wall = Wall::new();
    let (first, holding) = holder(&sim, &wall).await;
    wall.sleeps(Duration::from_secs(60));
    assert!(first.holds().is_err());
    sleep(Duration::from_millis(1)).await;
    first.confirm().await.unwrap();
    assert!(!holding.is_finished());
    assert_eq!(lease(&sim)["spec"]["leaseTransitions"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_for_longer_than_it_trusts_ends_without_renewing() {
    let (sim, first) = led().await;
    let before = lease(&sim);
    // As by SIGSTOP: the monotonic clock runs on, and nothing is polled.
    tokio::time::advance(TRUST).await;
    assert!(matches!(first.hold().await, Lost::Unrenewed { .. }));
    assert_eq!(lease(&sim), before);
}

#[tokio::test(start_paused = true)]
async fn a_holder_whose_clock_stands_still_writes_nothing_to_entra_once_another_has_the_lease() {
    let sim = cluster();
    // Neither of its clocks shows that any time has passed.
    let first = on(&sim, &Wall::new());
    first.acquire().await;
    let mut taken = lease(&sim);
    taken["spec"]["holderIdentity"] = json!("second");
    taken["spec"]["leaseTransitions"] = json!(1);
    sim.put(taken);
    first.holds().unwrap();
    assert!(matches!(first.confirm().await, Err(NotLeader::Taken { holder, .. }) if holder == "second"));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_made_anew_in_our_name_is_another_term() {
    let sim = cluster();
    let (before, after) = (replica(&sim, "pod-0"), replica(&sim, "pod-0"));
    before.acquire().await;
    sim.delete("leases.coordination.k8s.io", "ours", "turns");
    // At the very same instant: nothing but the uid differs.
    after.acquire().await;
    assert!(matches!(before.confirm().await, Err(NotLeader::Taken { .. })));
    after.confirm().await.unwrap();
}
