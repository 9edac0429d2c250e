//! What the last look at the Lease tells.

use super::*;

#[tokio::test(start_paused = true)]
async fn confirm_fails_once_somebody_took_the_lease() {
    let (sim, first) = led().await;
    usurp(&sim, "second");
    let error = first.confirm().await.unwrap_err();
    assert_eq!(error.to_string(), "the Lease ours/turns was taken by \"second\": that replica goes on with the work");
    let lost = timeout(RENEWAL * 2, first.hold()).await.unwrap();
    assert!(matches!(lost, Lost::Taken { holder, .. } if holder == "second"));
    assert!(matches!(first.confirm().await, Err(NotLeader::Unheld { .. })));
}

#[tokio::test(start_paused = true)]
async fn confirm_fails_when_the_lease_could_not_be_renewed_although_it_bears_our_name() {
    let (_sim, first) = led().await;
    sleep(TRUST - Duration::from_millis(1)).await;
    first.confirm().await.unwrap();
    sleep(Duration::from_millis(1)).await;
    assert!(matches!(first.confirm().await, Err(NotLeader::Stale { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_counts_from_when_it_was_sent_since_others_may_have_seen_it_ever_since() {
    let (sim, first) = led().await;
    sim.intercept(writes(Fate::ApplyThenDelay(Duration::from_secs(2))));
    assert!(timeout(RENEWAL + Duration::from_secs(3), first.hold()).await.is_err());
    sim.stop_intercepting();
    sleep(TRUST - Duration::from_secs(3) - Duration::from_millis(1)).await;
    first.confirm().await.unwrap();
    sleep(Duration::from_millis(1)).await;
    assert!(matches!(first.confirm().await, Err(NotLeader::Stale { .. })));
}

#[tokio::test(start_paused = true)]
async fn confirm_fails_when_the_lease_cannot_be_read() {
    let (sim, first) = led().await;
    sim.intercept(|_: &RequestInfo| Fate::Delay(Duration::from_secs(3600)));
    let asked = Instant::now();
    let error = first.confirm().await.unwrap_err();
    assert_eq!(error.to_string(), "cannot read the Lease ours/turns: no answer from the Kubernetes API server within 3s");
    assert_eq!(asked.elapsed(), RENEWAL);
}

#[tokio::test(start_paused = true)]
async fn confirm_fails_when_the_lease_was_deleted() {
    let (sim, first) = led().await;
    sim.delete("leases.coordination.k8s.io", "ours", "turns");
    assert!(matches!(first.confirm().await, Err(NotLeader::Taken { holder, .. }) if holder.is_empty()));
    assert!(matches!(first.hold().await, Lost::Deleted { .. }));
}
