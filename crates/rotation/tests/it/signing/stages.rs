//! What the status says while a signing certificate waits: by real courses of events.

use rotation::*;
use rstest::rstest;

use super::approval::{announced, needing_approval};
use super::*;

fn condition(world: &World, wait: Option<&Wait>, r#type: &str) -> Condition {
    world.report(wait).conditions.into_iter().find(|condition| condition.r#type == r#type).unwrap()
}

fn told(world: &World, r#type: &str) -> Option<String> {
    Some(condition(world, None, r#type)).filter(|condition| condition.status).map(|condition| condition.reason)
}

fn action(world: &World) -> (Time, String) {
    world.report(None).next_action.unwrap()
}

/// Runs to half an hour after that time.
fn run_to(world: &mut World, at: Time) {
    world.run_for(at + minutes(30) - world.now);
}

#[test]
fn the_stages_follow_each_other_up_to_the_activation() {
    let mut world = announced(needing_approval(30, OnDeadline::Activate));
    change(&mut world, |signing| signing.metadata = Metadata::Require);
    world.metadata = Some(std::collections::BTreeSet::new());
    world.policy.windows = Windows::new(vec![Window::parse("0 3 * * *", "Etc/UTC", hours(1), world.now).unwrap()]);
    world.run_for(minutes(1));
    let soaked = world.ledger.upcoming().and_then(|next| next.signing()?.announced_at).unwrap() + world.policy.durations.soak;
    let id = world.ledger.upcoming().unwrap().id.clone();

    assert_eq!(told(&world, "Rotating").as_deref(), Some("Soaking"));
    assert_eq!(action(&world), (soaked, format!("Activate credential {id}, if it is approved by then.")));
    run_to(&mut world, soaked);
    assert_eq!(told(&world, "Rotating").as_deref(), Some("AwaitingMetadata"));
    assert_eq!(action(&world).0, deadline(&world));
    world.metadata = None;
    world.run_for(hours(1));
    assert_eq!(told(&world, "Rotating").as_deref(), Some("AwaitingApproval"));
    assert!(condition(&world, None, "Rotating").message.contains(&format!("entra-rotator.io/approve: {id}")));
    assert_eq!(action(&world), (deadline(&world), format!("Activate credential {id}, or as soon as it is approved.")));
    world.policy.approved = Some(id.clone());
    world.now = world.policy.windows.next_opening(world.now).unwrap() + hours(2);
    world.run_for(minutes(5));
    assert_eq!(told(&world, "Rotating").as_deref(), Some("AwaitingWindow"));
    let opens = world.policy.windows.next_opening(world.now).unwrap();
    assert_eq!(action(&world), (opens, format!("Activate credential {id}, as a window opens.")));
    assert_eq!(told(&world, "RotationAtRisk"), None);
    world.run_for(opens + minutes(5) - world.now);
    assert_eq!(told(&world, "Rotating").as_deref(), Some("Overlapping"));
}

#[test]
fn an_activation_is_announced_with_the_approval_that_it_still_needs() {
    let announces = |mut world: World| {
        world.run_for(minutes(1));
        action(&world).1
    };
    assert!(!announces(announced(asked(30, |_| {}))).contains("approved"));
    assert!(announces(announced(needing_approval(30, OnDeadline::Activate))).contains("if it is approved"));
    let mut approved = announced(needing_approval(30, OnDeadline::Activate));
    approved.policy.approved = approved.ledger.upcoming().map(|next| next.id.clone());
    assert!(!announces(approved).contains("approved"));
}

#[rstest]
#[case::before_the_deadline(-1, "Its deadline is", true)]
#[case::at_the_deadline(0, "Its deadline was", false)]
#[case::after_the_deadline(1, "Its deadline was", false)]
fn a_withdrawal_is_announced_up_to_its_deadline(#[case] offset: i64, #[case] told: &str, #[case] announced_still: bool) {
    let mut world = announced(needing_approval(30, OnDeadline::Activate));
    change(&mut world, |signing| signing.on_deadline = OnDeadline::Withdraw);
    world.run_for(hours(2));
    world.now = deadline(&world) + minutes(offset);
    let risk = condition(&world, Some(&Wait::AwaitingApproval), "RotationAtRisk");
    assert!(risk.reason == "ApprovalOverdue" && risk.message.contains(told), "{risk:?}");
    assert_eq!(world.report(Some(&Wait::AwaitingApproval)).next_action.is_some(), announced_still);
}

#[test]
fn an_approval_is_overdue_when_half_of_its_time_is_gone() {
    let mut world = announced(needing_approval(30, OnDeadline::Activate));
    let (soaked, deadline) = (world.now + world.policy.durations.soak, deadline(&world));
    let half = soaked + (deadline - soaked) / 2;
    world.run_for(half - minutes(5) - world.now);
    assert_eq!(told(&world, "RotationAtRisk"), None);
    world.run_for(minutes(10));
    let risk = condition(&world, None, "RotationAtRisk");
    let until = deadline.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    assert!(risk.status && risk.reason == "ApprovalOverdue" && risk.message.contains(&until), "{risk:?}");
    assert!(condition(&world, None, "Ready").status && told(&world, "Stalled").is_none());
}

#[test]
fn required_metadata_are_overdue_when_half_of_their_time_is_gone() {
    let mut world = announced(asked(30, |signing| signing.metadata = Metadata::Require));
    world.metadata = Some(std::collections::BTreeSet::new());
    let (soaked, deadline) = (world.now + world.policy.durations.soak, deadline(&world));
    let half = soaked + (deadline - soaked) / 2;
    world.run_for(half - minutes(5) - world.now);
    assert_eq!(told(&world, "RotationAtRisk"), None);
    world.run_for(minutes(10));
    assert_eq!(told(&world, "RotationAtRisk").as_deref(), Some("MetadataOverdue"));
}

#[test]
fn a_withdrawal_is_announced_and_then_told_with_its_times() {
    let mut world = announced(needing_approval(30, OnDeadline::Activate));
    change(&mut world, |signing| signing.on_deadline = OnDeadline::Withdraw);
    let (soaked, deadline) = (world.now + world.policy.durations.soak, deadline(&world));
    run_to(&mut world, soaked);
    let id = world.ledger.upcoming().unwrap().id.clone();
    assert_eq!(action(&world), (deadline, format!("Withdraw credential {id}, unless it is approved before.")));
    run_to(&mut world, deadline + hours(3));
    let risk = condition(&world, None, "RotationAtRisk");
    let times =
        [deadline, world.ledger.current().unwrap().not_after.unwrap()].map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true));
    assert!(risk.reason == "ApprovalOverdue" && times.iter().all(|time| risk.message.contains(time)), "{risk:?}");
    assert!(condition(&world, None, "Ready").status && told(&world, "Rotating").is_none());
}

#[test]
fn a_first_certificate_that_is_held_says_so() {
    let mut world = World::new(needing_approval(30, OnDeadline::Withdraw));
    world.run_for(hours(1));
    let id = world.ledger.upcoming().unwrap().id.clone();
    let ready = condition(&world, None, "Ready");
    assert!(!ready.status && ready.message.contains(&format!("entra-rotator.io/approve: {id}")), "{ready:?}");
    assert_eq!((told(&world, "RotationAtRisk").as_deref(), world.report(None).next_action), (Some("ApprovalOverdue"), None));
}

#[test]
fn what_is_held_past_the_end_is_told_as_overdue() {
    let mut world = announced(needing_approval(30, OnDeadline::Activate));
    change(&mut world, |signing| signing.on_deadline = OnDeadline::Withdraw);
    let end = world.ledger.current().unwrap().not_after.unwrap();
    world.down = Some((world.now, end + hours(1)));
    world.run_for(end + hours(2) - world.now);
    assert_eq!(told(&world, "Rotating").as_deref(), Some("AwaitingApproval"));
    assert_eq!(told(&world, "RotationAtRisk").as_deref(), Some("ApprovalOverdue"));
    assert_eq!(condition(&world, None, "Ready").reason, "Expired");
}

#[test]
fn a_pin_is_in_progress_until_it_is_published() {
    let mut world = announced(asked(30, |_| {}));
    let upcoming = of(&world, Use::Next);
    pin(&mut world, upcoming);
    world.run_until(|world, _| {
        let done = of(world, Use::Current) == upcoming && world.ledger.current().unwrap().published_at.is_some();
        assert_eq!(told(world, "Reconciling").as_deref() == Some("SpecChanged"), !done);
        done
    });
}

#[rstest]
#[case(false)]
#[case(true)]
fn a_contested_pin_is_a_failure_and_a_contested_signer_without_one_a_risk(#[case] pinned: bool) {
    let mut world = World::new(asked(30, |_| {}));
    world.run_for(hours(1));
    if pinned {
        let current = of(&world, Use::Current);
        pin(&mut world, current);
    }
    let wait = Wait::Refused(Refusal::new(Reason::SignerContested, "Somebody changes it."));
    let is = |r#type| condition(&world, Some(&wait), r#type).status;
    assert_eq!((is("Stalled"), is("RotationAtRisk"), is("Ready")), (pinned, !pinned, true));
}

#[test]
fn client_credentials_prove_themselves_and_wait_for_windows_too() {
    let mut world = World::new(crate::world::certificate(30));
    world.run_for(hours(1));
    world.policy.windows = Windows::new(vec![Window::parse("0 3 * * 1", "Etc/UTC", hours(1), world.now).unwrap()]);
    world.run_until(|world, step| {
        world.ledger.upcoming().is_some_and(|next| next.slot().is_some()) && matches!(step, Step::Rest(Rest { why: Wait::Proving, .. }))
    });
    assert_eq!(told(&world, "Rotating").as_deref(), Some("Proving"));
    world.run_until(|_, step| matches!(step, Step::Rest(Rest { why: Wait::AwaitingWindow, .. })));
    assert_eq!(told(&world, "Rotating").as_deref(), Some("AwaitingWindow"));
    assert!(action(&world).1.starts_with("Publish credential"));
}
